// Package directory knows who may act for whom: controllers, organisations and their sites,
// agreements, accounts, grants, links, invitations, and the requests that change them.
//
// Invariant (four eyes): nothing here changes but through an approval that somebody else than the
// requester decided, in one place (decide, approval.go), and every change takes effect in the ledger
// transaction that appends its entry. Rows of accounts, agreements, grants and links carry a MAC
// under the directory key: a row written around the program is dead and is reported (Dead). So do raises
// of soft limits, which are the second pair of eyes themselves, observations of budgets, and certificates of training.
//
// It holds no value of a record; accounts are professionals' names and addresses.
//
// Tables: controllers, organisations, agreements, accounts, grants, links, invitations, approvals,
// reviews, raises, observations, factors, trainings.
package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/policy"
)

// Errors of the directory. Test with errors.Is.
var (
	ErrUnknownAccount  = errors.New("there is no such account")
	ErrUnknownIdentity = errors.New("no account belongs to this identity")
	ErrNotFound        = errors.New("there is no such row, or it is not yours to see")
	ErrDead            = errors.New("a row was written around the program: its MAC does not hold")
)

// Controller is a body that answers for registers.
type Controller struct {
	ID   ecluse.ControllerID
	Code string
	Name string
	DPO  string // how to reach the data protection officer
	MAC  []byte
}

// Organisation is a partner, or one of its sites (Parent set).
type Organisation struct {
	ID         ecluse.OrganisationID
	Controller ecluse.ControllerID
	Parent     ecluse.OrganisationID
	Code       string // the body's own short name
	Kind       string
	SIRET      string
	Name       string
	Territory  string
	Phone      string // whom an agent calls
	Headcount  int    // how many work there, 0 = unknown
	State      string // active, ended
	MAC        []byte
}

// Agreement is a convention: what an organisation may see of a register, where and until when.
type Agreement struct {
	ID           ecluse.AgreementID
	Organisation ecluse.OrganisationID
	Register     ecluse.RegisterID
	Code         string
	Purposes     string // codes, space separated
	Fields       ecluse.FieldSet
	Territory    string // codes, space separated; * = all
	Limits       string // JSON of budget.Limits: what departs from the defaults
	Starts, Ends time.Time
	State        string
	Entry        ecluse.EntryNumber
	MAC          []byte
}

// Account is one person's right to act. It is keyed on (IDP, Sub), never on the e-mail.
type Account struct {
	ID           ecluse.AccountID
	Controller   ecluse.ControllerID
	Organisation ecluse.OrganisationID // 0 for the controller's own staff
	Site         ecluse.OrganisationID
	Kind         string // agent, officer, client
	State        string // as stored; StateAt says what is left of it
	IDP, Sub     string // "" until bound
	Email        string
	GivenName    string
	UsualName    string
	RequestedBy  ecluse.AccountID
	ApprovedBy   ecluse.AccountID
	Installed    bool // confirmed in the installation batch
	Created      time.Time
	Starts, Ends time.Time // Ends zero = no end
	StandInEnds  time.Time // of a replacement that nobody has confirmed; zero = none
	Entry        ecluse.EntryNumber
	MAC          []byte
	ActiveAt     time.Time // last sign-in, or when it was opened again
	ActiveMAC    []byte
}

// Name is how the account's owner is shown; a program has a usual name only.
func (a Account) Name() string { return strings.TrimSpace(a.GivenName + " " + a.UsualName) }

// Grant gives an account a role, for agents under one agreement.
type Grant struct {
	Account     ecluse.AccountID
	Agreement   ecluse.AgreementID // 0 for roles that open no register
	Role        ecluse.Role
	RequestedBy ecluse.AccountID
	ApprovedBy  ecluse.AccountID
	Created     time.Time
	Ends        time.Time
	Entry       ecluse.EntryNumber
	MAC         []byte
}

// Standing is everything that a decision about an account rests on, as of one revision.
type Standing struct {
	Rev          int64
	Account      Account
	Controller   Controller
	Organisation Organisation
	Site         Organisation
	Grants       []Grant
	Mandates     []policy.Mandate // of its grants as agent, running or not
	Roles        []ecluse.Role
	Colleagues   int                       // accounts of the organisation that signed in within 30 days
	Caseload     map[ecluse.RegisterID]int // links that explain an access of this account
	Observations []Observation             // of the account's own body
	Trainings    []Training                // of the account
	raises       []Raise                   // of the account's limits
	ended        []ecluse.SessionID        // its sessions that were ended before their time
	read         time.Time
}

// Has reports whether the account holds a role.
func (s Standing) Has(r ecluse.Role) bool { return slices.Contains(s.Roles, r) }

