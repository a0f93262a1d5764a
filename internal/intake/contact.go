package intake

import (
	"net/mail"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// overseas are the numbering plans that share France's national way of writing numbers (0 and nine
// digits) under country codes of their own.
var overseas = []string{"GP", "GF", "MQ", "RE", "YT"}

// fiction are the ranges that the French numbering plan keeps for works of fiction, four digits each:
// right in form and never allotted. Libraries call the mobile one invalid.
var fiction = []string{"+3319900", "+3326191", "+3335301", "+3346571", "+3353649", "+3363998"}

// Phone checks a telephone number, written in any usual way; without a country it is French, or of a
// French overseas department. It is stored as E.164 (+33639980123).
func Phone(value string) (string, Code) {
	if !phoneSigns(value) {
		return "", PhoneFormat
	}
	n := compact(value)
	if e, ok := fictional(n); ok {
		return e, ""
	}
	if e, ok := valid(n, "FR"); ok {
		return e, ""
	}
	if len(n) == 10 && n[0] == '0' && digits(n) {
		for _, region := range overseas {
			if e, ok := valid(n, region); ok {
				return e, ""
			}
		}
	}
	return "", PhoneInvalid
}

func valid(n, region string) (string, bool) {
	parsed, err := phonenumbers.Parse(n, region)
	if err != nil || !phonenumbers.IsValidNumber(parsed) || parsed.GetExtension() != "" {
		return "", false
	}
	return phonenumbers.Format(parsed, phonenumbers.E164), true
}

// fictional recognises the ranges of fiction, written nationally or internationally.
func fictional(n string) (string, bool) {
	switch {
	case strings.HasPrefix(n, "0033"):
		n = "+33" + n[4:]
	case len(n) == 10 && n[0] == '0':
		n = "+33" + n[1:]
	}
	if len(n) != 12 || n[0] != '+' || !digits(n[1:]) {
		return "", false
	}
	return n, slices.Contains(fiction, n[:8])
}

// phoneSigns keeps letters (vanity numbers, "poste 12") and all but the usual signs out.
func phoneSigns(value string) bool {
	n := 0
	for _, r := range value {
		switch {
		case r >= '0' && r <= '9':
			n++
		case strings.ContainsRune("+.-/() \u00a0\u202f\u2009\u2010\u2011", r):
		default:
			return false
		}
	}
	return n >= 3
}

// Email checks a plain address of RFC 5322: no display name, no comment, no quoted local part, no
// address literal, a domain of at least two labels. The domain is stored in lower case; the local part
// is kept as typed (RFC 5321 §2.4).
func Email(value string) (string, Code) {
	if strings.ContainsAny(value, "\"<>()[], ") {
		return "", EmailFormat
	}
	a, err := mail.ParseAddress(value)
	if err != nil || a.Name != "" || a.Address != value {
		return "", EmailFormat
	}
	at := strings.LastIndexByte(value, '@')
	local, domain := value[:at], strings.ToLower(value[at+1:])
	if len(local) > 64 || !domainName(domain) {
		return "", EmailFormat
	}
	return local + "@" + domain, ""
}

// domainName reports at least two labels of letters, digits and inner hyphens; letters of any script.
func domainName(d string) bool {
	labels := strings.Split(d, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for i := range len(l) {
			if c := l[i]; c < 0x80 && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return false
			}
		}
	}
	return len(labels) >= 2 && !digits(labels[len(labels)-1])
}
