package register

import (
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Normalise brings a value to the form under which it is looked up: two spellings of the same name,
// number or date become the same text. It is pure and idempotent; what it can't make sense of becomes
// "" for dates and a folded text for everything else. It is not a check: the import's checks are.
func Normalise(kind Kind, value string) string {
	value = strings.ToValidUTF8(value, " ")
	switch kind {
	case KindName:
		return normaliseName(value)
	case KindDate:
		return normaliseDate(value)
	case KindNIR:
		return normaliseNIR(value)
	case KindPhone:
		return normalisePhone(value)
	case KindEmail:
		return strings.TrimSpace(strings.ToLower(norm.NFKD.String(value)))
	case KindSIRET, KindCode, KindUAI, KindINE, KindAGDREF:
		return normaliseCode(value)
	}
	return strings.Join(words(value), " ")
}

// letters without a canonical decomposition, as names are also written without them.
var plainLetters = strings.NewReplacer(
	"œ", "oe", "æ", "ae", "ß", "ss", "ø", "o", "đ", "d", "ð", "d", "ł", "l", "þ", "th", "ı", "i", "ŋ", "ng", "ĸ", "k", "ŧ", "t", "ħ", "h",
)

// words folds a text (case, accents, ligatures) and cuts it at everything that is neither letter nor
// digit: hyphens, apostrophes of any sort, spaces, points.
func words(s string) []string {
	s = norm.NFKD.String(strings.ToValidUTF8(s, " "))
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.M, r) || unicode.Is(unicode.Cf, r):
			return -1
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return ' '
	}, s)
	return strings.Fields(plainLetters.Replace(s))
}

// particles stand in names by the taste of who wrote them down: "de La Tour", "Delatour", "Tour".
var particles = map[string]bool{
	"de": true, "du": true, "des": true, "d": true, "la": true, "le": true, "les": true, "l": true,
	"van": true, "von": true, "der": true, "den": true, "ten": true, "ter": true, "zu": true,
	"ben": true, "bin": true, "ibn": true, "bint": true, "el": true, "al": true, "ould": true, "ait": true,
	"da": true, "do": true, "dos": true, "das": true, "di": true, "del": true, "della": true, "y": true, "e": true,
}

// significant drops the particles of a name, unless it has nothing else ("Le", "Ben").
func significant(all []string) []string {
	var kept []string
	for _, w := range all {
		if !particles[w] {
			kept = append(kept, w)
		}
	}
	if len(kept) == 0 {
		return all
	}
	return kept
}

// normaliseName folds a name, drops its particles and writes it in one word: "Jean-Pierre", "Jean
// Pierre" and "Jeanpierre" are the same, and so are "d'Ormesson" and "Ormesson".
func normaliseName(s string) string { return strings.Join(significant(words(s)), "") }

// normaliseCode keeps letters and digits, in capitals.
func normaliseCode(s string) string { return strings.ToUpper(strings.Join(words(s), "")) }

// normaliseDate reads yyyy-mm-dd, dd/mm/yyyy and d.m.yyyy (also with - or spaces) into yyyy-mm-dd; ""
// if it is no date of the calendar.
func normaliseDate(s string) string {
	parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("-/. \t\u00a0", r) })
	if len(parts) != 3 {
		return ""
	}
	if len(parts[2]) == 4 {
		parts[0], parts[2] = parts[2], parts[0]
	}
	if len(parts[0]) != 4 || len(parts[1]) > 2 || len(parts[2]) > 2 {
		return ""
	}
	iso := parts[0] + "-" + twoDigits(parts[1]) + "-" + twoDigits(parts[2])
	if _, err := time.Parse(time.DateOnly, iso); err != nil {
		return ""
	}
	return iso
}

func twoDigits(s string) string {
	if len(s) == 1 {
		return "0" + s
	}
	return s
}

// normaliseNIR keeps the 13 characters of the number: its key of two digits follows from them, and
// people type it or not.
func normaliseNIR(s string) string {
	code := normaliseCode(s)
	if len(code) == 15 && !strings.ContainsFunc(code, func(r rune) bool { return r > unicode.MaxASCII }) {
		return code[:13]
	}
	return code
}

// normalisePhone writes a French number as 0 and nine digits, another with its country code.
func normalisePhone(s string) string {
	plus := strings.HasPrefix(strings.TrimSpace(s), "+")
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ReplaceAll(s, "(0)", ""))
	if rest, found := strings.CutPrefix(digits, "00"); found && !plus {
		plus, digits = true, rest
	}
	if !plus {
		return digits
	}
	if rest, found := strings.CutPrefix(digits, "33"); found && len(rest) == 9 {
		return "0" + rest
	}
	return "+" + digits
}
