package budget

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Limits are the hard limits of one account in one register, in distinct persons (searches, links and
// emergencies: in acts) per window. A zero limit admits nothing.
type Limits struct {
	Unexplained24h int `json:"unexplained_24h"` // tier 3
	Outside24h     int `json:"outside_24h"`     // tiers 2 and 3
	New24h         int `json:"new_24h"`         // tiers 1 to 3
	New30d         int `json:"new_30d"`
	Total24h       int `json:"total_24h"` // every tier, known persons included
	Search24h      int `json:"search_24h"`
	Search10min    int `json:"search_10min"`
	Emergency24h   int `json:"emergency_24h"`
	Links24h       int `json:"links_24h"`
}

// Default is what an account may do unless its agreement says otherwise. Total24h is that of an
// account without caseload: set it to TotalLimit(caseload) before Override, so that the agreement has
// the last word.
func Default() Limits {
	return Limits{
		Unexplained24h: 5,
		Outside24h:     10,
		New24h:         40,
		New30d:         300,
		Total24h:       TotalLimit(0),
		Search24h:      60,
		Search10min:    15,
		Emergency24h:   3,
		Links24h:       20,
	}
}

// TotalLimit is the default Total24h of an account that follows caseload persons: one and a half
// times as many, at least 120 and at most 400.
func TotalLimit(caseload int) int {
	return min(max(120, caseload+caseload/2), 400)
}

// OrganisationLimit is the default of (account, person) pairs newly disclosed in 24 h to an
// organisation of which activeAccounts accounts signed in within 30 days.
func OrganisationLimit(activeAccounts int) int { return 3*activeAccounts + 20 }

// RegisterLimit is the circuit breaker of a register: 2 % of its persons newly disclosed at tiers 1
// to 3 in 24 h, at least 1.
func RegisterLimit(persons int64) int { return int(max(1, persons/50)) }

// share is the part of a collective limit that one account may take: one nth, at least 1 unless the
// collective limit is zero.
func share(limit, n int) int { return min(limit, max(1, limit/n)) }

// What others may explain to an account, or to all accounts of a site, by links that they make: distinct
// persons within 30 days, whoever makes them. More takes two people, as an approved import. A colleague
// may link 5 persons a day to one receiver, so that LinksReceived30d is one colleague's whole month: a
// second one who colludes adds nothing.
const (
	LinksReceived30d     = 150
	SiteLinksReceived30d = 300
)

// Probation is how long an account or a grant stays young.
const Probation = 30 * Day

// InForce are the limits at an instant for an account or grant that has existed since: a quarter
// while it is younger than Probation, unless the installation batch confirmed it. The quarter only
// ever ends, so the highest limits within a horizon are those in force at its end. A zero since is
// not known and counts as young.
func InForce(full Limits, since time.Time, installed bool, at time.Time) Limits {
	if installed || !since.IsZero() && !at.Before(since.Add(Probation)) {
		return full
	}
	return Quarter(full)
}

// Quarter divides the budgets of new persons by four, never below 1 unless they are zero.
func Quarter(l Limits) Limits {
	for _, n := range []*int{&l.Unexplained24h, &l.Outside24h, &l.New24h, &l.New30d} {
		*n = share(*n, 4)
	}
	return l
}

// Raised doubles the soft limit, the one of new persons in 24 h: what a second person of the
// organisation may do for a day. All others are hard.
func (l Limits) Raised() Limits {
	l.New24h *= 2
	return l
}

// Max takes the higher limit of each budget: what two mandates allow together.
func (l Limits) Max(o Limits) Limits {
	theirs := o.named()
	for i, mine := range l.named() {
		*mine.value = max(*mine.value, *theirs[i].value)
	}
	return l
}

// MaxLimit is the highest limit that Override accepts.
const MaxLimit = 1_000_000

// ErrLimits is returned by Override; the text around it names the member and what is accepted.
var ErrLimits = errors.New("unreadable limits")

// Override returns the limits with those replaced that text names, a JSON object such as
// {"new_24h": 60} whose members are the JSON names of Limits. An empty text replaces nothing. It is
// strict: an unknown or repeated name, anything but a whole number from 0 to MaxLimit, or text after
// the object is ErrLimits, and then the limits come back as they were.
func (l Limits) Override(text []byte) (Limits, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return l, nil
	}
	changed, in := l, json.NewDecoder(bytes.NewReader(text))
	if t, err := in.Token(); err != nil || t != json.Delim('{') {
		return l, fmt.Errorf("%w: want a JSON object such as {\"new_24h\": 60}", ErrLimits)
	}
	for given := map[string]bool{}; in.More(); {
		if err := changed.overrideNext(in, given); err != nil {
			return l, err
		}
	}
	if _, err := in.Token(); err != nil {
		return l, fmt.Errorf("%w: the object has no end", ErrLimits)
	}
	if _, err := in.Token(); err != io.EOF {
		return l, fmt.Errorf("%w: more text after the object", ErrLimits)
	}
	return changed, nil
}

// overrideNext reads one member of the object.
func (l *Limits) overrideNext(in *json.Decoder, given map[string]bool) error {
	t, err := in.Token()
	name, ok := t.(string)
	if err != nil || !ok {
		return fmt.Errorf("%w: not JSON at byte %d", ErrLimits, in.InputOffset())
	}
	limit := l.byName(name)
	switch {
	case limit == nil:
		return fmt.Errorf("%w: no limit is called %q (one of %s)", ErrLimits, name, strings.Join(limitNames(), ", "))
	case given[name]:
		return fmt.Errorf("%w: %s is given twice", ErrLimits, name)
	}
	given[name] = true
	var value *int
	if err := in.Decode(&value); err != nil || value == nil || *value < 0 || *value > MaxLimit {
		return fmt.Errorf("%w: %s must be a whole number from 0 to %d", ErrLimits, name, MaxLimit)
	}
	*limit = *value
	return nil
}

type namedLimit struct {
	name  string // as in JSON
	value *int
}

func (l *Limits) named() [9]namedLimit {
	return [...]namedLimit{
		{"unexplained_24h", &l.Unexplained24h},
		{"outside_24h", &l.Outside24h},
		{"new_24h", &l.New24h},
		{"new_30d", &l.New30d},
		{"total_24h", &l.Total24h},
		{"search_24h", &l.Search24h},
		{"search_10min", &l.Search10min},
		{"emergency_24h", &l.Emergency24h},
		{"links_24h", &l.Links24h},
	}
}

func (l *Limits) byName(name string) *int {
	for _, n := range l.named() {
		if n.name == name {
			return n.value
		}
	}
	return nil
}

func limitNames() []string {
	var names []string
	for _, n := range new(Limits).named() {
		names = append(names, n.name)
	}
	return names
}
