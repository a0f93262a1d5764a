package register

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"

	"ecluse"
	"ecluse/internal/keys"
)

// Errors of the service. Test with errors.Is.
var (
	// ErrUnknownRegister: no register has this code or id.
	ErrUnknownRegister = errors.New("there is no such register")
	// ErrRegisterExists: a register with this code is in the database already.
	ErrRegisterExists = errors.New("there is a register with this code already")
	// ErrWrongKeys: the register was made under another key file.
	ErrWrongKeys = errors.New("the key file does not belong to this register")
)

// Register is one register with what is needed to seal and open its records. It is a snapshot: take
// it anew for each request. Safe for concurrent use.
type Register struct {
	ID          ecluse.RegisterID
	Code        string
	Schema      *Schema
	Definition  *Definition  // what Schema is read from, with the register's other files
	Persons     int64        // published; at most a few seconds old
	Controllers []Controller // of the schema, with their ids

	digest []byte // of the definition
	aead   tink.AEAD
	index  []byte
	order  []int // indexes into Schema.Fields by ascending bit
}

func (r *Register) vault() *vault { return &vault{aead: r.aead} }

func (r *Register) indexer() *indexer { return &indexer{mac: hmac.New(sha256.New, r.index)} }

func (r *Register) place(p ecluse.PersonID, v ecluse.VersionID) place {
	return place{register: r.Code, person: p, version: v}
}

// Person is what may be known of a person before a decision.
type Person struct {
	ID        ecluse.PersonID
	Found     bool   // false for the unknown and for those no import has published yet
	Territory string // authenticated: it comes from the sealed record
	Version   ecluse.VersionID

	sealed []byte // the record, which only Reveal opens beyond its head
}

// Registers is the service over all registers of an installation. Safe for concurrent use.
type Registers struct {
	store Store
	keys  *keys.Keys
	now   func() time.Time

	mu     sync.Mutex
	loaded time.Time // zero: to be read again
	list   *list     // as of the last load
}

// New makes the service; it reads nothing yet.
func New(store Store, k *keys.Keys, now func() time.Time) *Registers {
	return &Registers{store: store, keys: k, now: now}
}

// fresh is how long the list of registers is believed: another process may create or fill one.
const fresh = 5 * time.Second

// Create adds a register with its controllers (known ones are recognised by their code) and a keyset of
// its own. It gives no one access: that takes agreements. ErrRegisterExists.
func (s *Registers) Create(ctx context.Context, d *Definition) (*Register, error) {
	code, text := d.Schema.Code, d.Text()
	keyset, err := s.keys.NewKeyset(code)
	if err != nil {
		return nil, err
	}
	row := StoredRegister{Code: code, Definition: text, Digest: digest(text), Keyset: keyset}
	for _, c := range d.Schema.Controllers {
		row.Controllers = append(row.Controllers, StoredController{Controller: c})
	}
	if _, err := s.store.CreateRegister(ctx, s.now(), row, seals(s.keys)); err != nil {
		return nil, fmt.Errorf("create register %s: %w", code, err)
	}
	s.forget()
	return s.ByCode(ctx, code)
}

// ByCode finds a register by its code: ErrUnknownRegister, ErrDead.
func (s *Registers) ByCode(ctx context.Context, code string) (*Register, error) {
	all, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if r := all.byCode[code]; r != nil {
		return r, nil
	}
	if err := all.deadCode[code]; err != nil {
		return nil, err
	}
	return nil, ErrUnknownRegister
}

// ByID finds a register by its id: ErrUnknownRegister, ErrDead.
func (s *Registers) ByID(ctx context.Context, id ecluse.RegisterID) (*Register, error) {
	all, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if r := all.byID[id]; r != nil {
		return r, nil
	}
	if err := all.deadID[id]; err != nil {
		return nil, err
	}
	return nil, ErrUnknownRegister
}

// All lists the registers by code, without dead ones.
func (s *Registers) All(ctx context.Context) ([]*Register, error) {
	loaded, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]*Register, 0, len(loaded.byCode))
	for _, r := range loaded.byCode {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *Register) int {
		if a.Code < b.Code {
			return -1
		}
		return 1
	})
	return all, nil
}

