package intake

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// maxListed is how many faults a reject file lists one by one; the summary counts all.
const maxListed = 100_000

// rejects writes the reject file: CSV with the columns line, column, code, severity, reason. It holds no
// value and no external identifier, so that it can be mailed to whoever made the file: the line
// number finds the row. It appears at its place in one act, when it is complete.
type rejects struct {
	temp   *os.File
	buffer *bufio.Writer
	csv    *csv.Writer
	path   string
	listed int64
	cut    int64
}

func newRejects(path string) (*rejects, error) {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("create the reject file: %w", err)
	}
	r := &rejects{temp: temp, buffer: bufio.NewWriterSize(temp, chunk), path: path}
	r.csv = csv.NewWriter(r.buffer)
	return r, r.csv.Write([]string{"line", "column", "code", "severity", "reason"})
}

func (r *rejects) add(f Fault) error {
	if r.listed >= maxListed {
		r.cut++
		return nil
	}
	r.listed++
	severity := "rejected"
	if f.Code.Warning() {
		severity = "remark"
	}
	return r.csv.Write([]string{strconv.FormatInt(f.Line, 10), inert(f.Column), string(f.Code), severity, f.Sentence()})
}

// inert keeps a spreadsheet from taking the name of a column for a formula.
func inert(s string) string {
	if s != "" && (s[0] == '=' || s[0] == '+' || s[0] == '-' || s[0] == '@') {
		return "'" + s
	}
	return s
}

// commit puts the file in its place.
func (r *rejects) commit() error {
	if r.cut > 0 {
		more := fmt.Sprintf("%d more are not listed", r.cut)
		if err := r.csv.Write([]string{"", "", "list.cut", "", more}); err != nil {
			return fmt.Errorf("write the reject file: %w", err)
		}
	}
	r.csv.Flush()
	err := r.csv.Error()
	if err == nil {
		err = r.buffer.Flush()
	}
	if err == nil {
		err = settle(r.temp, r.path)
	}
	if err != nil {
		return fmt.Errorf("write the reject file: %w", err)
	}
	r.temp = nil
	return nil
}

// discard removes what was not committed.
func (r *rejects) discard() {
	if r.temp != nil {
		r.temp.Close()
		os.Remove(r.temp.Name())
	}
}

// settle makes a temporary file durable and gives it its name.
func settle(temp *os.File, path string) error {
	if err := temp.Sync(); err != nil {
		return err
	}
	if err := temp.Close(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// writeSummary writes the summary as JSON, in one act.
func writeSummary(path string, s Summary) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err == nil {
		_, err = temp.Write(append(data, '\n'))
		if err == nil {
			err = settle(temp, path)
		}
		if err != nil {
			temp.Close()
			os.Remove(temp.Name())
		}
	}
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return nil
}
