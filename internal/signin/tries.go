package signin

import (
	"errors"
	"fmt"
	"time"
)

// Tries are the wrong codes in a row of an account from one browser. A browser that has proven a factor of
// the account before has its own count; all others share one, so that whoever holds a stolen sign-in can
// neither guess on many browsers at once nor make the owner wait at hers. Nobody is counted who has not
// signed in as the account.
type Tries struct {
	Device   string // "" = the browsers that have proven nothing
	Failures int
	Last     time.Time
}

// The slow-down: free tries, then a wait that doubles, then the lock.
const (
	freeTries   = 4
	firstWait   = 5 * time.Second
	lockedAt    = 10 // failures (CNIL délib. 2022-100)
	firstLock   = 15 * time.Minute
	longestLock = time.Hour
	triesLife   = 24 * time.Hour // after the last one all are forgotten
)

// ErrWait: too many wrong codes; errors.As finds a *WaitError, which says until when.
var ErrWait = errors.New("too many wrong codes: wait")

// WaitError is ErrWait with its end.
type WaitError struct{ Until time.Time }

func (e *WaitError) Error() string {
	return fmt.Sprintf("%v until %s", ErrWait, e.Until.Format(time.RFC3339))
}

// Unwrap makes errors.Is find ErrWait.
func (e *WaitError) Unwrap() error { return ErrWait }

// until is when the next code may be tried.
func (t Tries) until() time.Time {
	var wait time.Duration
	switch {
	case t.Failures < freeTries:
		return t.Last
	case t.Failures < lockedAt:
		wait = firstWait << (t.Failures - freeTries)
	default:
		wait = min(longestLock, firstLock<<min(t.Failures-lockedAt, 8))
	}
	return t.Last.Add(wait)
}

// may reports whether a code may be tried at an instant: nil, or a *WaitError.
func (t Tries) may(at time.Time) error {
	if until := t.at(at).until(); at.Before(until) {
		return &WaitError{until}
	}
	return nil
}

// at are the tries that still count at an instant.
func (t Tries) at(at time.Time) Tries {
	if !at.Before(t.Last.Add(triesLife)) {
		return Tries{Device: t.Device}
	}
	return t
}

// failed are the tries after one more.
func (t Tries) failed(at time.Time) Tries {
	t = t.at(at)
	t.Failures++
	t.Last = at
	return t
}
