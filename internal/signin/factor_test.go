package signin_test

import (
	"encoding/base32"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"ecluse/internal/directory"
	"ecluse/internal/notice"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"
)

func TestAStolenWeakSessionAddsNoFactorThatCounts(t *testing.T) {
	embedded(t, func(o *office) {
		thief := o.signedIn("manager", "eidas1")
		a, f, err := thief.enrolCode("mine")
		if err != nil || f.State != directory.Waiting {
			t.Fatalf("%v, %+v", err, f)
		}
		if thief.caller().Strong {
			t.Error("the session is strong")
		}
		o.want("a code of a factor that waits", thief.prove(a.code(0)), signin.ErrNoFactor)
		k := newStick()
		if f, err := k.add(thief, "mine too"); err != nil || f.State != directory.Waiting {
			t.Errorf("%v, %+v", err, f)
		}
		o.want("a key that waits", k.prove(thief), signin.ErrNoFactor)
		if o.told("manager", notice.FactorAdded) != 2 {
			t.Error("the owner was not told")
		}
		o.Clock.Advance(signin.FreshFor)
		_, _, err = thief.enrolCode("later")
		o.want("ten minutes after the sign-in", err, directory.ErrFresh)
	})
}

func TestTheFirstFactorCountsAtOnceAfterAStrongSignInOrAnInvitation(t *testing.T) {
	o := newOffice(t, storetest.SQLite(t))
	strong := o.signedIn("anne", "eidas2")
	a := strong.mustEnrolCode("telephone")
	if c := strong.caller(); !c.Strong || c.ProvenAt.IsZero() {
		t.Errorf("%+v", c)
	}
	o.want("its code", strong.prove(a.code(0)), nil)

	guest := o.browser()
	guest.signIn("bob", "eidas1", true)
	if guest.caller().Strong {
		t.Error("an invitation makes a session strong")
	}
	guest.mustEnrolCode("telephone")
	if !guest.caller().Strong {
		t.Error("the proven session is not strong")
	}

	late := o.browser()
	late.signIn("carl", "eidas1", true)
	o.Clock.Advance(signin.FreshFor)
	_, _, err := late.enrolCode("too late")
	o.want("an invitation ten minutes ago", err, directory.ErrFresh)
}

func TestAFurtherFactorTakesOneThatIsThere(t *testing.T) {
	o := newOffice(t, storetest.SQLite(t))
	mine := o.signedIn("anne", "eidas2")
	a := mine.mustEnrolCode("telephone")
	k := newStick()
	if f, err := k.add(mine, "blue key"); err != nil || f.State != directory.Active {
		t.Fatalf("%v %+v", err, f)
	}
	o.want("the key", k.prove(mine), nil)

	thief := o.signedIn("anne", "eidas2") // strong, fresh, and without any of her factors
	if _, f, err := thief.enrolCode("mine"); err != nil || f.State != directory.Waiting {
		t.Errorf("%v %+v", err, f)
	}
	o.want("her code there", thief.prove(a.code(0)), nil)
	if _, f, err := thief.enrolCode("now"); err != nil || f.State != directory.Active {
		t.Errorf("%v %+v", err, f)
	}
	o.Clock.Advance(signin.StepUpLife)
	_, _, err := thief.enrolCode("later")
	o.want("a quarter of an hour later", err, directory.ErrFresh)
}

