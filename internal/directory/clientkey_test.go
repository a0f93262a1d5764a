package directory_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"
)

// withPrograms is a world with program "soft" of organisation A and "other" of organisation B.
func withPrograms(t testing.TB, url string) *nodetest.World {
	t.Helper()
	w := nodetest.New(t, url, nil)
	w.AddProgram("soft", "A")
	w.AddProgram("other", "B")
	return w
}

// keyed asks for a key of a program as its manager, and has an officer approve it.
func keyed(t testing.TB, w *nodetest.World, program string, jwk []byte) directory.Secret {
	t.Helper()
	a, secret, err := w.Directory.RequestClientKey(t.Context(), w.Actor("manager"), w.Accounts[program].ID, jwk)
	if err != nil {
		t.Fatal(err)
	}
	decided(t, w, "officer2", a.ID)
	return secret
}

// proves reports whether a secret proves a program now.
func proves(t testing.TB, w *nodetest.World, program string, secret directory.Secret) bool {
	t.Helper()
	_, keys, err := w.Directory.Program(t.Context(), program)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(keys, func(k directory.ClientKey) bool { return k.SecretMatches(secret.Hash()) })
}

func keysOf(t testing.TB, w *nodetest.World, program string) []directory.ClientKey {
	t.Helper()
	_, keys, err := w.Directory.ClientKeysOf(t.Context(), w.Actor("officer1"), w.Accounts[program].ID)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestAKeyWorksOnceAnOfficerApprovedItAndIsShownToWhoAskedOnly(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := withPrograms(t, url)
		a, secret, err := w.Directory.RequestClientKey(t.Context(), w.Actor("manager"), w.Accounts["soft"].ID, nil)
		if err != nil {
			t.Fatal(err)
		}
		if proves(t, w, "soft", secret) {
			t.Error("a key works before it was approved")
		}
		if err := w.Directory.Decide(t.Context(), w.Actor("manager"), a.ID, true); err == nil {
			t.Error("the manager approves her own request")
		}
		shown, err := w.Directory.Approval(t.Context(), w.Actor("officer2"), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff, err := shown.Diff(); err != nil || diff.ClientKey == nil || diff.ClientKey.ClientID != "soft" || strings.Contains(shown.Body+shown.Summary, string(secret)) {
			t.Errorf("the approver sees %+v %v", diff.ClientKey, err)
		}
		decided(t, w, "officer2", a.ID)
		if !proves(t, w, "soft", secret) || proves(t, w, "other", secret) || proves(t, w, "soft", secret+"x") || proves(t, w, "nobody", secret) {
			t.Error("the key does not prove the program, or proves another")
		}
		k := keysOf(t, w, "soft")[0]
		if k.RequestedBy != w.Accounts["manager"].ID || k.ApprovedBy != w.Accounts["officer2"].ID || !k.Ends.Equal(k.Created.Add(directory.ClientKeyLife)) {
			t.Errorf("%+v", k)
		}
		if n := count(t, around(t, url), `SELECT COUNT(*) FROM client_keys WHERE material = $1`, []byte(secret)); n != 0 {
			t.Error("the database holds the secret")
		}
		verified(t, w)
	})
}

// TestNobodyGetsASecondAccessAlone: whoever holds a manager's account, second factor included, asks in vain.
func TestNobodyGetsASecondAccessAlone(t *testing.T) {
	w := withPrograms(t, storetest.SQLite(t))
	manager, client := w.Actor("manager"), w.Accounts["soft"].ID
	for who, want := range map[string]error{"anne": directory.ErrDualControl, "rssi": directory.ErrDualControl, "manager": nil, "officer1": nil} {
		if _, _, err := w.Directory.RequestClientKey(t.Context(), w.Actor(who), client, nil); !errors.Is(err, want) {
			t.Errorf("%s asks: %v", who, err)
		}
	}
	if _, _, err := w.Directory.RequestClientKey(t.Context(), manager, w.Accounts["other"].ID, nil); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("for a program of another organisation: %v", err)
	}
	if _, _, err := w.Directory.RequestClientKey(t.Context(), manager, w.Accounts["anne"].ID, nil); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("for a person: %v", err)
	}
	weak := manager
	weak.Strong = false
	if _, _, err := w.Directory.RequestClientKey(t.Context(), weak, client, nil); !errors.Is(err, directory.ErrWeak) {
		t.Errorf("without a strong proof: %v", err)
	}
	program := w.Program("soft", "soft").Actor()
	if _, _, err := w.Directory.RequestClientKey(t.Context(), program, client, nil); err == nil {
		t.Error("a program asks by its token")
	}
	for range directory.MaxClientKeys {
		keyed(t, w, "soft", nil)
	}
	if _, _, err := w.Directory.RequestClientKey(t.Context(), manager, client, nil); !errors.Is(err, directory.ErrManyKeys) {
		t.Errorf("a fifth key: %v", err)
	}
}

