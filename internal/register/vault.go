package register

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"github.com/tink-crypto/tink-go/v2/tink"

	"ecluse"
)

// A record at rest is one blob, a version of a person:
//
//	1 byte   format, 1
//	1 byte   n, number of fields
//	n times  1 byte bit, 2 bytes blocks (big-endian), bits ascending
//	97 bytes head: sealed set of the fields and territory
//	n times  blocks x 64 + 33 bytes: sealed value of the field
//
// Each part is an AEAD ciphertext of its own (Tink AES256-GCM: prefix 5, nonce 12, tag 16), so that
// Reveal opens the fields of a receipt and no other. Its associated data is register code, person,
// version and bit (head: 0xff), so a part is refused in any other place. The head holds the set of
// fields, so one left out is noticed. Values are padded to a multiple of 64 bytes (0x80, then zeros:
// ISO/IEC 7816-4), and every field of the schema is there even if empty: a blob does not tell who has a
// bank account or how long a name is.
const (
	blobFormat    = 1
	blobHead      = 0xff // in place of a bit
	padBlock      = 64
	sealOverhead  = 5 + 12 + 16
	maxBlocks     = 1<<16 - 1
	headBytes     = padBlock + sealOverhead
	maxTerritory  = padBlock - 1 - 8
	directoryItem = 3
)

// Errors of the vault. They come with the ids of register, person and version, never with a value.
var (
	// ErrSealed: a record was altered, cut or moved, or the key is not the one that sealed it.
	ErrSealed = errors.New("the sealed record was altered or belongs elsewhere")
	// ErrTooLong: a value of more than about 4 MiB, or a territory of more than 55 bytes.
	ErrTooLong = errors.New("the value is too long")
)

// place is where a blob belongs.
type place struct {
	register string // code
	person   ecluse.PersonID
	version  ecluse.VersionID
}

func (p place) refuse(bit int) error {
	if bit == blobHead {
		return fmt.Errorf("register %s, person %d, version %d: %w", p.register, p.person, p.version, ErrSealed)
	}
	return fmt.Errorf("register %s, person %d, version %d, field bit %d: %w", p.register, p.person, p.version, bit, ErrSealed)
}

// vault seals and opens the records of one register. It keeps a scratch buffer: one goroutine at a
// time, copies are cheap.
type vault struct {
	aead tink.AEAD
	ad   []byte
	pad  []byte
}

func (v *vault) associated(p place, bit int) []byte {
	v.ad = append(v.ad[:0], "ecluse record 1\x00"...)
	v.ad = binary.BigEndian.AppendUint32(v.ad, uint32(len(p.register)))
	v.ad = append(v.ad, p.register...)
	v.ad = binary.BigEndian.AppendUint64(v.ad, uint64(p.person))
	v.ad = binary.BigEndian.AppendUint64(v.ad, uint64(p.version))
	return append(v.ad, byte(bit))
}

// unsealed is what a blob is made of.
type unsealed struct {
	territory string
	bits      []int    // ascending
	values    []string // beside bits
}

// seal makes the blob of a record at its place: ErrTooLong if it does not fit the format.
func (v *vault) seal(p place, rec unsealed) ([]byte, error) {
	if len(rec.territory) > maxTerritory {
		return nil, fmt.Errorf("territory: %w", ErrTooLong)
	}
	size := 2 + len(rec.bits)*directoryItem + headBytes
	var set ecluse.FieldSet
	for i, bit := range rec.bits {
		if blocks(rec.values[i]) > maxBlocks {
			return nil, fmt.Errorf("field bit %d: %w", bit, ErrTooLong)
		}
		size += blocks(rec.values[i])*padBlock + sealOverhead
		set = set.With(bit)
	}
	blob := make([]byte, 0, size)
	blob = append(blob, blobFormat, byte(len(rec.bits)))
	for i, bit := range rec.bits {
		blob = append(blob, byte(bit))
		blob = binary.BigEndian.AppendUint16(blob, uint16(blocks(rec.values[i])))
	}
	head := string(binary.BigEndian.AppendUint64(nil, uint64(set))) + rec.territory
	blob, err := v.append(blob, p, blobHead, head)
	for i, bit := range rec.bits {
		if err != nil {
			break
		}
		blob, err = v.append(blob, p, bit, rec.values[i])
	}
	return blob, err
}

func blocks(value string) int { return len(value)/padBlock + 1 }

func (v *vault) append(blob []byte, p place, bit int, value string) ([]byte, error) {
	v.pad = append(append(v.pad[:0], value...), 0x80)
	for len(v.pad)%padBlock != 0 {
		v.pad = append(v.pad, 0)
	}
	c, err := v.aead.Encrypt(v.pad, v.associated(p, bit))
	if err != nil {
		return nil, fmt.Errorf("seal a record of register %s: %w", p.register, err)
	}
	return append(blob, c...), nil
}

// opened is a blob whose head was verified; value opens one field after the other.
type opened struct {
	place     place
	fields    ecluse.FieldSet
	territory string
	parts     [64][]byte
}

