package web

import (
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/budget"
)

// meterBox is the caller's own budgets, for the caller alone. It is calm by design: folded away
// until one reaches 80 %, without colour of alarm, and it never compares anybody with anybody.
type meterBox struct {
	Items []meterItem
	High  bool // one of them is at 80 % or more
}

// meterItem is one budget.
type meterItem struct {
	Code   ecluse.Reason
	Used   int
	Limit  int
	Left   int
	Alert  int // 80 % of the limit
	Window string
	High   bool
	Raised machineTime // until when a colleague raised the limit
}

// newMeter keeps the readings of the account itself: what its organisation or the whole register has
// used is not an agent's business. The fullest comes first.
func newMeter(readings []budget.Reading) meterBox {
	var box meterBox
	for _, r := range readings {
		if !strings.HasPrefix(string(r.Code), "budget.account.") && r.Code != ecluse.ReasonEmergencyLimit || r.Limit <= 0 {
			continue
		}
		item := meterItem{
			Code: r.Code, Used: r.Used, Limit: r.Limit, Left: max(0, r.Limit-r.Used),
			Alert: (r.Limit*4 + 4) / 5, Window: windowKey(r.Window), High: r.Used*5 >= r.Limit*4,
			Raised: machineTime{r.RaisedUntil},
		}
		box.High = box.High || item.High
		box.Items = append(box.Items, item)
	}
	slices.SortStableFunc(box.Items, func(a, b meterItem) int { return b.Used*a.Limit - a.Used*b.Limit })
	return box
}

// windowKey is the last part of the text key of a window.
func windowKey(d time.Duration) string {
	switch {
	case d >= 20*24*time.Hour:
		return "month"
	case d >= 20*time.Hour:
		return "day"
	}
	return "minutes"
}
