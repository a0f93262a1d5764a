package web

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/register"
)

// diffSection is the part of a diff that concerns one kind of thing.
type diffSection struct {
	Kind                  string // organisations, agreements, accounts, links
	Added, Changed, Ended int
	Rows                  []diffRow
	More                  int // rows that are not listed
}

// diffRow is one change in the reader's words.
type diffRow struct {
	Op    string // new, changed, ended
	Name  string
	Cells []diffCell
	Links []diffLinks
}

// diffCell is one column: Old and New are what it holds, Changed says that both matter.
type diffCell struct {
	Name, Old, New string
	Changed        bool
}

// diffLinks is what a receiver gets of one kind; From and Until are days.
type diffLinks struct {
	Register, Kind, From, Until string
	Persons                     int
}

// Total is the number of changes in the section.
func (s diffSection) Total() int { return s.Added + s.Changed + s.Ended }

// Codes that have a text of their own.
var (
	diffKinds   = []string{"organisations", "agreements", "accounts", "links"}
	diffOps     = []string{"new", "changed", "ended"}
	diffColumns = []string{
		"code", "name", "organisation", "kind", "siret", "territory", "phone", "state", "register", "purposes", "fields", "limits",
		"starts", "ends", "email", "given_name", "usual_name", "site", "roles", "identity", "receiver", "headcount", "replacement_until", "trained",
	}
	diffStates = []string{directory.Invited, directory.Active, directory.Suspended, directory.Ended, directory.Dormant}
)

// maxDiffRows is how many rows of one kind the page lists; the totals are always whole.
const maxDiffRows = 2000

// diffWords puts the codes of a diff into a reader's words.
type diffWords struct {
	q         *query
	registers []*register.Register
	location  *time.Location
}

// sections are the parts of a summary that change something.
func (w diffWords) sections(s directory.Summary) []diffSection {
	list := []diffSection{
		w.section("organisations", s.Organisations), w.section("agreements", s.Agreements), w.section("accounts", s.Accounts), w.section("links", s.Receivers),
	}
	list[3].Added = s.Links
	return slices.DeleteFunc(list, func(s diffSection) bool { return s.Total() == 0 })
}

func (w diffWords) section(kind string, lines []directory.Line) diffSection {
	section := diffSection{Kind: kind}
	for _, line := range lines {
		switch line.Op {
		case "new":
			section.Added++
		case "ended":
			section.Ended++
		default:
			line.Op = "changed"
			section.Changed++
		}
		if len(section.Rows) == maxDiffRows {
			section.More++
			continue
		}
		section.Rows = append(section.Rows, w.row(line))
	}
	return section
}

func (w diffWords) row(l directory.Line) diffRow {
	row := diffRow{Op: l.Op, Name: l.Name}
	for _, c := range l.Cells {
		name := c.Name
		if known(diffColumns, name) {
			name = w.q.t("approvals.column." + name)
		}
		row.Cells = append(row.Cells, diffCell{Name: name, Old: w.value(c.Name, c.Old), New: w.value(c.Name, c.New), Changed: l.Op != "new"})
	}
	for _, n := range l.Links {
		row.Links = append(row.Links, diffLinks{Register: w.register(n.Register), Kind: w.linkKind(n.Kind), From: w.day(n.From), Until: w.day(n.Until), Persons: n.Persons})
	}
	return row
}

// value is what a column holds. A code without a text is shown as it is.
func (w diffWords) value(column, text string) string {
	switch {
	case text == "":
		return w.q.t("approvals.nothing")
	case column == "state" && known(diffStates, text):
		return w.q.t("approvals.account." + text)
	case column == "roles":
		return w.each(text, ", ", w.role)
	case column == "replacement_until":
		return w.delay(text)
	case column == "starts" || column == "ends":
		return w.day(text)
	case column == "territory" && text == "*":
		return w.q.t("approvals.everywhere")
	case column == "trained":
		register, until, _ := strings.Cut(text, " ")
		return w.register(register) + ", " + w.day(until)
	case column == "register":
		return w.register(text)
	case column == "fields":
		return w.each(text, " ", w.field)
	case column == "purposes":
		return w.each(text, " ", w.purpose)
	}
	return text
}

// each words the parts of a list.
func (w diffWords) each(text, separator string, word func(string) string) string {
	parts := strings.Split(text, separator)
	for i, p := range parts {
		parts[i] = word(p)
	}
	return strings.Join(parts, ", ")
}

// role words "agent (organisation register agreement) until 2027-01-01".
func (w diffWords) role(text string) string {
	text, until, limited := strings.Cut(text, " until ")
	role, under, _ := strings.Cut(text, " ")
	if slices.Contains(ecluse.Roles, ecluse.Role(role)) {
		role = w.q.t("role." + role + ".name")
	}
	if under != "" {
		role += " " + under
	}
	if limited {
		role += " " + w.q.t("approvals.role_until", "day", w.day(until))
	}
	return role
}

func (w diffWords) register(code string) string {
	for _, r := range w.registers {
		if r.Code == code {
			return r.Schema.Label.In(w.q.lang)
		}
	}
	return code
}

func (w diffWords) field(name string) string {
	for _, r := range w.registers {
		if f, ok := r.Schema.Field(name); ok {
			return f.Label.In(w.q.lang)
		}
	}
	return name
}

func (w diffWords) purpose(code string) string {
	for _, r := range w.registers {
		if p, ok := r.Schema.Purpose(ecluse.Purpose(code)); ok {
			return p.Label.In(w.q.lang)
		}
	}
	return code
}

func (w diffWords) linkKind(kind string) string {
	if _, ok := directory.LinkKinds[kind]; ok {
		return w.q.t("approvals.link." + kind)
	}
	return kind
}

// delay words "+48h", an end that begins to run with the approval.
func (w diffWords) delay(text string) string {
	hours, after := strings.CutPrefix(text, "+")
	if n, err := strconv.Atoi(strings.TrimSuffix(hours, "h")); after && err == nil {
		return w.q.t("approvals.after", "hours", n)
	}
	return w.day(text)
}

// day is a day or an instant in words, "" if there is none.
func (w diffWords) day(text string) string {
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return formatDay(w.q.texts, at)
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		at = at.In(w.location)
		return formatDay(w.q.texts, at) + ", " + at.Format("15:04")
	}
	return text
}