// open reads the layout of a blob and verifies its head: ErrSealed if anything departs.
func (v *vault) open(p place, blob []byte) (*opened, error) {
	o := &opened{place: p}
	head, ok := o.cut(blob)
	if !ok {
		return nil, p.refuse(blobHead)
	}
	text, ok := v.unseal(p, blobHead, head)
	if !ok || len(text) < 8 || ecluse.FieldSet(binary.BigEndian.Uint64(text)) != o.fields {
		return nil, p.refuse(blobHead)
	}
	o.territory = string(text[8:])
	return o, nil
}

// openHead opens the head alone: it gives the territory.
func (v *vault) openHead(p place, blob []byte) (string, error) {
	if len(blob) < 2 || blob[0] != blobFormat {
		return "", p.refuse(blobHead)
	}
	from := 2 + int(blob[1])*directoryItem
	if len(blob) < from+headBytes {
		return "", p.refuse(blobHead)
	}
	text, ok := v.unseal(p, blobHead, blob[from:from+headBytes])
	if !ok || len(text) < 8 {
		return "", p.refuse(blobHead)
	}
	return string(text[8:]), nil
}

// cut splits a blob along its directory and returns the sealed head.
func (o *opened) cut(blob []byte) (head []byte, ok bool) {
	if len(blob) < 2 || blob[0] != blobFormat || blob[1] > 64 {
		return nil, false
	}
	n := int(blob[1])
	rest := blob[2:]
	if len(rest) < n*directoryItem+headBytes {
		return nil, false
	}
	items, rest := rest[:n*directoryItem], rest[n*directoryItem:]
	head, rest = rest[:headBytes], rest[headBytes:]
	last := -1
	for i := range n {
		bit := int(items[i*directoryItem])
		size := int(binary.BigEndian.Uint16(items[i*directoryItem+1:]))*padBlock + sealOverhead
		if bit <= last || bit > 63 || size == sealOverhead || len(rest) < size {
			return nil, false
		}
		o.parts[bit], rest, last = rest[:size], rest[size:], bit
		o.fields = o.fields.With(bit)
	}
	return head, len(rest) == 0
}

// value opens one field: "" if the record has no such field, ErrSealed if it was altered.
func (v *vault) value(o *opened, bit int) (string, error) {
	if !o.fields.Has(bit) {
		return "", nil
	}
	text, ok := v.unseal(o.place, bit, o.parts[bit])
	if !ok {
		return "", o.place.refuse(bit)
	}
	return string(text), nil
}

func (v *vault) unseal(p place, bit int, c []byte) ([]byte, bool) {
	text, err := v.aead.Decrypt(c, v.associated(p, bit))
	if err != nil {
		return nil, false
	}
	for len(text) > 0 && text[len(text)-1] == 0 {
		text = text[:len(text)-1]
	}
	if len(text) == 0 || text[len(text)-1] != 0x80 {
		return nil, false
	}
	return text[:len(text)-1], true
}

// indexer makes the keyed hashes of one register: HMAC-SHA256 over length-prefixed parts, cut to 16
// bytes. It keeps its state: one goroutine at a time.
type indexer struct {
	mac hash.Hash
	n   [8]byte
	sum [sha256.Size]byte
}

// hashBytes is the length of every keyed hash in the database.
const hashBytes = 16

// Keyed is one keyed hash.
type Keyed [hashBytes]byte

func (x *indexer) start(what string) {
	x.mac.Reset()
	x.part(what)
}

func (x *indexer) number(n uint64) {
	binary.BigEndian.PutUint64(x.n[:], n)
	x.mac.Write(x.n[:])
}

func (x *indexer) part(s string) {
	x.number(uint64(len(s)))
	x.mac.Write([]byte(s))
}

func (x *indexer) end() Keyed { return Keyed(x.mac.Sum(x.sum[:0])[:hashBytes]) }

// external is the keyed hash of the register's own identifier of a person.
func (x *indexer) external(id string) Keyed {
	x.start("external")
	x.part(normaliseCode(id))
	return x.end()
}

// digest tells whether anything of a record has changed. It holds the person's identifier, so that
// equal records of two persons do not show.
func (x *indexer) digest(external Keyed, rec unsealed) Keyed {
	x.start("digest")
	x.part(string(external[:]))
	x.part(rec.territory)
	for i, bit := range rec.bits {
		x.number(uint64(bit))
		x.part(rec.values[i])
	}
	return x.end()
}

// lookup is the blind index of one search key; ok is false if a part is empty, for then there is
// nothing to find.
func (x *indexer) lookup(key Key, value func(Field) string) (k Keyed, ok bool) {
	x.start("lookup")
	x.number(uint64(key.ID))
	for _, f := range key.Fields {
		v := Normalise(f.Kind, value(f))
		if v == "" {
			return Keyed{}, false
		}
		x.part(v)
	}
	return x.end(), true
}
