package keys

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
)

const month = "2006-01"

// Period is the key that salts the entries of the month of at, 32 bytes. Errors:
// ErrPeriodDestroyed once retention has passed, ErrPeriodMissing if the file was not extended.
func (k *Keys) Period(at time.Time) ([]byte, error) {
	m := at.UTC().Format(month)
	k.mu.RLock()
	defer k.mu.RUnlock()
	if key, ok := k.f.Periods[m]; ok {
		return key, nil
	}
	if slices.Contains(k.f.Destroyed, m) {
		return nil, ErrPeriodDestroyed
	}
	return nil, fmt.Errorf("%w (%s)", ErrPeriodMissing, m)
}

// LastPeriod is the end of the last month that has a key.
func (k *Keys) LastPeriod() time.Time {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var last time.Time
	for m := range k.f.Periods {
		if t, err := time.Parse(month, m); err == nil && t.After(last) {
			last = t
		}
	}
	return last.AddDate(0, 1, 0)
}

// Retain destroys the keys of all months that ended before the instant, adds those of the coming
// PeriodsAhead months, and writes the file. It returns the months destroyed. The caller copies the
// file to the other nodes; copies in old backups must age out with them.
func (k *Keys) Retain(before, now time.Time) ([]string, error) {
	destroyed := k.Ended(before)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range destroyed {
		clear(k.f.Periods[m])
		delete(k.f.Periods, m)
	}
	k.f.Destroyed = append(k.f.Destroyed, destroyed...)
	k.extend(now)
	return destroyed, k.save()
}

// Ended are the months with a key that ended before an instant, the oldest first.
func (k *Keys) Ended(before time.Time) []string {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var ended []string
	for m := range k.f.Periods {
		start, err := time.Parse(month, m)
		if err == nil && !start.AddDate(0, 1, 0).After(before) {
			ended = append(ended, m)
		}
	}
	slices.Sort(ended)
	return ended
}

func (k *Keys) extend(now time.Time) {
	first := time.Date(now.UTC().Year(), now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	for i := range PeriodsAhead {
		m := first.AddDate(0, i, 0).Format(month)
		if _, ok := k.f.Periods[m]; !ok && !slices.Contains(k.f.Destroyed, m) {
			k.f.Periods[m] = random(32)
		}
	}
}

// notePair renders the signing key in the text forms of golang.org/x/mod/sumdb/note.
func (k *Keys) notePair() (note.Signer, string, error) {
	priv := ed25519.NewKeyFromSeed(k.f.Signing)
	const ed25519Algorithm = 1
	pub := append([]byte{ed25519Algorithm}, priv.Public().(ed25519.PublicKey)...)
	sum := sha256.Sum256(append([]byte(k.f.Origin+"\n"), pub...))
	hash := binary.BigEndian.Uint32(sum[:4])
	seed := append([]byte{ed25519Algorithm}, k.f.Signing...)
	signer, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", k.f.Origin, hash, base64.StdEncoding.EncodeToString(seed)))
	if err != nil {
		return nil, "", fmt.Errorf("read the signing key: %w", err)
	}
	return signer, fmt.Sprintf("%s+%08x+%s", k.f.Origin, hash, base64.StdEncoding.EncodeToString(pub)), nil
}