// Reads is what a change of the directory reads: of the database (Rows), or of its own transaction (Tx).
type Reads interface {
	Account(ctx context.Context, id ecluse.AccountID) (Account, error) // ErrUnknownAccount
	AccountByIdentity(ctx context.Context, idp, sub string) (Account, error)
	Accounts(ctx context.Context, c ecluse.ControllerID) ([]Account, error)
	AllGrants(ctx context.Context, c ecluse.ControllerID) ([]Grant, error)
	AllAgreements(ctx context.Context, c ecluse.ControllerID) ([]Agreement, error)
	Organisations(ctx context.Context, c ecluse.ControllerID) ([]Organisation, error)
	Approval(ctx context.Context, id ecluse.ApprovalID) (Approval, error) // ErrNotFound
	// Bindings are those of the subjects that were ever bound.
	Bindings(ctx context.Context, subjects []Subject) ([]Binding, error)
	LineageRows
}

// Rows reads the directory. Package store implements it.
type Rows interface {
	Rev(ctx context.Context) (int64, error)
	Reads
	AccountsByEmail(ctx context.Context, email string) ([]Account, error)
	// Holders are a controller's accounts with a grant of a role, and those grants, ended ones included.
	Holders(ctx context.Context, c ecluse.ControllerID, r ecluse.Role) ([]Account, []Grant, error)
	Grants(ctx context.Context, id ecluse.AccountID) ([]Grant, error)
	Agreements(ctx context.Context, o ecluse.OrganisationID) ([]Agreement, error)
	Organisation(ctx context.Context, id ecluse.OrganisationID) (Organisation, error)
	OrganisationByCode(ctx context.Context, c ecluse.ControllerID, code string) (Organisation, error)
	Controllers(ctx context.Context) ([]Controller, error)
	ActiveAccounts(ctx context.Context, o ecluse.OrganisationID, since time.Time) (int, error)
	Caseload(ctx context.Context, a Account, at time.Time) (map[ecluse.RegisterID]int, error)
	ApprovalRows
	TeamRows
	ReviewRows
	RaiseRows
	ObservationRows
	ContainmentRows
	StandingRows
	FactorRows
	ClientRows
	TrainingRows
}

// Directory serves the rooms to its right from a cache of standings, each valid for the revision it
// was read at; the ledger compares that revision under its lock. Safe for concurrent use.
type Directory struct {
	rows   Rows
	ledger *ledger.Ledger
	keys   *keys.Keys
	now    func() time.Time
	log    *slog.Logger
	fields FieldNames // nil: bits are shown

	rev       atomic.Int64 // newest revision heard of
	mu        sync.RWMutex
	standings map[ecluse.AccountID]Standing
	chunk     sync.Mutex // one chunk of a batch at a time
	wake      atomic.Pointer[func() <-chan struct{}]
}

// New makes a Directory. Give its Revised to the ledger's Watch.
func New(rows Rows, l *ledger.Ledger, k *keys.Keys, now func() time.Time, log *slog.Logger) *Directory {
	return &Directory{rows: rows, ledger: l, keys: k, now: now, log: log, standings: map[ecluse.AccountID]Standing{}}
}

// Revised tells the Directory of a revision that was committed.
func (d *Directory) Revised(rev int64) {
	for {
		known := d.rev.Load()
		if rev <= known || d.rev.CompareAndSwap(known, rev) {
			return
		}
	}
}

// standingLife bounds the age of what the revision does not cover: headcount and caseload.
const standingLife = 10 * time.Minute

// Standing is what is known of an account, at most as old as the newest revision this node heard of.
// A decision taken on an older one is refused by the ledger (ErrStale), which has told this node of the
// newer one by then (ledger.AppendFresh).
func (d *Directory) Standing(ctx context.Context, id ecluse.AccountID) (Standing, error) {
	d.mu.RLock()
	s, ok := d.standings[id]
	d.mu.RUnlock()
	if ok && s.Rev >= d.rev.Load() && d.now().Sub(s.read).Abs() < standingLife {
		return s, nil
	}
	s, err := d.read(ctx, id)
	if err != nil {
		return Standing{}, err
	}
	d.Revised(s.Rev)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.standings[id] = s
	return s, nil
}

// read reads a standing. The revision comes first: rows newer than it only make it look older.
func (d *Directory) read(ctx context.Context, id ecluse.AccountID) (Standing, error) {
	var s Standing
	var err error
	if s.Rev, err = d.rows.Rev(ctx); err != nil {
		return s, fmt.Errorf("read the revision: %w", err)
	}
	if s.Account, err = d.rows.Account(ctx, id); err != nil {
		return s, fmt.Errorf("read account %d: %w", id, err)
	}
	if err := d.checkAccount(s.Account); err != nil {
		return s, err
	}
	if s.Controller, err = d.controller(ctx, s.Account.Controller); err != nil {
		return s, err
	}
	if err := d.readStructure(ctx, &s); err != nil {
		return s, err
	}
	s.read = d.now()
	if s.Caseload, err = d.rows.Caseload(ctx, s.Account, s.read); err != nil {
		return s, fmt.Errorf("count the caseload of account %d: %w", id, err)
	}
	if err := d.readObservations(ctx, &s); err != nil {
		return s, err
	}
	if err := d.readEnded(ctx, &s); err != nil {
		return s, err
	}
	if err := d.readRaises(ctx, &s); err != nil {
		return s, err
	}
	if err := d.readTrainings(ctx, &s); err != nil {
		return s, err
	}
	return s, d.readMandates(ctx, &s)
}

