package generate

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func day(text string) time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestOfficesAreClosedOnTheElevenHolidays(t *testing.T) {
	closed := 0
	for d := day("2026-01-01"); d.Year() == 2026; d = d.AddDate(0, 0, 1) {
		if !WorkingDay(d) && d.Weekday() != time.Saturday && d.Weekday() != time.Sunday {
			closed++
		}
	}
	if closed != 9 { // 15 August and 1 November fall on a week-end
		t.Errorf("%d holidays on working days of 2026, want 9", closed)
	}
	for _, d := range []string{"2024-04-01", "2026-04-06", "2026-05-14", "2026-05-25", "2027-03-29", "2030-05-30", "2026-07-14"} {
		if WorkingDay(day(d)) {
			t.Errorf("%s is a holiday", d)
		}
	}
	for _, d := range []string{"2026-04-07", "2026-05-15", "2026-07-13", "2026-11-02"} {
		if !WorkingDay(day(d)) {
			t.Errorf("%s is none", d)
		}
	}
}

// A year of everybody's work: how much, when, for whom.
func TestAWorkdayIsLikeAnAgents(t *testing.T) {
	p, err := New(Settings{Preset: "mission-locale", Persons: 4000, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	days, off, least, highest, own, others, covered, passed := 0, 0, 1000, 0, 0, 0, 0, 0
	for login, i := range p.desks {
		for d := day("2026-01-01"); d.Year() == 2026; d = d.AddDate(0, 0, 1) {
			turns := p.Workday(login, d)
			if !WorkingDay(d) {
				if turns != nil {
					t.Fatalf("%s works on %s", login, d)
				}
				continue
			}
			if turns == nil {
				off++
				continue
			}
			days++
			mine := len(turns)
			for _, turn := range turns {
				team := slices.ContainsFunc(p.teamOf(i), func(j int) bool { return p.accounts[j].Login == turn.Of })
				if !team || turn.Hour < 8 || turn.Hour > 17 || turn.Listed && turn.Of != login {
					t.Fatalf("%s, %s: %+v", login, d, turn)
				}
				switch {
				case turn.Of == login:
					own++
				case p.present(p.desks[turn.Of], d):
					others++
				default:
					covered++
					mine--
				}
				if turn.PassTo != "" {
					passed++
					if !p.present(p.desks[turn.PassTo], d) {
						t.Fatalf("%s hands somebody on to %s, who is away", login, turn.PassTo)
					}
				}
			}
			least, highest = min(least, mine), max(highest, mine)
		}
	}
	if least != fewest || highest != most {
		t.Errorf("%d to %d persons a day", least, highest)
	}
	if each := float64(off) / float64(len(p.desks)); each < 20 || each > 35 {
		t.Errorf("%.1f days off a year, holidays aside", each)
	}
	if own < 20*others || others == 0 || covered == 0 || passed == 0 {
		t.Errorf("own %d, colleagues' %d, stood in for %d, handed on %d in %d days", own, others, covered, passed, days)
	}
}

func TestTheSameSeedGivesTheSameWork(t *testing.T) {
	work := func(seed uint64) []Turn {
		p, err := New(Settings{Preset: "formation", Persons: 600, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		var all []Turn
		for a := range p.Accounts() {
			all = append(all, p.Workday(a.Login, day("2026-10-06"))...)
		}
		return all
	}
	if len(work(1)) == 0 || cmp.Diff(work(1), work(1)) != "" || cmp.Diff(work(1), work(2)) == "" {
		t.Error("the work does not depend on the seed, and on it alone")
	}
}
