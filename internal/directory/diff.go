package directory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"ecluse"
)

// FieldNames tells what a register calls itself and the fields of a set.
type FieldNames func(ctx context.Context, r ecluse.RegisterID, f ecluse.FieldSet) (register string, fields []string, err error)

// Name has diffs say registers and fields by name. Call it before the Directory is used.
func (d *Directory) Name(fields FieldNames) { d.fields = fields }

func (d *Directory) names(ctx context.Context, r ecluse.RegisterID, f ecluse.FieldSet) (string, string, error) {
	if d.fields == nil {
		return fmt.Sprintf("register %d", r), fmt.Sprintf("%#x", uint64(f)), nil
	}
	code, fields, err := d.fields(ctx, r, f)
	return code, strings.Join(fields, " "), err
}

// cell is one column of a row.
type cell struct{ name, text string }

// differences are the cells that change; of a new row (old is nil) those that hold something.
func differences(old, next []cell) []Cell {
	var list []Cell
	for i, c := range next {
		switch {
		case old == nil && c.text != "":
			list = append(list, Cell{Name: c.name, New: c.text})
		case old != nil && old[i].text != c.text:
			list = append(list, Cell{c.name, old[i].text, c.text})
		}
	}
	return list
}

// key tells one line from every other.
func (l Line) key() string { return l.Op + "\x00" + l.Name + "\x00" + l.Text() }

// Text is the line's columns on one line: "name: value", or "name: old → new".
func (l Line) Text() string {
	var parts []string
	for _, c := range l.Cells {
		value := plain(c.New)
		if l.Op != "new" {
			value = plain(c.Old) + " → " + value
		}
		parts = append(parts, c.Name+": "+value)
	}
	for _, n := range l.Links {
		parts = append(parts, fmt.Sprintf("%s %s: %d persons, %d links, from %s until %s", n.Register, plain(n.Kind), n.Persons, n.Links, cmp.Or(n.From, "approval"), n.Until))
	}
	return strings.Join(parts, " · ")
}

// plain is a value that cannot pass for a part of the diff.
func plain(text string) string {
	if text == "" {
		return "(none)"
	}
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	if strings.ContainsAny(text, "→·") || strings.ContainsFunc(text, odd) || text == "(none)" {
		return strconv.QuoteToASCII(text)
	}
	return text
}

// instant is shown as a day if it is one.
func instant(t time.Time) string {
	switch t = t.UTC(); {
	case t.IsZero():
		return ""
	case t.Equal(t.Truncate(24 * time.Hour)):
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02T15:04:05.999999Z07:00")
}

func (w *writer) organisationCells(o Organisation) []cell {
	return []cell{
		{"code", o.Code}, {"name", o.Name}, {"organisation", w.have.byID[o.Parent].Code}, {"kind", o.Kind}, {"siret", o.SIRET},
		{"territory", o.Territory}, {"phone", o.Phone}, {"headcount", number(o.Headcount)}, {"state", o.State},
	}
}

func (w *writer) agreementCells(ctx context.Context, a Agreement) ([]cell, error) {
	register, fields, err := w.directory.names(ctx, a.Register, a.Fields)
	return []cell{
		{"code", a.Code}, {"organisation", w.have.byID[a.Organisation].Code}, {"register", register}, {"purposes", a.Purposes}, {"fields", fields},
		{"territory", a.Territory}, {"limits", a.Limits}, {"starts", instant(a.Starts)}, {"ends", instant(a.Ends)}, {"state", a.State},
	}, err
}

func (w *writer) accountCells(ctx context.Context, a Account, grants []Grant) ([]cell, error) {
	roles, err := w.roles(ctx, grants)
	return []cell{
		{"email", a.Email}, {"given_name", a.GivenName}, {"usual_name", a.UsualName}, {"organisation", w.have.byID[a.Organisation].Code},
		{"site", w.have.byID[a.Site].Code}, {"roles", roles}, {"identity", strings.TrimSpace(a.IDP + " " + a.Sub)},
		{"ends", instant(a.Ends)}, {"replacement_until", w.replacement(a)}, {"state", a.StateAt(w.at)},
	}, err
}

// number is "" for 0, which stands for unknown.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// replacement is when a replacement ends; of one that is being opened, how long after the approval: the
// approver sees the same line whenever she decides.
func (w *writer) replacement(a Account) string {
	if a.StandIn() && a.StandInEnds.Equal(w.at.Add(StandInLife)) {
		return fmt.Sprintf("+%dh", int(StandInLife.Hours()))
	}
	return instant(a.StandInEnds)
}

// roles are the running grants: each with its agreement, and its end if it has one.
func (w *writer) roles(ctx context.Context, grants []Grant) (string, error) {
	var list []string
	for _, g := range grants {
		if !g.runs(w.at) {
			continue
		}
		text := string(g.Role)
		if g.Agreement != 0 {
			i := slices.IndexFunc(w.have.agreements, func(a Agreement) bool { return a.ID == g.Agreement })
			if i < 0 {
				return "", fmt.Errorf("the agreement of a grant: %w", ErrNotFound)
			}
			a := w.have.agreements[i]
			register, _, err := w.directory.names(ctx, a.Register, a.Fields)
			if err != nil {
				return "", err
			}
			text += " (" + w.have.byID[a.Organisation].Code + " " + register + " " + a.Code + ")"
		}
		if !g.Ends.IsZero() {
			text += " until " + instant(g.Ends)
		}
		list = append(list, text)
	}
	slices.Sort(list)
	return strings.Join(list, ", "), nil
}

// receivers are the links of a change by who gets them.
type receivers struct {
	order []string
	names map[string]string
	kinds map[string][]*linkGroup
}

// linkGroup are the links of one receiver, register and kind.
type linkGroup struct {
	register, kind string
	persons        []ecluse.PersonID // of each link
	starts, ends   time.Time         // first and last
}

func (r *receivers) add(key, name, register string, c LinkChange) {
	if r.names == nil {
		r.names, r.kinds = map[string]string{}, map[string][]*linkGroup{}
	}
	if _, known := r.names[key]; !known {
		r.order, r.names[key] = append(r.order, key), name
	}
	i := slices.IndexFunc(r.kinds[key], func(g *linkGroup) bool { return g.register == register && g.kind == c.Kind })
	if i < 0 {
		i = len(r.kinds[key])
		r.kinds[key] = append(r.kinds[key], &linkGroup{register: register, kind: c.Kind, starts: c.Starts})
	}
	g := r.kinds[key][i]
	g.persons = append(g.persons, c.Persons...)
	if c.Starts.Before(g.starts) {
		g.starts = c.Starts
	}
	if c.Ends.After(g.ends) {
		g.ends = c.Ends
	}
}

func (r *receivers) lines() []Line {
	list := []Line{}
	for _, key := range r.order {
		line := Line{Op: "new", Name: r.names[key], Cells: []Cell{{Name: "receiver", New: key}}}
		for _, g := range r.kinds[key] {
			line.Links = append(line.Links, LinkCount{g.register, g.kind, countPersons(g.persons), len(g.persons), instant(g.starts), instant(g.ends)})
		}
		list = append(list, line)
	}
	return list
}

// countPersons counts different persons, and sorts them.
func countPersons(persons []ecluse.PersonID) int {
	slices.Sort(persons)
	return len(slices.Compact(persons))
}
