package intake

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"ecluse/internal/register"
)

// Sizes of a batch: what one worker checks at a time and the writer gets at a time.
const (
	batchRows  = 2000
	batchBytes = 1 << 20
)

// batch is a run of rows on their way from the reader through a worker to the writer. Batches are used
// again, so that memory does not grow with the file.
type batch struct {
	data  []byte // of all rows
	cells []cell // of all rows, relative to their row
	raw   []rawRow
	read  int64 // bytes of the file read when the batch was closed
	done  chan struct{}

	rows   []register.Row // the rows that passed; Values are slices of values
	lines  []int64        // their lines
	values []string
	faults []Fault // by line
	failed int     // rows with a fault that is not a warning
}

type rawRow struct {
	line                 int64
	from, to             int // in data
	firstCell, lastCells int // in cells
	fault                Code
}

func newBatch() *batch { return &batch{data: make([]byte, 0, batchBytes+maxRow)} }

// add copies a record in. full says that no more should be added.
func (b *batch) add(r record) (full bool) {
	row := rawRow{line: r.line, from: len(b.data), firstCell: len(b.cells), fault: r.fault}
	b.data = append(b.data, r.raw...)
	b.cells = append(b.cells, r.cells...)
	row.to, row.lastCells = len(b.data), len(b.cells)
	b.raw = append(b.raw, row)
	return len(b.raw) >= batchRows || len(b.data) >= batchBytes
}

func (b *batch) reset() {
	b.data, b.cells, b.raw = b.data[:0], b.cells[:0], b.raw[:0]
	clear(b.values)
	b.rows, b.lines, b.values, b.faults, b.failed = b.rows[:0], b.lines[:0], b.values[:0], b.faults[:0], 0
	b.done = make(chan struct{})
}

// checker checks rows of one file. It keeps scratch space: one goroutine each.
type checker struct {
	layout   *layout
	encoding Encoding
	forced   bool
	latest   string
	cells    []string // by column
	there    []bool   // by column; JSON lines only
}

// check fills the batch's rows and faults.
func (c *checker) check(b *batch) {
	for i := range b.raw {
		before := len(b.faults)
		row, line := register.Row{Values: c.blankValues(b)}, b.raw[i].line
		if !c.row(b, b.raw[i], &row) {
			b.values = b.values[:len(b.values)-len(row.Values)]
			continue // nothing but separators
		}
		if fatal(b.faults[before:]) {
			b.values = b.values[:len(b.values)-len(row.Values)]
			b.failed++
			continue
		}
		b.rows, b.lines = append(b.rows, row), append(b.lines, line)
	}
}

func fatal(faults []Fault) bool {
	for _, f := range faults {
		if !f.Code.Warning() {
			return true
		}
	}
	return false
}

// blankValues cuts a row's values off the batch's own array.
func (c *checker) blankValues(b *batch) []string {
	n := len(c.layout.schema.Fields)
	if cap(b.values) < len(b.values)+n {
		b.values = make([]string, 0, max(batchRows*n, n)) // rows keep the former array
	}
	from := len(b.values)
	b.values = b.values[:from+n]
	v := b.values[from : from+n : from+n]
	clear(v)
	return v
}

// row decodes and checks one row. It is false for a row that holds nothing.
func (c *checker) row(b *batch, r rawRow, out *register.Row) bool {
	fault := func(col string, code Code) {
		b.faults = append(b.faults, Fault{Line: r.line, Column: col, Code: code})
	}
	raw := b.data[r.from:r.to]
	code := r.fault
	if code == "" {
		code = c.encoding.judge(raw, c.forced)
	}
	if code == "" {
		if c.layout.separator == 0 {
			code = c.splitJSON(raw)
		} else {
			code = c.splitCSV(raw, b.cells[r.firstCell:r.lastCells])
		}
	}
	if code != "" {
		fault("", code)
		return true
	}
	if c.empty() {
		return false
	}
	c.fill(out, fault)
	return true
}

func (c *checker) empty() bool {
	for _, v := range c.cells {
		if v != "" && (v[0] > ' ' || strings.TrimFunc(v, unicode.IsSpace) != "") {
			return false
		}
	}
	return true
}

// splitCSV decodes the cells of a row. Cells beyond the last column must be empty.
func (c *checker) splitCSV(raw []byte, cells []cell) Code {
	c.cells = c.cells[:0]
	width := len(c.layout.columns)
	for i, cl := range cells {
		if i >= width {
			if len(strings.TrimSpace(string(cl.bytes(raw)))) > 0 {
				return RowCells
			}
			continue
		}
		c.cells = append(c.cells, c.encoding.text(cl.bytes(raw)))
	}
	if len(cells) < width && !c.empty() {
		return RowCells
	}
	return ""
}

// notFlat stands in a cell for a JSON array or object: no file can hold it, for it is not UTF-8.
const notFlat = "\xff"

func (c *checker) splitJSON(raw []byte) (code Code) {
	width := len(c.layout.columns)
	c.cells, c.there = c.cells[:0], c.there[:0]
	for range width {
		c.cells, c.there = append(c.cells, ""), append(c.there, false)
	}
	err := eachPair(c.encoding.text(raw), func(name, value string, flat bool) bool {
		i, ok := c.layout.byName[name]
		if !ok {
			i, ok = c.layout.byName[fold(name)]
		}
		switch {
		case !ok:
			code = ColumnUnknown
		case c.there[i]:
			code = ColumnTwice
		default:
			c.there[i] = true
			if c.cells[i] = value; !flat {
				c.cells[i] = notFlat
			}
		}
		return code == ""
	})
	if err != nil {
		return RowJSON
	}
	return code
}

// fill checks every value of the row and puts it where it belongs.
func (c *checker) fill(out *register.Row, fault func(col string, code Code)) {
	for i := range c.layout.columns {
		col := &c.layout.columns[i]
		value := c.cells[i]
		if value == notFlat {
			fault(col.name, ValueShape)
			continue
		}
		var code Code
		if col.external {
			out.External, code = external(value)
		}
		if col.territory && code == "" {
			out.Territory, code = Territory(value)
		}
		if col.field >= 0 && code == "" {
			f := &c.layout.schema.Fields[col.field]
			out.Values[col.field], code = Check(f.Kind, value, c.latest)
			if code == "" && f.Required && out.Values[col.field] == "" {
				code = ValueMissing
			}
		}
		if code != "" {
			fault(col.name, code)
		}
	}
}

// external checks the register's own identifier of a person.
func external(value string) (string, Code) {
	value = strings.TrimFunc(value, unicode.IsSpace)
	if value == "" {
		return "", ValueMissing
	}
	if c := readable(value, 64, false); c != "" {
		return "", c
	}
	return norm.NFC.String(value), ""
}
