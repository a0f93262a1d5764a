package policy

import (
	"strings"
	"testing"
)

func TestATerritoryCoversItselfAndWhatLiesBelow(t *testing.T) {
	for _, c := range []struct {
		territory, code string
		want            bool
	}{
		{"93", "93", true},
		{"93", "93-008", true},
		{"93", "93-008-12", true},
		{"93", "930", false},
		{"93", "9", false},
		{"93-008", "93", false},
		{"93-008", "93-008", true},
		{"75 93", "93-1", true},
		{"2A", "2a", false},
		{"93", "", false},
		{"*", "93", true},
		{"*", "", true},
		{"75 *", "93", true},
		{"", "93", false},
		{"", "", false},
		{"93", "*", false},
		{"93*", "93-008", false},
	} {
		if got := ParseTerritory(c.territory).Covers(c.code); got != c.want {
			t.Errorf("%q covers %q: %v, want %v", c.territory, c.code, got, c.want)
		}
	}
	if (Territory{""}).Covers("-93") {
		t.Error("an empty code covers something")
	}
}

func FuzzParseTerritory(f *testing.F) {
	for _, s := range []string{"", "*", "93 75-011", " 93\t93-008\n", "é 2A", "-", "\x00\xff"} {
		f.Add(s, "93-008")
	}
	f.Fuzz(func(t *testing.T, s, code string) {
		territory := ParseTerritory(s)
		if again := ParseTerritory(territory.String()); again.String() != territory.String() || len(again) != len(territory) {
			t.Fatalf("%q became %q", territory, again)
		}
		for _, area := range territory {
			if !territory.Covers(area) || !territory.Covers(area+"-1") {
				t.Fatalf("%q does not cover %q and what lies below", territory, area)
			}
		}
		if territory.Covers(code) {
			if !territory.Covers(code + "-x") {
				t.Fatalf("%q covers %q and not what lies below", territory, code)
			}
			if code == "" && !strings.Contains(s, "*") {
				t.Fatalf("%q covers nowhere", territory)
			}
		}
	})
}
