package generate

import (
	"embed"
	"math/rand/v2"
	"slices"
	"strings"
)

//go:embed data/*.txt
var data embed.FS

// ranked is a list of words whose weight falls with their rank.
type ranked struct {
	words []string
	sums  []int
}

// pick draws a word: the one of rank r weighs 1/(r+flat).
func (l *ranked) pick(r *rand.Rand) string {
	i, _ := slices.BinarySearch(l.sums, 1+r.IntN(l.sums[len(l.sums)-1]))
	return l.words[i]
}

func rank(words []string, flat int) *ranked {
	l := &ranked{words: words}
	sum := 0
	for i := range words {
		sum += 1_000_000 / (i + flat)
		l.sums = append(l.sums, sum)
	}
	return l
}

// place is a commune.
type place struct{ department, commune, postcode, town string }

// territory is the commune's territory code, 93-008.
func (p place) territory() string { return p.department + "-" + p.commune }

// lexicon is all that the data files hold.
type lexicon struct {
	surnames *ranked
	first    map[string]*ranked // by sex and generation: "fy"
	places   []place
	streets  []string
	lists    map[string][]string
}

// words is read once, at start: the files are part of the program.
var words = readLexicon()

func readLexicon() *lexicon {
	x := &lexicon{first: map[string]*ranked{}, lists: map[string][]string{}, streets: lines("streets.txt")}
	var surnames []string
	for _, l := range lines("surnames.txt") {
		surnames = append(surnames, fields(l)...)
	}
	x.surnames = rank(surnames, 100)
	first := map[string][]string{}
	for _, l := range lines("first_names.txt") {
		f := fields(l)
		first[f[0]+f[1]] = append(first[f[0]+f[1]], f[2:]...)
	}
	for group, names := range first {
		x.first[group] = rank(names, 25)
	}
	for _, l := range lines("places.txt") {
		f := fields(l)
		x.places = append(x.places, place{f[0], f[1], f[2], f[3]})
	}
	for _, l := range lines("words.txt") {
		key, values, _ := strings.Cut(l, "\t")
		x.lists[key] = strings.Split(values, "|")
	}
	return x
}

// lines reads a data file without comments and blank lines.
func lines(name string) (found []string) {
	text, err := data.ReadFile("data/" + name)
	if err != nil {
		panic("generate: " + err.Error()) // embedded: can't fail
	}
	for l := range strings.Lines(string(text)) {
		if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
			found = append(found, l)
		}
	}
	return found
}

// fields cuts a line at spaces; an underscore stands for a space inside a word.
func fields(line string) []string {
	f := strings.Fields(line)
	for i := range f {
		f[i] = strings.ReplaceAll(f[i], "_", " ")
	}
	return f
}

// one draws from a list, each word alike.
func one(r *rand.Rand, list string) string {
	l := words.lists[list]
	return l[r.IntN(len(l))]
}

// surname draws a surname in capitals: three in ten from the long tail of names that few people bear,
// four in a hundred double.
func surname(r *rand.Rand) string {
	name := words.surnames.pick(r)
	if r.IntN(10) < 3 {
		name = one(r, "surname_head") + one(r, "surname_tail")
	}
	if r.IntN(100) < 4 {
		name += "-" + words.surnames.pick(r)
	}
	return strings.ToUpper(name)
}

// firstName draws a first name for a sex ("f", "m") and generation ("y", "a").
func firstName(r *rand.Rand, sex, generation string) string {
	return words.first[sex+generation].pick(r)
}

// ascii folds a name for an e-mail address.
func ascii(name string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		if f, ok := folded[c]; ok {
			b.WriteString(f)
		} else if c >= 'a' && c <= 'z' {
			b.WriteRune(c)
		}
	}
	return b.String()
}

var folded = map[rune]string{
	'à': "a", 'â': "a", 'ä': "a", 'ã': "a", 'ç': "c", 'ć': "c", 'é': "e", 'è': "e", 'ê': "e", 'ë': "e", 'î': "i", 'ï': "i",
	'ô': "o", 'ö': "o", 'ù': "u", 'û': "u", 'ü': "u", 'œ': "oe", 'æ': "ae", ' ': "-", '-': "-", '\'': "",
}