func TestACodeServesOnceAndNoneBeforeIt(t *testing.T) {
	embedded(t, func(o *office) {
		b := o.signedIn("anne", "eidas2")
		seed, err := b.service.BeginCode(b.request(), b.caller(), "telephone", "anne")
		if err != nil {
			t.Fatal(err)
		}
		a := &application{o, strings.ReplaceAll(seed.Secret, " ", "")}
		w := httptest.NewRecorder()
		if _, err := b.service.FinishCode(w, b.request(), b.caller(), a.code(0)); err != nil {
			t.Fatal(err)
		}
		b.keep(w)
		o.want("the code that added it", b.prove(a.code(0)), signin.ErrWrong)
		o.want("the one before", b.prove(a.code(-30*time.Second)), signin.ErrWrong)
		o.want("the next one", b.prove(a.code(30*time.Second)), nil)
		o.want("again", b.prove(a.code(30*time.Second)), signin.ErrWrong)
		other := o.signedIn("anne", "eidas1")
		o.want("in another session", other.prove(a.code(30*time.Second)), signin.ErrWrong)
		o.Clock.Advance(90 * time.Second)
		o.want("two steps behind", other.prove(a.code(-60*time.Second)), signin.ErrWrong)
		o.want("two steps ahead", other.prove(a.code(60*time.Second)), signin.ErrWrong)
		o.Clock.Advance(time.Hour)
		o.want("one step behind", other.prove(" "+a.code(-30 * time.Second)[:3]+" "+a.code(-30 * time.Second)[3:]), nil)
	})
}

func TestWhatIsNoCodeIsNoTry(t *testing.T) {
	o := newOffice(t, storetest.SQLite(t))
	b := o.signedIn("anne", "eidas2")
	a := b.mustEnrolCode("telephone")
	for range 20 {
		for _, typed := range []string{"", "12345", "1234567", "12345a", "１２３４５６", "12345\x00", "-12345"} {
			o.want(typed, b.prove(typed), signin.ErrCodeForm)
		}
	}
	o.want("her code", b.prove(a.code(0)), nil)
}

func TestWrongCodesAreSlowedDownThenLockedAndTheOwnersBrowserIsNot(t *testing.T) {
	embedded(t, func(o *office) {
		owner := o.signedIn("anne", "eidas2")
		a := owner.mustEnrolCode("telephone")
		k := newStick()
		if _, err := k.add(owner, "key"); err != nil {
			t.Fatal(err)
		}
		thief := o.signedIn("anne", "eidas1")
		wrong := func() error { return thief.prove(wrongCode(a)) }
		for range 4 {
			o.want("free", wrong(), signin.ErrWrong)
		}
		for _, wait := range []time.Duration{5, 10, 20, 40, 80, 160} {
			o.want("too soon", wrong(), signin.ErrWait)
			o.Clock.Advance(wait*time.Second - time.Microsecond)
			o.want("too soon, though right", thief.prove(a.code(0)), signin.ErrWait)
			o.Clock.Advance(time.Microsecond)
			o.want("after the wait", wrong(), signin.ErrWrong)
		}
		if o.told("anne", notice.FactorDoubtful) != 1 {
			t.Error("the owner was not told of ten wrong codes")
		}
		thief.signIn("anne", "eidas1", false)
		o.want("another session", thief.prove(a.code(0)), signin.ErrWait)
		stranger := o.signedIn("anne", "eidas1") // and another browser
		o.want("another browser", stranger.prove(a.code(0)), signin.ErrWait)
		o.want("the owner at hers", owner.prove(a.code(0)), nil)
		o.want("a key has nothing to guess", k.prove(stranger), nil)
		o.Clock.Advance(15*time.Minute - time.Second)
		thief.signIn("anne", "eidas1", false)
		o.want("still locked, whatever the owner did", thief.prove(a.code(0)), signin.ErrWait)
		o.Clock.Advance(time.Second)
		o.want("after a quarter of an hour", wrong(), signin.ErrWrong)
		o.Clock.Advance(30*time.Minute - time.Second)
		thief.signIn("anne", "eidas1", false)
		o.want("the lock grows", wrong(), signin.ErrWait)
		o.Clock.Advance(25 * time.Hour)
		thief.signIn("anne", "eidas1", false)
		o.want("a day later", thief.prove(a.code(0)), nil)
	})
}

// wrongCode is a code that is none of the application's at present.
func wrongCode(a *application) string {
	for _, guess := range []string{"000000", "111111", "222222", "333333"} {
		if guess != a.code(0) && guess != a.code(30*time.Second) && guess != a.code(-30*time.Second) {
			return guess
		}
	}
	return "444444"
}

