package web

import (
	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/register"
)

// caseloadPage is one page of the caller's own persons, 25 at most.
type caseloadPage struct {
	Desk     deskHead
	Columns  []Label
	Rows     []caseloadRow
	Purpose  string
	Next     string // path of the next page
	First    string // path of the first page, "" on it
	Withheld int
	Meter    meterBox
}

// caseloadRow is one person.
type caseloadRow struct {
	Action string // POST opens the record
	Cells  []fieldView
}

// caseload shows my persons. Each row is a disclosure: the page is asked for by a link that says so,
// and never fetched ahead.
func (s *Site) caseload(q *query) (answer, error) {
	if !q.ownAct() {
		return answer{}, ErrForbidden
	}
	p, err := s.place(q, q.URL.Query().Get("purpose"))
	if err != nil {
		return answer{}, err
	}
	if p.purpose.ID == "" {
		return redirect(localPath("desk", p.register.Code))
	}
	cursor := q.URL.Query().Get("cursor")
	out, err := s.rooms.Gate.Caseload(q.Context(), gate.CaseloadRequest{
		Caller: q.caller, Register: p.register.Code, Purpose: p.purpose.ID, Cursor: cursor, Channel: ecluse.ChannelCaseload,
	})
	if err != nil {
		return answer{}, err
	}
	if len(out.Rows) == 0 && len(out.Reasons) > 0 {
		return s.refuse(q, p, refusal{reasons: out.Reasons, readings: out.Readings})
	}
	return show("caseload", caseloadView(p, out, cursor))
}

func caseloadView(p place, out gate.CaseloadOutcome, cursor string) caseloadPage {
	first := p.path("persons")
	page := caseloadPage{Desk: p.head(), Purpose: string(p.purpose.ID), Withheld: out.Withheld, Meter: newMeter(out.Readings)}
	for _, r := range out.Rows {
		page.add(personPath(p.register.Code, r.Handle, "", ""), r.Values)
	}
	if out.Next != "" {
		page.Next = first + "&cursor=" + escape(out.Next)
	}
	if cursor != "" {
		page.First = first
	}
	return page
}

// add adds a person to the page.
func (p *caseloadPage) add(action string, values revealed) {
	row := caseloadRow{Action: action}
	var columns []Label
	values.Each(func(f register.Field, value string) {
		columns = append(columns, f.Label)
		row.Cells = append(row.Cells, fieldView{Label: f.Label, Kind: string(f.Kind), Value: value})
	})
	if len(columns) > len(p.Columns) {
		p.Columns = columns
	}
	p.Rows = append(p.Rows, row)
}
