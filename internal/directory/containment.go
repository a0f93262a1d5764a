package directory

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/notice"
)

const (
	containmentDomain = "directory/containments/v1"
	reasonDomain      = "containment/reason" // seals the free text
)

// KindContain asks a second officer to contain accounts (Containment); KindUncontain asks to undo that
// (uncontainment).
const (
	KindContain   = "containment.make"
	KindUncontain = "containment.undo"
)

// ContainmentWaits is how long a second officer has to approve a containment.
const ContainmentWaits = 24 * time.Hour

// guardians are the roles whose holders contain, and undo it.
var guardians = []ecluse.Role{ecluse.RoleAccessOfficer, ecluse.RoleSecurityOfficer}

// How long the reason of a containment is, in characters.
const (
	MinContainmentReason = 10
	MaxContainmentReason = 500
)

// Errors of containment, beside ErrNotFound, ErrInactive, ErrWeak, ErrReason, ErrTooMany and *RefusedError.
var (
	// ErrSince: an account that holds office has approved what others live on: say since when.
	ErrSince = errors.New("say since when: what an officer gave before that stays")
	// ErrContained: everything that it would stop is stopped already.
	ErrContained = errors.New("these accounts are contained already")
	// ErrSecondOfficer: it takes a second officer: RequestContainment.
	ErrSecondOfficer = errors.New("one officer does not contain so many, or an officer, alone")
	// ErrUndone: the containment was undone before, or is no longer what it was.
	ErrUndone = errors.New("this containment was undone before")
)

// Containment says whom to contain. It is the body of a request of KindContain, its reason sealed.
type Containment struct {
	Account ecluse.AccountID `json:"account"`
	Tree    bool             `json:"tree"`           // with everybody whom it asked for or approved since, and so on
	Since   time.Time        `json:"since,omitzero"` // what was given before stays; zero = ever
	Reason  string           `json:"-"`
	Sealed  []byte           `json:"reason,omitempty"`
}

// Contained is a containment that took place: one entry of the ledger, from whose commit on none of its
// accounts has an act allowed on any node.
type Contained struct {
	ID           ecluse.ContainmentID
	Controller   ecluse.ControllerID
	Account      ecluse.AccountID // that was named
	Tree         bool
	Since        time.Time
	Reason       []byte           // sealed
	MadeBy       ecluse.AccountID // 0 = a command of a node
	ApprovedBy   ecluse.AccountID // second officer, 0 = none
	Requester    string           // as shown
	At           time.Time
	Body         string // JSON of changed
	Entry        ecluse.EntryNumber
	UndoneAt     time.Time // zero = in force
	UndoneBy     ecluse.AccountID
	UndoApproved ecluse.AccountID
	UndoEntry    ecluse.EntryNumber
	MAC          []byte
}

func (c Contained) canonical() []byte {
	return row(int64(c.ID), int64(c.Controller), int64(c.Account), c.Tree, c.Since, string(c.Reason), int64(c.MadeBy), int64(c.ApprovedBy),
		c.Requester, c.At, c.Body, int64(c.Entry), c.UndoneAt, int64(c.UndoneBy), int64(c.UndoApproved), int64(c.UndoEntry))
}

// InForce reports whether the containment was not undone.
func (c Contained) InForce() bool { return c.UndoneAt.IsZero() }

// Changed is what the containment changed.
func (c Contained) Changed() (Changed, error) {
	var what Changed
	if err := json.Unmarshal([]byte(c.Body), &what); err != nil {
		return what, fmt.Errorf("read containment %d: %w", c.ID, err)
	}
	return what, nil
}

// Changed lists every row that a containment changed, with what was there before any containment, so
// that undoing it restores exactly that.
type Changed struct {
	Accounts     []ChangedAccount     `json:"accounts"`
	Sessions     int                  `json:"sessions"` // ended; they do not come back
	Grants       []ChangedGrant       `json:"grants"`
	Links        []ChangedLink        `json:"links"`
	Keys         []ChangedKey         `json:"keys"`
	Observations []ChangedObservation `json:"observations"`
}

// The rows of Changed.
type (
	// ChangedAccount was in a state.
	ChangedAccount struct {
		ID    ecluse.AccountID `json:"id"`
		State string           `json:"state"`
	}
	// ChangedGrant had an end.
	ChangedGrant struct {
		Account   ecluse.AccountID   `json:"account"`
		Agreement ecluse.AgreementID `json:"agreement"`
		Role      ecluse.Role        `json:"role"`
		Ends      time.Time          `json:"ends,omitzero"`
	}
	// ChangedLink had an end.
	ChangedLink struct {
		ID   ecluse.LinkID `json:"id"`
		Ends time.Time     `json:"ends"`
	}
	// ChangedKey ran.
	ChangedKey struct {
		ID      ecluse.ClientKeyID `json:"id"`
		Account ecluse.AccountID   `json:"account"`
	}
	// ChangedObservation had an end.
	ChangedObservation struct {
		Register ecluse.RegisterID `json:"register"`
		Ends     time.Time         `json:"ends"`
	}
)

