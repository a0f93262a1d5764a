package signin_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ecluse/internal/directory"
	"ecluse/internal/notice"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"

	"github.com/descope/virtualwebauthn"
)

func TestKeysAnswerOnlyWhatTheyWereAsked(t *testing.T) {
	embedded(t, func(o *office) {
		b := o.signedIn("anne", "eidas2")
		k := newStick()
		if f, err := k.add(b, "blue key"); err != nil || f.State != directory.Active {
			t.Fatal(f, err)
		}
		stranger := o.signedIn("bob", "eidas2")
		theirs := newStick()
		if _, err := theirs.add(stranger, "theirs"); err != nil {
			t.Fatal(err)
		}
		weak := o.signedIn("anne", "eidas1")
		ask := func() *virtualwebauthn.AssertionOptions {
			t.Helper()
			options, err := weak.ask()
			if err != nil {
				t.Fatal(err)
			}
			return options
		}
		elsewhere, unverified, absent := *k, *k, *k
		elsewhere.rp.Origin = "https://ecluse.example.com"
		unverified.authenticator.Options.UserNotVerified = true
		absent.authenticator.Options.UserNotPresent = true
		forOther := *k
		forOther.rp.ID = "example.com"
		for name, answer := range map[string]func() []byte{
			"of another origin":           func() []byte { return elsewhere.answer(ask()) },
			"for another relying party":   func() []byte { return forOther.answer(ask()) },
			"without the person verified": func() []byte { return unverified.answer(ask()) },
			"without the person present":  func() []byte { return absent.answer(ask()) },
			"of another account's key":    func() []byte { return theirs.answer(ask()) },
			"to another challenge":        func() []byte { o := ask(); o.Challenge[0] ^= 1; return k.answer(o) },
			"to one asked before":         func() []byte { before := ask(); ask(); return k.answer(before) },
			"to one asked of a stranger":  func() []byte { other, _ := stranger.ask(); ask(); return theirs.answer(other) },
			"that is nothing":             func() []byte { ask(); return nil },
			"that is no JSON":             func() []byte { ask(); return []byte("{") },
			"that is very long":           func() []byte { ask(); return []byte(strings.Repeat(" ", 40<<10)) },
			"signed by somebody with its id": func() []byte {
				forged := newStick()
				forged.credential.ID = k.credential.ID
				return forged.answer(ask())
			},
		} {
			o.want(name, weak.give(answer()), signin.ErrWrong)
			if weak.caller().Strong {
				t.Fatalf("an answer %s made the session strong", name)
			}
		}
		o.want("nothing was asked", weak.give(k.answer(&virtualwebauthn.AssertionOptions{Challenge: []byte(strings.Repeat("x", 32)), RelyingPartyID: "localhost"})), signin.ErrChallenge)
		k.credential.Counter += 10
		o.want("the right one", k.prove(weak), nil)
	})
}

func TestAChallengeServesOnceInItsSessionWithinFiveMinutes(t *testing.T) {
	eachOffice(t, func(o *office) {
		b := o.signedIn("anne", "eidas2")
		k := newStick()
		if _, err := k.add(b, "blue key"); err != nil {
			t.Fatal(err)
		}
		options, err := b.ask()
		if err != nil {
			t.Fatal(err)
		}
		other := o.signedIn("anne", "eidas1")
		o.want("in another session", other.give(k.answer(options)), signin.ErrChallenge)
		answer := k.answer(options)
		o.want("in its own", b.give(answer), nil)
		o.want("again", b.give(answer), signin.ErrChallenge)
		o.want("again, newly signed", b.give(k.answer(options)), signin.ErrChallenge)

		options, _ = b.ask()
		o.want("a wrong answer", b.give([]byte("{}")), signin.ErrWrong)
		o.want("the right one after it", b.give(k.answer(options)), signin.ErrChallenge)

		options, _ = b.ask()
		o.Clock.Advance(signin.ChallengeLife - time.Second)
		o.want("just in time", b.give(k.answer(options)), nil)
		options, _ = b.ask()
		o.Clock.Advance(signin.ChallengeLife)
		o.want("too late", b.give(k.answer(options)), signin.ErrChallenge)

		options, _ = b.ask()
		_, err = b.service.BeginCode(b.request(), b.caller(), "x", "anne")
		o.want("begin something else", err, nil)
		o.want("a challenge for something else", b.give(k.answer(options)), signin.ErrChallenge)
	})
}

func TestAKeyThatCountsBackwardsIsRefusedAndTold(t *testing.T) {
	embedded(t, func(o *office) {
		b := o.signedIn("anne", "eidas2")
		k := newStick()
		if _, err := k.add(b, "blue key"); err != nil {
			t.Fatal(err)
		}
		clone := *k
		for range 3 {
			o.want("the key", k.prove(b), nil)
		}
		weak := o.signedIn("anne", "eidas1")
		o.want("a copy that is behind", clone.prove(weak), signin.ErrCounter)
		clone.credential.Counter = k.credential.Counter - 1
		o.want("a copy at the same count", clone.prove(weak), signin.ErrCounter)
		if weak.caller().Strong {
			t.Error("the copy made the session strong")
		}
		if o.told("anne", notice.FactorDoubtful) != 2 {
			t.Error("the owner was not told")
		}
		o.want("the key goes on", k.prove(b), nil)
	})
}

func TestAKeyThatCountsNothingIsFine(t *testing.T) {
	o := newOffice(t, storetest.SQLite(t))
	b := o.signedIn("anne", "eidas2")
	k := newStick()
	if _, err := k.add(b, "passkey"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		k.credential.Counter = 0
		k.credential.Counter--
		o.want("a passkey", k.prove(b), nil)
	}
}

func TestAKeyIsAddedOnlyByAnAnswerToWhatWasAsked(t *testing.T) {
	o := newOffice(t, storetest.SQLite(t))
	b := o.signedIn("anne", "eidas2")
	k := newStick()
	k.rp.Origin = "https://evil.example"
	_, err := k.add(b, "elsewhere")
	o.want("made for another origin", err, signin.ErrWrong)
	k.rp.Origin = place
	k.authenticator.Options.UserNotVerified = true
	_, err = k.add(b, "unverified")
	o.want("without the person verified", err, signin.ErrWrong)
	if list, err := o.Directory.Factors(t.Context(), o.Accounts["anne"].ID); len(list) != 0 || err != nil {
		t.Errorf("%v %v", list, err)
	}
	w := httptest.NewRecorder()
	_, err = b.service.FinishKey(w, b.request(), b.caller(), []byte("{}"))
	o.want("nothing was asked", err, signin.ErrChallenge)
}

func TestKeysNeedAnAddressWithAName(t *testing.T) {
	for address, want := range map[string]bool{
		"https://ecluse.example": true, "http://localhost:8080": true, "http://127.0.0.1:8080": false, "http://[::1]:8080": false,
	} {
		w := newWorld(t, func(o *signin.Options) { o.PublicURL = address })
		if got := w.service.KeysWork(); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