func (s *Registers) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = time.Time{}
}

// list is what one load found. It is never changed.
type list struct {
	byID     map[ecluse.RegisterID]*Register
	byCode   map[string]*Register
	deadID   map[ecluse.RegisterID]error
	deadCode map[string]error
}

// load returns the registers, read again if they are older than fresh. A dead one keeps no other from
// opening.
func (s *Registers) load(ctx context.Context) (*list, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if age := now.Sub(s.loaded); !s.loaded.IsZero() && age >= 0 && age < fresh {
		return s.list, nil
	}
	rows, err := s.store.Registers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the registers: %w", err)
	}
	all := &list{byID: map[ecluse.RegisterID]*Register{}, byCode: map[string]*Register{}, deadID: map[ecluse.RegisterID]error{}, deadCode: map[string]error{}}
	for _, row := range rows {
		if err := authentic(s.keys, row); err != nil {
			all.deadID[row.ID], all.deadCode[row.Code] = err, err
			continue
		}
		r, err := s.unpack(row)
		if err != nil {
			return nil, err
		}
		all.byID[r.ID], all.byCode[r.Code] = r, r
	}
	s.list, s.loaded = all, now
	return all, nil
}

// unpack opens what a row of registers holds, or takes it from the last load if nothing but the number
// of persons has changed.
func (s *Registers) unpack(row StoredRegister) (*Register, error) {
	if old := s.old(row.Code); old != nil && old.ID == row.ID && bytes.Equal(old.digest, row.Digest) {
		again := *old
		again.Persons = row.Persons
		return &again, nil
	}
	definition, err := stored(row.Code, row.Definition)
	if err != nil {
		return nil, fmt.Errorf("read register %d: %w", row.ID, err)
	}
	aead, err := s.keys.Unwrap(row.Code, row.Keyset)
	if err != nil {
		return nil, fmt.Errorf("open register %d: %w", row.ID, ErrWrongKeys)
	}
	schema := definition.Schema
	for i, c := range schema.Controllers {
		for _, known := range row.Controllers {
			if known.Code == c.Code {
				schema.Controllers[i].ID = known.ID
			}
		}
	}
	return &Register{
		ID: row.ID, Code: row.Code, Schema: schema, Definition: definition, Persons: row.Persons, Controllers: schema.Controllers,
		digest: row.Digest, aead: aead, index: s.keys.IndexKey(row.Code), order: byBit(schema.Fields),
	}, nil
}

func (s *Registers) old(code string) *Register {
	if s.list == nil {
		return nil
	}
	return s.list.byCode[code]
}

func byBit(fields []Field) []int {
	order := make([]int, len(fields))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return fields[a].Bit - fields[b].Bit })
	return order
}

// Person looks one person up: one store call, the same for the known and the unknown. Unknown, of
// another register or not yet published: Found is false and there is no error.
func (s *Registers) Person(ctx context.Context, reg *Register, id ecluse.PersonID) (Person, error) {
	people, err := s.People(ctx, reg, []ecluse.PersonID{id})
	if err != nil {
		return Person{}, err
	}
	return people[0], nil
}

// People is Person for several in one store call; the answer has the order of ids.
func (s *Registers) People(ctx context.Context, reg *Register, ids []ecluse.PersonID) ([]Person, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := s.store.Visible(ctx, reg.ID, ids)
	if err != nil {
		return nil, fmt.Errorf("look %d persons up: %w", len(ids), err)
	}
	v := reg.vault()
	found := make(map[ecluse.PersonID]Person, len(rows))
	for _, row := range rows {
		territory, err := v.openHead(reg.place(row.Person, row.Version), row.Sealed)
		if err != nil {
			return nil, err
		}
		found[row.Person] = Person{ID: row.Person, Found: true, Territory: territory, Version: row.Version, sealed: row.Sealed}
	}
	people := make([]Person, len(ids))
	for i, id := range ids {
		people[i] = found[id]
		people[i].ID = id
	}
	return people, nil
}
