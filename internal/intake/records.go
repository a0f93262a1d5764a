package intake

import (
	"bytes"
	"io"
)

// maxRow is the most bytes that one row may have, its line ends included. It bounds memory and the
// damage of a quotation mark that is never closed.
const maxRow = 64 << 10

// record is one row of the file, cut but not decoded. Its bytes are the reader's own: they are valid
// until the next call.
type record struct {
	line  int64 // physical line that it begins on, from 1
	raw   []byte
	cells []cell // CSV and TSV only
	fault Code   // the row can't be used; reading goes on after it
}

// cell is a part of a record's bytes, without the quotation marks around it.
type cell struct {
	from, to int
	escaped  bool // holds doubled quotation marks
}

// bytes gives the cell's content.
func (c cell) bytes(raw []byte) []byte {
	b := raw[c.from:c.to]
	if c.escaped {
		b = bytes.ReplaceAll(b, []byte(`""`), []byte(`"`))
	}
	return b
}

// recordReader cuts a stream into records with at most 2 x maxRow bytes of memory. With separator 0
// every physical line is a record (JSON lines).
//
// The form is RFC 4180's with three liberties that can't be misread: lines may end in LF alone,
// a quotation mark inside a cell that does not begin with one is a character like others, and cells
// may follow any of the separators. A row with a fault costs its first line: reading goes on at the
// next one, so that a quotation mark that is never closed does not swallow the file.
type recordReader struct {
	in        io.Reader
	separator byte
	buf       []byte
	from, to  int // the unread part of buf
	line      int64
	end       bool
	cells     []cell
}

func newRecordReader(in io.Reader) *recordReader {
	return &recordReader{in: in, buf: make([]byte, 2*maxRow), line: 1}
}

// next gives the next record that is not blank; io.EOF after the last one.
func (r *recordReader) next() (record, error) {
	for {
		rec, err := r.cut()
		if err != nil || rec.fault != "" || len(rec.raw) > 0 {
			return rec, err
		}
	}
}

// cut takes one record off the stream, blank ones too.
func (r *recordReader) cut() (record, error) {
	for {
		window := r.buf[r.from:min(r.to, r.from+maxRow)]
		last := r.end && r.from+len(window) == r.to
		if last && len(window) == 0 {
			return record{}, io.EOF
		}
		if rec, n := r.scan(window, last); n > 0 {
			rec.line = r.line
			r.take(n)
			return rec, nil
		}
		if len(window) == maxRow {
			return r.skip(window)
		}
		if err := r.fill(); err != nil {
			return record{}, err
		}
	}
}

// fill reads more of the stream behind the unread part.
func (r *recordReader) fill() error {
	if r.from > 0 {
		r.to = copy(r.buf, r.buf[r.from:r.to])
		r.from = 0
	}
	n, err := io.ReadAtLeast(r.in, r.buf[r.to:], 1)
	r.to += n
	if err == io.EOF {
		r.end, err = true, nil
	}
	return err
}

// take moves on by n bytes and counts the lines in them.
func (r *recordReader) take(n int) {
	r.line += int64(bytes.Count(r.buf[r.from:r.from+n], []byte{'\n'}))
	r.from += n
}

// skip drops the first line of a window that holds no whole record: the line on which a quotation mark
// is opened, or a line that is too long in itself.
func (r *recordReader) skip(window []byte) (record, error) {
	if i := bytes.IndexByte(window, '\n'); i >= 0 {
		rec := record{line: r.line, fault: RowQuoteOpen}
		r.take(i + 1)
		return rec, nil
	}
	rec := record{line: r.line, fault: RowTooLong}
	for {
		if i := bytes.IndexByte(r.buf[r.from:r.to], '\n'); i >= 0 {
			r.take(i + 1)
			return rec, nil
		}
		r.from = r.to
		if r.end {
			return rec, nil
		}
		if err := r.fill(); err != nil {
			return record{}, err
		}
	}
}

// scan finds the record that b begins with and the number of bytes that it takes, its line end
// included; 0 if b does not hold all of it. last says that nothing follows b.
func (r *recordReader) scan(b []byte, last bool) (record, int) {
	if r.separator == 0 {
		i := bytes.IndexByte(b, '\n')
		switch {
		case i >= 0:
			return record{raw: bytes.TrimSuffix(b[:i], []byte{'\r'})}, i + 1
		case last:
			return record{raw: b}, len(b)
		}
		return record{}, 0
	}
	r.cells = r.cells[:0]
	for i := 0; ; {
		c, after, fault := scanCell(b[i:], r.separator, last)
		if fault != "" {
			return record{fault: fault}, firstLine(b, last)
		}
		if after < 0 {
			return record{}, 0
		}
		r.cells = append(r.cells, cell{from: c.from + i, to: c.to + i, escaped: c.escaped})
		if i += after; i < len(b) && b[i] == r.separator {
			i++
			continue
		}
		ends := lineEnd(b[i:])
		return record{raw: b[:i], cells: r.cells}, i + ends
	}
}

// scanCell finds the cell that b begins with and where what follows it begins (a separator, a line end
// or the end); after is -1 if b does not hold all of it.
func scanCell(b []byte, separator byte, last bool) (c cell, after int, fault Code) {
	if len(b) > 0 && b[0] == '"' {
		return scanQuoted(b, separator, last)
	}
	i := 0
	for i < len(b) && b[i] != separator && b[i] != '\n' {
		i++
	}
	if i == len(b) && !last {
		return c, -1, ""
	}
	if i > 0 && b[i-1] == '\r' && (i == len(b) || b[i] == '\n') {
		i--
	}
	return cell{to: i}, i, ""
}

func scanQuoted(b []byte, separator byte, last bool) (c cell, after int, fault Code) {
	c.from = 1
	for i := 1; ; i += 2 {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			if last {
				return c, 0, RowQuoteOpen
			}
			return c, -1, ""
		}
		if i += n; i+1 < len(b) && b[i+1] == '"' {
			c.escaped = true
			continue
		}
		c.to = i
		rest := b[i+1:]
		switch {
		case len(rest) == 0 && last, lineEnd(rest) > 0 && (rest[0] == '\n' || len(rest) > 1 || last):
			return c, i + 1, ""
		case len(rest) == 0, len(rest) == 1 && rest[0] == '\r':
			return c, -1, ""
		case rest[0] == separator:
			return c, i + 1, ""
		}
		return c, 0, RowQuoteText
	}
}

// lineEnd is the length of the line end that b begins with: LF, CR LF, or a CR at the very end.
func lineEnd(b []byte) int {
	switch {
	case len(b) == 0:
		return 0
	case b[0] == '\n' || b[0] == '\r' && len(b) == 1:
		return 1
	case b[0] == '\r' && b[1] == '\n':
		return 2
	}
	return 0
}

// firstLine is the length of b's first line, its line end included; 0 if b does not hold all of it.
func firstLine(b []byte, last bool) int {
	i := bytes.IndexByte(b, '\n')
	if i < 0 && last {
		return len(b)
	}
	return i + 1
}
