package register

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// compareOne weighs a query against one record of the mission-locale preset.
func compareOne(t *testing.T, q Query, values map[string]string) Match {
	t.Helper()
	s := preset(t, "mission-locale")
	v := &vault{aead: newAEAD(t)}
	rec := unsealed{territory: "93"}
	for _, f := range s.Fields {
		rec.bits, rec.values = append(rec.bits, f.Bit), append(rec.values, values[f.Name])
	}
	m, err := newMatcher(s, q).compare(v, home, seal(t, v, home, rec))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var anais = map[string]string{
	"surname": "Le Gall-Moreau", "first_name": "Anaïs Marie", "birth_date": "2004-05-07", "nir": "204059300812345", "dossier": "ML-0012",
}

func TestTheTolerantSearchForgivesWhatPeopleGetWrong(t *testing.T) {
	for _, c := range []struct {
		name    string
		q       Query
		differs []string
	}{
		{"as it stands", Query{Surname: "Le Gall-Moreau", FirstName: "Anaïs Marie", BirthDate: "2004-05-07"}, nil},
		{"no accents, no hyphen, capitals", Query{Surname: "LE GALL MOREAU", FirstName: "ANAIS MARIE", BirthDate: "07/05/2004"}, nil},
		{"no particle", Query{Surname: "Gall Moreau", FirstName: "Anaïs-Marie", BirthDate: "07/05/2004"}, nil},
		{"names swapped", Query{Surname: "Anais Marie", FirstName: "Le Gall Moreau", BirthDate: "07/05/2004"}, []string{"surname", "first_name"}},
		{"half of the surname", Query{Surname: "Moreau", FirstName: "Anaïs Marie", BirthDate: "07/05/2004"}, []string{"surname"}},
		{"half of the first name", Query{Surname: "Le Gall-Moreau", FirstName: "Marie", BirthDate: "07/05/2004"}, []string{"first_name"}},
		{"a typo", Query{Surname: "Le Gal-Moreau", FirstName: "Anaïs Marie", BirthDate: "07/05/2004"}, []string{"surname"}},
		{"a day off", Query{Surname: "Le Gall-Moreau", FirstName: "Anaïs Marie", BirthDate: "08/05/2004"}, []string{"birth_date"}},
		{"day and month swapped", Query{Surname: "Le Gall-Moreau", FirstName: "Anaïs Marie", BirthDate: "05/07/2004"}, []string{"birth_date"}},
		{"unknown day", Query{Surname: "Le Gall-Moreau", FirstName: "Anaïs Marie", BirthDate: "01/01/2004"}, []string{"birth_date"}},
		{"no first name", Query{Surname: "Le Gall-Moreau", BirthDate: "07/05/2004"}, nil},
		{"surname alone", Query{Surname: "le gall moreau"}, nil},
		{"another surname, by marriage", Query{Surname: "Petit", FirstName: "Anaïs Marie", BirthDate: "07/05/2004"}, []string{"surname"}},
		{"her NIR without its key", Query{Identifier: "2 04 05 93 008 123"}, nil},
		{"her file number", Query{Identifier: "ml 0012"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := compareOne(t, c.q, anais)
			if m.Weight < minimumWeight {
				t.Errorf("weight %.1f: not found", m.Weight)
			}
			if diff := cmp.Diff(c.differs, m.Differs); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheTolerantSearchDoesNotTakeAnybody(t *testing.T) {
	for name, q := range map[string]Query{
		"somebody else":                 {Surname: "Petit", FirstName: "Karim", BirthDate: "12/12/2003"},
		"only the first name":           {FirstName: "Anaïs Marie"},
		"only the birth date":           {BirthDate: "01/01/2004"},
		"surname right, the rest wrong": {Surname: "Le Gall-Moreau", FirstName: "Karim", BirthDate: "12/12/2003"},
		"another NIR":                   {Identifier: "2 04 05 93 008 124"},
		"a particle":                    {Surname: "Le"},
	} {
		if m := compareOne(t, q, anais); m.Weight >= minimumWeight {
			t.Errorf("%s: weight %.1f", name, m.Weight)
		}
	}
}

func TestABetterMatchWeighsMore(t *testing.T) {
	exact := compareOne(t, Query{Surname: "Le Gall-Moreau", FirstName: "Anaïs Marie", BirthDate: "2004-05-07"}, anais)
	typo := compareOne(t, Query{Surname: "Le Gal-Moreau", FirstName: "Anaïs Marie", BirthDate: "2004-05-07"}, anais)
	both := compareOne(t, Query{Surname: "Le Gal-Moreau", FirstName: "Anaïs Marie", BirthDate: "2004-05-08"}, anais)
	if !(exact.Weight > typo.Weight && typo.Weight > both.Weight) {
		t.Errorf("exact %.1f, typo %.1f, typo and date %.1f", exact.Weight, typo.Weight, both.Weight)
	}
}

func TestJaroWinklerAgreesWithThePublishedExamples(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{{"martha", "marhta", 0.9611}, {"dwayne", "duane", 0.84}, {"dixon", "dicksonx", 0.8133}, {"", "a", 0}, {"abc", "xyz", 0}, {"abc", "abc", 1}} {
		if got := jaroWinkler(c.a, c.b); got < c.want-0.0001 || got > c.want+0.0001 {
			t.Errorf("%s %s: %.4f, want %.4f", c.a, c.b, got, c.want)
		}
	}
}

func TestJaroWinklerIsSymmetricAndBetweenZeroAndOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.StringMatching(`[abc]{0,12}`), rapid.String())
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		s := jaroWinkler(a, b)
		if s < 0 || s > 1 {
			t.Fatalf("%q %q: %f", a, b, s)
		}
		if s < 1 && a == b && a != "" && len([]rune(a)) <= maxCompared {
			t.Fatalf("%q is not like itself: %f", a, s)
		}
	})
}

func TestAQueryCanOnlyFindWhatFillsAKey(t *testing.T) {
	reg := &Register{Schema: preset(t, "mission-locale"), index: []byte("k")}
	for _, c := range []struct {
		q    Query
		want bool
	}{
		{Query{}, false}, {Query{Surname: "Martin"}, false}, {Query{Surname: "Martin", FirstName: "Léa"}, false},
		{Query{Surname: "Martin", FirstName: "Léa", BirthDate: "31/02/2004"}, false},
		{Query{Surname: "Martin", FirstName: "Léa", BirthDate: "28/02/2004"}, true}, {Query{Identifier: "ML-1"}, true}, {Query{Identifier: " - "}, false},
	} {
		if got := reg.CanFind(c.q); got != c.want {
			t.Errorf("%+v: %v", c.q, got)
		}
	}
}
