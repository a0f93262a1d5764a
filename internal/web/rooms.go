package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// This file is everything that the pages ask of the other rooms. The interfaces are declared here, by
// their consumer, because each has two implementations: the room itself and the fake of the tests.
// The answers of gate and directory are plain types of this package: register.Values can only be made
// against a receipt, so that a page which took them as such could not be shown to a test.

// ErrForbidden: the caller's roles do not open the route.
var ErrForbidden = errors.New("the caller's roles do not open this route")

// Caller is who asks. The zero value is nobody.
type Caller = signin.Caller

// Sessions is what the pages ask of signin; *signin.Service is one.
type Sessions interface {
	FromRequest(r *http.Request) (Caller, error)
	KeepDraft(w http.ResponseWriter, r *http.Request, path string, values url.Values) error
	Draft(w http.ResponseWriter, r *http.Request, c Caller, path string) (url.Values, bool)
	Connections(ctx context.Context, c Caller, limit int) ([]signin.Connection, error)
	Revoke(ctx context.Context, account ecluse.AccountID, session ecluse.SessionID) (bool, error)
}

// Label is a text that comes with data (a schema, a configuration) in both languages.
type Label = register.Label

// Registers gives the schemas; *register.Registers is one.
type Registers interface {
	ByCode(ctx context.Context, code string) (*register.Register, error) // register.ErrUnknownRegister
	All(ctx context.Context) ([]*register.Register, error)
}

// Grant is what one running or past right lets the caller do.
type Grant struct {
	Register string
	Role     ecluse.Role
	Purposes []ecluse.Purpose
	Fields   ecluse.FieldSet
	Starts   time.Time
	Ends     time.Time // zero = no end
	Running  bool
}

// Standing is who the caller is in the directory.
type Standing struct {
	GivenName, UsualName string
	Organisation, Site   string
	Controller           string
	State                string // active, suspended, …
	Roles                []ecluse.Role
	Grants               []Grant
	ManagerPhone         string // of the organisation: whom an agent calls
	Duty                 string // how to reach the duty officer
	Observed             []Observed
}

// Observed is a register whose budgets stop nobody at present.
type Observed struct {
	Register Label
	Until    time.Time
}

// Colleague is an agent of the caller's own organisation.
type Colleague struct {
	ID          string // opaque
	Name, Email string
	RaisedUntil time.Time // zero = the limit is not raised
}

// Place is a site that a link may be made for.
type Place struct{ Code, Name string }

// LinkRequest entrusts a person to a colleague (Receiver, by e-mail) or to a whole site (Site, by code).
type LinkRequest struct {
	Caller         Caller
	Register       string
	Handle         string
	Purpose        ecluse.Purpose
	Kind           string
	Receiver, Site string
	Ends           time.Time
}

// LinkOutcome is the gate's answer to a LinkRequest.
type LinkOutcome struct {
	Allowed  bool
	Reasons  []ecluse.Reason
	Receipt  string
	Ends     time.Time
	Readings []budget.Reading
}

// Has reports whether one of the roles is held.
func (s Standing) Has(roles ...ecluse.Role) bool {
	for _, have := range s.Roles {
		for _, want := range roles {
			if have == want {
				return true
			}
		}
	}
	return false
}

// Review is a disclosure that the caller must be told of. It holds no value of a record.
type Review struct {
	ID      string // opaque
	At      time.Time
	Kind    string // outside, unexplained, emergency
	Account string // name of the agent, as the directory has it
	Site    string
	Purpose ecluse.Purpose
	Motive  string
	Receipt string
	HasText bool
	State   string // pending, accepted, contested
	Decided time.Time
	Own     bool // the caller's own disclosure, or one in the caller's lineage: cannot decide
	// Register is the code of the register, for the labels of purpose and motive.
	Register string
}

// Approval is a request that waits for a second pair of eyes, with the diff that is approved.
type Approval struct {
	ID          string
	Kind        string // directory.import, …
	Requester   string
	RequestedAt time.Time
	Expires     time.Time
	State       string // pending, approved, refused, expired
	DecidedBy   string
	DecidedAt   time.Time
	Own         bool // the caller requested it, or is otherwise not the other pair of eyes
	Digest      string
	Diff        Diff
	Observe     *ObserveRequest // of a request of the kind budgets.observe
}

// ObserveRequest asks to have the budgets of a register observed, from the approval on.
type ObserveRequest struct {
	Register Label
	Days     int
}

// Diff is what an approval would change.
type Diff struct {
	Sections []DiffSection
	Warnings []DiffWarning
}

