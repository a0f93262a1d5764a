// Package roster reads directory files (organisations and sites, agreements, accounts, links) into the
// one directory.Change that an access officer is asked to approve. It checks every cell and changes
// nothing; identifiers of persons in a file of links are resolved to numbers here and go no further.
//
// A file is CSV in UTF-8, separated by commas or semicolons, and its header says what it holds:
//
//	organisations  organisation, parent, kind, siret, name, territory, phone, headcount, state
//	agreements     agreement, organisation, register, purposes, fields, territory, starts, ends, limits, state
//	accounts       email, given_name, usual_name, organisation, site, roles, agreements, idp, sub, ends, state
//	links          person, register, account, site, kind, starts, ends
//
// An account whose idp is "client" is a program's: its sub is the identifier (client_id), its role agent.
// Lists inside a cell are separated by spaces; dates are yyyy-mm-dd or dd/mm/yyyy, and end at the
// beginning of the day; an empty state is "active".
package roster

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/intake"
	"ecluse/internal/register"
)

// Problem is one mistake in a file. It names the place; it never repeats an identifier of a person.
type Problem struct {
	File   string
	Line   int
	Column string
	Text   string
}

func (p Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s, line %d, column %s: %s", p.File, p.Line, p.Column, p.Text)
}

// maxProblems bounds what one bad file can make us print.
const maxProblems = 50

// Registers finds schemas and persons; *register.Registers is one.
type Registers interface {
	ByCode(ctx context.Context, code string) (*register.Register, error)
	Resolve(ctx context.Context, reg *register.Register, externals []string) ([]ecluse.PersonID, error)
}

// Read reads files into one change of the controller's directory. All problems come together, as a
// join of Problem; nothing is returned with them. A link without a beginning begins now.
func Read(ctx context.Context, registers Registers, controller string, now time.Time, paths ...string) (directory.Change, error) {
	r := &reader{ctx: ctx, now: now, registers: registers, change: directory.Change{Controller: controller}, externals: map[string][]string{}, places: map[string][]int{}}
	for _, path := range paths {
		if err := r.file(path); err != nil {
			return directory.Change{}, err
		}
	}
	if len(r.problems) == 0 {
		r.resolve()
	}
	if len(r.problems) > 0 {
		return directory.Change{}, errors.Join(r.problems...)
	}
	return r.change, nil
}

type reader struct {
	ctx       context.Context
	registers Registers
	now       time.Time
	change    directory.Change
	problems  []error
	externals map[string][]string // register -> identifiers of persons, in the order of places
	places    map[string][]int    // register -> index into change.Links
	links     directory.LinkPlaces
	name      string
}

// kinds of files by the columns that tell them, in order of trial.
var kinds = []struct {
	tell    []string
	columns []string
	take    func(*reader, row)
}{
	{[]string{"email"}, []string{"email", "given_name", "usual_name", "organisation", "site", "roles", "agreements", "idp", "sub", "ends", "state"}, (*reader).account},
	{[]string{"agreement", "purposes"}, []string{"agreement", "organisation", "register", "purposes", "fields", "territory", "starts", "ends", "limits", "state"}, (*reader).agreement},
	{[]string{"person", "register"}, []string{"person", "register", "account", "site", "kind", "starts", "ends"}, (*reader).link},
	{[]string{"organisation", "name"}, []string{"organisation", "parent", "kind", "siret", "name", "territory", "phone", "headcount", "state"}, (*reader).organisation},
}

// maxHeader bounds the first line of a file.
const maxHeader = 1 << 16

func (r *reader) file(path string) error {
	r.name = filepath.Base(path)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", r.name, err)
	}
	defer f.Close()
	text := bufio.NewReaderSize(f, maxHeader)
	begins, err := text.Peek(maxHeader)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %s: %w", r.name, err)
	}
	if mark := []byte("\xef\xbb\xbf"); bytes.HasPrefix(begins, mark) {
		_, _ = text.Discard(len(mark)) // it is there
	}
	in := csv.NewReader(text)
	first, _, _ := bytes.Cut(begins, []byte("\n"))
	if bytes.Count(first, []byte(";")) > bytes.Count(first, []byte(",")) {
		in.Comma = ';'
	}
	r.table(in)
	return nil
}

