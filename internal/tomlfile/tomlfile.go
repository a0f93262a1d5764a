// Package tomlfile reads the TOML files of a preset's folder strictly, and says of whatever is wrong in one
// where it stands and what to do about it. It is pure.
package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Error is one thing that is wrong in a file, where, and what to do about it.
type Error struct {
	File         string
	Line, Column int    // from 1; 0 = the file as a whole
	Problem      string // what was found
	Remedy       string // what to do
}

func (e *Error) Error() string {
	where := e.File
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
	}
	return where + ": " + e.Problem + "; " + e.Remedy
}

// MaxBytes is far above any honest file; it bounds what a hostile one can cost.
const MaxBytes = 1 << 18

// Check collects what is wrong in a file that could be decoded.
type Check struct {
	name string
	at   positions
	errs []error
}

// Decode reads data into a struct, which has to know every key. name is the file's name, for messages only. The
// error joins one *Error for each thing that is wrong; the Check is for what only the reader knows.
func Decode(name string, data []byte, into any) (*Check, error) {
	if len(data) > MaxBytes {
		return nil, &Error{File: name, Problem: "the file is larger than 256 KiB", Remedy: "it describes a register, it holds no data"}
	}
	dec := toml.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return nil, placed(name, err)
	}
	return &Check{name: name, at: locate(data)}, nil
}

// Bad notes a problem at a path such as "fields[3].bit".
func (c *Check) Bad(path, problem, remedy string) {
	p := c.at.nearest(path)
	c.errs = append(c.errs, &Error{File: c.name, Line: p.line, Column: p.column, Problem: problem, Remedy: remedy})
}

var codePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// CodeRunes says what IsCode wants.
const CodeRunes = "1 to 40 of a-z, 0-9 and -, starting with a letter"

// IsCode reports whether a word names a thing of a folder's files: a register, a question, a policy.
func IsCode(word string) bool { return codePattern.MatchString(word) }

// Code notes that a word is no code.
func (c *Check) Code(path, word string) {
	if !IsCode(word) {
		c.Bad(path, fmt.Sprintf("%q is not a code", word), "use "+CodeRunes)
	}
}

// Label notes that a label is not complete.
func (c *Check) Label(path string, l Label) {
	if strings.TrimSpace(l.FR) == "" || strings.TrimSpace(l.EN) == "" {
		c.Bad(path, "the label is not complete", "give both fr and en")
	}
}

// Err joins what was noted, nil if nothing was.
func (c *Check) Err() error { return errors.Join(c.errs...) }

// Label is a text for people in the two languages of the program.
type Label struct {
	FR string `toml:"fr"`
	EN string `toml:"en"`
}

// In is the label in a language ("fr", "en"); French is the fallback.
func (l Label) In(lang string) string {
	if lang == "en" {
		return l.EN
	}
	return l.FR
}

// placed tells the library's errors in our form.
func placed(name string, err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) {
		var all []error
		for i := range strict.Errors {
			e := &strict.Errors[i]
			line, column := e.Position()
			all = append(all, &Error{
				File: name, Line: line, Column: column, Problem: fmt.Sprintf("unknown key %q", strings.Join(e.Key(), ".")),
				Remedy: "take it out or correct its spelling",
			})
		}
		return errors.Join(all...)
	}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, column := decode.Position()
		return &Error{File: name, Line: line, Column: column, Problem: strings.TrimPrefix(decode.Error(), "toml: "), Remedy: "correct the TOML of this line"}
	}
	return &Error{File: name, Problem: strings.TrimPrefix(err.Error(), "toml: "), Remedy: "correct the TOML of this file"}
}
