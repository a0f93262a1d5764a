package web

import (
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/scope"
)

// Pictures are drawn here as numbers; templates put them into SVG with a title and a description, and the
// page says the same in a table.

// treePicture is a lineage: who made somebody to the left, whom she made to the right.
type treePicture struct {
	Width, Height int
	Nodes         []treeNode
	Lines         []string // paths
	Above, Below  int      // relatives in all
	More          int      // that are not drawn
}

type treeNode struct {
	X, Y, W, H  int
	TextX       int
	NameY, SubY int
	Name, Sub   string
	Class       string // self, above, below
	Stopped     bool
	Dead        bool
}

// Measures of the picture, in pixels.
const (
	nodeWidth, nodeHeight = 176, 52
	nodeGapX, nodeGapY    = 52, 14
	treeMargin            = 6
	maxDrawn              = 10 // nodes of one column; the table lists all
)

// tree lays relatives out in columns of their distance.
func (s *Site) tree(q *query, self directory.Kin, above, below []directory.Kin, places map[ecluse.OrganisationID]directory.Organisation) treePicture {
	p := treePicture{Above: len(above), Below: len(below)}
	columns := map[int][]directory.Kin{0: {self}}
	least, most := 0, 0
	place := func(k directory.Kin, column int) {
		if len(columns[column]) >= maxDrawn {
			p.More++
			return
		}
		columns[column] = append(columns[column], k)
		least, most = min(least, column), max(most, column)
	}
	for _, k := range above {
		place(k, -k.Depth)
	}
	for _, k := range below {
		place(k, k.Depth)
	}
	at := map[int]map[ecluse.AccountID]treeNode{} // by column: in a circle somebody is on both sides
	tallest := 0
	for _, list := range columns {
		tallest = max(tallest, len(list))
	}
	p.Height = 2*treeMargin + tallest*(nodeHeight+nodeGapY) - nodeGapY
	p.Width = 2*treeMargin + (most-least+1)*(nodeWidth+nodeGapX) - nodeGapX
	for column := least; column <= most; column++ {
		list := columns[column]
		at[column] = map[ecluse.AccountID]treeNode{}
		top := (p.Height - len(list)*(nodeHeight+nodeGapY) + nodeGapY) / 2
		for i, k := range list {
			n := s.node(q, k, column, treeMargin+(column-least)*(nodeWidth+nodeGapX), top+i*(nodeHeight+nodeGapY), places)
			at[column][k.ID] = n
			p.Nodes = append(p.Nodes, n)
		}
	}
	p.join(columns, at, least, most)
	return p
}

func (s *Site) node(q *query, k directory.Kin, column, x, y int, places map[ecluse.OrganisationID]directory.Organisation) treeNode {
	n := treeNode{
		X: x, Y: y, W: nodeWidth, H: nodeHeight, TextX: x + 12, NameY: y + 22, SubY: y + 40, Name: shorten(k.Name(), 22),
		Sub: shorten(placeName(q, k.Account, places), 26), Class: "self", Stopped: k.StateAt(s.now()) != directory.Active, Dead: k.Dead,
	}
	switch {
	case column < 0:
		n.Class = "above"
	case column > 0:
		n.Class = "below"
	}
	return n
}

// join draws a line from each account to those that it made, as far as they are drawn.
func (p *treePicture) join(columns map[int][]directory.Kin, at map[int]map[ecluse.AccountID]treeNode, least, most int) {
	for column := least + 1; column <= most; column++ {
		for _, k := range columns[column] {
			made := at[column][k.ID]
			for _, maker := range []ecluse.AccountID{k.RequestedBy, k.ApprovedBy, k.Rebound} {
				for from := column - 1; from >= least; from-- {
					n, drawn := at[from][maker]
					if !drawn {
						continue
					}
					x1, y1, x2, y2 := n.X+n.W, n.Y+n.H/2, made.X, made.Y+made.H/2
					p.Lines = append(p.Lines, fmt.Sprintf("M%d %d C%d %d %d %d %d %d", x1, y1, x1+nodeGapX/2, y1, x2-nodeGapX/2, y2, x2, y2))
					break
				}
			}
		}
	}
	slices.Sort(p.Lines)
	p.Lines = slices.Compact(p.Lines)
}