func TestAProgramRenewsItsNewestKeyAndTheOldOneEndsWithinAWeek(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := withPrograms(t, url)
		first := keyed(t, w, "soft", nil)
		old := keysOf(t, w, "soft")[0]
		w.Clock.Advance(24 * time.Hour)
		k, second, err := w.Directory.RenewClientKey(t.Context(), old, nil)
		if err != nil {
			t.Fatal(err)
		}
		if k.Granted != old.Granted || k.ApprovedBy != old.ApprovedBy || k.RequestedBy != old.RequestedBy {
			t.Errorf("the new key goes back to another approval: %+v", k)
		}
		if !proves(t, w, "soft", first) || !proves(t, w, "soft", second) {
			t.Error("one of the two does not prove the program meanwhile")
		}
		if _, _, err := w.Directory.RenewClientKey(t.Context(), old, nil); !errors.Is(err, directory.ErrReplaced) {
			t.Errorf("the old key renews itself again: %v", err)
		}
		w.Clock.Advance(directory.ClientKeyOverlap)
		if proves(t, w, "soft", first) || !proves(t, w, "soft", second) {
			t.Error("a week later the old one still works, or the new one does not")
		}
		if n := count(t, around(t, url), `SELECT COUNT(*) FROM notices WHERE kind = 'client_key.renewed'`); n != 1 {
			t.Errorf("%d notices", n)
		}
		w.SignIn("anne")
		w.SetState("soft", directory.Suspended)
		if _, _, err := w.Directory.RenewClientKey(t.Context(), k, nil); !errors.Is(err, directory.ErrInactive) {
			t.Errorf("a suspended program renews its key: %v", err)
		}
		verified(t, w)
	})
}

func TestOfManyRenewalsOfOneKeyAtOnceOneSucceeds(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := withPrograms(t, url)
		keyed(t, w, "soft", nil)
		old := keysOf(t, w, "soft")[0]
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for range 6 {
			wg.Go(func() {
				_, _, err := w.Directory.RenewClientKey(t.Context(), old, nil)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made++
				} else if !errors.Is(err, directory.ErrReplaced) && !errors.Is(err, ledger.ErrBusy) && !errors.Is(err, ledger.ErrStale) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if keys := keysOf(t, w, "soft"); made != 1 || len(keys) != 2 {
			t.Errorf("%d renewals, %d keys", made, len(keys))
		}
	})
}

