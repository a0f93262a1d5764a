package ledger

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/keys"

	"golang.org/x/mod/sumdb/tlog"
)

// Line is an entry as a verifier gets it: with the salt that opens its commitment, unless it was
// purged or the reader is not to open it.
type Line struct {
	Entry
	Salt    []byte // nil = not opened; Leaf alone is checked
	Receipt string // opaque id, if known
}

// Source is a ledger to verify: a live database or a bundle.
type Source interface {
	// Heading says what the ledger claims: the tree it ends in and the checkpoints to hold it against.
	Heading(ctx context.Context) (Heading, error)
	// Lines calls each for every entry in the order of the source.
	Lines(ctx context.Context, each func(*Line) error) error
}

// Heading of a Source.
type Heading struct {
	Size        int64     // entries claimed
	Root        tlog.Hash // root claimed
	Checkpoints []Checkpoint
	TreeOnly    bool      // a bundle without references: only leaves are checked
	At          time.Time // ledger time claimed; zero = not known
	// Tile reads a stored tile to compare with the leaves (nil data = none); nil = there are none to compare.
	Tile func(ctx context.Context, level int, index int64) ([]byte, error)
	// Rows counts the rows of entries, whatever their numbers; nil = not known.
	Rows func(ctx context.Context) (int64, error)
}

// Report is the outcome of a verification, in the words of `ecluse verify --json`.
type Report struct {
	OK         bool           `json:"ok"`
	Entries    int64          `json:"entries"`
	Checkpoint int64          `json:"checkpoint"` // entries under the newest verified signature
	Opened     int64          `json:"opened"`     // entries whose content was checked, not only their leaf
	Purged     int64          `json:"purged"`     // entries without references, by retention or in a tree-only bundle
	Problems   []string       `json:"problems"`
	Receipts   *ReceiptReport `json:"receipts,omitempty"`
}

// ReceiptReport says for a list of receipt ids whether their entries are in the proven ledger.
type ReceiptReport struct {
	Found   int      `json:"found"`
	Missing []string `json:"missing"`
}

// maxProblems bounds a report; the last line then says that there are more.
const maxProblems = 100

func (r *Report) problem(format string, args ...any) {
	switch {
	case len(r.Problems) < maxProblems:
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	case len(r.Problems) == maxProblems:
		r.Problems = append(r.Problems, "there are more problems than are listed")
	}
}

// Verify checks a ledger entry by entry: numbers without a gap, time that never goes back, content
// that matches its leaf (salted commitment), chains of accounts and persons, and a tree that ends in
// the claimed root and passes through every checkpoint. Memory grows with accounts and persons, not
// with entries. An error means that the source could not be read; what is wrong with the ledger is in
// the Report.
func Verify(ctx context.Context, src Source, receipts []string) (Report, error) {
	report := Report{Problems: []string{}}
	heading, err := src.Heading(ctx)
	if err != nil {
		return report, err
	}
	v := &verifier{report: &report, accounts: map[Holder]Chain{}, persons: map[ecluse.PersonID]Chain{}, heading: heading}
	v.want(receipts)
	slices.SortFunc(v.heading.Checkpoints, func(a, b Checkpoint) int { return int(a.Size - b.Size) })
	v.passCheckpoints()
	if err := src.Lines(ctx, func(l *Line) error { return v.line(ctx, l) }); err != nil {
		return report, err
	}
	if err := v.end(ctx); err != nil {
		return report, err
	}
	report.OK = len(report.Problems) == 0 && (report.Receipts == nil || len(report.Receipts.Missing) == 0)
	return report, nil
}

type verifier struct {
	report   *Report
	heading  Heading
	tree     Frontier
	tiles    [][]byte // of each level, the hashes of the tile that is not complete yet
	complete []int64  // of each level, the complete tiles
	allowed  int64    // entries that the newest purge entry lets be without references
	last     time.Time
	accounts map[Holder]Chain
	persons  map[ecluse.PersonID]Chain
	wanted   map[string]bool // receipt id -> found
}

func (v *verifier) want(receipts []string) {
	if receipts == nil {
		return
	}
	v.wanted = make(map[string]bool, len(receipts))
	for _, id := range receipts {
		v.wanted[id] = false
	}
}