func (r *reader) table(in *csv.Reader) {
	header, err := in.Read()
	if err != nil {
		r.problem(0, "", "it is empty, or its first line is no CSV header")
		return
	}
	for _, k := range kinds {
		if !containsAll(header, k.tell) {
			continue
		}
		for _, column := range header {
			if !slices.Contains(k.columns, column) {
				r.problem(1, column, "this column is not known; known are "+strings.Join(k.columns, ", "))
				return
			}
		}
		r.rows(in, header, k.take)
		return
	}
	r.problem(0, "", "its columns fit none of the four kinds of file: organisations (organisation, name …), agreements (agreement, purposes …), accounts (email …), links (person, register …)")
}

func containsAll(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}

func (r *reader) rows(in *csv.Reader, header []string, take func(*reader, row)) {
	for len(r.problems) < maxProblems {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			r.problem(parse.Line, fmt.Sprint(parse.Column), parse.Err.Error())
			return
		}
		if err != nil {
			r.problem(0, "", "it cannot be read to its end")
			return
		}
		line, _ := in.FieldPos(0)
		take(r, row{reader: r, line: line, header: header, cells: cells})
	}
}

func (r *reader) problem(line int, column, text string) {
	r.problems = append(r.problems, Problem{File: r.name, Line: line, Column: column, Text: text})
}

// row is one line of a file.
type row struct {
	*reader
	line   int
	header []string
	cells  []string
}

func (w row) get(column string) string {
	if i := slices.Index(w.header, column); i >= 0 {
		return strings.TrimSpace(w.cells[i])
	}
	return ""
}

func (w row) bad(column, text string) { w.problem(w.line, column, text) }

func (w row) need(column string) string {
	v := w.get(column)
	if v == "" {
		w.bad(column, "it is empty")
	}
	return v
}

func (w row) state() string {
	switch v := w.get("state"); v {
	case "", directory.Active:
		return directory.Active
	case directory.Ended:
		return directory.Ended
	}
	w.bad("state", "it must be active or ended")
	return ""
}

// date reads a date; the zero time if the cell is empty and may be.
func (w row) date(column string, needed bool) time.Time {
	v := w.get(column)
	if v == "" {
		if needed {
			w.bad(column, "a date is needed")
		}
		return time.Time{}
	}
	for _, layout := range []string{time.DateOnly, "02/01/2006"} {
		if t, err := time.Parse(layout, v); err == nil {
			return t
		}
	}
	w.bad(column, "it is no date: write 2026-12-31 or 31/12/2026")
	return time.Time{}
}

// count reads a number of people; 0, which is unknown, if the cell is empty.
func (w row) count(column string) int {
	v := w.get(column)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > 1_000_000 {
		w.bad(column, "it is no number of people")
	}
	return n
}

func (w row) register() *register.Register {
	reg, err := w.registers.ByCode(w.ctx, w.need("register"))
	if err != nil {
		w.bad("register", "there is no such register")
		return nil
	}
	return reg
}

func (r *reader) organisation(w row) {
	o := directory.OrganisationChange{
		Code: w.need("organisation"), Parent: w.get("parent"), Kind: w.get("kind"), SIRET: w.get("siret"), Name: w.need("name"),
		Territory: w.get("territory"), Phone: w.get("phone"), Headcount: w.count("headcount"), State: w.state(),
	}
	if o.SIRET != "" {
		clean, code := intake.SIRET(o.SIRET)
		if code != "" {
			w.bad("siret", code.Sentence())
		}
		o.SIRET = clean
	}
	r.change.Organisations = append(r.change.Organisations, o)
}