func shorten(s string, runes int) string {
	r := []rune(s)
	if len(r) <= runes {
		return s
	}
	return string(r[:runes-1]) + "…"
}

// fieldsPicture says of how many persons each field left.
type fieldsPicture struct {
	Width, Height int
	Bars          []fieldBar
}

type fieldBar struct {
	Label          Label
	Persons        int
	Y, TextY       int
	Length         int // of the bar
	FigureX        int
	Representative bool
}

// Measures of the bars, in pixels.
const (
	fieldsWidth, fieldsFrom = 640, 230
	fieldHeight, fieldGap   = 22, 8
)

func fieldBars(r scope.Register) fieldsPicture {
	p := fieldsPicture{Width: fieldsWidth}
	most := 1
	for _, f := range r.Fields {
		most = max(most, f.Persons)
	}
	for _, f := range r.Fields {
		if f.Persons == 0 {
			continue
		}
		length := max(2, f.Persons*(fieldsWidth-fieldsFrom-70)/most)
		y := len(p.Bars) * (fieldHeight + fieldGap)
		p.Bars = append(p.Bars, fieldBar{
			Label: Label{FR: shorten(f.Label.FR, 30), EN: shorten(f.Label.EN, 30)}, Persons: f.Persons, Y: y, TextY: y + 16, Length: length,
			FigureX: fieldsFrom + length + 8, Representative: f.About == "representative",
		})
	}
	p.Height = len(p.Bars) * (fieldHeight + fieldGap)
	return p
}

// timePicture says how much left on each day, or in each stretch of days where there are many.
type timePicture struct {
	Width, Height, Base int
	Columns             []timeColumn
	First, Last         time.Time // days
	Most                int       // disclosures of the tallest
	Days                int       // that one column stands for
}

type timeColumn struct {
	X, W, Y, H, NewY, NewH int
	Entries, Persons       int
}

// Measures of the timeline, in pixels.
const (
	timeWidth, timeHeight = 640, 150
	maxColumns            = 90
)

// timeline lays days out from the first to the last on which something left, empty ones included.
func timeline(days []scope.Day) timePicture {
	p := timePicture{Width: timeWidth, Height: timeHeight, Base: timeHeight - 2}
	if len(days) == 0 {
		return p
	}
	first, last := days[0].Date, days[len(days)-1].Date
	p.First, p.Last = noon(first), noon(last)
	count := daysBetween(first, last) + 1
	p.Days = (count + maxColumns - 1) / maxColumns
	p.Columns = make([]timeColumn, (count+p.Days-1)/p.Days)
	for _, d := range days {
		c := &p.Columns[daysBetween(first, d.Date)/p.Days]
		c.Entries += d.Entries
		c.Persons += d.Persons
		p.Most = max(p.Most, c.Entries)
	}
	width := timeWidth / max(len(p.Columns), 12)
	for i := range p.Columns {
		c := &p.Columns[i]
		c.X, c.W = i*width, max(2, width-2)
		c.H, c.NewH = scaled(c.Entries, p.Most), scaled(c.Persons, p.Most)
		c.Y, c.NewY = p.Base-c.H, p.Base-c.NewH
	}
	return p
}

func scaled(n, most int) int {
	if n == 0 {
		return 0
	}
	return max(2, n*(timeHeight-12)/max(most, 1))
}

// noon is the middle of a date, the same day wherever it is shown.
func noon(date string) time.Time {
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return time.Time{}
	}
	return at.Add(12 * time.Hour)
}

// placeName is the organisation of an account, or the body itself.
func placeName(q *query, a directory.Account, places map[ecluse.OrganisationID]directory.Organisation) string {
	if a.Organisation == 0 {
		return q.t("lineage.body")
	}
	return places[a.Organisation].Name
}
