package ledger

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"

	"ecluse"

	"golang.org/x/mod/sumdb/tlog"
)

// Kind is what an entry records. The list is closed.
type Kind string

// The kinds of entries.
const (
	KindDisclose    Kind = "disclose"    // values of one person left, or were refused (Decision)
	KindRefuse      Kind = "refuse"      // refused by policy; who was asked for is sealed in the detail
	KindSearch      Kind = "search"      // a search; Person is the hit that was shown
	KindUndelivered Kind = "undelivered" // an allowed disclosure failed before its first byte
	KindApproval    Kind = "approval"    // a request was made or decided
	KindDirectory   Kind = "directory"   // an organisation, agreement, account, grant or link changed
	KindContainment Kind = "containment"
	KindLedgerRead  Kind = "ledger-read" // someone read references, or a sealed text
	KindPurge       Kind = "purge"       // retention removed references
	KindHold        Kind = "hold"        // retention is postponed for a case, or no more
	KindRestore     Kind = "restore"     // the database was restored from a backup
	KindClock       Kind = "clock"       // an operator accepted a clock step
	KindImport      Kind = "import"      // records became visible
)

// Decision of an entry.
type Decision string

// The decisions; kinds that decide nothing have none.
const (
	Allow Decision = "allow"
	Deny  Decision = "deny"
)

// Detail is what an entry says beyond its columns, as JSON with short keys. Never a value of a record.
type Detail struct {
	Channel    ecluse.Channel  `json:"ch,omitempty"`
	Classes    ecluse.ClassSet `json:"c,omitempty"`  // field classes charged
	Act        uint8           `json:"a,omitempty"`  // budget.Act charged, 0 = none: verify --deep replays it
	Motive     string          `json:"m,omitempty"`  // justification picked
	Commitment []byte          `json:"t,omitempty"`  // SHA-256 of the sealed free text
	Hits       int             `json:"h,omitempty"`  // search: persons shown
	Refers     int64           `json:"r,omitempty"`  // undelivered, ledger-read: the entry meant; purge: entries below it lose their references; restore: entries in the backup
	Subject    int64           `json:"s,omitempty"`  // directory, approval: the row meant; restore: every meter of a holder below it was filled
	What       string          `json:"w,omitempty"`  // directory, approval, purge …: the act, as a code
	Digest     []byte          `json:"d,omitempty"`  // of what took effect
	By         string          `json:"by,omitempty"` // cli:user@host
	// Client is the program that asked for the entry's account (act_as), charged beside it.
	Client ecluse.AccountID `json:"cl,omitempty"`
	Review string           `json:"rv,omitempty"` // kind of the review that was opened
	Target []byte           `json:"x,omitempty"`  // sealed id of a person that was refused as unavailable
	// Counts says how many rows of what a purge or a restore concerned.
	Counts map[string]int64 `json:"n,omitempty"`
	Days   int              `json:"dy,omitempty"` // purge: how long references are kept
}

// Entry is one line of the ledger. References are zero once purged (Purged).
type Entry struct {
	N            ecluse.EntryNumber
	At           time.Time
	Kind         Kind
	Act          int64 // n of the first entry of the same act
	Register     ecluse.RegisterID
	Account      ecluse.AccountID
	ASeq, APrev  int64 // place in the account's chain of this register: number, previous n or -1
	Organisation ecluse.OrganisationID
	Session      ecluse.SessionID
	Person       ecluse.PersonID
	PSeq, PPrev  int64 // place in the person's chain; -1, -1 without a person
	Version      ecluse.VersionID
	Fields       ecluse.FieldSet
	Purpose      ecluse.Purpose
	Tier         ecluse.Tier
	Decision     Decision
	Reasons      string // codes, space separated
	Detail       []byte // JSON of Detail
	Leaf         tlog.Hash
	Format       int64 // version of the canonical form, Format when it was written
	Purged       bool  // references removed by retention: only N, At, Register, Leaf and Format are left
}

// Format is the version of the canonical form that new entries are hashed in. It is the form's first byte,
// hence part of what the leaf commits to. A release that hashes other bytes gives them another number and
// still knows this one (docs/decisions/0025).
const Format = 1

// readable reports whether this program knows the form that an entry was hashed in.
func (e *Entry) readable() bool { return e.Format == Format }

// canonical is the byte string that an entry commits to: the format as a byte, then the columns in table
// order, integers big-endian, byte strings with a 4-byte length. The vectors are in testdata.
func (e *Entry) canonical() []byte {
	b := make([]byte, 0, 256)
	b = append(b, byte(e.Format))
	b = number(b, int64(e.N), e.At.UnixMicro())
	b = text(b, string(e.Kind))
	b = number(b, e.Act, int64(e.Register), int64(e.Account), e.ASeq, e.APrev, int64(e.Organisation), int64(e.Session),
		int64(e.Person), e.PSeq, e.PPrev, int64(e.Version), int64(e.Fields))
	b = text(b, string(e.Purpose))
	b = number(b, int64(e.Tier))
	b = text(b, string(e.Decision))
	b = text(b, e.Reasons)
	return text(b, string(e.Detail))
}

func number(b []byte, values ...int64) []byte {
	for _, v := range values {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func text(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// leafOf is the entry's RFC 6962 leaf hash: SHA-256(0x00 || n || SHA-256(salt || canonical)), with
// salt = HMAC-SHA256(period key, n). Without the salt the leaf says nothing of the entry.
func leafOf(e *Entry, period []byte) tlog.Hash { return leafWithSalt(e, saltOf(period, e.N)) }

func joinReasons(reasons []ecluse.Reason) string {
	parts := make([]string, len(reasons))
	for i, r := range reasons {
		parts[i] = string(r)
	}
	return strings.Join(parts, " ")
}

func (d Detail) encode() ([]byte, error) { return json.Marshal(d) }

// ReadDetail decodes an entry's detail.
func (e *Entry) ReadDetail() (Detail, error) {
	var d Detail
	if e.Purged || len(e.Detail) == 0 {
		return d, nil
	}
	err := json.Unmarshal(e.Detail, &d)
	return d, err
}
