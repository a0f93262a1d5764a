package register

import (
	"context"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
)

// Store is what the service asks of the database (package store). Visible means: the newest version of
// the person whose import is published.
type Store interface {
	ImportStore

	// CreateRegister writes a register and its controllers; known controllers keep their id and row.
	// It returns the row with ids; ErrRegisterExists.
	CreateRegister(ctx context.Context, now time.Time, row StoredRegister, s Seals) (StoredRegister, error)
	// Registers reads all registers with their controllers and published imports, as of one instant.
	Registers(ctx context.Context) ([]StoredRegister, error)
	// Visible reads the visible records of persons of a register, in any order; persons without one are
	// left out.
	Visible(ctx context.Context, register ecluse.RegisterID, persons []ecluse.PersonID) ([]StoredRecord, error)
	// Records reads exactly these versions, in any order; what is not there is left out.
	Records(ctx context.Context, versions []PersonVersion) ([]StoredRecord, error)
	// Lookup finds the persons whose visible version has one of the keyed hashes, at most limit, by id.
	Lookup(ctx context.Context, register ecluse.RegisterID, probes []Probe, limit int) ([]ecluse.PersonID, error)
}

// ImportStore is what a Writer asks of the database. Each transaction takes at most 20 ms on SQLite for
// the sizes that Writer uses, and each method is safe to repeat after an error.
type ImportStore interface {
	// AllotIDs takes n identifiers and returns the first.
	AllotIDs(ctx context.Context, n int) (int64, error)
	// BeginImport writes a running import after marking those of the register that gave no sign since
	// stale as abandoned. ErrImportRunning if another one runs. empty: the register has no person yet.
	BeginImport(ctx context.Context, imp StoredImport, stale time.Time) (id ecluse.VersionID, empty bool, err error)
	// Known finds persons by keyed hash, with the digest of their visible version.
	Known(ctx context.Context, register ecluse.RegisterID, externals [][]byte) ([]KnownPerson, error)
	// PutImport writes a batch and the import's progress: ErrImportLost unless it is still running.
	PutImport(ctx context.Context, imp StoredImport, batch ImportBatch) error
	// AbandonImport gives a running import up: ErrImportLost unless it is still running.
	AbandonImport(ctx context.Context, imp StoredImport) error
	// PublishImport publishes a running import, adds to the register's persons and seals its row anew, in a
	// transaction of its own, or in that of a ledger entry (tx not nil): ErrImportLost, ErrDead.
	PublishImport(ctx context.Context, tx ledger.Tx, imp StoredImport, created int64, s Seals) error
	// Sweep deletes the rows of abandoned imports of a register, in many short transactions.
	Sweep(ctx context.Context, register ecluse.RegisterID) error
}

// StoredRegister is a row of registers.
type StoredRegister struct {
	ID          ecluse.RegisterID
	Code        string
	Definition  []byte // Definition.Text; the columns are still called schema and schema_digest
	Digest      []byte // SHA-256 of it
	Keyset      []byte // wrapped
	Persons     int64
	Controllers []StoredController
	Published   []ecluse.VersionID // imports, ascending
	MAC         []byte             // see registerMAC
}

// StoredController is a row of controllers with one of register_controllers.
type StoredController struct {
	Controller
	MAC []byte // of the row of controllers
}

// StoredRecord is a row of records.
type StoredRecord struct {
	Person  ecluse.PersonID
	Version ecluse.VersionID
	Sealed  []byte
}

// PersonVersion names one version of one person.
type PersonVersion struct {
	Person  ecluse.PersonID
	Version ecluse.VersionID
}

// Probe is one keyed hash to look for.
type Probe struct {
	Kind int64 // Key.ID
	Key  []byte
}

// StoredImport is a row of imports.
type StoredImport struct {
	ID       ecluse.VersionID
	Register ecluse.RegisterID
	Digest   []byte
	Position int64 // rows read so far
	Rows     int64 // rows taken
	Rejected int64
	At       time.Time // start, then last sign of life
}

// KnownPerson is a person that Known found.
type KnownPerson struct {
	External  []byte
	Person    ecluse.PersonID
	Territory string
	Version   ecluse.VersionID // 0 = nothing visible yet
	Digest    []byte           // of that version
}

// ImportBatch is what one transaction of an import writes.
type ImportBatch struct {
	Persons     []NewPerson
	Territories []NewPerson // known persons whose territory has changed
	Records     []NewRecord
	Lookups     []NewLookup // sorted
}

// NewPerson is a row of persons to be.
type NewPerson struct {
	ID        ecluse.PersonID
	External  Keyed
	Territory string // for counting; decisions read the sealed one
}

// NewRecord is a row of records to be.
type NewRecord struct {
	Person ecluse.PersonID
	Digest Keyed
	Sealed []byte
}

// NewLookup is a row of lookups to be.
type NewLookup struct {
	Kind   int64
	Key    Keyed
	Person ecluse.PersonID
}