// ContainmentRows reads containments and what one would concern.
type ContainmentRows interface {
	// Containments are a controller's, those in force or all, the newest first.
	Containments(ctx context.Context, c ecluse.ControllerID, inForce bool) ([]Contained, error)
	Containment(ctx context.Context, id ecluse.ContainmentID) (Contained, error) // ErrNotFound
	// ContainmentsBy are those that an officer made since an instant, undone or not.
	ContainmentsBy(ctx context.Context, by ecluse.AccountID, since time.Time) ([]Contained, error)
	// OpenSessions counts the sessions of accounts, and the tokens of programs among them, alive at an instant.
	OpenSessions(ctx context.Context, of []ecluse.AccountID, at time.Time) (int, error)
	// PersonsSeen counts the different persons whom accounts have looked at since an instant, as far back as
	// is remembered (180 days).
	PersonsSeen(ctx context.Context, by []ecluse.AccountID, since time.Time) (int, error)
	// ApprovedFor are the requests that accounts made or decided and that took effect since an instant.
	ApprovedFor(ctx context.Context, by []ecluse.AccountID, since time.Time) ([]Approval, error)
}

// ContainmentTx is what containment needs of its transaction. *store.Tx implements it.
type ContainmentTx interface {
	Tx
	ClientTx
	ObservationTx
	notice.Tx
	Containments(ctx context.Context, c ecluse.ControllerID, inForce bool) ([]Contained, error)
	ContainmentsBy(ctx context.Context, by ecluse.AccountID, since time.Time) ([]Contained, error)
	PutContainment(ctx context.Context, c Contained) error
	PutLinkEnds(ctx context.Context, links []Link) error
	// RevokeAll ends every session of accounts and every token of programs among them, and counts them.
	RevokeAll(ctx context.Context, of []ecluse.AccountID, at time.Time) (int, error)
	Observations(ctx context.Context) ([]Observation, error)
	Grants(ctx context.Context, id ecluse.AccountID) ([]Grant, error)
	LinksByID(ctx context.Context, ids []ecluse.LinkID) ([]Link, error)
	ApprovedFor(ctx context.Context, by []ecluse.AccountID, since time.Time) ([]Approval, error)
}

// Contain contains accounts at once: they are suspended, their sessions and keys end, and so do the
// rights, links and keys that they gave to others since the instant named. It answers what was done, with the
// receipt of its entry. Who may: access and security officers of the body itself, and commands of a node.
// *RefusedError says that it takes a second officer (RequestContainment), that nobody would be left to undo
// it, or that one would contain oneself.
func (d *Directory) Contain(ctx context.Context, by Actor, c Containment) (done Contained, receipt string, err error) {
	if err := d.sealReason(&c); err != nil {
		return done, "", err
	}
	results, err := d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		p, err := d.prepare(ctx, by, c)
		if err != nil {
			return nil, err
		}
		if reasons := p.refused(); len(reasons) > 0 {
			return nil, &RefusedError{reasons}
		}
		candidate, err := d.containing(p, &done)
		return []ledger.Candidate{candidate}, err
	})
	var refused *RefusedError
	if errors.As(err, &refused) {
		err = errors.Join(err, d.noteNotContained(ctx, by, c, refused.Reasons))
	}
	if err != nil {
		return done, "", fmt.Errorf("contain account %d: %w", c.Account, err)
	}
	return done, results[0].ID, nil
}

// noteNotContained writes down that somebody tried to contain what they may not.
func (d *Directory) noteNotContained(ctx context.Context, by Actor, c Containment, reasons []ecluse.Reason) error {
	_, err := d.ledger.Append(ctx, ledger.Candidate{
		Kind: ledger.KindContainment, Account: by.Account, Session: by.Session, Revision: ledger.AnyRevision, Decision: ledger.Deny, Reasons: reasons,
		Detail: ledger.Detail{What: "contain", Subject: int64(c.Account), By: by.CLI},
	})
	return err
}

// Preview is what Contain would do, without doing it, and what it would not touch.
func (d *Directory) Preview(ctx context.Context, by Actor, c Containment) (Preview, error) {
	p, err := d.prepare(ctx, by, c)
	if err != nil {
		return Preview{}, err
	}
	return p.preview(ctx, d)
}

// sealReason checks the reason and seals it.
func (d *Directory) sealReason(c *Containment) (err error) {
	if n := utf8.RuneCountInString(c.Reason); n < MinContainmentReason || n > MaxContainmentReason {
		return ErrReason
	}
	c.Sealed, err = d.keys.Seal(reasonDomain, []byte(c.Reason), []byte("containment"))
	return err
}

