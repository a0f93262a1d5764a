package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// separators are tried in this order; the one under which most names of the first line are known wins,
// then the one that makes most cells.
var separators = []byte{';', ',', '\t'}

// table is a file's rows with the meaning of its columns, ready to be read.
type table struct {
	file    *File
	stream  *stream
	records *recordReader
	layout  *layout
	first   record // JSON lines: the first row was needed to know the names
	pending bool
}

// openTable opens a file that was looked at and resolves its columns. Errors: *FileError, the context's,
// the operating system's.
func (n *names) openTable(f *File, s *stream) (*table, error) {
	t := &table{file: f, stream: s, records: newRecordReader(s)}
	head, err := t.records.next() // as a line
	if err == io.EOF {
		return nil, &FileError{File: f.Name, Text: "holds no line"}
	}
	if err != nil {
		return nil, err
	}
	if head.fault != "" || f.Encoding.judge(head.raw, f.forced) != "" {
		return nil, &FileError{File: f.Name, Line: head.line, Text: "the first line can't be read", Hint: "is it text, and shorter than 64 KiB?"}
	}
	switch first := bytes.TrimSpace(head.raw); {
	case len(first) > 0 && first[0] == '{':
		return t, n.openJSON(t, head)
	case len(first) > 0 && first[0] == '[':
		return nil, &FileError{File: f.Name, Line: head.line, Text: "is a JSON array", Hint: "write one object per line (JSON lines)"}
	case bytes.IndexByte(head.raw, '\r') >= 0:
		return nil, &FileError{File: f.Name, Line: head.line, Text: "lines end in CR alone", Hint: "save it with LF or CR LF"}
	}
	return t, n.openCSV(t, head)
}

// openCSV finds the separator and reads the names of the columns. A first line "sep=;" is the habit of
// spreadsheets and is believed.
func (n *names) openCSV(t *table, head record) error {
	line, among := head.raw, separators
	at := head.line
	if len(line) == 5 && bytes.HasPrefix(bytes.ToLower(line), []byte("sep=")) && bytes.IndexByte(separators, line[4]) >= 0 {
		among = []byte{line[4]}
		next, err := t.records.next()
		if err != nil {
			return &FileError{File: t.file.Name, Text: "holds no line of names"}
		}
		line, at = next.raw, next.line
	}
	var header []string
	best := -1
	for _, sep := range among {
		cells, ok := splitHeader(line, sep, t.file.Encoding)
		if score := n.recognised(cells)<<16 + len(cells); ok && score > best {
			best, header, t.records.separator = score, cells, sep
		}
	}
	if best < 0 {
		return &FileError{File: t.file.Name, Line: at, Text: "quotation marks of the first line don't match"}
	}
	for len(header) > 1 && strings.TrimSpace(header[len(header)-1]) == "" {
		header = header[:len(header)-1] // separators at the end of every line
	}
	var err error
	if t.layout, err = n.layoutOf(t.file.Name, at, header); err != nil {
		return err
	}
	t.layout.separator = t.records.separator
	return nil
}

func splitHeader(line []byte, separator byte, e Encoding) ([]string, bool) {
	r := &recordReader{separator: separator}
	rec, n := r.scan(line, true)
	if rec.fault != "" || n < len(line) {
		return nil, false
	}
	cells := make([]string, 0, len(rec.cells))
	for _, c := range rec.cells {
		cells = append(cells, strings.TrimSpace(e.text(c.bytes(rec.raw))))
	}
	return cells, true
}

// openJSON takes the names from the first object. Names that turn up later only are resolved then.
func (n *names) openJSON(t *table, head record) error {
	raw := bytes.Clone(head.raw)
	var header []string
	err := eachPair(t.file.Encoding.text(raw), func(name, _ string, _ bool) bool {
		header = append(header, name)
		return true
	})
	if err != nil {
		return &FileError{File: t.file.Name, Line: head.line, Text: "the first line is not one JSON object"}
	}
	t.first, t.pending = record{line: head.line, raw: raw}, true
	t.layout, err = n.layoutOf(t.file.Name, head.line, n.withAbsent(header))
	return err
}

// withAbsent completes the names of a first JSON object: an object may leave out what is empty.
func (n *names) withAbsent(header []string) []string {
	there := map[string]bool{}
	for _, name := range header {
		c, _ := n.find(name)
		for _, to := range c.targets(n.schema) {
			there[fold(to)] = true
		}
	}
	if n.recognised(header) == 0 {
		return header
	}
	for from := range n.mapped {
		if to := n.mapped[from]; !there[fold(to)] || to == "" {
			if _, unused := n.unused[from]; unused {
				header = append(header, n.unused[from])
				there[fold(to)] = true
			}
		}
	}
	for folded, name := range n.known {
		if !there[folded] {
			header = append(header, name)
		}
	}
	return header
}

// next gives the next record; io.EOF at the end.
func (t *table) next() (record, error) {
	if t.pending {
		t.pending = false
		return t.first, nil
	}
	return t.records.next()
}

var errObject = errors.New("not one JSON object")

// eachPair walks through the pairs of one JSON object without losing what the usual decoder hides:
// names that are there twice. Numbers, true and false are given as written, null as "". flat is
// false for arrays and objects. It stops early when visit returns false.
func eachPair(object string, visit func(name, value string, flat bool) bool) error {
	d := json.NewDecoder(strings.NewReader(object))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errObject
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return errObject
		}
		value, flat, err := scalar(d)
		if err != nil {
			return errObject
		}
		if !visit(name.(string), value, flat) {
			return nil
		}
	}
	if _, err := d.Token(); err != nil {
		return errObject
	}
	if _, err := d.Token(); err != io.EOF {
		return errObject
	}
	return nil
}

func scalar(d *json.Decoder) (value string, flat bool, err error) {
	t, err := d.Token()
	if err != nil {
		return "", false, err
	}
	switch v := t.(type) {
	case string:
		return v, true, nil
	case json.Number:
		return v.String(), true, nil
	case bool:
		if v {
			return "true", true, nil
		}
		return "false", true, nil
	case nil:
		return "", true, nil
	}
	for depth := 1; depth > 0; { // an array or object: to its end
		t, err := d.Token()
		if err != nil {
			return "", false, err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return "", false, nil
}
