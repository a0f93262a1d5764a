// Package scope says whose data left, which fields and when: of an account, of its whole lineage or of
// an organisation, counted from the entries of the ledger alone.
//
// What counts: an allowed disclosure, through whatever door and for whatever reason (case page, caseload
// row, emergency, a budget that was only observed), is presumed delivered. One that an undelivered entry
// takes back is not counted. A search shows no value of a record: persons shown by it are told apart
// (Hits), and are among the persons concerned only where being in the register tells something in itself.
// What retention has removed cannot be counted any more, and Complete says so.
//
// It never gives a value or the number of a person out: persons have pseudonyms, the same for one subject
// whatever the period, others for another subject. Every reading is an entry of the ledger before it is
// answered.
//
// It has no table of its own but memberships, which package store fills.
package scope

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/register"
)

// ErrQuery: neither an account nor an organisation is asked about, or both are, or the period ends before
// it begins.
var ErrQuery = errors.New("ask about one account or one organisation, and a period that ends after it begins")

// Query says whose readings are counted. The zero value is refused.
type Query struct {
	Account      ecluse.AccountID
	Tree         bool // with every account that it asked for or approved, and so on
	Organisation ecluse.OrganisationID
	From, To     time.Time      // To excluded; zero = without a bound
	Location     *time.Location // of the days in Days; nil = UTC
}

// Store reads entries by whose they are. *store.DB implements it.
type Store interface {
	// Acts calls each for the disclosures, searches and undelivered entries of an account in a register, in
	// the order of its chain.
	Acts(ctx context.Context, a ecluse.AccountID, r ecluse.RegisterID, each func(*Act) error) error
	// Members are all accounts that were ever of an organisation.
	Members(ctx context.Context, o ecluse.OrganisationID) ([]ecluse.AccountID, error)
	// Purged is the instant of the newest entry whose references retention has removed; zero = none.
	Purged(ctx context.Context) (time.Time, error)
}

// Act is one entry as far as the scope goes. It is valid during the call only.
type Act struct {
	N            ecluse.EntryNumber
	At           time.Time
	Act          int64 // shared by the entries of one act
	Kind         ledger.Kind
	Organisation ecluse.OrganisationID
	Person       ecluse.PersonID
	Version      ecluse.VersionID
	Fields       ecluse.FieldSet
	Allowed      bool
	Detail       []byte // JSON of ledger.Detail
}

// Service counts. Safe for concurrent use.
type Service struct {
	store     Store
	directory *directory.Directory
	registers *register.Registers
	keys      *keys.Keys
}

// New makes a Service.
func New(s Store, d *directory.Directory, r *register.Registers, k *keys.Keys) *Service {
	return &Service{store: s, directory: d, registers: r, keys: k}
}

// Read counts what left, as of the entry that writes the reading down. Who may: a security officer or
// data protection officer of the body that the account or organisation is of, and commands of a node
// (Actor.CLI). Errors: ErrQuery; directory.ErrNotFound, ErrInactive, ErrWeak.
//
// Cost: the chains of the accounts concerned, and one record for each person found.
func (s *Service) Read(ctx context.Context, by directory.Actor, q Query) (Scope, error) {
	if (q.Account == 0) == (q.Organisation == 0) || !q.To.IsZero() && !q.From.Before(q.To) {
		return Scope{}, ErrQuery
	}
	about, err := s.about(ctx, by, q)
	if err != nil {
		return Scope{}, err
	}
	if err := s.write(ctx, by, &about); err != nil {
		return Scope{}, err
	}
	return s.count(ctx, &about)
}

// about is a query with its accounts found.
type about struct {
	Query
	subject  string                    // whose pseudonyms
	accounts map[ecluse.AccountID]bool // that are asked about
	programs map[ecluse.AccountID]bool // those of them that act for others, in whose chains their acts stand
	chains   []ecluse.AccountID        // to be read: sorted, none twice
	asOf     ecluse.EntryNumber
}

// about checks who asks and finds the accounts.
func (s *Service) about(ctx context.Context, by directory.Actor, q Query) (about, error) {
	a := about{Query: q, accounts: map[ecluse.AccountID]bool{}, programs: map[ecluse.AccountID]bool{}}
	if a.Location == nil {
		a.Location = time.UTC
	}
	if q.Organisation != 0 {
		a.subject = fmt.Sprintf("organisation %d", q.Organisation)
		if _, err := s.directory.ExaminedOrganisation(ctx, by, q.Organisation); err != nil {
			return a, err
		}
		err := s.members(ctx, &a, q.Organisation)
		for _, id := range a.chains {
			a.accounts[id] = true
		}
		return a, err
	}
	a.subject = fmt.Sprintf("account %d", q.Account)
	kin, err := s.directory.Examined(ctx, by, q.Account, q.Tree)
	if err != nil {
		return a, err
	}
	for _, k := range kin {
		a.accounts[k.ID] = true
		a.chains = append(a.chains, k.ID)
		if k.Kind == directory.KindClient {
			a.programs[k.ID] = true
			err = errors.Join(err, s.members(ctx, &a, k.Account.Organisation))
		}
	}
	slices.Sort(a.chains)
	a.chains = slices.Compact(a.chains)
	return a, err
}

// members adds the chains of whoever was ever of an organisation.
func (s *Service) members(ctx context.Context, a *about, o ecluse.OrganisationID) error {
	ids, err := s.store.Members(ctx, o)
	if err != nil {
		return fmt.Errorf("read the accounts of organisation %d: %w", o, err)
	}
	a.chains = append(a.chains, ids...)
	return nil
}

// write writes the reading down and answers the number of its entry.
func (s *Service) write(ctx context.Context, by directory.Actor, a *about) error {
	detail := ledger.Detail{What: "scope", Subject: int64(a.Account), Counts: map[string]int64{"accounts": int64(len(a.accounts))}}
	if a.Organisation != 0 {
		detail.What, detail.Subject = "scope organisation", int64(a.Organisation)
	} else if a.Tree {
		detail.What = "scope tree"
	}
	for name, at := range map[string]time.Time{"from": a.From, "to": a.To} {
		if !at.IsZero() {
			detail.Counts[name] = at.UnixMicro()
		}
	}
	var err error
	a.asOf, err = s.directory.Examine(ctx, by, detail)
	return err
}

// within reports whether an act is of the period asked about.
func (a *about) within(at time.Time) bool {
	return !at.Before(a.From) && (a.To.IsZero() || at.Before(a.To))
}
