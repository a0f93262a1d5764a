package web

import "ecluse/internal/exposure"

// histogram is a distribution, drawn here as numbers: the template puts them into SVG, and the page says
// the same in a table.
type histogram struct {
	Width, Height int
	Bars          []bar
	Base          int // where bars stand
}

// bar is one class of bounds: From to To persons; To is 0 for the last one, which has no end.
type bar struct {
	From, To, Count int
	X, Y, W, H      int
	LabelX          int
	CountY, LabelY  int
}

// Measures of the picture, in units of its own.
const (
	barWidth, barGap    = 58, 14
	barsTop, barsHeight = 26, 150
	barLabels           = 34 // below the bars
)

// classEnds are where the classes of the distribution end: steps of 1, 2 and 5, as wide classes are read.
var classEnds = []int{10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000}

// newHistogram counts accounts by their bound of 30 days, from the first class with anybody to the last.
func newHistogram(accounts []exposure.Account) (h histogram) {
	counts := make([]int, len(classEnds)+1)
	for _, a := range accounts {
		i := 0
		for i < len(classEnds) && a.Month.Persons > classEnds[i] {
			i++
		}
		counts[i]++
	}
	first, last, most := -1, -1, 0
	for i, n := range counts {
		if n > 0 {
			last, most = i, max(most, n)
			if first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		return h
	}
	h.Base = barsTop + barsHeight
	h.Height = h.Base + barLabels
	for i := first; i <= last; i++ {
		b := bar{Count: counts[i], X: barGap + len(h.Bars)*(barWidth+barGap), W: barWidth}
		if i > 0 {
			b.From = classEnds[i-1] + 1
		}
		if i < len(classEnds) {
			b.To = classEnds[i]
		}
		b.H = counts[i] * barsHeight / most
		if counts[i] > 0 {
			b.H = max(b.H, 2) // one account of thousands is there, too
		}
		b.Y, b.LabelX = h.Base-b.H, b.X+barWidth/2
		b.CountY, b.LabelY = b.Y-7, h.Base+20
		h.Bars = append(h.Bars, b)
	}
	h.Width = barGap + len(h.Bars)*(barWidth+barGap)
	return h
}