func TestAnEndedKeyTakesEveryTokenOfTheProgramAlong(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := withPrograms(t, url)
		secret := keyed(t, w, "soft", nil)
		k := keysOf(t, w, "soft")[0]
		token := func(hash string) error {
			at := w.Clock.Now()
			return w.Store.SaveToken(t.Context(), signin.Session{
				Account: w.Accounts["soft"].ID, Client: w.Accounts["soft"].ID, Hash: []byte(hash), Provider: signin.ProviderProgram, IDToken: []byte{},
				Created: at, SteppedAt: at, IdleEnds: at.Add(time.Minute), Ends: at.Add(time.Minute), Activity: w.Directory.Activity(w.Accounts["soft"].ID, at),
			}, k.ID)
		}
		if err := token("one"); err != nil {
			t.Fatal(err)
		}
		for who, want := range map[string]error{"anne": directory.ErrNotFound, "carl": directory.ErrNotFound} {
			if err := w.Directory.EndClientKey(t.Context(), w.Actor(who), w.Accounts["soft"].ID, k.ID); !errors.Is(err, want) {
				t.Errorf("%s ends it: %v", who, err)
			}
		}
		if err := w.Directory.EndClientKey(t.Context(), w.Actor("rssi"), w.Accounts["soft"].ID, k.ID); err != nil {
			t.Fatal(err)
		}
		if row, err := w.Store.TokenByHash(t.Context(), []byte("one")); err != nil || row.RevokedAt.IsZero() {
			t.Errorf("its token lives on: %+v %v", row, err)
		}
		if err := token("two"); !errors.Is(err, signin.ErrNoSession) {
			t.Errorf("a token that was about to be written: %v", err)
		}
		if proves(t, w, "soft", secret) {
			t.Error("it still proves the program")
		}
		if err := w.Directory.EndClientKey(t.Context(), w.Actor("rssi"), w.Accounts["soft"].ID, k.ID); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("twice: %v", err)
		}
		verified(t, w)
	})
}

func TestAKeyOrADelegationWrittenAroundTheProgramIsDead(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := withPrograms(t, url)
		secret, thiefs := keyed(t, w, "soft", nil), directory.Secret("of a thief")
		db := around(t, url)
		w.Delegate("anne", "soft")
		delegated := func() bool {
			return w.Directory.MayAct(t.Context(), w.Accounts["soft"].ID, w.Accounts["anne"].ID) == nil
		}
		if !delegated() {
			t.Fatal("anne's agreement does not count")
		}
		tamper(t, db, `UPDATE delegations SET ends = ends + 1`)
		if delegated() {
			t.Error("an agreement that was made longer counts")
		}
		tamper(t, db, `UPDATE delegations SET ends = ends - 1, account_id = $1`, int64(w.Accounts["bob"].ID))
		if w.Directory.MayAct(t.Context(), w.Accounts["soft"].ID, w.Accounts["bob"].ID) == nil {
			t.Error("somebody else's agreement counts")
		}
		tamper(t, db, `UPDATE client_keys SET material = $1`, thiefs.Hash())
		if proves(t, w, "soft", thiefs) || proves(t, w, "soft", secret) {
			t.Error("a key of the thief's proves the program")
		}
		tamper(t, db, `UPDATE client_keys SET material = $1, ends = ends + 1`, secret.Hash())
		if proves(t, w, "soft", secret) {
			t.Error("a key that was made longer proves the program")
		}
	})
}

func TestAnAgentAgreesToProgramsOfHerOrganisationOnly(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := withPrograms(t, url)
		for what, c := range map[string]struct {
			who, program string
			want         error
		}{
			"her organisation's":      {"anne", "soft", nil},
			"another organisation's":  {"anne", "other", directory.ErrNotFound},
			"a colleague":             {"anne", "bob", directory.ErrNotFound},
			"a manager, who is none":  {"manager", "soft", directory.ErrNotFound},
			"the body's staff":        {"officer1", "soft", directory.ErrNotFound},
			"an agent of another one": {"dora", "soft", directory.ErrNotFound},
		} {
			if _, err := w.Directory.Delegate(t.Context(), w.Actor(c.who), w.Accounts[c.program].ID); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := w.Directory.Delegate(t.Context(), w.Program("soft", "anne").Actor(), w.Accounts["soft"].ID); err == nil {
			t.Error("the program agrees for her")
		}
		weak := w.Actor("bob")
		weak.Strong = false
		if _, err := w.Directory.Delegate(t.Context(), weak, w.Accounts["soft"].ID); !errors.Is(err, directory.ErrWeak) {
			t.Errorf("without a strong proof: %v", err)
		}
		list, err := w.Directory.Programs(t.Context(), w.Actor("anne"))
		if err != nil || len(list) != 1 || list[0].Sub != "soft" || !list[0].Runs(w.Clock.Now()) {
			t.Errorf("%+v %v", list, err)
		}
		for range 2 {
			err := w.Directory.EndDelegation(t.Context(), w.Actor("anne"), w.Accounts["soft"].ID)
			if list[0].Runs(w.Clock.Now()) && err != nil && !errors.Is(err, directory.ErrNotFound) {
				t.Error(err)
			}
		}
		if list, _ := w.Directory.Programs(t.Context(), w.Actor("anne")); list[0].Delegation.Runs(w.Clock.Now()) {
			t.Error("taken back, and it runs")
		}
		verified(t, w)
	})
}

