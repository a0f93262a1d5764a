package ledger

import (
	"bytes"
	"context"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/notice"
)

// Store keeps the ledger's tables. Package store implements it on both engines.
type Store interface {
	// Loaded runs fn in a transaction that holds the head lock, with what k names; see store.DB.Loaded for
	// its errors.
	Loaded(ctx context.Context, now time.Time, k LoadKeys, fn func(Tx, State) error) error
	Reader
}

// Reader reads the ledger: the live database (store.DB), or the database as of one instant
// (store.Snapshot), which is what verification beside a running node needs.
type Reader interface {
	// Head reads the head without locking.
	Head(ctx context.Context) (Head, error)
	// Entries calls each for the entries from (included) to (excluded), in order.
	Entries(ctx context.Context, from, to ecluse.EntryNumber, each func(*Entry) error) error
	// Leaves are the leaf hashes from (included) to (excluded), 32 bytes each, joined.
	Leaves(ctx context.Context, from, to ecluse.EntryNumber) ([]byte, error)
	// Tile is a complete tile's 256 hashes, joined; nil if there is none.
	Tile(ctx context.Context, level int, index int64) ([]byte, error)
	// CountEntries counts the rows of entries, whatever their numbers. It reads the whole table.
	CountEntries(ctx context.Context) (int64, error)
}

// Tx is a transaction that holds the head lock. A directory change gets at its own tables through it.
type Tx interface {
	Head() *Head
	// Allot takes n identifiers and returns the first.
	Allot(n int) int64
	Save(ctx context.Context, w Writes) error
	// LeavesIn are the leaf hashes from (included) to (excluded), joined.
	LeavesIn(ctx context.Context, from, to int64) ([]byte, error)
	// TileIn reads a complete tile inside the transaction.
	TileIn(ctx context.Context, level int, index int64) ([]byte, error)
}

// Guard says, before anything is written, why a candidate is refused: with reasons it becomes a refusal
// and is written down, with an error its submission fails alone and writes nothing. It sees what those
// before it did, in the same batch too. It writes nothing itself.
type Guard func(ctx context.Context, tx Tx, at time.Time) ([]ecluse.Reason, error)

// Effect changes other tables in the transaction of its entry. Its error undoes both.
type Effect func(ctx context.Context, tx Tx, e *Entry) error

// Head is the row that every append locks.
type Head struct {
	N        ecluse.EntryNumber // entries so far
	At       time.Time          // ledger time, never goes back
	Rev      int64
	Frontier Frontier
	NextID   int64
}

// Clone is a copy that shares nothing.
func (h Head) Clone() Head {
	h.Frontier = h.Frontier.clone()
	return h
}

// Equal reports whether two heads would be stored alike (At is stored by the lock itself).
func (h Head) Equal(o Head) bool {
	return h.N == o.N && h.Rev == o.Rev && h.NextID == o.NextID && bytes.Equal(h.Frontier.Bytes(), o.Frontier.Bytes())
}

// Holder is whose meter: an account's, an organisation's or a register's, in one register.
type Holder struct {
	ID       int64
	Register ecluse.RegisterID
}

// Pair is an account and a person.
type Pair struct {
	Account ecluse.AccountID
	Person  ecluse.PersonID
}

// LoadKeys is what a batch needs to know. No duplicates.
type LoadKeys struct {
	Holders []Holder
	Pairs   []Pair
	Persons []ecluse.PersonID
	Queues  []Queue
}

// Chain is a place in a chain of entries.
type Chain struct {
	Seq   int64              // entries so far
	LastN ecluse.EntryNumber // the newest, -1 = none
}

// MeterRow is a holder's meter and, for accounts, its chain.
type MeterRow struct {
	Chain
	Meter budget.Meter
	MAC   RowMAC
}

// SeenRow is what an account has seen of a person.
type SeenRow struct {
	budget.Seen
	MAC RowMAC
}

// State is what was found of LoadKeys; what is absent has no row yet.
type State struct {
	Meters  map[Holder]MeterRow
	Seen    map[Pair]SeenRow
	Persons map[ecluse.PersonID]Chain
	// Reviews of each Queue, the newest ReviewsLoaded, decided or not.
	Reviews map[Queue][]ReviewRow
}

// ReviewsLoaded is how many reviews of a queue are looked at: many times what may wait.
const ReviewsLoaded = 200

// Writes is what one batch changes.
type Writes struct {
	Entries []Entry
	State
	Tiles   []Tile
	Reviews []ReviewRow
	Notices []notice.Notice // of the reviews
}

// Tile is a complete tile of the tree (c2sp.org/tlog-tiles): 256 hashes of 32 bytes.
type Tile struct {
	Level int
	Index int64
	Data  []byte
}