func (r *reader) agreement(w row) {
	a := directory.AgreementChange{
		Code: w.need("agreement"), Organisation: w.need("organisation"), Territory: w.need("territory"), Limits: w.get("limits"),
		Starts: w.date("starts", true), Ends: w.date("ends", true), State: w.state(), Purposes: strings.Fields(w.need("purposes")),
	}
	if !a.Ends.After(a.Starts) {
		w.bad("ends", "it is not after the beginning")
	}
	if _, err := budget.Default().Override([]byte(a.Limits)); err != nil {
		w.bad("limits", err.Error())
	}
	reg := w.register()
	if reg == nil {
		return
	}
	a.Register, a.RegisterCode = reg.ID, reg.Code
	for _, id := range a.Purposes {
		p, ok := reg.Schema.Purpose(ecluse.Purpose(id))
		if !ok {
			w.bad("purposes", "the register has no purpose "+id)
		}
		a.Fields |= p.Fields
	}
	if names := strings.Fields(w.get("fields")); len(names) > 0 {
		set, err := reg.Schema.Set(names...)
		if err != nil {
			w.bad("fields", err.Error())
		}
		a.Fields = set
	}
	r.change.Agreements = append(r.change.Agreements, a)
}

func (r *reader) account(w row) {
	a := directory.AccountChange{
		GivenName: w.get("given_name"), UsualName: w.need("usual_name"), Organisation: w.get("organisation"), Site: w.get("site"),
		Agreements: strings.Fields(w.get("agreements")), IDP: w.get("idp"), Sub: w.get("sub"), Ends: w.date("ends", false), State: w.state(),
	}
	if a.IDP != directory.ClientIDP { // a program has one name
		w.need("given_name")
	}
	email, code := intake.Email(w.need("email"))
	if code != "" {
		w.bad("email", code.Sentence())
	}
	a.Email = strings.ToLower(email)
	for _, role := range strings.Fields(w.need("roles")) {
		if !slices.Contains(ecluse.Roles, ecluse.Role(role)) {
			w.bad("roles", "there is no role "+role)
		}
		a.Roles = append(a.Roles, ecluse.Role(role))
	}
	if slices.Contains(a.Roles, ecluse.RoleAgent) && (len(a.Agreements) == 0 || a.Organisation == "") {
		w.bad("agreements", "an agent needs an organisation and at least one of its agreements")
	}
	if (a.IDP == "") != (a.Sub == "") {
		w.bad("sub", "idp and sub go together")
	}
	r.change.Accounts = append(r.change.Accounts, a)
}

func (r *reader) link(w row) {
	l := directory.LinkChange{Account: strings.ToLower(w.get("account")), Site: w.get("site"), Kind: w.need("kind"), Starts: w.date("starts", false), Ends: w.date("ends", true)}
	if (l.Account == "") == (l.Site == "") {
		w.bad("account", "a link is for an account or for a site, not both and not none")
	}
	if longest, ok := directory.LinkKinds[l.Kind]; !ok {
		w.bad("kind", "there is no such kind of link")
	} else if starts := cmp.Or(l.Starts, r.now); l.Ends.Sub(starts) > longest {
		w.bad("ends", fmt.Sprintf("a link of this kind runs at most %d days", int(longest.Hours()/24)))
	}
	reg := w.register()
	if reg == nil {
		return
	}
	l.Register = reg.ID
	r.externals[reg.Code] = append(r.externals[reg.Code], strings.Clone(w.need("person"))) // a cell keeps its whole line
	r.places[reg.Code] = append(r.places[reg.Code], r.links.Of(&r.change, l))
}

// resolve turns the identifiers of persons into numbers.
func (r *reader) resolve() {
	for code, externals := range r.externals {
		reg, err := r.registers.ByCode(r.ctx, code)
		if err != nil {
			r.problems = append(r.problems, err)
			return
		}
		ids, err := r.registers.Resolve(r.ctx, reg, externals)
		if err != nil {
			r.problems = append(r.problems, err)
			return
		}
		unknown := 0
		for i, id := range ids {
			if id == 0 {
				unknown++
			}
			at := r.places[code][i]
			r.change.Links[at].Persons = append(r.change.Links[at].Persons, id)
		}
		if unknown > 0 {
			r.problem(0, "", fmt.Sprintf("%d of %d links name persons that register %s does not hold: import the records first", unknown, len(ids), code))
		}
	}
}
