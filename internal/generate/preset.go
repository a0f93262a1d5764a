package generate

import (
	"fmt"
	"math/rand/v2"

	"ecluse"
)

// preset is what tells one population from another.
type preset struct {
	controller     string // code, as the preset's schema has it
	prefix         string // of codes
	source         uint64 // of its own randomness
	sirens         int    // where the bodies' numbers begin
	external       string // import column
	fields         []string
	purposes       []ecluse.Purpose
	persons        int // demo scale
	personsPerBody int
	personsPerSite int // other than the seat
	youngest       int // years, on Reference
	oldest         int
	communes       bool // territories name the commune, not the département alone
	elsewhere      int  // percent who live where no organisation has a mandate
	bodyKind       string
	bodyNames      string // list
	siteNames      string // list
	number         func(i int) string
	fill           func(r *rand.Rand, s *someone, v map[string]string)
}

var generators = map[string]*preset{
	"mission-locale": {
		controller: "spe", prefix: "ML", source: 1, external: "dossier",
		fields: []string{
			"surname", "first_name", "birth_date", "nationality", "nir", "id_document", "email", "address", "phone", "situation",
			"follow_up", "notes", "bank_holder", "iban", "rep_surname", "rep_first_name", "rep_phone", "rep_email",
		},
		purposes: []ecluse.Purpose{"emploi", "formation", "sante", "logement"},
		persons:  22_000, personsPerBody: 2_500, personsPerSite: 125,
		youngest: 16, oldest: 25, communes: true, elsewhere: elsewherePercent,
		bodyKind: "mission-locale", bodyNames: "mission", siteNames: "mission_site",
		number: fileNumber, fill: youth,
	},
	"licences-sport": {
		controller: "sport-scolaire", prefix: "AS", source: 2, sirens: 50_000, external: "licence",
		fields:   []string{"surname", "first_name", "birth_date", "gender", "school", "class", "disability", "rep_surname", "rep_phone"},
		purposes: []ecluse.Purpose{"encadrement", "competition"},
		persons:  2_000, personsPerBody: 330, personsPerSite: 40,
		youngest: 11, oldest: 18, elsewhere: elsewherePercent,
		bodyKind: "association-sportive", bodyNames: "school", siteNames: "school_site",
		number: func(i int) string { return "L" + fileNumber(i) }, fill: pupil,
	},
}

// youth fills the record of a young person whom a mission locale follows.
func youth(r *rand.Rand, s *someone, v map[string]string) {
	identify(s, v)
	v["nationality"] = skewed(r, "nationality", 80)
	if r.IntN(100) < 85 {
		v["nir"] = nir(s.index, s.sex, s.born)
	}
	v["id_document"] = idDocument(r)
	if r.IntN(100) < 90 {
		v["email"] = fmt.Sprintf("%s.%s.%d@example.test", ascii(s.first), ascii(s.surname), s.index+1)
	}
	v["address"] = s.house.address
	if r.IntN(100) < 95 {
		v["phone"] = mobile(s.index)
	}
	v["situation"], v["follow_up"] = one(r, "situation"), one(r, "follow_up")
	if r.IntN(100) < 60 {
		v["notes"] = fmt.Sprintf(one(r, "notes"), one(r, "trade"))
	}
	if r.IntN(100) < 70 {
		v["bank_holder"], v["iban"] = s.first+" "+s.surname, iban(s.index)
	}
	if s.minor() {
		represent(s, v)
		v["rep_first_name"] = s.house.parent
		if r.IntN(100) < 70 {
			v["rep_email"] = fmt.Sprintf("%s.%s.parent%d@example.test", ascii(s.house.parent), ascii(s.house.surname), s.index+1)
		}
	}
}

// pupil fills the record of a pupil who has a licence in school sport.
func pupil(r *rand.Rand, s *someone, v map[string]string) {
	identify(s, v)
	v["gender"] = map[string]string{"f": "F", "m": "M"}[s.sex]
	where, n := s.house.home.department, 900
	if s.house.body != nil {
		n = s.house.body.index
	}
	v["school"] = schoolCode(where, n%400)
	v["class"] = classOf(s.born.age(), r)
	if r.IntN(100) < 3 {
		v["disability"] = one(r, "disability")
	}
	if s.minor() {
		represent(s, v)
	}
}

func identify(s *someone, v map[string]string) {
	v["surname"], v["first_name"], v["birth_date"] = s.surname, s.first, s.born.String()
}

func represent(s *someone, v map[string]string) {
	v["rep_surname"], v["rep_phone"] = s.house.surname, s.house.phone
}

// classOf is a class of the list that fits an age from 11 to 18.
func classOf(age int, r *rand.Rand) string {
	list := words.lists["class"]
	return list[min(max(0, (age-11)*2), len(list)-2)+r.IntN(2)]
}