func TestACrowdOfGuessesOnTwoNodesGetsNoMoreTriesThanOneGuesser(t *testing.T) {
	eachOffice(t, func(o *office) {
		owner := o.signedIn("anne", "eidas2")
		a := owner.mustEnrolCode("telephone")
		nodes := []*signin.Service{o.service, o.another()}
		outcomes := make(chan error, 40)
		for i := range cap(outcomes) {
			thief := o.signedIn("anne", "eidas1")
			thief.service = nodes[i%2]
			r, c := thief.request(), thief.caller()
			code := wrongCode(a)
			go func() { outcomes <- thief.service.ProveCode(httptest.NewRecorder(), r, c, code) }()
		}
		tried := 0
		for range cap(outcomes) {
			switch err := <-outcomes; {
			case errors.Is(err, signin.ErrWrong):
				tried++
			case !errors.Is(err, signin.ErrWait):
				t.Error(err)
			}
		}
		if tried != 4 {
			t.Errorf("%d codes were tried", tried)
		}
	})
}

func TestTwoAtOnceWithOneCodeAreOneProof(t *testing.T) {
	eachOffice(t, func(o *office) {
		owner := o.signedIn("anne", "eidas2")
		a := owner.mustEnrolCode("telephone")
		code := a.code(0)
		outcomes := make(chan error, 3)
		nodes := []*signin.Service{o.service, o.another()}
		for i := range cap(outcomes) {
			b := o.signedIn("anne", "eidas1")
			r, c := b.request(), b.caller()
			go func() { outcomes <- nodes[i%2].ProveCode(httptest.NewRecorder(), r, c, code) }()
		}
		proven := 0
		for range cap(outcomes) {
			if err := <-outcomes; err == nil {
				proven++
			} else if !errors.Is(err, signin.ErrWrong) {
				t.Error(err)
			}
		}
		if proven != 1 {
			t.Errorf("%d sessions were proven by one code", proven)
		}
	})
}

func TestAProofIsOfItsSessionAloneAndGivesItANewSecret(t *testing.T) {
	eachOffice(t, func(o *office) {
		owner := o.signedIn("anne", "eidas2")
		a := owner.mustEnrolCode("telephone")
		one, other := o.signedIn("anne", "eidas1"), o.signedIn("anne", "eidas1")
		copied := &browser{o: o, service: o.service, cookies: map[string]*http.Cookie{}, from: one.from}
		for name, c := range one.cookies { // a whole copy of the browser, taken before
			copied.cookies[name] = c
		}
		before := one.caller().Session
		o.want("prove", one.prove(a.code(0)), nil)
		if c := one.caller(); !c.Strong || c.Session != before {
			t.Errorf("%+v: not strong, or not session %d", c, before)
		}
		if other.caller().Strong {
			t.Error("another session is strong with it")
		}
		copied.is("the copy with the secret of before", signin.ErrNoSession)
		o.Clock.Advance(signin.StepUpLife - time.Microsecond)
		if !one.caller().Strong {
			t.Error("not strong within a quarter of an hour")
		}
		o.Clock.Advance(time.Microsecond)
		if one.caller().Strong {
			t.Error("strong after a quarter of an hour")
		}
	})
}

func TestACookieAloneIsDeadInAnotherBrowser(t *testing.T) {
	o := newOffice(t, storetest.SQLite(t))
	b := o.signedIn("anne", "eidas2")
	thief := o.browser()
	thief.cookies["ecluse-demo"] = b.cookies["ecluse-demo"]
	thief.is("without a browser's number", signin.ErrNoSession)
	other := o.signedIn("bob", "eidas2")
	thief.cookies["ecluse-demo-device"] = other.cookies["ecluse-demo-device"]
	thief.is("with another browser's number", signin.ErrNoSession)
	thief.cookies["ecluse-demo-device"] = &http.Cookie{Name: "ecluse-demo-device", Value: strings.Repeat("A", 43)}
	thief.is("with an invented number", signin.ErrNoSession)
	b.is("its own browser", nil)
}

