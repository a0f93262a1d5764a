package budget

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTheDefaultLimitsAreThoseOfTheDesign(t *testing.T) {
	want := Limits{Unexplained24h: 5, Outside24h: 10, New24h: 40, New30d: 300, Total24h: 120, Search24h: 60, Search10min: 15, Emergency24h: 3, Links24h: 20}
	if diff := cmp.Diff(want, Default()); diff != "" {
		t.Errorf("default (-want +got):\n%s", diff)
	}
	want.Unexplained24h, want.Outside24h, want.New24h, want.New30d = 1, 2, 10, 75
	if diff := cmp.Diff(want, Quarter(Default())); diff != "" {
		t.Errorf("a quarter (-want +got):\n%s", diff)
	}
	if got := Quarter(Limits{New24h: 3}); got != (Limits{New24h: 1}) {
		t.Errorf("a quarter of 3 and of 0 is %+v", got)
	}
}

func TestCollectiveLimitsGrowWithTheCollective(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want int
	}{
		{"total without caseload", TotalLimit(0), 120},
		{"total of 81", TotalLimit(81), 121},
		{"total of 200", TotalLimit(200), 300},
		{"total of 5,000", TotalLimit(5000), 400},
		{"organisation of nobody", OrganisationLimit(0), 20},
		{"organisation of 33", OrganisationLimit(33), 119},
		{"register of 22,000", RegisterLimit(22_000), 440},
		{"register of 10", RegisterLimit(10), 1},
		{"half of 1", share(1, 2), 1},
		{"half of 0", share(0, 2), 0},
		{"third of 119", share(119, 3), 39},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.name, c.got, c.want)
		}
	}
}

func TestYoungAccountsHaveAQuarterUnlessInstalled(t *testing.T) {
	full, born := Default(), monday
	for _, c := range []struct {
		name      string
		installed bool
		age       time.Duration
		want      Limits
	}{
		{"born now", false, 0, Quarter(full)},
		{"almost 30 days", false, 30*Day - time.Microsecond, Quarter(full)},
		{"30 days", false, 30 * Day, full},
		{"installed", true, 0, full},
	} {
		if got := InForce(full, born, c.installed, born.Add(c.age)); got != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	if got := InForce(full, time.Time{}, false, born); got != Quarter(full) {
		t.Errorf("of unknown age: %+v", got)
	}
}

func TestAnAgreementReplacesOnlyWhatItNames(t *testing.T) {
	want := Default()
	want.New24h, want.Links24h = 60, 0
	got, err := Default().Override([]byte(` {"new_24h": 60, "links_24h": 0} `))
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, empty := range []string{"", " \n", "{}"} {
		if got, err := Default().Override([]byte(empty)); err != nil || got != Default() {
			t.Errorf("%q: %+v, %v", empty, got, err)
		}
	}
}

func TestUnreadableLimitsAreExplainedAndChangeNothing(t *testing.T) {
	for text, hint := range map[string]string{
		`{"new_24": 60}`:                 `no limit is called "new_24" (one of unexplained_24h, `,
		`{"NEW_24H": 60}`:                "no limit is called",
		`{"new_24h": 60, "new_24h": 61}`: "new_24h is given twice",
		`{"new_24h": -1}`:                "new_24h must be a whole number from 0 to 1000000",
		`{"new_24h": 1000001}`:           "whole number",
		`{"new_24h": "60"}`:              "whole number",
		`{"new_24h": 60.5}`:              "whole number",
		`{"new_24h": null}`:              "whole number",
		`{"new_24h": }`:                  "whole number",
		`[60]`:                           "want a JSON object",
		`60`:                             "want a JSON object",
		`{"new_24h": 60`:                 "no end",
		`{"new_24h": 60} {}`:             "more text",
		`{"new_24h": 60,}`:               "not JSON at byte",
		`{60: 60}`:                       "not JSON at byte",
	} {
		got, err := Default().Override([]byte(text))
		if !errors.Is(err, ErrLimits) || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v, want %q", text, err, hint)
		}
		if got != Default() {
			t.Errorf("%s: changed to %+v", text, got)
		}
	}
}

func TestMaxTakesTheHigherOfEach(t *testing.T) {
	got := Limits{New24h: 3, Total24h: 9}.Max(Limits{New24h: 5, Links24h: 1})
	if want := (Limits{New24h: 5, Total24h: 9, Links24h: 1}); got != want {
		t.Errorf("got %+v", got)
	}
}

func FuzzLimitsFromAnAgreement(f *testing.F) {
	f.Add([]byte(`{"new_24h": 60, "total_24h": 400}`))
	f.Add([]byte(`{"new_24h": 60,}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Default().Override(text)
		if err != nil && (!errors.Is(err, ErrLimits) || got != Default()) {
			t.Fatalf("bad refusal: %+v, %v", got, err)
		}
		for _, n := range got.named() {
			if *n.value < 0 || *n.value > MaxLimit {
				t.Fatalf("%s became %d", n.name, *n.value)
			}
		}
	})
}