func (v *verifier) line(ctx context.Context, l *Line) error {
	n := v.tree.Size()
	if int64(l.N) != n {
		v.report.problem("entry %d stands where entry %d is expected", l.N, n)
	}
	if l.At.Before(v.last) {
		v.report.problem("entry %d: its time goes back", l.N)
	}
	v.last = l.At
	if !l.readable() && !v.heading.TreeOnly {
		v.report.problem("entry %d: its format %d is unknown to this program, which knows %d: verify it with the release that wrote it, or a later one", l.N, l.Format, Format)
	}
	switch {
	case l.Purged:
		if v.report.Purged++; v.report.Purged != v.report.Entries+1 && !v.heading.TreeOnly {
			v.report.problem("entry %d: its references are gone, though older entries have theirs", l.N)
		}
		if string(l.canonical()) != string(l.blank().canonical()) && !v.heading.TreeOnly {
			v.report.problem("entry %d: it has lost some references and not others", l.N)
		}
	case !l.readable(): // named above: nobody here can say what such a leaf commits to
	case l.Salt == nil:
		v.report.problem("entry %d: no key opens it: its time was altered, or its salt is missing", l.N)
	default:
		v.open(l)
	}
	if _, ok := v.wanted[l.Receipt]; ok {
		v.wanted[l.Receipt] = true
	}
	v.tree.add(l.Leaf)
	v.report.Entries++
	v.passCheckpoints()
	return v.tile(ctx, 0, l.Leaf)
}

// blank is what retention leaves of an entry.
func (e *Entry) blank() *Entry {
	return &Entry{N: e.N, At: e.At, Register: e.Register, PSeq: -1, PPrev: -1, Leaf: e.Leaf, Format: e.Format, Purged: true}
}

// open checks the content of an entry.
func (v *verifier) open(l *Line) {
	v.report.Opened++
	if leaf := leafWithSalt(&l.Entry, l.Salt); leaf != l.Leaf {
		v.report.problem("entry %d: its content does not match its leaf", l.N)
	} else if l.Kind == KindPurge {
		if d, err := l.ReadDetail(); err == nil {
			v.allowed = max(v.allowed, d.Refers)
		}
	}
	v.chains(&l.Entry)
}

// tile adds a hash to the tile of its level that is being filled, and compares a complete one with
// what is stored.
func (v *verifier) tile(ctx context.Context, level int, h tlog.Hash) error {
	if v.heading.Tile == nil {
		return nil
	}
	if level == len(v.tiles) {
		v.tiles, v.complete = append(v.tiles, nil), append(v.complete, 0)
	}
	v.tiles[level] = append(v.tiles[level], h[:]...)
	if len(v.tiles[level]) < 32*tileWidth {
		return nil
	}
	index := v.complete[level]
	stored, err := v.heading.Tile(ctx, level, index)
	if err != nil {
		return err
	}
	if !bytes.Equal(stored, v.tiles[level]) {
		v.report.problem("tile %d/%d is missing or not what its entries add up to", level, index)
	}
	root := tileRoot(v.tiles[level])
	v.tiles[level], v.complete[level] = v.tiles[level][:0], index+1
	return v.tile(ctx, level+1, root)
}

// chains checks the places in the chains of the account and of the person. A chain whose beginning
// was purged starts where it starts.
func (v *verifier) chains(e *Entry) {
	holder := Holder{int64(e.Account), e.Register}
	account, known := v.accounts[holder]
	if bad := link(account, known, v.report.Purged, e.ASeq, e.APrev); bad != "" {
		v.report.problem("entry %d: the chain of its account %s", e.N, bad)
	}
	v.accounts[holder] = Chain{Seq: e.ASeq + 1, LastN: e.N}
	if e.Person == 0 {
		return
	}
	person, known := v.persons[e.Person]
	if bad := link(person, known, v.report.Purged, e.PSeq, e.PPrev); bad != "" {
		v.report.problem("entry %d: the chain of its person %s", e.N, bad)
	}
	v.persons[e.Person] = Chain{Seq: e.PSeq + 1, LastN: e.N}
}

func link(c Chain, known bool, purged, seq, prev int64) string {
	switch {
	case !known && seq > 0 && prev >= 0 && prev < purged:
		return "" // its beginning was purged
	case !known && (seq != 0 || prev != -1):
		return "has no beginning"
	case known && (seq != c.Seq || prev != int64(c.LastN)):
		return "is broken"
	}
	return ""
}

// passCheckpoints compares the tree with every checkpoint of its present size.
func (v *verifier) passCheckpoints() {
	for len(v.heading.Checkpoints) > 0 && v.heading.Checkpoints[0].Size == v.tree.Size() {
		c := v.heading.Checkpoints[0]
		v.heading.Checkpoints = v.heading.Checkpoints[1:]
		if v.tree.Root() != c.Root {
			v.report.problem("the signed checkpoint of %d entries has another root", c.Size)
			continue
		}
		v.report.Checkpoint = c.Size
	}
}

