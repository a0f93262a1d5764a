package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// Rooms are the other rooms of the program. Each interface has two implementations, the room and the
// small fake of the tests; pages speak in the rooms' own types.
type Rooms struct {
	Sessions  Sessions
	Gate      Gate
	Directory Directory
	Registers Registers
	Scopes    Scopes
	Exposures Exposures
	Names     Names
	Post      Post
	Log       *slog.Logger
}

// Sessions is what the pages ask of signin; *signin.Service is one.
type Sessions interface {
	FromRequest(r *http.Request) (signin.Caller, error)
	KeepDraft(w http.ResponseWriter, r *http.Request, path string, values url.Values) error
	Draft(w http.ResponseWriter, r *http.Request, c signin.Caller, path string) (url.Values, bool)
	Connections(ctx context.Context, c signin.Caller, limit int) ([]signin.Connection, error)
	Revoke(ctx context.Context, c signin.Caller, session ecluse.SessionID) (bool, error)
	ownFactors
}

// Gate is the lock; *gate.Gate is one.
type Gate interface {
	Disclose(ctx context.Context, r gate.Request) (gate.Outcome, error)
	Search(ctx context.Context, r gate.SearchRequest) (gate.SearchOutcome, error)
	Caseload(ctx context.Context, r gate.CaseloadRequest) (gate.CaseloadOutcome, error)
	MakeLink(ctx context.Context, r gate.LinkRequest) (gate.LinkOutcome, error)
	Meters(ctx context.Context, c signin.Caller, register string) ([]budget.Reading, error)
}

// Directory is *directory.Directory: each page's file declares what it asks of it.
type Directory interface {
	Standing(ctx context.Context, id ecluse.AccountID) (directory.Standing, error)
	Sites(ctx context.Context, o directory.Organisation) ([]directory.Organisation, error)
	reviewer
	manager
	careful
	approver
	raiser
	recoverer
	warden
	delegator
	keeper
	pupils
}

// Registers gives schemas, never a record; *register.Registers is one.
type Registers interface {
	ByCode(ctx context.Context, code string) (*register.Register, error) // register.ErrUnknownRegister
	ByID(ctx context.Context, id ecluse.RegisterID) (*register.Register, error)
	All(ctx context.Context) ([]*register.Register, error)
}

// Names are what addresses call rows, instead of their numbers; *keys.Keys gives them.
type Names interface {
	Name(kind string, id int64) string
	Number(kind, name string) (int64, error)
}

// revealed is register.Values, and what tests put in its place.
type revealed interface {
	Each(yield func(f register.Field, value string))
}
