package store_test

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/signin"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// desk is an installation in which people sign in.
type desk struct {
	t   *testing.T
	db  *store.DB
	raw *sql.DB
	at  time.Time
}

func eachDesk(t *testing.T, test func(*desk)) {
	storetest.Engines(t, func(t *testing.T, url string) {
		d := &desk{t: t, db: storetest.Open(t, url, store.Hooks{}), at: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
		if err := d.db.CreateInstance(t.Context(), d.at, []byte("check"), true); err != nil {
			t.Fatal(err)
		}
		driver, source := "pgx", url
		if file, lite := strings.CutPrefix(url, "sqlite:"); lite {
			driver, source = "sqlite", file
		}
		raw, err := sql.Open(driver, source)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = raw.Close() })
		d.raw = raw
		d.hire(9)
		test(d)
	})
}

// hire makes accounts 1 to n.
func (d *desk) hire(n int) {
	d.t.Helper()
	texts := []string{`INSERT INTO controllers (id, code, name, dpo, mac) VALUES (1, 'c', 'c', 'd', '')`}
	for i := range n {
		texts = append(texts, fmt.Sprintf(`INSERT INTO accounts (id, controller_id, organisation_id, site_id, kind, state, idp, email, given_name,
			usual_name, requested_by, approved_by, installed, created, starts, ends, standin_ends, active_at, active_mac, entry, mac)
			VALUES (%d, 1, 0, 0, 'agent', 'active', '', '', '', '', 0, 0, true, 0, 0, 0, 0, 0, '', 0, '')`, i+1))
	}
	for _, text := range texts {
		if _, err := d.raw.ExecContext(d.t.Context(), text); err != nil {
			d.t.Fatal(err)
		}
	}
}

func hash(secret string) []byte { h := sha256.Sum256([]byte(secret)); return h[:] }

func (d *desk) session(account ecluse.AccountID, secret string) signin.Session {
	return signin.Session{
		Account: account, Hash: hash(secret), Provider: "proconnect", ACR: "eidas2", IDToken: []byte{1, 2}, Device: "0123456789abcdef",
		Browser: "Firefox, Windows", Network: "203.0.113.0/24", Created: d.at, SteppedAt: d.at, IdleEnds: d.at.Add(15 * time.Minute), Ends: d.at.Add(12 * time.Hour),
		Invited: true, Activity: []byte{3},
	}
}

func (d *desk) save(s signin.Session, replaces ecluse.SessionID) signin.Session {
	d.t.Helper()
	id, err := d.db.SaveSession(d.t.Context(), s, replaces)
	if err != nil {
		d.t.Fatal(err)
	}
	s.ID = id
	return s
}

func (d *desk) is(want signin.Session) {
	d.t.Helper()
	want.Activity = nil // written only
	got, err := d.db.SessionByHash(d.t.Context(), want.Hash)
	if err != nil {
		d.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		d.t.Error(diff)
	}
}

func TestASessionIsReadBackAsItWasWritten(t *testing.T) {
	eachDesk(t, func(d *desk) {
		s := d.save(d.session(7, "a"), 0)
		d.is(s)
		if _, err := d.db.SessionByHash(d.t.Context(), hash("b")); !errors.Is(err, signin.ErrNoSession) {
			d.t.Errorf("unknown hash: %v", err)
		}
		plain := d.session(7, "c")
		plain.Browser, plain.Network = "", ""
		d.is(d.save(plain, 0))
	})
}

func TestASecretStartsOneSessionOnly(t *testing.T) {
	eachDesk(t, func(d *desk) {
		var wg sync.WaitGroup
		outcomes := make([]error, 8)
		for i := range outcomes {
			wg.Go(func() {
				_, outcomes[i] = d.db.SaveSession(d.t.Context(), d.session(ecluse.AccountID(i+1), "same"), 0)
			})
		}
		wg.Wait()
		won := 0
		for _, err := range outcomes {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, signin.ErrReplayed):
				d.t.Error(err)
			}
		}
		if won != 1 {
			d.t.Errorf("%d sessions", won)
		}
	})
}

func TestASessionGoesOnUnderANewSecretOnly(t *testing.T) {
	eachDesk(t, func(d *desk) {
		first := d.save(d.session(7, "a"), 0)
		other := d.save(d.session(8, "b"), 0)
		d.at = d.at.Add(time.Hour)
		next := d.session(7, "c")
		next.ID, next.Created, next.Ends = first.ID, first.Created, first.Ends
		if got := d.save(next, 0); got.ID != first.ID {
			d.t.Errorf("went on as %d", got.ID)
		}
		d.is(next)
		if _, err := d.db.SessionByHash(d.t.Context(), hash("a")); !errors.Is(err, signin.ErrNoSession) {
			d.t.Errorf("the old secret: %v", err)
		}
		for name, c := range map[string]struct {
			edit func(*signin.Session)
			want error
		}{
			"its own secret again": {func(*signin.Session) {}, signin.ErrReplayed},
			"another's secret":     {func(s *signin.Session) { s.Hash = hash("b") }, signin.ErrReplayed},
			"another account":      {func(s *signin.Session) { s.Hash, s.Account = hash("d"), 8 }, signin.ErrNoSession},
			"another session":      {func(s *signin.Session) { s.Hash, s.ID = hash("d"), other.ID }, signin.ErrNoSession},
			"after its limit":      {func(s *signin.Session) { s.Hash, s.SteppedAt = hash("d"), first.Ends }, signin.ErrNoSession},
		} {
			s := next
			c.edit(&s)
			if _, err := d.db.SaveSession(d.t.Context(), s, 0); !errors.Is(err, c.want) {
				d.t.Errorf("%s: %v", name, err)
			}
		}
		d.is(next)
	})
}

