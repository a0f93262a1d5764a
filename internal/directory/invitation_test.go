package directory_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

// invite makes an account that waits for its owner, and returns the token.
func invite(t testing.TB, w *nodetest.World, name string) string {
	t.Helper()
	c := newcomer(w, name)
	c.Accounts[0].IDP, c.Accounts[0].Sub = "", ""
	w.Approve(c)
	list, err := w.Directory.PendingInvitations(t.Context(), w.Accounts["officer1"].Controller)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if i.Account.Email == nodetest.Email(name) {
			return i.Token
		}
	}
	t.Fatalf("%s has no invitation", name)
	return ""
}

func identity(name, sub string) directory.Identity {
	return directory.Identity{IDP: "test/idp", Sub: sub, Email: nodetest.Email(name)}
}

func TestAnInvitationBindsItsOwnerOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		token := invite(t, w, "nina")
		refuse := func(what, token string, id directory.Identity, want error) {
			t.Helper()
			if _, err := w.Directory.Bind(t.Context(), token, id); !errors.Is(err, want) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for _, bad := range []string{"", token[1:], token + "A", strings.ToUpper(token), strings.ToLower(token), strings.Repeat("A", 10<<10)} {
			refuse("a spoiled token", bad, identity("nina", "sub-nina"), directory.ErrInvitationUnknown)
		}
		refuse("another address", token, identity("mallory", "sub-mallory"), directory.ErrInvitationUnlike)
		refuse("no identity", token, identity("nina", ""), directory.ErrInvitationUnlike)
		refuse("no provider", token, directory.Identity{Sub: "sub-nina", Email: nodetest.Email("nina")}, directory.ErrInvitationUnlike)
		refuse("an identity that has an account", token, identity("nina", "sub-anne"), directory.ErrInvitationIdentity)
		if known(w, "nina") || known(w, "mallory") {
			t.Fatal("a refused invitation has bound somebody")
		}
		a, err := w.Directory.Bind(t.Context(), token, identity("NINA", "sub-nina"))
		if err != nil || a.State != directory.Active || !known(w, "nina") {
			t.Fatalf("the owner is refused: %v", err)
		}
		refuse("a replay", token, identity("nina", "sub-nina"), directory.ErrInvitationUsed)
		refuse("a replay by another", token, identity("nina", "sub-other"), directory.ErrInvitationUsed)
		list, err := w.Directory.PendingInvitations(t.Context(), w.Accounts["officer1"].Controller)
		if err != nil || len(list) != 0 {
			t.Errorf("%d invitations are left (%v)", len(list), err)
		}
		verified(t, w)
	})
}

func TestAnInvitationEndsAfterSevenDays(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	early, late := invite(t, w, "nina"), invite(t, w, "olga")
	w.Clock.Advance(directory.InvitationLife - time.Second)
	if _, err := w.Directory.Bind(t.Context(), early, identity("nina", "sub-nina")); err != nil {
		t.Errorf("the last second: %v", err)
	}
	w.Clock.Advance(time.Second)
	if _, err := w.Directory.Bind(t.Context(), late, identity("olga", "sub-olga")); !errors.Is(err, directory.ErrInvitationExpired) || known(w, "olga") {
		t.Errorf("after seven days: %v", err)
	}
}

func TestOfManyWhoUseAnInvitationAtOnceOneIsBound(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		one, two := invite(t, w, "nina"), invite(t, w, "olga")
		var bound, refused atomic.Int64
		var wg sync.WaitGroup
		try := func(token string, id directory.Identity) {
			wg.Go(func() {
				switch _, err := w.Directory.Bind(context.Background(), token, id); {
				case err == nil:
					bound.Add(1)
				case errors.Is(err, directory.ErrInvitationUsed), errors.Is(err, directory.ErrInvitationIdentity):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		for range 8 {
			try(one, identity("nina", "sub-nina"))
		}
		wg.Wait()
		if bound.Load() != 1 || refused.Load() != 7 {
			t.Errorf("one invitation: %d bound, %d refused", bound.Load(), refused.Load())
		}
		bound.Store(0)
		refused.Store(0)
		three := invite(t, w, "paul") // one identity, two invitations
		for range 4 {
			try(two, identity("olga", "sub-same"))
			try(three, identity("paul", "sub-same"))
		}
		wg.Wait()
		if bound.Load() != 1 || refused.Load() != 7 {
			t.Errorf("one identity: %d bound, %d refused", bound.Load(), refused.Load())
		}
		verified(t, w)
	})
}

func TestAnInvitationWrittenAroundTheProgramIsDead(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		db := around(t, url)
		token := invite(t, w, "nina")
		own := sha256.Sum256([]byte("a token of my own"))
		tamper(t, db, `INSERT INTO invitations SELECT $1, account_id, created, ends, 0 FROM invitations WHERE used_at = 0`, own[:])
		if _, err := w.Directory.Bind(t.Context(), "a token of my own", identity("nina", "sub-nina")); !errors.Is(err, directory.ErrInvitationUnknown) || known(w, "nina") {
			t.Errorf("a token of one's own binds: %v", err)
		}
		tamper(t, db, `DELETE FROM invitations WHERE secret_hash = $1`, own[:])
		tamper(t, db, `UPDATE invitations SET ends = ends + 86400000000 WHERE used_at = 0`)
		if _, err := w.Directory.Bind(t.Context(), token, identity("nina", "sub-nina")); !errors.Is(err, directory.ErrInvitationUnknown) || known(w, "nina") {
			t.Errorf("a prolonged invitation binds: %v", err)
		}
		tamper(t, db, `UPDATE invitations SET ends = ends - 86400000000 WHERE used_at = 0`)
		if _, err := w.Directory.Bind(t.Context(), token, identity("nina", "sub-nina")); err != nil {
			t.Fatal(err)
		}
		tamper(t, db, `UPDATE invitations SET used_at = 0`)
		if _, err := w.Directory.Bind(t.Context(), token, identity("nina", "sub-other")); !errors.Is(err, directory.ErrInvitationUsed) {
			t.Errorf("a used invitation made new again binds: %v", err)
		}
		verified(t, w)
	})
}
