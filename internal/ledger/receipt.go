package ledger

import (
	"context"
	"crypto/aes"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"ecluse"

	"golang.org/x/mod/sumdb/tlog"
)

// Errors of opening a receipt.
var (
	ErrNoReceipt      = errors.New("there is no receipt: nothing was written down")
	ErrReceiptSpent   = errors.New("the receipt was opened before")
	ErrReceiptExpired = errors.New("the receipt is older than 5 seconds")
	// ErrReceiptID: the text is no receipt id of this ledger.
	ErrReceiptID = errors.New("not a receipt of this ledger")
)

// ReceiptLife is how long a receipt opens a record.
const ReceiptLife = 5 * time.Second

// Receipt proves that a disclosure was written down and committed. It opens the record once, within
// ReceiptLife, for exactly the person, version and fields of the entry. The zero value opens nothing;
// only Append makes others. Copies share their one opening. Safe for concurrent use.
type Receipt struct {
	id      string
	passage Passage
	issued  time.Time
	spent   *atomic.Bool
}

// Passage is what a receipt opens.
type Passage struct {
	Register ecluse.RegisterID
	Person   ecluse.PersonID
	Version  ecluse.VersionID
	Fields   ecluse.FieldSet
}

func newReceipt(p Passage, id string, issued time.Time) Receipt {
	return Receipt{id: id, passage: p, issued: issued, spent: new(atomic.Bool)}
}

// ID is the receipt's opaque name.
func (r Receipt) ID() string { return r.id }

// Open spends the receipt. Errors: ErrNoReceipt, ErrReceiptSpent, ErrReceiptExpired.
func (r Receipt) Open(now time.Time) (Passage, error) {
	switch {
	case r.spent == nil:
		return Passage{}, ErrNoReceipt
	case !r.spent.CompareAndSwap(false, true):
		return Passage{}, ErrReceiptSpent
	case now.Sub(r.issued) > ReceiptLife:
		return Passage{}, ErrReceiptExpired
	}
	return r.passage, nil
}

var receiptText = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// receiptID is one AES block over (n, first 8 bytes of the leaf): 26 characters that say nothing to
// who has no key, and that bind the entry's content as well as its number.
func (l *Ledger) receiptID(n ecluse.EntryNumber, leaf tlog.Hash) string {
	return sealReceipt(l.keys.MAC("ledger/receipts/v1"), n, leaf)
}

// ReceiptOf is the receipt of an entry, as Append named it.
func (l *Ledger) ReceiptOf(ctx context.Context, n ecluse.EntryNumber) (string, error) {
	leaf, err := l.store.Leaves(ctx, n, n+1)
	if err != nil || len(leaf) != tlog.HashSize {
		return "", fmt.Errorf("read the leaf of entry %d: %w", n, err)
	}
	return l.receiptID(n, tlog.Hash(leaf)), nil
}

func sealReceipt(key []byte, n ecluse.EntryNumber, leaf tlog.Hash) string {
	var block [aes.BlockSize]byte
	binary.BigEndian.PutUint64(block[:8], uint64(n))
	copy(block[8:], leaf[:8])
	c, err := aes.NewCipher(key)
	if err != nil {
		panic("ledger: " + err.Error()) // the key has 32 bytes
	}
	c.Encrypt(block[:], block[:])
	return receiptText.EncodeToString(block[:])
}

// openReceipt is the inverse: the entry's number and the first 8 bytes of its leaf. ErrReceiptID if
// the text is malformed; a forged one names a number and leaf that do not match.
func openReceipt(key []byte, id string) (ecluse.EntryNumber, [8]byte, error) {
	var prefix [8]byte
	clean := strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(strings.TrimSpace(id)))
	block, err := receiptText.DecodeString(clean)
	if err != nil || len(block) != aes.BlockSize {
		return 0, prefix, ErrReceiptID
	}
	c, err := aes.NewCipher(key)
	if err != nil {
		return 0, prefix, err
	}
	c.Decrypt(block, block)
	copy(prefix[:], block[8:])
	return ecluse.EntryNumber(binary.BigEndian.Uint64(block[:8])), prefix, nil
}