// containing is the entry that contains what was prepared. Its Effect finds everything anew under the
// lock: a link made meanwhile ends too. Accounts and rights cannot have changed, for that raises the
// revision; if they have all the same, it is prepared again.
func (d *Directory) containing(p prepared, done *Contained) (ledger.Candidate, error) {
	commitment := sha256.Sum256(p.Sealed)
	digest := sha256.Sum256(p.reach.digest())
	return ledger.Candidate{
		Kind: ledger.KindContainment, Account: p.by.Account, Organisation: p.standing.Account.Organisation, Session: p.by.Session,
		Revision: p.rev, NewRevision: true,
		Detail: ledger.Detail{
			What: "contain", Subject: int64(p.Account), By: p.by.CLI, Commitment: commitment[:], Digest: digest[:],
			Counts: map[string]int64{"accounts": int64(len(p.reach.Accounts)), "grants": int64(len(p.reach.Grants)), "keys": int64(len(p.reach.Keys))},
		},
		Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) error {
			return d.contain(ctx, tx, e, p, done)
		},
	}, nil
}

// contain does it, in the transaction of its entry.
func (d *Directory) contain(ctx context.Context, tx ledger.Tx, e *ledger.Entry, p prepared, done *Contained) error {
	t := tx.(ContainmentTx)
	now, err := d.reach(ctx, t, p.root.Controller, p.Containment, e.At)
	if err != nil {
		return err
	}
	if string(now.digest()) != string(p.reach.digest()) {
		return ledger.ErrStale
	}
	alone, err := d.containedAlone(ctx, t, p.by.Account, e.At)
	if err != nil {
		return err
	}
	if p.facts.AloneDay = alone; len(p.refused()) > 0 { // two at once
		return ledger.ErrStale
	}
	if now.changed.Sessions, err = t.RevokeAll(ctx, now.ids(), e.At); err != nil {
		return err
	}
	if err := d.stop(ctx, tx, e, now); err != nil {
		return err
	}
	body, err := encode(now.changed)
	if err != nil {
		return err
	}
	*done = Contained{
		ID: ecluse.ContainmentID(tx.Allot(1)), Controller: p.root.Controller, Account: p.Account, Tree: p.Tree, Since: p.Since, Reason: p.Sealed,
		MadeBy: p.by.Account, ApprovedBy: p.second, Requester: p.requester(), At: e.At, Body: body, Entry: e.N,
	}
	return errors.Join(d.putContainment(ctx, t, done), t.InsertNotices(ctx, now.notices(*done)))
}

func (d *Directory) putContainment(ctx context.Context, t ContainmentTx, c *Contained) error {
	c.MAC = d.keys.MAC(containmentDomain, c.canonical())
	return t.PutContainment(ctx, *c)
}

// stop writes the rows of a containment, each with a new MAC.
func (d *Directory) stop(ctx context.Context, tx ledger.Tx, e *ledger.Entry, r reach) error {
	t := tx.(ContainmentTx)
	var accounts []Account
	for _, k := range r.Accounts {
		if k.Account.State != Suspended {
			accounts = append(accounts, d.stated(k.Account, Suspended, e.N))
		}
	}
	grants := make([]Grant, len(r.Grants))
	for i, g := range r.Grants {
		grants[i] = d.endGrant(g, e.At, e.N)
	}
	links := make([]Link, len(r.Links))
	for i, l := range r.Links {
		links[i] = d.endLink(l, e.At, e.N)
	}
	err := errors.Join(t.PutAccounts(ctx, accounts...), t.PutGrants(ctx, grants...), t.PutLinkEnds(ctx, links))
	for _, k := range r.Keys {
		k.RevokedAt = e.At // and what was signed in with it meanwhile
		err = errors.Join(err, d.writeKey(ctx, tx, e, k), t.RevokeTokens(ctx, k.Account, 0, e.At))
	}
	for _, o := range r.Observations {
		o.Ends, o.Entry = e.At, e.N
		err = errors.Join(err, d.putObservation(ctx, tx, o))
	}
	return err
}

func (d *Directory) stated(a Account, state string, n ecluse.EntryNumber) Account {
	a.State, a.Entry = state, n
	a.MAC = d.keys.MAC(accountDomain, a.canonical())
	return a
}

func (d *Directory) endGrant(g Grant, at time.Time, n ecluse.EntryNumber) Grant {
	g.Ends, g.Entry = at, n
	g.MAC = d.keys.MAC(grantDomain, g.canonical())
	return g
}

func (d *Directory) endLink(l Link, at time.Time, n ecluse.EntryNumber) Link {
	l.Ends, l.Entry = at, n
	l.MAC = d.keys.MAC(linkDomain, l.canonical())
	return l
}

func (d *Directory) writeKey(ctx context.Context, tx ledger.Tx, e *ledger.Entry, k ClientKey) error {
	k.Entry = e.N
	k.MAC = d.keys.MAC(clientKeyDomain, k.canonical())
	return tx.(ClientTx).PutClientKey(ctx, k)
}
