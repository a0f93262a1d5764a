package web

import (
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
	out, err := s.rooms.Gate.Caseload(q.Context(), CaseloadRequest{
		Caller: q.caller, Register: p.register.Code, Purpose: p.purpose.ID, Cursor: cursor,
	})
	if err != nil {
		return answer{}, err
	}
	if len(out.Rows) == 0 && len(out.Reasons) > 0 {
		return s.refuse(q, p, refusal{reasons: out.Reasons, readings: out.Readings})
	}
	return show("caseload", caseloadView(p, out, cursor))
}

func caseloadView(p place, out CaseloadOutcome, cursor string) caseloadPage {
	first := p.path("persons")
	page := caseloadPage{Desk: p.head(), Purpose: string(p.purpose.ID), Withheld: out.Withheld, Meter: newMeter(out.Readings)}
	for _, r := range out.Rows {
		row := caseloadRow{Action: personPath(p.register.Code, r.Handle, "", "")}
		var columns []Label
		r.Values.Each(func(f register.Field, value string) {
			columns = append(columns, f.Label)
			row.Cells = append(row.Cells, fieldView{Label: f.Label, Kind: string(f.Kind), Value: value})
		})
		if len(columns) > len(page.Columns) {
			page.Columns = columns
		}
		page.Rows = append(page.Rows, row)
	}
	if out.Next != "" {
		page.Next = first + "&cursor=" + escape(out.Next)
	}
	if cursor != "" {
		page.First = first
	}
	return page
}