func TestAProgramIsNothingButAnAgentOfAnOrganisation(t *testing.T) {
	w := withPrograms(t, storetest.SQLite(t))
	for name, change := range map[string]func(*directory.AccountChange){
		"a manager":              func(a *directory.AccountChange) { a.Roles = []ecluse.Role{ecluse.RoleAccountManager} },
		"an officer besides":     func(a *directory.AccountChange) { a.Roles = append(a.Roles, ecluse.RoleAccessOfficer) },
		"of the body":            func(a *directory.AccountChange) { a.Organisation, a.Agreements = "", nil },
		"without an agreement":   func(a *directory.AccountChange) { a.Agreements = nil },
		"an odd identifier":      func(a *directory.AccountChange) { a.Sub = "Soft Ware" },
		"a short identifier":     func(a *directory.AccountChange) { a.Sub = "ab" },
		"bound to somebody else": func(a *directory.AccountChange) { a.Relink = true },
		"a replacement":          func(a *directory.AccountChange) { a.StandIn = true },
	} {
		c := w.Change()
		a := nodetest.Account("third", "A", "", ecluse.RoleAgent)
		a.IDP, a.Sub = directory.ClientIDP, "third"
		change(&a)
		c.Accounts = append(c.Accounts, a)
		if err := w.TryApprove("officer1", "officer2", c); !errors.Is(err, directory.ErrProgram) {
			t.Errorf("%s: %v", name, err)
		}
		known := nodetest.Account("soft", "A", "", ecluse.RoleAgent)
		known.IDP, known.Sub = "", ""
		change(&known)
		c.Accounts = []directory.AccountChange{known}
		if err := w.TryApprove("officer1", "officer2", c); err == nil && name != "without an agreement" && !strings.Contains(name, "identifier") {
			t.Errorf("%s, which is there already: changed", name)
		}
	}
}

func TestAManagerAsksForAProgramAndItsAccountLapsesLikeAnyOther(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	r := directory.AccountRequest{Email: nodetest.Email("soft"), UsualName: "Soft", Roles: []ecluse.Role{ecluse.RoleAgent}, Reason: "other", Program: directory.NewClientID()}
	decided(t, w, "officer2", asked(t, w, "manager", r))
	a, keys, err := w.Directory.Program(t.Context(), r.Program)
	if err != nil || a.Kind != directory.KindClient || a.State != directory.Active || len(keys) != 0 || a.Name() != "Soft" {
		t.Fatalf("%+v %v %v", a, keys, err)
	}
	if invitation(t, w, r.Email) != "" {
		t.Error("a program is invited to sign in")
	}
	r.Program, r.GivenName = "", "Ada"
	if _, err := w.Directory.RequestAccount(t.Context(), w.Actor("manager"), r); !errors.Is(err, directory.ErrTaken) {
		t.Errorf("the program as a person: %v", err)
	}
	w.Clock.Advance(directory.DormantAfter)
	if err := w.Directory.MayAct(t.Context(), a.ID, a.ID); !errors.Is(err, directory.ErrNotDelegated) {
		t.Errorf("nobody used it for sixty days: %v", err)
	}
}

