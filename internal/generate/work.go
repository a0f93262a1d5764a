package generate

import (
	"slices"
	"time"
)

// Turn is one person's turn at an agent's desk.
type Turn struct {
	Hour   int    // of the day, UTC
	Of     string // login of the account that follows the person: the agent's own, or a colleague's of the site
	Nth    int    // which of that caseload: a number without bound, to be taken modulo its size
	Listed bool   // an own person, taken from the list; else name and birth date are typed
	PassTo string // login of the colleague of the site who is to see the person too, "" = nobody
}

// What a day's work is made of.
const (
	fewest, most    = 15, 40 // persons a day, those of absent colleagues aside
	visits          = 4      // hours in which the agent is at the desk
	weeksOff        = 5      // a year at most, three of them in summer
	sickPercent     = 3      // of days
	walkIns         = 4      // percent of turns: persons whom a colleague of the site follows
	fewestCovered   = 5      // persons of each absent colleague whom one stands in for
	coveredSpread   = 6      // and so many more at most
	listedPercent   = 50
	passedOnEachDay = 5 // one agent in so many hands a person on
)

// desk hours: none at noon.
var deskHours = []int{8, 9, 10, 11, 13, 14, 15, 16, 17}

// Workday is what an agent who follows persons does on a day, in the order of the hours: 15 to 40 persons, mostly
// the agent's own, some of a colleague of the site who is away, on leave or ill. Nil on days off, and for whoever
// follows nobody.
func (p *Population) Workday(login string, day time.Time) []Turn {
	i, ok := p.desks[login]
	if !ok || !p.present(i, day) {
		return nil
	}
	r := p.random(forWork, uint64(i)<<20|dayNumber(day))
	hours := slices.Clone(deskHours)
	r.Shuffle(len(hours), func(a, b int) { hours[a], hours[b] = hours[b], hours[a] })
	hours = hours[:visits]
	turn := func(of string) Turn { return Turn{Hour: hours[r.IntN(visits)], Of: of, Nth: r.IntN(1 << 30)} }
	colleagues := p.colleagues(i, day)
	var turns []Turn
	for range fewest + r.IntN((most-fewest)/2+1) + r.IntN((most-fewest+1)/2+1) {
		t := turn(login)
		t.Listed = r.IntN(100) < listedPercent
		if len(colleagues) > 0 && r.IntN(100) < walkIns {
			t.Of, t.Listed = colleagues[r.IntN(len(colleagues))], false
		}
		turns = append(turns, t)
	}
	if len(colleagues) > 0 && r.IntN(passedOnEachDay) == 0 && turns[0].Of == login {
		turns[0].PassTo = colleagues[r.IntN(len(colleagues))]
	}
	for _, away := range p.standsIn(i, day) {
		for range fewestCovered + r.IntN(coveredSpread) {
			turns = append(turns, turn(away))
		}
	}
	slices.SortStableFunc(turns, func(a, b Turn) int { return a.Hour - b.Hour })
	return turns
}

// teamOf are the accounts of the site of account i that follow persons, in their order.
func (p *Population) teamOf(i int) []int { return p.teams[p.accounts[i].Site] }

// colleagues are the others of the site who are at work.
func (p *Population) colleagues(i int, day time.Time) (logins []string) {
	for _, j := range p.teamOf(i) {
		if j != i && p.present(j, day) {
			logins = append(logins, p.accounts[j].Login)
		}
	}
	return logins
}

// standsIn are the absent colleagues whose work falls to account i: each one's goes to the next of the team who is
// there.
func (p *Population) standsIn(i int, day time.Time) (away []string) {
	team := p.teamOf(i)
	place := slices.Index(team, i)
	for back := 1; back < len(team); back++ {
		j := team[(place-back+len(team))%len(team)]
		if p.present(j, day) {
			break
		}
		away = append(away, p.accounts[j].Login)
	}
	return away
}

// present reports whether account i works on a day.
func (p *Population) present(i int, day time.Time) bool {
	if !WorkingDay(day) {
		return false
	}
	year, week := day.ISOWeek()
	r := p.random(forLeave, uint64(i)<<16|uint64(year))
	for n := range weeksOff {
		off := 27 + r.IntN(9)
		if n >= 3 {
			off = 1 + r.IntN(52)
		}
		if week == off {
			return false
		}
	}
	return p.random(forSickness, uint64(i)<<20|dayNumber(day)).IntN(100) >= sickPercent
}

func dayNumber(day time.Time) uint64 { return uint64(day.Unix() / (24 * 3600)) }

// WorkingDay reports whether offices in France are open: no Saturday, no Sunday, none of the eleven public
// holidays (Code du travail, art. L3133-1).
func WorkingDay(day time.Time) bool {
	if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		return false
	}
	switch day.Format("01-02") {
	case "01-01", "05-01", "05-08", "07-14", "08-15", "11-01", "11-11", "12-25":
		return false
	}
	for _, after := range []int{1, 39, 50} { // Easter Monday, Ascension, Whit Monday
		if easter(day.Year()).AddDate(0, 0, after).Format(time.DateOnly) == day.Format(time.DateOnly) {
			return false
		}
	}
	return true
}

// easter is Easter Sunday of a year of the Gregorian calendar (Meeus, Astronomical Algorithms, chapter 8).
func easter(year int) time.Time {
	a, b, c := year%19, year/100, year%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	m := (a + 11*h) / 319
	l := (2*e + 2*(c/4) - c%4 - h + m + 32) % 7
	month := (h - m + l + 90) / 25
	return time.Date(year, time.Month(month), (h-m+l+month+19)%32, 0, 0, 0, 0, time.UTC)
}