func (d *Directory) controller(ctx context.Context, id ecluse.ControllerID) (Controller, error) {
	all, err := d.Controllers(ctx)
	if err != nil {
		return Controller{}, err
	}
	i := slices.IndexFunc(all, func(c Controller) bool { return c.ID == id })
	if i < 0 {
		return Controller{}, ErrNotFound
	}
	return all[i], nil
}

func (d *Directory) readStructure(ctx context.Context, s *Standing) error {
	if s.Account.Organisation == 0 {
		return nil
	}
	var err error
	if s.Organisation, err = d.organisation(ctx, s.Account.Organisation); err != nil {
		return fmt.Errorf("read organisation %d: %w", s.Account.Organisation, err)
	}
	if s.Account.Site != 0 {
		if s.Site, err = d.organisation(ctx, s.Account.Site); err != nil {
			return fmt.Errorf("read site %d: %w", s.Account.Site, err)
		}
	}
	s.Colleagues, err = d.rows.ActiveAccounts(ctx, s.Account.Organisation, d.now().Add(-30*budget.Day))
	if err != nil {
		return fmt.Errorf("count the accounts of organisation %d: %w", s.Account.Organisation, err)
	}
	return nil
}

// readMandates joins the account's grants with its organisation's agreements.
func (d *Directory) readMandates(ctx context.Context, s *Standing) error {
	grants, err := d.rows.Grants(ctx, s.Account.ID)
	if err != nil {
		return fmt.Errorf("read the grants of account %d: %w", s.Account.ID, err)
	}
	var agreements []Agreement
	if s.Account.Organisation != 0 {
		if agreements, err = d.rows.Agreements(ctx, s.Account.Organisation); err != nil {
			return fmt.Errorf("read the agreements of organisation %d: %w", s.Account.Organisation, err)
		}
	}
	d.join(s, grants, agreements)
	return nil
}

// join gives a standing its grants, roles and mandates. Rows without a valid MAC give nothing and are
// reported.
func (d *Directory) join(s *Standing, grants []Grant, agreements []Agreement) {
	for _, g := range grants {
		if d.valid(grantDomain, int64(g.Account), g.MAC, g.canonical()) && (g.Ends.IsZero() || s.read.Before(g.Ends)) {
			d.hold(s, g, agreements)
		}
	}
}

// hold gives a standing one grant and what follows from it.
func (d *Directory) hold(s *Standing, g Grant, agreements []Agreement) {
	s.Grants = append(s.Grants, g)
	if !slices.Contains(s.Roles, g.Role) {
		s.Roles = append(s.Roles, g.Role)
	}
	if i := slices.IndexFunc(agreements, func(a Agreement) bool { return a.ID == g.Agreement }); i >= 0 && g.Role == ecluse.RoleAgent {
		if m, ok := d.mandate(s, g, agreements[i]); ok {
			s.Mandates = append(s.Mandates, m)
		}
	}
}

// mandate is what a grant under an agreement allows, its limits before any quarter.
func (d *Directory) mandate(s *Standing, g Grant, a Agreement) (policy.Mandate, bool) {
	if !d.valid(agreementDomain, int64(a.ID), a.MAC, a.canonical()) {
		return policy.Mandate{}, false
	}
	limits := budget.Default()
	limits.Total24h = -1
	limits, err := limits.Override([]byte(a.Limits))
	if err != nil {
		d.log.Error("an agreement has unreadable limits: it is not applied", "agreement", int64(a.ID))
		return policy.Mandate{}, false
	}
	follows := limits.Total24h < 0
	if follows {
		limits.Total24h = budget.TotalLimit(s.Caseload[a.Register])
	}
	since := g.Created
	if s.Account.Created.After(since) {
		since = s.Account.Created
	}
	return policy.Mandate{
		Agreement: a.ID, Register: a.Register, Purposes: purposes(a.Purposes), Fields: a.Fields,
		Territory: policy.ParseTerritory(a.Territory), Starts: a.Starts, Ends: earlier(a.Ends, g.Ends), Running: a.State == Active && s.Organisation.State == Active,
		// The installation batch confirms what it grants itself, not what is granted later.
		Limits: limits, Follows: follows, Role: g.Role, Since: since, Installed: s.Account.Installed && g.Created.Equal(s.Account.Created),
		RaisedUntil: s.raisedUntil(a.Register),
	}, true
}

// earlier is the first of two ends; zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// ByIdentity is the account bound to an identity: ErrUnknownIdentity.
func (d *Directory) ByIdentity(ctx context.Context, idp, sub string) (Account, error) {
	a, err := d.rows.AccountByIdentity(ctx, idp, sub)
	if errors.Is(err, ErrUnknownAccount) {
		return Account{}, ErrUnknownIdentity
	}
	if err != nil {
		return Account{}, fmt.Errorf("look up an identity: %w", err)
	}
	return a, d.checkAccount(a)
}
