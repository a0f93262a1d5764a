package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"ecluse/internal/directory"
	"ecluse/internal/node"
	"ecluse/internal/scope"
)

type scopeCommand struct {
	configFlag
	Account      string `placeholder:"EMAIL" help:"What left through this account."`
	Tree         bool   `help:"And through every account that it asked for or approved, and so on."`
	Organisation string `placeholder:"CODE" help:"What left through the accounts of this organisation."`
	From         string `placeholder:"T" help:"From this day or instant on."`
	To           string `placeholder:"T" help:"Up to this instant, or to the end of this day."`
	JSON         bool   `name:"json" xor:"form" help:"Print the figures as JSON."`
	CSV          bool   `name:"csv" xor:"form" help:"List persons by pseudonym: which fields left, first, last, how often."`
}

func (c scopeCommand) Run(s *surroundings) error {
	if (c.Account == "") == (c.Organisation == "") || c.Tree && c.Account == "" {
		return wrongUse(errors.New("say whose: --account EMAIL [--tree] or --organisation CODE"), "")
	}
	n, err := c.open(s)
	if err != nil {
		return err
	}
	defer n.Close()
	q, err := c.query(s, n)
	if err != nil {
		return err
	}
	found, err := n.Scope.Read(s.Context, directory.Actor{CLI: operator()}, q)
	switch {
	case errors.Is(err, scope.ErrQuery):
		return wrongUse(errors.New("--to must be after --from"), "")
	case errors.Is(err, directory.ErrTooMany):
		return refused(err, "ask about a part: --account without --tree, or --organisation")
	case err != nil:
		return err
	case c.JSON:
		return json.NewEncoder(s.Out).Encode(found.Document())
	case c.CSV:
		return scopeTable(s.Out, found)
	}
	return scopeWords(s.Out, found)
}

// query finds what the flags name.
func (c scopeCommand) query(s *surroundings, n *node.Node) (q scope.Query, err error) {
	if q.From, err = instant("from", c.From); err != nil {
		return q, err
	}
	if q.To, err = instant("to", c.To); err != nil {
		return q, err
	}
	if _, err := time.Parse(time.DateOnly, c.To); err == nil {
		q.To = q.To.AddDate(0, 0, 1)
	}
	q.Tree = c.Tree
	if c.Account != "" {
		a, err := account(s, n, c.Account)
		q.Account = a.ID
		return q, err
	}
	o, err := n.Directory.OrganisationCoded(s.Context, c.Organisation)
	if errors.Is(err, directory.ErrNotFound) {
		err = wrongUse(fmt.Errorf("there is no organisation %s, or several bodies have one", c.Organisation), "")
	}
	q.Organisation = o.ID
	return q, err
}

// scopeTable lists persons by pseudonym, a line for each field.
func scopeTable(w io.Writer, s scope.Scope) error {
	table := csv.NewWriter(w)
	_ = table.Write([]string{"register", "person", "field", "first", "last", "times"})
	for _, r := range s.Registers {
		for _, p := range r.People {
			if len(p.Fields) == 0 { // only found, where that tells something
				_ = table.Write([]string{r.Code, p.Pseudonym, "", p.First.Format(time.RFC3339), p.Last.Format(time.RFC3339), "0"})
			}
			for _, f := range p.Fields {
				_ = table.Write([]string{r.Code, p.Pseudonym, f.Field, f.First.Format(time.RFC3339), f.Last.Format(time.RFC3339), strconv.Itoa(f.Times)})
			}
		}
	}
	table.Flush()
	return table.Error()
}

// scopeWords tells a scope to people.
func scopeWords(w io.Writer, s scope.Scope) error {
	var b strings.Builder
	if s.Entries == 0 && s.Persons == 0 {
		fmt.Fprintf(&b, "Nothing left: %d accounts, %d searches that showed %d persons.\n", s.Accounts, s.Searches, s.Hits)
	} else {
		fmt.Fprintf(&b, "%d persons, %d of them minors, through %d accounts, from %s to %s (UTC).\n", s.Persons, s.Minors, s.Accounts,
			s.First.Format("2006-01-02 15:04"), s.Last.Format("2006-01-02 15:04"))
		fmt.Fprintf(&b, "%d disclosures of %d records; of %d persons something about a representative; %d persons were only found by a search.\n",
			s.Entries, s.Records, s.Representatives, s.HitsOnly)
	}
	if s.AgeUnknown+s.Unreadable > 0 {
		fmt.Fprintf(&b, "Of %d persons no date of birth is known, and %d records cannot be read: nobody can say whether they are minors.\n", s.AgeUnknown, s.Unreadable)
	}
	if s.Undelivered > 0 {
		fmt.Fprintf(&b, "%d disclosures were allowed and failed before they left: they are not counted.\n", s.Undelivered)
	}
	if !s.Complete {
		fmt.Fprintf(&b, "NOT COMPLETE: retention has removed who looked at whom until %s.\n", s.PurgedUntil.Format("2006-01-02 15:04"))
	}
	for _, r := range s.Registers {
		scopeRegister(&b, r)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func scopeRegister(b *strings.Builder, r scope.Register) {
	fmt.Fprintf(b, "\n%s: %d persons\n", r.Code, r.Persons)
	var absent []string
	for _, f := range r.Fields {
		if f.Persons == 0 {
			absent = append(absent, f.Name)
			continue
		}
		fmt.Fprintf(b, "  %8d  %s\n", f.Persons, f.Name)
	}
	fmt.Fprintf(b, "  of nobody: %s\n", strings.Join(absent, ", "))
	for _, c := range r.Controllers {
		fmt.Fprintf(b, "  %8d  answered for by %s (%s)\n", c.Persons, c.Code, strings.Join(c.Roles, ", "))
	}
}