func (v *verifier) end(ctx context.Context) error {
	if v.tree.Size() != v.heading.Size {
		v.report.problem("%d entries were found, %d are claimed", v.tree.Size(), v.heading.Size)
	} else if v.tree.Root() != v.heading.Root {
		v.report.problem("the tree's root is not the one claimed")
	}
	for _, c := range v.heading.Checkpoints {
		v.report.problem("a signed checkpoint has %d entries, the ledger only %d: its end is missing", c.Size, v.tree.Size())
	}
	if v.report.Purged > v.allowed && !v.heading.TreeOnly {
		v.report.problem("%d entries have lost their references, and retention says so of %d only", v.report.Purged, v.allowed)
	}
	if !v.heading.At.IsZero() && v.heading.At.Before(v.last) {
		v.report.problem("the head's time is before that of its newest entry")
	}
	v.receipts()
	return errors.Join(v.surplusRows(ctx), v.surplusTiles(ctx))
}

func (v *verifier) surplusRows(ctx context.Context) error {
	if v.heading.Rows == nil {
		return nil
	}
	rows, err := v.heading.Rows(ctx)
	if err == nil && rows != v.report.Entries {
		v.report.problem("the table of entries has %d rows, %d of them are in the ledger", rows, v.report.Entries)
	}
	return err
}

// surplusTiles looks for the tile after the last one of each level, which would stop the ledger.
func (v *verifier) surplusTiles(ctx context.Context) error {
	for level, index := range append(v.complete, 0) {
		if v.heading.Tile == nil {
			return nil
		}
		data, err := v.heading.Tile(ctx, level, index)
		if err != nil {
			return err
		}
		if data != nil {
			v.report.problem("tile %d/%d exists, though its entries do not", level, index)
		}
	}
	return nil
}

func (v *verifier) receipts() {
	if v.wanted == nil {
		return
	}
	v.report.Receipts = &ReceiptReport{Missing: []string{}}
	for id, found := range v.wanted {
		if found {
			v.report.Receipts.Found++
		} else {
			v.report.Receipts.Missing = append(v.report.Receipts.Missing, id)
		}
	}
	slices.Sort(v.report.Receipts.Missing)
}

// leafWithSalt is leafOf for who has the salt but not the period key.
func leafWithSalt(e *Entry, salt []byte) tlog.Hash {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(e.N))
	h := sha256.New()
	h.Write(salt)
	h.Write(e.canonical())
	return tlog.RecordHash(h.Sum(n[:]))
}

func saltOf(period []byte, number ecluse.EntryNumber) []byte {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(number))
	mac := hmac.New(sha256.New, period)
	mac.Write(n[:])
	return mac.Sum(nil)
}

// live is the Source of a database with its key file.
type live struct {
	store       Reader
	keys        *keys.Keys
	head        Head
	checkpoints [][]byte
}

// Live verifies a database in place, with its key file and the checkpoints kept on nodes or by
// witnesses. Beside a running node the store must be a Snapshot, and the checkpoints older than it.
func Live(store Reader, k *keys.Keys, checkpoints ...[]byte) Source {
	return &live{store: store, keys: k, checkpoints: checkpoints}
}

func (s *live) Heading(ctx context.Context) (Heading, error) {
	var err error
	if s.head, err = s.store.Head(ctx); err != nil {
		return Heading{}, fmt.Errorf("read the head: %w", err)
	}
	h := Heading{Size: int64(s.head.N), Root: s.head.Frontier.Root(), At: s.head.At, Tile: s.store.Tile, Rows: s.store.CountEntries}
	key, err := s.keys.VerifierKey()
	if err != nil {
		return h, err
	}
	for _, text := range s.checkpoints {
		c, err := ParseCheckpoint(text, key)
		if err != nil {
			return h, err
		}
		h.Checkpoints = append(h.Checkpoints, c)
	}
	return h, nil
}

func (s *live) Lines(ctx context.Context, each func(*Line) error) error {
	receipts := s.keys.MAC("ledger/receipts/v1")
	// Entries before the first and beyond the head must show: hence no bounds.
	return s.store.Entries(ctx, -noBound, noBound, func(e *Entry) error {
		l := Line{Entry: *e, Receipt: sealReceipt(receipts, e.N, e.Leaf)}
		if !e.Purged {
			// No key for its month means that its time was altered: retention destroys a key only when
			// nothing of the month is left to open. Without salt the verifier names the entry.
			if period, err := s.keys.Period(e.At); err == nil {
				l.Salt = saltOf(period, e.N)
			}
		}
		return each(&l)
	})
}

const noBound = ecluse.EntryNumber(1<<63 - 1)