func TestARefusedSaveEndsNothing(t *testing.T) {
	eachDesk(t, func(d *desk) {
		first := d.save(d.session(7, "a"), 0)
		if _, err := d.db.SaveSession(d.t.Context(), d.session(8, "a"), first.ID); !errors.Is(err, signin.ErrReplayed) {
			d.t.Error(err)
		}
		d.is(first)
	})
}

func TestTheSessionBeforeEndsWithTheNewOnesStart(t *testing.T) {
	eachDesk(t, func(d *desk) {
		first := d.save(d.session(7, "a"), 0)
		d.at = d.at.Add(time.Minute)
		d.save(d.session(8, "b"), first.ID)
		first.RevokedAt = d.at
		d.is(first)
		d.at = d.at.Add(time.Minute)
		d.save(d.session(9, "c"), first.ID) // it keeps the instant of its end
		d.is(first)
	})
}

func TestUseMovesTheIdleLimitOfALivingSession(t *testing.T) {
	eachDesk(t, func(d *desk) {
		s := d.save(d.session(7, "a"), 0)
		touch := func(now, until time.Time) {
			d.t.Helper()
			if err := d.db.TouchSession(d.t.Context(), s.ID, now, until); err != nil {
				d.t.Fatal(err)
			}
		}
		s.IdleEnds = d.at.Add(20 * time.Minute)
		touch(d.at.Add(5*time.Minute), s.IdleEnds)
		d.is(s)
		touch(d.at, d.at.Add(time.Minute)) // never back
		d.is(s)
		touch(s.IdleEnds, s.IdleEnds.Add(time.Hour)) // never out of the lock
		d.is(s)
		if err := d.db.RevokeSession(d.t.Context(), 7, s.ID, d.at); err != nil {
			d.t.Fatal(err)
		}
		touch(d.at.Add(time.Minute), d.at.Add(time.Hour)) // never out of an end
		s.RevokedAt = d.at
		d.is(s)
	})
}

func TestSessionsEndOneByOneOrAllOthersOfAnAccount(t *testing.T) {
	eachDesk(t, func(d *desk) {
		var all []signin.Session
		for i := range 5 {
			all = append(all, d.save(d.session(7, fmt.Sprint(i)), 0))
		}
		other := d.save(d.session(8, "other"), 0)
		for _, c := range []struct {
			account      ecluse.AccountID
			session, but ecluse.SessionID
			at           time.Time
			want         int
		}{
			{8, all[0].ID, 0, d.at, 0}, {7, all[0].ID, 0, d.at, 1}, {7, all[0].ID, 0, d.at, 0}, {7, 0, all[1].ID, d.at.Add(time.Hour), 3},
			{7, 0, 0, d.at, 1}, {7, 0, 0, d.at, 0}, {9, 0, 0, d.at, 0}, {8, other.ID, 0, other.Ends, 0},
		} {
			n := 0
			err := d.db.Locked(d.t.Context(), d.at, func(locked ledger.Tx) (err error) {
				if tx := locked.(*store.Tx); c.session != 0 {
					n, err = tx.EndSession(d.t.Context(), c.account, c.session, c.at)
				} else {
					n, err = tx.EndOtherSessions(d.t.Context(), c.account, c.but, c.at)
				}
				return err
			})
			if err != nil || n != c.want {
				d.t.Errorf("%d/%d: ended %d, want %d, %v", c.account, c.session, n, c.want, err)
			}
		}
		d.is(other)
		ended, err := d.db.EndedSessions(d.t.Context(), 7, d.at.Add(-time.Hour))
		if err != nil || len(ended) != len(all) {
			d.t.Errorf("%v %v", ended, err)
		}
		if ended, err = d.db.EndedSessions(d.t.Context(), 7, d.at); err != nil || len(ended) != 0 {
			d.t.Errorf("sessions of long ago: %v %v", ended, err)
		}
	})
}

func TestTheNewestConnectionsComeFirst(t *testing.T) {
	eachDesk(t, func(d *desk) {
		for i := range 5 {
			d.at = d.at.Add(time.Hour)
			d.save(d.session(7, fmt.Sprint(i)), 0)
		}
		d.save(d.session(8, "other"), 0)
		got, err := d.db.AccountSessions(d.t.Context(), 7, 3)
		if err != nil || len(got) != 3 {
			d.t.Fatalf("%d, %v", len(got), err)
		}
		for i, s := range got {
			if want := d.at.Add(-time.Duration(i) * time.Hour); !s.Created.Equal(want) || s.Account != 7 {
				d.t.Errorf("%d: %v of %d", i, s.Created, s.Account)
			}
		}
	})
}

func TestASignInIsWrittenOnTheAccount(t *testing.T) {
	eachDesk(t, func(d *desk) {
		d.save(d.session(7, "a"), 0)
		var active int64
		if err := d.raw.QueryRowContext(d.t.Context(), `SELECT active_at FROM accounts WHERE id = 7`).Scan(&active); err != nil {
			d.t.Fatal(err)
		}
		if active != d.at.UnixMicro() {
			d.t.Errorf("active at %d", active)
		}
	})
}
