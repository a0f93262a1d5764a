package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

var errDuration = errors.New(`not a duration: write for example "15m" or "12h"`)

// Problem is one thing that is wrong with a configuration. It never holds a secret.
type Problem struct {
	File         string
	Line, Column int    // from 1; 0 = not tied to a place
	Key          string // dotted, such as providers[0].issuer; "" = the file as a whole
	Text         string
	Hint         string // what to do, "" if Text says it
}

// Error is "file:line:column: key: text".
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if p.Key != "" {
		b.WriteString(": " + p.Key)
	}
	b.WriteString(": " + p.Text)
	return b.String()
}

// Problems is every problem found, in the order of the file. It is an error; the zero value is none
// and must be returned as a nil error (see Err).
type Problems []Problem

// Error is one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Err is ps as an error, nil when there is no problem.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// nearest is the word of words that differs from word by the fewest letters, or that holds it; "" if
// none is near.
func nearest(word string, words []string) string {
	best, distance := "", len(word)/2+1
	for _, w := range words {
		if len(word) > 2 && strings.Contains(w, word) {
			return w
		}
		if d := editDistance(word, w); d < distance {
			best, distance = w, d
		}
	}
	return best
}

// editDistance is the Levenshtein distance of a and b in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal
			} else {
				row[j+1] = 1 + min(diagonal, above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}
