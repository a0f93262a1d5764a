package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ecluse/internal/register"
)

// input is one form field as the page shows it, label and errors in the reader's language.
type input struct {
	ID, Name, Label, Hint, Value, Error string
	Type                                string // text when empty
	Autocomplete, Inputmode             string
	MaxLength                           int
	Required                            bool
}

// option is one choice of a group.
type option struct {
	ID, Value, Label, Hint string
	Checked                bool
}

// options is a group of radio buttons, or, where it is Long and the page says "choice", a list to pick from.
type options struct {
	ID, Name, Legend, Hint, Error string // ID is where an error leads
	Items                         []option
}

// Long reports whether radio buttons would fill the page.
func (o options) Long() bool { return len(o.Items) > 8 }

// fault is one line of the error summary: a message and the field it leads to.
type fault struct{ Field, Message string }

// choice is one line of a group of radio buttons, before it is put into words.
type choice struct {
	id    string
	label Label
}

func purposeChoices(all []register.Purpose) []choice {
	list := make([]choice, len(all))
	for i, p := range all {
		list[i] = choice{string(p.ID), p.Label}
	}
	return list
}

func motiveChoices(all []register.Motive) []choice {
	list := make([]choice, len(all))
	for i, m := range all {
		list[i] = choice{m.ID, m.Label}
	}
	return list
}

// choose builds a group from choices, with one of them checked.
func choose(name, legend, lang, checked string, choices []choice) options {
	group := options{ID: name, Name: name, Legend: legend}
	for i, c := range choices {
		group.Items = append(group.Items, option{
			ID: name + "-" + strconv.Itoa(i), Value: c.id, Label: c.label.In(lang), Checked: c.id == checked,
		})
	}
	if len(group.Items) > 0 && !group.Long() {
		group.ID = group.Items[0].ID // an error leads to the first button
	}
	return group
}

// readDate takes a date as people type it (17/05/2004, 17.5.2004, 17 05 2004, 17052004, 2004-05-17)
// and answers yyyy-mm-dd. It checks that the day exists and is not after today.
func readDate(typed string, today time.Time) (string, bool) {
	s := strings.NewReplacer(".", "/", " ", "/", "-", "/", "\u00a0", "/", "\u202f", "/").Replace(strings.TrimSpace(typed))
	if len(s) == 8 && !strings.Contains(s, "/") {
		s = s[:2] + "/" + s[2:4] + "/" + s[4:]
	}
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return "", false
	}
	if len(parts[0]) == 4 {
		parts[0], parts[2] = parts[2], parts[0]
	}
	if len(parts[0]) > 2 || len(parts[1]) > 2 || len(parts[2]) != 4 {
		return "", false
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.Atoi(p)
		if err != nil || v < 1 {
			return "", false
		}
		n[i] = v
	}
	iso := fmt.Sprintf("%04d-%02d-%02d", n[2], n[1], n[0])
	at, err := time.Parse(time.DateOnly, iso)
	if err != nil || n[2] < 1880 || at.After(today) {
		return "", false
	}
	return iso, true
}
