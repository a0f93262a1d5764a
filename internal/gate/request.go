package gate

import (
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// Request asks to open one person's record.
type Request struct {
	Caller    signin.Caller
	Register  string // code
	Handle    string // from a search or the caseload of the same session
	Purpose   ecluse.Purpose
	Fields    []string // nil = all that the purpose and the agreement allow
	Motive    string   // of the schema's pick-list, tiers 2 and 3
	Text      string   // 20 to 500 characters, tier 3
	Emergency string   // one of policy's four motives; "" = none
	Channel   ecluse.Channel
}

// Outcome answers a Request. Its values are there only if Allowed.
type Outcome struct {
	Allowed  bool
	Reasons  []ecluse.Reason // why not, every one that may be told
	Receipt  string          // opaque id of the entry, allowed or not
	At       time.Time       // ledger time
	Purpose  ecluse.Purpose
	Fields   ecluse.FieldSet // what left
	Values   register.Values
	Relation string           // caseload, site, organisation, other; "" where it may not be told
	Readings []budget.Reading // the caller's meter after this act
}

// SearchRequest looks for the person in front of the caller.
type SearchRequest struct {
	Caller   signin.Caller
	Register string
	Purpose  ecluse.Purpose
	Query    register.Query
	// Beyond leaves the caller's own persons out and looks, exactly, in the whole mandate: for when the
	// right one is not among the tolerant matches.
	Beyond bool
	// Emergency is one of policy's four motives, "" = none: whom an emergency concerns may be looked for without
	// a certificate of training. The motive is written down.
	Emergency string
	Channel   ecluse.Channel
}

// SearchOutcome answers a SearchRequest.
type SearchOutcome struct {
	Allowed  bool // false: refused before anybody was looked up, or nobody can be shown (Reasons)
	Reasons  []ecluse.Reason
	Receipt  string
	Hits     []Hit // at most MaxHits
	Readings []budget.Reading
}

// MaxHits is how many persons a search shows at most.
const MaxHits = 5

// Hit is a person found. It tells nothing but what was typed and what it differs in.
type Hit struct {
	Handle   string
	Relation string   // caseload, site, organisation, other
	Exact    bool     // what was typed is what is written, once normalised
	Differs  []string // fields that differ, by name; only among the caller's own persons
}

// CaseloadRequest asks for a page of the caller's own persons.
type CaseloadRequest struct {
	Caller   signin.Caller
	Register string
	Purpose  ecluse.Purpose
	Cursor   string // Next of the page before; "" = the first page
	Channel  ecluse.Channel
}

// PageSize is how many persons a caseload page shows.
const PageSize = 25

// CaseloadOutcome answers a CaseloadRequest. Each row is an entry of its own.
type CaseloadOutcome struct {
	Rows     []Row
	Next     string          // "" = that was the last page
	Withheld int             // rows of this page that were refused
	Reasons  []ecluse.Reason // why, together
	Readings []budget.Reading
}

// Row is one person of a caseload page.
type Row struct {
	Handle  string
	Values  register.Values
	Receipt string
}

// relations name the tiers for people.
var relations = [...]string{"caseload", "site", "organisation", "other"}

func relation(t ecluse.Tier) string { return relations[min(int(t), len(relations)-1)] }

func askedFields(s *register.Schema, names []string) (ecluse.FieldSet, error) {
	if len(names) == 0 {
		return 0, nil
	}
	set, err := s.Set(names...)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnknownField, err)
	}
	return set, nil
}
