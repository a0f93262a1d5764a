package intake

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// cut reads all records of a text; a fault is shown as its code.
func cut(t *testing.T, in io.Reader, separator byte) (rows []string) {
	t.Helper()
	r := newRecordReader(in)
	r.separator = separator
	for {
		rec, err := r.next()
		if err == io.EOF {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		text := string(rec.fault)
		if rec.fault == "" && separator == 0 {
			text = string(rec.raw)
		} else if rec.fault == "" {
			var cells []string
			for _, c := range rec.cells {
				cells = append(cells, string(c.bytes(rec.raw)))
			}
			text = strings.Join(cells, "|")
		}
		rows = append(rows, fmt.Sprintf("%d:%s", rec.line, text))
	}
}

func TestRowsAreCutWithTheLineTheyBeginOn(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"LF", "a;b\nc;d\n", []string{"1:a|b", "2:c|d"}},
		{"CR LF and no end", "a;b\r\nc;d", []string{"1:a|b", "2:c|d"}},
		{"blank lines", "a\n\n\r\nb\n", []string{"1:a", "4:b"}},
		{"empty cells", ";;\n\"\";x;", []string{"1:||", "2:|x|"}},
		{"quotes", "\"a;b\";\"c\"\"d\"\r\ne;f", []string{`1:a;b|c"d`, "2:e|f"}},
		{"line break in quotes", "\"a\r\nb\";c\nd;e", []string{"1:a\r\nb|c", "3:d|e"}},
		{"bare quote", "rue \"des\" Lilas;b\n", []string{`1:rue "des" Lilas|b`}},
		{"text after a quote costs its line", "\"a\"b;c\nd;e\n", []string{"1:row.quote_text", "2:d|e"}},
		{"quote never closed costs its line", "\"a;b\nc;d\ne;f\n", []string{"1:row.quote_open", "2:c|d", "3:e|f"}},
		{"stray quote meets the next one", "\"a;b\n\"c\";d\ne;f\n", []string{"1:row.quote_text", "2:c|d", "3:e|f"}},
		{"CR inside", "a\rb;c\n", []string{"1:a\rb|c"}},
		{"NUL inside", "a\x00b;c\n", []string{"1:a\x00b|c"}},
		{"nothing", "", nil},
	} {
		for how, in := range map[string]io.Reader{"at once": strings.NewReader(c.text), "byte by byte": iotest.OneByteReader(strings.NewReader(c.text))} {
			if diff := cmp.Diff(c.want, cut(t, in, ';')); diff != "" {
				t.Errorf("%s, %s: %s", c.name, how, diff)
			}
		}
	}
}

func TestAnOverlongRowIsRejectedAndReadingGoesOn(t *testing.T) {
	long := strings.Repeat("x", maxRow)
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"one long line":            {"a;b\n" + long + long + long + "\nc;d\n", []string{"1:a|b", "2:row.too_long", "3:c|d"}},
		"long to the end":          {"a;b\n" + long + long, []string{"1:a|b", "2:row.too_long"}},
		"quote open for ever":      {"a;b\n\"c;d\n" + strings.Repeat("e;f\n", maxRow), append([]string{"1:a|b", "2:row.quote_open"}, numbered(3, maxRow, "e|f")...)},
		"as long as it may be":     {long[:maxRow-1] + "\na;b", []string{"1:" + long[:maxRow-1], "2:a|b"}},
		"one byte more":            {long + "\na;b", []string{"1:row.too_long", "2:a|b"}},
		"long quoted, then closed": {"\"" + long + "\";x\na;b", []string{"1:row.too_long", "2:a|b"}},
	} {
		if diff := cmp.Diff(c.want, cut(t, strings.NewReader(c.text), ';')); diff != "" {
			t.Errorf("%s: %.300s", name, diff)
		}
	}
	got := cut(t, strings.NewReader("{}\n"+long+long+"\n{}"), 0)
	if diff := cmp.Diff([]string{"1:{}", "2:row.too_long", "3:{}"}, got); diff != "" {
		t.Error(diff)
	}
}

func numbered(from, n int, text string) (rows []string) {
	for i := range n {
		rows = append(rows, fmt.Sprintf("%d:%s", from+i, text))
	}
	return rows
}

// FuzzRecords compares with the standard library wherever that reads the text without an error, and
// holds every text to this: the pieces in which it arrives change nothing.
func FuzzRecords(f *testing.F) {
	for _, s := range []string{"a;b\n\"c\"\"d\";e\r\n", "\"\n", "\"\r", "\r\r\n", "a;\"b\n;\"\n", ";\r", "\"a\"\r"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxRow {
			return
		}
		got := cut(t, bytes.NewReader(text), ';')
		if diff := cmp.Diff(got, cut(t, iotest.OneByteReader(bytes.NewReader(text)), ';')); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
		if bytes.Contains(text, []byte("\r")) {
			return // the library drops CR inside quotation marks
		}
		r := csv.NewReader(bytes.NewReader(text))
		r.Comma, r.FieldsPerRecord = ';', -1
		rows, err := r.ReadAll()
		if err != nil {
			return
		}
		for i, row := range rows {
			line, cells, _ := strings.Cut(got[i], ":")
			if want := strings.Join(row, "|"); cells != want {
				t.Fatalf("%q, line %s: %q, the library reads %q", text, line, cells, want)
			}
		}
	})
}
