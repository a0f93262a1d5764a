package generate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// maker makes the value of a field for someone; "" = none.
type maker func(r *rand.Rand, s *someone) string

// makers are the values that settings can ask for, by name. words says that a maker needs From.
var makers = map[string]struct {
	words bool
	of    func(f *field) maker
}{
	// The person.
	"surname":      {of: fixed(func(s *someone) string { return s.surname })},
	"birth_name":   {of: fixed(func(s *someone) string { return s.house.surname })},
	"first_name":   {of: fixed(func(s *someone) string { return s.first })},
	"birth_date":   {of: fixed(func(s *someone) string { return s.born.String() })},
	"sex":          {of: fixed(func(s *someone) string { return strings.ToUpper(s.sex) })},
	"email":        {of: fixed(func(s *someone) string { return mail(s.first, s.surname, fmt.Sprint(s.index+1)) })},
	"phone":        {of: fixed(func(s *someone) string { return mobile(s.index) })},
	"address":      {of: fixed(func(s *someone) string { return s.house.address })},
	"full_name":    {of: fixed(func(s *someone) string { return s.first + " " + s.surname })},
	"organisation": {of: fixed((*someone).organisation)},

	// Her legal representative.
	"parent.surname":    {of: fixed(func(s *someone) string { return s.house.surname })},
	"parent.first_name": {of: fixed(func(s *someone) string { return s.house.parent })},
	"parent.phone":      {of: fixed(func(s *someone) string { return s.house.phone })},
	"parent.email": {of: fixed(func(s *someone) string {
		return mail(s.house.parent, s.house.surname, fmt.Sprintf("parent%d", s.index+1))
	})},

	// Numbers, in ranges that are never allotted.
	"nir":         {of: fixed(func(s *someone) string { return nir(s.index, s.sex, s.born) })},
	"iban":        {of: fixed(func(s *someone) string { return iban(s.index) })},
	"id_document": {of: func(*field) maker { return func(r *rand.Rand, _ *someone) string { return idDocument(r) } }},
	"file": {of: func(f *field) maker {
		return fixed(func(s *someone) string { return f.Before + fileNumber(s.index) })(f)
	}},
	"agdref":         {of: fixed(func(s *someone) string { return agdref(s.index) })},
	"ine":            {of: fixed(func(s *someone) string { return ine(s.index) })},
	"france_travail": {of: fixed(func(s *someone) string { return franceTravail(s.index) })},
	"school":         {of: fixed((*someone).school)},

	// Words and days.
	"list":  {words: true, of: listed},
	"class": {words: true, of: classed},
	"date":  {of: past},
}

// makerOf finds the maker that a field asks for.
func makerOf(f *field) (maker, error) {
	m, ok := makers[f.Make]
	if !ok {
		known := make([]string, 0, len(makers))
		for name := range makers {
			known = append(known, name)
		}
		slices.Sort(known)
		return nil, fmt.Errorf("field %s: nothing makes %q (there are %s)", f.Name, f.Make, strings.Join(known, ", "))
	}
	if m.words != (len(f.From) > 0) {
		return nil, fmt.Errorf("field %s: from = [words] goes with make = \"list\" or \"class\", and they with it", f.Name)
	}
	if f.Make == "date" && (f.Days[0] < 0 || f.Days[1] < f.Days[0]) {
		return nil, fmt.Errorf("field %s: days = [at least, at most] before %s", f.Name, Reference)
	}
	return m.of(f), nil
}

// fixed is a maker that draws nothing.
func fixed(value func(*someone) string) func(*field) maker {
	return func(*field) maker { return func(_ *rand.Rand, s *someone) string { return value(s) } }
}

// fill fills someone's record, field by field.
func (p *preset) fill(r *rand.Rand, s *someone, v map[string]string) {
	for i := range p.Fields {
		f := &p.Fields[i]
		if f.When != "" && (f.When == "minor") != s.minor() || f.If != "" && v[f.If] == "" {
			continue
		}
		if f.Chance > 0 && r.IntN(100) >= f.Chance {
			continue
		}
		if value := f.maker(r, s); value != "" {
			v[f.Name] = value
		}
	}
}

// listed draws from a list, its first word as often as the field says.
func listed(f *field) maker {
	return func(r *rand.Rand, _ *someone) string {
		word := f.From[0]
		if r.IntN(100) >= f.First {
			word = f.From[r.IntN(len(f.From))]
		}
		if len(f.With) > 0 {
			word = strings.ReplaceAll(word, "%s", f.With[r.IntN(len(f.With))])
		}
		return word
	}
}

// classed is a class of a list, two a year of age from eleven on.
func classed(f *field) maker {
	return func(r *rand.Rand, s *someone) string {
		last := len(f.From) - 1
		return f.From[min(min(max(0, (s.born.age()-11)*2), max(0, last-1))+r.IntN(2), last)]
	}
}

// past is a day before Reference.
func past(f *field) maker {
	return func(r *rand.Rand, _ *someone) string { return daysAfter(-f.Days[0] - r.IntN(f.Days[1]-f.Days[0]+1)) }
}

// daysAfter is a day so many days after Reference.
func daysAfter(days int) string {
	return time.Date(reference.year, time.Month(reference.month), reference.day+days, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

func mail(first, surname, number string) string {
	return fmt.Sprintf("%s.%s.%s@example.test", ascii(first), ascii(surname), number)
}

// school is the school of the body that follows someone.
func (s *someone) school() string {
	n := 900
	if s.house.body != nil {
		n = s.house.body.index
	}
	return schoolCode(s.house.home.department, n%400)
}

// organisation is the code of the body that follows someone.
func (s *someone) organisation() string {
	if s.house.body == nil {
		return ""
	}
	return s.house.body.code
}
