package intake

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"ecluse/internal/register"
)

// rule is what is asked of one kind. The check gets a trimmed, non-empty value without control
// characters and within the limit; it returns the form to store.
type rule struct {
	runes int  // the most that a value may have, as typed
	lines bool // line breaks and tabs are part of the value
	check func(value string) (string, Code)
}

var rules = map[register.Kind]rule{
	register.KindName:    {runes: 120, check: Name},
	register.KindDate:    {runes: 32},
	register.KindNIR:     {runes: 40, check: NIR},
	register.KindSIRET:   {runes: 40, check: SIRET},
	register.KindPhone:   {runes: 40, check: Phone},
	register.KindEmail:   {runes: 254, check: Email},
	register.KindText:    {runes: 8000, lines: true, check: text},
	register.KindCode:    {runes: 64, check: code},
	register.KindUAI:     {runes: 16, check: UAI},
	register.KindINE:     {runes: 32, check: INE},
	register.KindAGDREF:  {runes: 32, check: AGDREF},
	register.KindAddress: {runes: 400, lines: true, check: text},
}

// Check checks one value of kind k and returns the form to store. latest is the last day that a date
// may have (yyyy-mm-dd). An empty value is right: whether it is required is the caller's matter. An
// unknown kind is checked as text. If the code is a warning, the returned form is good all the same.
func Check(k register.Kind, value, latest string) (string, Code) {
	r, ok := rules[k]
	if !ok {
		r = rules[register.KindText]
	}
	value = strings.TrimFunc(value, unicode.IsSpace)
	if value == "" {
		return "", ""
	}
	if c := readable(value, r.runes, r.lines); c != "" {
		return "", c
	}
	if k == register.KindDate {
		return Date(value, latest)
	}
	return r.check(value)
}

// readable finds what no kind of field may hold: too much, control characters, invisible characters
// that reorder or hide text (Unicode TR 36), marks of earlier damage.
func readable(value string, runes int, lines bool) Code {
	if len(value) > runes && utf8.RuneCountInString(value) > runes {
		return ValueTooLong
	}
	for _, r := range value {
		switch {
		case r >= ' ' && r < 0x7f:
		case r == utf8.RuneError:
			return ValueDamaged
		case lines && (r == '\n' || r == '\r' || r == '\t'):
		case unicode.IsControl(r), invisible(r):
			return ValueControl
		}
	}
	return ""
}

// invisible reports bidirectional controls, zero-width spaces and byte order marks. Joiners
// (U+200C, U+200D) are letters' business in several scripts and stay.
func invisible(r rune) bool {
	return r == 0x200b || r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e ||
		r >= 0x2060 && r <= 0x206f || r == 0xfeff || r == 0x061c
}

// Name checks the name of a person or body: at least one letter. It is stored as typed, composed
// (NFC), with single spaces.
func Name(value string) (string, Code) {
	value = norm.NFC.String(strings.Join(strings.Fields(value), " "))
	if strings.IndexFunc(value, unicode.IsLetter) < 0 {
		return "", NameLetters
	}
	return value, ""
}

// text stores free text and addresses as typed, composed, with line feeds as line ends.
func text(value string) (string, Code) {
	if strings.IndexByte(value, '\r') >= 0 {
		value = strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\r", "\n")
	}
	return norm.NFC.String(value), ""
}

// code keeps an identifier of any making as typed, composed, with single spaces (an IBAN in groups).
func code(value string) (string, Code) {
	return norm.NFC.String(strings.Join(strings.Fields(value), " ")), ""
}

// Territory checks the code of a territory: a département (93, 2A, 974) or whatever the register
// divides it into, each division after a hyphen (93-008). Letters are stored as capitals.
func Territory(value string) (string, Code) {
	value = strings.ToUpper(strings.TrimFunc(value, unicode.IsSpace))
	if value == "" {
		return "", ValueMissing
	}
	if len(value) > 32 {
		return "", TerritoryFormat
	}
	for part := range strings.SplitSeq(value, "-") {
		if part == "" || strings.IndexFunc(part, notAlphanumeric) >= 0 {
			return "", TerritoryFormat
		}
	}
	return value, ""
}

func notAlphanumeric(r rune) bool { return (r < '0' || r > '9') && (r < 'A' || r > 'Z') }

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// compact removes what people put between the groups of a number: spaces of any width, dots and
// hyphens.
func compact(s string) string {
	separator := func(r rune) bool {
		return r == '.' || r == '-' || r == 0x2010 || r == 0x2011 || unicode.IsSpace(r)
	}
	if strings.IndexFunc(s, separator) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if separator(r) {
			return -1
		}
		return r
	}, s)
}
