package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"
	"ecluse/internal/gate"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// Rooms are the rooms behind the API. All are required but Log.
type Rooms struct {
	Sessions  Sessions
	Programs  Programs
	Gate      Gate
	Directory Directory
	Registers Registers
	Exposures Exposures
	Tree      Tree
	Desk      Desk
	Accounts  Accounts
	Scopes    Scopes
	Names     Names
	// Ready says whether this node can serve: nil, or why not (logged, never shown).
	Ready func(context.Context) error
	// Text is the catalogue's text of a key (reason.CODE.message, reason.CODE.remedy) in "fr" or "en";
	// false if there is none.
	Text func(lang, key string) (string, bool)
	Now  func() time.Time
	Log  *slog.Logger
}

// Sessions is what the API asks of signin; *signin.Service is one.
type Sessions interface {
	FromRequest(r *http.Request) (signin.Caller, error)
	// Holds reports whether a request carries the cookie of a session, whatever it is worth.
	Holds(r *http.Request) bool
	Connections(ctx context.Context, c signin.Caller, limit int) ([]signin.Connection, error)
}

// Programs signs partner software in; *signin.Programs is one.
type Programs interface {
	FromRequest(r *http.Request) (signin.Caller, error)
	Token(r *http.Request, proof signin.Proof, actAs string) (signin.Token, error)
	Renew(r *http.Request, proof signin.Proof, jwk []byte) (directory.ClientKey, directory.Secret, error)
	Metadata() map[string]any
}

// Gate is the lock; *gate.Gate is one.
type Gate interface {
	Disclose(ctx context.Context, r gate.Request) (gate.Outcome, error)
	Search(ctx context.Context, r gate.SearchRequest) (gate.SearchOutcome, error)
	Caseload(ctx context.Context, r gate.CaseloadRequest) (gate.CaseloadOutcome, error)
	MakeLink(ctx context.Context, r gate.LinkRequest) (gate.LinkOutcome, error)
	Meters(ctx context.Context, c signin.Caller, register string) ([]budget.Reading, error)
}

// Directory tells callers who they are; *directory.Directory is one.
type Directory interface {
	Standing(ctx context.Context, id ecluse.AccountID) (directory.Standing, error)
}

// Registers gives schemas: labels and field names, never a record. *register.Registers is one.
type Registers interface {
	ByCode(ctx context.Context, code string) (*register.Register, error)
	ByID(ctx context.Context, id ecluse.RegisterID) (*register.Register, error)
}

// Exposures bounds what stolen accounts could obtain; *exposure.Exposures is one.
type Exposures interface {
	Read(ctx context.Context, by directory.Actor) (exposure.Report, error)
}

// Tree is the ledger's public side: hashes, no personal data.
type Tree interface {
	// Checkpoint is the newest signed checkpoint (c2sp.org/tlog-checkpoint), nil before the first.
	Checkpoint(ctx context.Context) ([]byte, error)
	// Tile is the hashes first to first+count of a level of tiles, joined; nil if the tree is smaller.
	Tile(ctx context.Context, level int, first, count int64) ([]byte, error)
}
