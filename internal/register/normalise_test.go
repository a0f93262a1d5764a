package register

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSpellingsOfTheSameValueNormaliseAlike(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		want string
		from []string
	}{
		{KindName, "lefevre", []string{"Lefèvre", "LEFEVRE", " Lefèvre "}},
		{KindName, "jeanpierre", []string{"Jean-Pierre", "Jean Pierre", "JEANPIERRE", "jean‑pierre", "Jean  Pierre"}},
		{KindName, "ormesson", []string{"d'Ormesson", "d’Ormesson", "D ORMESSON", "Ormesson", "de Ormesson"}},
		{KindName, "tour", []string{"de La Tour", "De la Tour", "DE LA TOUR", "la Tour", "Tour"}},
		{KindName, "coeur", []string{"Cœur", "Coeur", "CŒUR"}},
		{KindName, "gogh", []string{"van Gogh", "Van Gogh", "Gogh"}},
		{KindName, "sallah", []string{"Ben Sallah", "El Sallah", "ben-sallah", "Sallah"}},
		{KindName, "le", []string{"Le", "LÊ", "Lê"}},
		{KindName, "strasse", []string{"Straße", "STRASSE"}},
		{KindName, "نور", []string{"نور", "نُور"}},
		{KindDate, "2004-05-07", []string{"2004-05-07", "07/05/2004", "7/5/2004", "07.05.2004", "07-05-2004", " 07/05/2004 "}},
		{KindDate, "", []string{"30/02/2004", "07/05/04", "2004", "", "aa/bb/cccc", "2004-13-01", "٠٧/05/2004"}},
		{KindNIR, "2690549588157", []string{"2 69 05 49 588 157 80", "269054958815780", "2690549588157", "2.69.05.49.588.157"}},
		{KindNIR, "185052A001234", []string{"1 85 05 2A 001 234 56", "1 85 05 2a 001 234"}},
		{KindPhone, "0612345678", []string{"06 12 34 56 78", "06.12.34.56.78", "+33 6 12 34 56 78", "0033612345678", "+33 (0)6 12 34 56 78"}},
		{KindPhone, "+262692123456", []string{"+262 692 12 34 56", "00262692123456"}},
		{KindEmail, "lea.martin@example.org", []string{" Lea.Martin@Example.org "}},
		{KindCode, "ML0001234", []string{"ml-000 1234", "ML0001234", "ml.0001234"}},
		{KindSIRET, "13002526500013", []string{"130 025 265 00013"}},
	} {
		for _, from := range c.from {
			if got := Normalise(c.kind, from); got != c.want {
				t.Errorf("%s %q: %q, want %q", c.kind, from, got, c.want)
			}
		}
	}
}

func TestDifferentPeopleDoNotNormaliseAlike(t *testing.T) {
	for _, c := range [][2]string{{"Martin", "Marin"}, {"Ben", "Le"}, {"Dupont", "Dupond"}} {
		if Normalise(KindName, c[0]) == Normalise(KindName, c[1]) {
			t.Errorf("%q and %q are the same", c[0], c[1])
		}
	}
}

var kinds = []Kind{KindName, KindDate, KindNIR, KindSIRET, KindPhone, KindEmail, KindText, KindCode, KindUAI, KindINE, KindAGDREF, KindAddress}

func TestNormalisingTwiceIsNormalisingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		value := rapid.OneOf(rapid.String(), rapid.StringMatching(`(de |d'|la |van |ben |[A-Zé]{1,4}[ -]?){0,5}`), rapid.StringMatching(`[+]?[0-9 ()./-]{0,20}`)).Draw(t, "value")
		once := Normalise(kind, value)
		if twice := Normalise(kind, once); twice != once {
			t.Fatalf("%s %q: %q then %q", kind, value, once, twice)
		}
	})
}

func FuzzNormalise(f *testing.F) {
	for _, s := range []string{"d'Ormesson", "Œuvre", "2 69 05 49 588 157 80", "07/05/2004", "+33 6 12 34 56 78", "ǅ İ ﬁ ſ K", "0033"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, kind := range kinds {
			once := Normalise(kind, value)
			if twice := Normalise(kind, once); twice != once {
				t.Fatalf("%s %q: %q then %q", kind, value, once, twice)
			}
		}
	})
}