// DiffSection is the part of a diff that concerns one kind of thing.
type DiffSection struct {
	Kind                  string // organisations, sites, agreements, accounts, grants, links
	Added, Changed, Ended int
	Rows                  []DiffRow
	More                  int // rows that are not listed
}

// Total is the number of changes in the section.
func (s DiffSection) Total() int { return s.Added + s.Changed + s.Ended }

// DiffRow is one change: a name, and what is worth knowing of it.
type DiffRow struct {
	Change string // added, changed, ended
	Name   string
	Note   string
}

// DiffWarning draws the approver's eye to something. Code is translated, Detail is data.
type DiffWarning struct{ Code, Detail string }

// Directory is what the pages ask of the directory.
type Directory interface {
	Standing(ctx context.Context, c Caller) (Standing, error)
	Reviews(ctx context.Context, c Caller) ([]Review, error)
	// ReviewText reads the free text of a review; the reading is ledgered before it is answered.
	ReviewText(ctx context.Context, c Caller, id string) (string, error)
	DecideReview(ctx context.Context, c Caller, id string, accept bool) error
	Approvals(ctx context.Context, c Caller) ([]Approval, error)
	Approval(ctx context.Context, c Caller, id string) (Approval, error)
	// DecideApproval answers ErrDualControl to the requester and ErrDecided the second time.
	DecideApproval(ctx context.Context, c Caller, id string, approve bool) error
	// RaisableRegisters are codes; Colleagues those whose limit the caller may raise in one of them.
	RaisableRegisters(ctx context.Context, c Caller) ([]string, error)
	Colleagues(ctx context.Context, c Caller, register string) ([]Colleague, error)
	// Raisable answers nil if Raise would succeed at present, or its error: directory.ErrDualControl,
	// ErrRaised, ErrNotFound.
	Raisable(ctx context.Context, c Caller, register, colleague string) error
	Raise(ctx context.Context, c Caller, register, colleague, reason string) error
	// Sites are those of the caller's own organisation.
	Sites(ctx context.Context, c Caller) ([]Place, error)
}

// Values are the values of one person against a receipt, in schema order; register.Values are such.
type Values interface {
	Each(yield func(f register.Field, value string))
}

// Request asks to open one person's record.
type Request struct {
	Caller    Caller
	Register  string
	Handle    string
	Purpose   ecluse.Purpose
	Motive    string
	Text      string
	Emergency string // motive, "" = none
}

// Outcome is the gate's answer to a Request. Values is nil unless Allowed.
type Outcome struct {
	Allowed  bool
	Reasons  []ecluse.Reason
	Receipt  string
	Values   Values
	Relation string // caseload, site, organisation, other; "" where it may not be told
	Readings []budget.Reading
	At       time.Time
}

// SearchRequest asks who a Query may be.
type SearchRequest struct {
	Caller   Caller
	Register string
	Purpose  ecluse.Purpose
	Query    register.Query
	Beyond   bool // leave the caller's own persons out: the right one is not among them
}

// Hit is one person found. It holds no value of a record: what is shown is what was typed.
type Hit struct {
	Handle   string
	Relation string // caseload, site, organisation, other
	Exact    bool
	Differs  []string // names of the fields that differ from what was typed
}

// SearchOutcome is the gate's answer to a SearchRequest.
type SearchOutcome struct {
	Allowed  bool
	Reasons  []ecluse.Reason
	Receipt  string
	Hits     []Hit
	Readings []budget.Reading
}

// CaseloadRequest asks for one page of the caller's own persons.
type CaseloadRequest struct {
	Caller   Caller
	Register string
	Purpose  ecluse.Purpose
	Cursor   string
}

// Row is one person of the caseload.
type Row struct {
	Handle  string
	Values  Values
	Receipt string
}

// CaseloadOutcome is one page of the caller's own persons.
type CaseloadOutcome struct {
	Reasons  []ecluse.Reason // why rows were withheld
	Rows     []Row
	Next     string
	Withheld int // persons of the page that a budget kept back
	Readings []budget.Reading
}

// Gate is the lock.
type Gate interface {
	Disclose(ctx context.Context, r Request) (Outcome, error)
	Search(ctx context.Context, r SearchRequest) (SearchOutcome, error)
	Caseload(ctx context.Context, r CaseloadRequest) (CaseloadOutcome, error)
	MakeLink(ctx context.Context, r LinkRequest) (LinkOutcome, error)
	Meters(ctx context.Context, c Caller, register string) ([]budget.Reading, error)
}
