package ledger

import (
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
}

// Report is the outcome of a verification, in the words of `ecluse verify --json`.
type Report struct {
	OK         bool           `json:"ok"`
	Entries    int64          `json:"entries"`
	Checkpoint int64          `json:"checkpoint"` // entries under the newest verified signature
	Opened     int64          `json:"opened"`     // entries whose content was checked, not only their leaf
	Purged     int64          `json:"purged"`
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
	if err := src.Lines(ctx, v.line); err != nil {
		return report, err
	}
	v.end()
	report.OK = len(report.Problems) == 0 && (report.Receipts == nil || len(report.Receipts.Missing) == 0)
	return report, nil
}

type verifier struct {
	report   *Report
	heading  Heading
	tree     Frontier
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

func (v *verifier) line(l *Line) error {
	n := v.tree.Size()
	if int64(l.N) != n {
		v.report.problem("entry %d stands where entry %d is expected", l.N, n)
	}
	if l.At.Before(v.last) {
		v.report.problem("entry %d: its time goes back", l.N)
	}
	v.last = l.At
	switch {
	case l.Purged:
		v.report.Purged++
	case l.Salt != nil:
		v.report.Opened++
		if leaf := leafWithSalt(&l.Entry, l.Salt); leaf != l.Leaf {
			v.report.problem("entry %d: its content does not match its leaf", l.N)
		}
		v.chains(&l.Entry)
	}
	if _, ok := v.wanted[l.Receipt]; ok {
		v.wanted[l.Receipt] = true
	}
	v.tree.add(l.Leaf)
	v.report.Entries++
	v.passCheckpoints()
	return nil
}

// chains checks the places in the chains of the account and of the person. A chain whose beginning
// was purged starts where it starts.
func (v *verifier) chains(e *Entry) {
	holder := Holder{int64(e.Account), e.Register}
	account, known := v.accounts[holder]
	if bad := link(account, known, v.report.Purged > 0, e.ASeq, e.APrev); bad != "" {
		v.report.problem("entry %d: the chain of its account %s", e.N, bad)
	}
	v.accounts[holder] = Chain{Seq: e.ASeq + 1, LastN: e.N}
	if e.Person == 0 {
		return
	}
	person, known := v.persons[e.Person]
	if bad := link(person, known, v.report.Purged > 0, e.PSeq, e.PPrev); bad != "" {
		v.report.problem("entry %d: the chain of its person %s", e.N, bad)
	}
	v.persons[e.Person] = Chain{Seq: e.PSeq + 1, LastN: e.N}
}

func link(c Chain, known, purged bool, seq, prev int64) string {
	switch {
	case !known && purged:
		return ""
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

func (v *verifier) end() {
	if v.tree.Size() != v.heading.Size {
		v.report.problem("%d entries were found, %d are claimed", v.tree.Size(), v.heading.Size)
	} else if v.tree.Root() != v.heading.Root {
		v.report.problem("the tree's root is not the one claimed")
	}
	for _, c := range v.heading.Checkpoints {
		v.report.problem("a signed checkpoint has %d entries, the ledger only %d: its end is missing", c.Size, v.tree.Size())
	}
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
	store       Store
	keys        *keys.Keys
	head        Head
	checkpoints [][]byte
}

// Live verifies a database in place, with its key file and the checkpoints kept on nodes or by
// witnesses.
func Live(store Store, k *keys.Keys, checkpoints ...[]byte) Source {
	return &live{store: store, keys: k, checkpoints: checkpoints}
}

func (s *live) Heading(ctx context.Context) (Heading, error) {
	var err error
	if s.head, err = s.store.Head(ctx); err != nil {
		return Heading{}, fmt.Errorf("read the head: %w", err)
	}
	h := Heading{Size: int64(s.head.N), Root: s.head.Frontier.Root()}
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
	receipts := s.keys.MAC("receipt")
	// Entries beyond the head, read once more than claimed, must show: hence no upper bound.
	return s.store.Entries(ctx, 0, noBound, func(e *Entry) error {
		l := Line{Entry: *e, Receipt: sealReceipt(receipts, e.N, e.Leaf)}
		if !e.Purged {
			period, err := s.keys.Period(e.At)
			if err != nil && !errors.Is(err, keys.ErrPeriodDestroyed) {
				return fmt.Errorf("entry %d: %w", e.N, err)
			}
			if err == nil {
				l.Salt = saltOf(period, e.N)
			}
		}
		return each(&l)
	})
}

const noBound = ecluse.EntryNumber(1<<63 - 1)