func TestASignInFromANewPlaceIsToldAndAsksForAFactor(t *testing.T) {
	eachOffice(t, func(o *office) {
		told := func() int { return o.told("anne", notice.SessionNewDevice) }
		home := o.signedIn("anne", "eidas1")
		if told() != 0 || home.asked {
			t.Error("the first sign-in of all is no news")
		}
		home.signIn("anne", "eidas1", false)
		if told() != 0 {
			t.Error("the same place is no news")
		}
		home.from = "192.0.2.99"
		home.signIn("anne", "eidas1", false)
		if told() != 0 {
			t.Error("another address of the same network is no news")
		}
		home.from = "198.51.100.1"
		home.signIn("anne", "eidas1", false)
		if told() != 1 || home.asked {
			t.Errorf("told %d, asked %v: she has no factor", told(), home.asked)
		}
		home.signIn("anne", "eidas2", false)
		home.mustEnrolCode("telephone")
		elsewhere := o.signedIn("anne", "eidas1")
		if told() != 2 || !elsewhere.asked {
			t.Errorf("told %d, asked %v", told(), elsewhere.asked)
		}
		strong := o.signedIn("anne", "eidas2")
		if told() != 3 || strong.asked {
			t.Errorf("told %d, asked %v: the sign-in was strong in itself", told(), strong.asked)
		}
	})
}

func TestEndingAFactorTakesAStrongSessionAndEndsTheOthers(t *testing.T) {
	eachOffice(t, func(o *office) {
		mine := o.signedIn("anne", "eidas2")
		a := mine.mustEnrolCode("telephone")
		f := o.factors("anne")[0]
		thief := o.signedIn("anne", "eidas1")
		o.want("a weak session", thief.service.EndFactor(t.Context(), thief.caller(), f.ID), directory.ErrWeak)
		stranger := o.signedIn("bob", "eidas2")
		o.want("another account", stranger.service.EndFactor(t.Context(), stranger.caller(), f.ID), directory.ErrNotFound)
		o.want("its owner", mine.service.EndFactor(t.Context(), mine.caller(), f.ID), nil)
		o.want("again", mine.service.EndFactor(t.Context(), mine.caller(), f.ID), directory.ErrNotFound)
		o.want("its code", mine.prove(a.code(0)), signin.ErrNoFactor)
		thief.is("her other session", signin.ErrRevoked)
		mine.is("this one", nil)
		if o.told("anne", notice.FactorLost) != 1 {
			t.Error("the owner was not told")
		}
	})
}

func (o *office) factors(name string) []directory.Factor {
	o.t.Helper()
	list, err := o.Directory.Factors(o.t.Context(), o.Accounts[name].ID)
	if err != nil {
		o.t.Fatal(err)
	}
	return list
}

func TestASeedIsShownWithItsAddressForAPicture(t *testing.T) {
	o := newOffice(t, storetest.SQLite(t))
	b := o.signedIn("anne", "eidas2")
	seed, err := b.service.BeginCode(b.request(), b.caller(), "telephone", "Anne Test")
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.ReplaceAll(seed.Secret, " ", "")
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	u, err2 := url.Parse(seed.URL)
	if err != nil || err2 != nil || len(raw) != 20 || u.Scheme != "otpauth" || u.Query().Get("secret") != secret || u.Query().Get("issuer") != "Test" {
		t.Errorf("%q %q %v %v", seed.Secret, seed.URL, err, err2)
	}
	again, name, err := b.service.PendingCode(b.request(), b.caller(), "Anne Test")
	if err != nil || name != "telephone" || again.Secret != seed.Secret {
		t.Errorf("%q %v", name, err)
	}
	w := httptest.NewRecorder()
	_, err = b.service.FinishCode(w, b.request(), b.caller(), "000000")
	o.want("a mistyped code", err, signin.ErrWrong)
	if again, _, err := b.service.PendingCode(b.request(), b.caller(), "Anne Test"); err != nil || again.Secret != seed.Secret {
		t.Errorf("the seed is gone: %v", err)
	}
}
