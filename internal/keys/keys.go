// Package keys holds what is never in the database: the key-encryption key of the registers, the
// directory key, the ledger's signing key and its monthly period keys. They live in one file (mode
// 0600) that the operator keeps apart from the database and from its backups, and copies to every
// node.
//
// Invariant: nothing here is ever logged, and destroying a period key makes the commitments of that
// month unopenable for ever (retention) while the tree above them still proves itself.
package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/mod/sumdb/note"
)

// Errors of opening a key file and of using it. Test with errors.Is.
var (
	ErrMode            = errors.New("the key file can be read by others: chmod 600 it")
	ErrCorrupt         = errors.New("the key file is damaged or not a key file")
	ErrExists          = errors.New("there is a key file already: it is never overwritten")
	ErrPeriodDestroyed = errors.New("the period key was destroyed by retention")
	ErrPeriodMissing   = errors.New("the key file has no period key for this month: run ecluse retention")
	ErrSealed          = errors.New("the sealed text was altered or belongs elsewhere")
)

// PeriodsAhead is how many months of period keys a new file holds.
const PeriodsAhead = 60

const fileVersion = 1

// file is the layout on disk, JSON. Keys are base64.
type file struct {
	Version   int                 `json:"version"`
	Root      []byte              `json:"root"`      // 32 bytes; every symmetric key but the periods' is derived from it
	Signing   []byte              `json:"signing"`   // Ed25519 seed of the ledger's checkpoints
	Origin    string              `json:"origin"`    // name of the log in its checkpoints
	Periods   map[string]periodID `json:"periods"`   // "2026-11" -> key
	Destroyed []string            `json:"destroyed"` // months whose key was destroyed
}

type periodID []byte

// Keys is an opened key file. Safe for concurrent use.
type Keys struct {
	path    string
	f       file
	mu      sync.RWMutex // f.Periods, f.Destroyed
	derived sync.Map     // domain -> []byte
	sealers sync.Map     // domain -> tink.AEAD
}

// Create makes a new key file with period keys from the month of now on. origin names the ledger in
// its checkpoints (c2sp.org/tlog-checkpoint), without spaces or plus signs.
func Create(path, origin string, now time.Time) (*Keys, error) {
	k := &Keys{path: path, f: file{
		Version: fileVersion, Root: random(32), Signing: random(ed25519.SeedSize), Origin: origin, Periods: map[string]periodID{},
	}}
	k.extend(now)
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("create %s: %w", filepath.Base(path), ErrExists)
	}
	return k, k.save()
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// Open reads a key file. Errors: ErrMode, ErrCorrupt, or the operating system's.
func Open(path string) (*Keys, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open the key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, ErrMode
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	k := &Keys{path: path}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&k.f); err != nil || k.f.Version != fileVersion || len(k.f.Root) != 32 || len(k.f.Signing) != ed25519.SeedSize || k.f.Origin == "" {
		return nil, ErrCorrupt
	}
	return k, nil
}

// save writes the file whole or not at all.
func (k *Keys) save() error {
	data, err := json.MarshalIndent(k.f, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(k.path, append(data, '\n'), 0o600)
}

// WriteFile replaces a file atomically and durably: what is there is the old text or the new one.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// key derives the symmetric key of a domain (HKDF-SHA256, RFC 5869).
func (k *Keys) key(domain string) []byte {
	if b, ok := k.derived.Load(domain); ok {
		return b.([]byte)
	}
	b, err := hkdf.Key(sha256.New, k.f.Root, nil, "ecluse/"+domain, 32)
	if err != nil {
		panic("keys: " + err.Error()) // 32 bytes of SHA-256 never fail
	}
	k.derived.Store(domain, b)
	return b
}

// Check is stored in the database at creation: it is the same only for the same key file.
func (k *Keys) Check() []byte { return k.MAC("keys/check/v1", []byte("ecluse"))[:16] }

// MAC is HMAC-SHA256 under the key of a domain, over length-prefixed parts. A domain ends in the version of
// what its parts are, "/v1": a later release that puts other parts together does so under another key, so
// that none of its MACs ever holds for an old row nor the other way round (docs/decisions/0025). A domain
// without one is a mistake in the program and panics.
func (k *Keys) MAC(domain string, parts ...[]byte) []byte {
	if !versioned(domain) {
		panic("keys: the domain of a MAC has no version: " + domain)
	}
	return MAC(k.key(domain), parts...)
}

func versioned(domain string) bool {
	i := strings.LastIndex(domain, "/v")
	if i < 1 {
		return false
	}
	digits := domain[i+len("/v"):]
	_, err := strconv.ParseUint(digits, 10, 32)
	return err == nil && digits[0] != '0'
}

// MAC is HMAC-SHA256 over length-prefixed parts, so that no two lists of parts collide.
func MAC(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	var n [4]byte
	for _, p := range parts {
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return h.Sum(nil)
}

// IndexKey is the key of one register's blind indexes, 32 bytes.
func (k *Keys) IndexKey(register string) []byte { return k.key("index/" + register) }

// Seal encrypts a small secret of a domain (handle, id_token, draft, free text) bound to ad.
func (k *Keys) Seal(domain string, plaintext, ad []byte) ([]byte, error) {
	a, err := k.sealer(domain)
	if err != nil {
		return nil, err
	}
	return a.Encrypt(plaintext, ad)
}

// Unseal is the inverse of Seal: ErrSealed if anything differs.
func (k *Keys) Unseal(domain string, sealed, ad []byte) ([]byte, error) {
	a, err := k.sealer(domain)
	if err != nil {
		return nil, err
	}
	plaintext, err := a.Decrypt(sealed, ad)
	if err != nil {
		return nil, ErrSealed
	}
	return plaintext, nil
}

func (k *Keys) sealer(domain string) (tink.AEAD, error) {
	if a, ok := k.sealers.Load(domain); ok {
		return a.(tink.AEAD), nil
	}
	a, err := subtle.NewAESGCM(k.key("seal/" + domain))
	if err != nil {
		return nil, fmt.Errorf("make the sealer of %s: %w", domain, err)
	}
	k.sealers.Store(domain, a)
	return a, nil
}

// NewKeyset makes a register's own AEAD keyset and wraps it for the database.
func (k *Keys) NewKeyset(register string) ([]byte, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("make a keyset: %w", err)
	}
	kek, err := k.sealer("keyset")
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&buf), kek, []byte(register)); err != nil {
		return nil, fmt.Errorf("wrap a keyset: %w", err)
	}
	return buf.Bytes(), nil
}

// Unwrap opens a keyset that NewKeyset wrapped for the same register: ErrSealed otherwise.
func (k *Keys) Unwrap(register string, wrapped []byte) (tink.AEAD, error) {
	kek, err := k.sealer("keyset")
	if err != nil {
		return nil, err
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(wrapped)), kek, []byte(register))
	if err != nil {
		return nil, ErrSealed
	}
	return aead.New(handle)
}

// Origin names the ledger in its checkpoints.
func (k *Keys) Origin() string { return k.f.Origin }

// Signer signs checkpoints (Ed25519 note signature).
func (k *Keys) Signer() (note.Signer, error) {
	signer, _, err := k.notePair()
	return signer, err
}

// VerifierKey is the public key in note format: publish it; offline verification needs it.
func (k *Keys) VerifierKey() (string, error) {
	_, v, err := k.notePair()
	return v, err
}