func TestWhatAnEndedProgramHadDoesNotComeBackWithItsIdentifier(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := withPrograms(t, url)
		secret := keyed(t, w, "soft", nil)
		w.Delegate("anne", "soft")
		again := nodetest.Account("soft", "A", "", ecluse.RoleAgent)
		again.IDP, again.Sub, again.State = directory.ClientIDP, "soft", directory.Ended
		for _, state := range []string{directory.Ended, directory.Active} {
			w.Clock.Advance(time.Hour)
			again.State = state
			c := w.Change()
			c.Accounts = append(c.Accounts, again)
			w.Approve(c)
		}
		a, keys, err := w.Directory.Program(t.Context(), "soft")
		if err != nil || a.State != directory.Active || len(keys) != 0 || proves(t, w, "soft", secret) {
			t.Errorf("%+v %+v %v", a, keys, err)
		}
		if err := w.Directory.MayAct(t.Context(), a.ID, w.Accounts["anne"].ID); !errors.Is(err, directory.ErrNotDelegated) {
			t.Errorf("an agent's agreement with the one before: %v", err)
		}
	})
}

func jwkOf(t testing.TB, key any) []byte {
	t.Helper()
	text, err := jose.JSONWebKey{Key: key, KeyID: "mine"}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestOnlyPublicKeysOfAcceptedKindsAreTaken(t *testing.T) {
	ec := func(c elliptic.Curve) *ecdsa.PrivateKey { k, _ := ecdsa.GenerateKey(c, rand.Reader); return k }
	rsaKey := func(bits int) *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, bits); return k }
	ed, _, _ := ed25519.GenerateKey(rand.Reader)
	small := rsaKey(2048)
	small.E = 3
	p256 := ec(elliptic.P256())
	for name, c := range map[string]struct {
		text []byte
		good bool
	}{
		"P-256":          {jwkOf(t, p256.Public()), true},
		"Ed25519":        {jwkOf(t, ed), true},
		"RSA 2048":       {jwkOf(t, rsaKey(2048).Public()), true},
		"P-384":          {jwkOf(t, ec(elliptic.P384()).Public()), false},
		"RSA with e = 3": {jwkOf(t, small.Public()), false},
		"a private key":  {jwkOf(t, p256), false},
		"a secret":       {jwkOf(t, []byte("0123456789012345678901234567890123456789")), false},
		"nothing":        {[]byte(`{}`), false},
		"no JSON":        {[]byte(`-----BEGIN PUBLIC KEY-----`), false},
		"a long one":     {append(jwkOf(t, p256.Public()), bytes.Repeat([]byte(" "), 5000)...), false},
		"for encryption": {[]byte(strings.Replace(string(jwkOf(t, p256.Public())), `"kty"`, `"use":"enc","kty"`, 1)), false},
	} {
		k, err := directory.ParsePublicKey(c.text)
		if (err == nil) != c.good || err != nil && !errors.Is(err, directory.ErrPublicKey) || c.good && (len(k.Thumbprint) != 43 || k.KeyID != "mine") {
			t.Errorf("%s: %v", name, err)
		}
		if c.good && bytes.Contains(k.JSON, []byte(`"d"`)) {
			t.Errorf("%s: a private part is kept", name)
		}
	}
}

func FuzzAnyPublicKeyIsUnderstoodOrRefused(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(jwkOf(f, key.Public()))
	f.Add([]byte(`{"kty":"RSA","n":"AQ","e":"AQAB"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := directory.ParsePublicKey(text)
		if err != nil {
			return
		}
		again, err := directory.ParsePublicKey(k.JSON)
		if err != nil || !bytes.Equal(again.JSON, k.JSON) || again.Thumbprint != k.Thumbprint {
			t.Errorf("%s became %s: %v", text, again.JSON, err)
		}
	})
}

func TestNobodyRaisesAProgramsLimit(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.AddProgram("gestion", "A")
	gestion := w.Accounts["gestion"].ID
	for _, who := range []string{"anne", "manager"} {
		if _, _, err := w.Directory.Raise(t.Context(), w.Actor(who), gestion, w.Register.ID, directory.RaiseReasons[0]); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: %v", who, err)
		}
		list, err := w.Directory.Colleagues(t.Context(), w.Actor(who), w.Register.ID)
		if err != nil || len(list) == 0 {
			t.Fatalf("%s has no colleagues: %v", who, err)
		}
		for _, c := range list {
			if c.ID == gestion {
				t.Errorf("%s is offered a program", who)
			}
		}
	}
}
