package signin_test

import (
	"database/sql"
	"encoding/base32"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/notice"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"

	"github.com/descope/virtualwebauthn"
	"github.com/pquerna/otp/totp"
)

// office is an installation whose people have own factors, with everything behind it but the provider.
type office struct {
	*nodetest.World
	t       *testing.T
	service *signin.Service
	raw     *sql.DB
}

const place = "http://localhost:8080"

func newOffice(t *testing.T, url string) *office {
	t.Helper()
	o := &office{World: nodetest.New(t, url, nil), t: t}
	o.service = o.another()
	driver, source := "pgx", url
	if file, lite := strings.CutPrefix(url, "sqlite:"); lite {
		driver, source = "sqlite", file
	}
	var err error
	if o.raw, err = sql.Open(driver, source); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.raw.Close() })
	return o
}

// another is one more service on the same database, as another node has.
func (o *office) another() *signin.Service {
	o.t.Helper()
	s, err := signin.New(signin.Options{
		PublicURL: place, Name: "Test", Idle: 2 * time.Hour, Store: o.Store, Accounts: o.Directory, Sealer: o.Keys, Now: o.Clock.Now,
		ClientIP: func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.RemoteAddr) },
		Providers: []signin.Provider{{
			ID: "test", Label: "Test", Issuer: "http://127.0.0.1:1", ClientID: "ecluse", Auth: signin.ClientSecretPost, Secret: clientSecret,
			ACRAccepted: []string{"eidas1", "eidas2"}, ACRStrong: []string{"eidas2"}, Userinfo: signin.UserinfoJSON,
		}},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return s
}

func eachOffice(t *testing.T, test func(*office)) {
	storetest.Engines(t, func(t *testing.T, url string) { test(newOffice(t, url)) })
}

// embedded is eachOffice for what does not depend on the engine.
func embedded(t *testing.T, test func(*office)) { test(newOffice(t, storetest.SQLite(t))) }

// browser keeps cookies and talks to a service without a server in between.
type browser struct {
	o       *office
	service *signin.Service
	cookies map[string]*http.Cookie
	from    string
	asked   bool // an own factor was asked at the last sign-in
}

func (o *office) browser() *browser {
	return &browser{o: o, service: o.service, cookies: map[string]*http.Cookie{}, from: "192.0.2.7"}
}

// signedIn is a new browser in which somebody has just signed in.
func (o *office) signedIn(name, acr string) *browser {
	b := o.browser()
	b.signIn(name, acr, false)
	return b
}

func (b *browser) request() *http.Request {
	r := httptest.NewRequest(http.MethodPost, place+"/", nil)
	r.RemoteAddr = b.from
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	return r
}

func (b *browser) keep(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
}

func (b *browser) signIn(name, acr string, invited bool) {
	b.o.t.Helper()
	w := httptest.NewRecorder()
	var err error
	if b.asked, err = b.service.OpenSession(w, b.request(), b.o.Accounts[name], acr, invited); err != nil {
		b.o.t.Fatal(err)
	}
	b.keep(w)
}

func (b *browser) caller() signin.Caller {
	b.o.t.Helper()
	c, err := b.service.FromRequest(b.request())
	if err != nil {
		b.o.t.Fatal(err)
	}
	return c
}

func (b *browser) is(what string, want error) {
	b.o.t.Helper()
	if _, err := b.service.FromRequest(b.request()); !isOrNil(err, want) {
		b.o.t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// application is somebody's telephone: it makes codes of a seed.
type application struct {
	o    *office
	seed string
}

func (a *application) code(shift time.Duration) string {
	a.o.t.Helper()
	code, err := totp.GenerateCode(a.seed, a.o.Clock.Now().Add(shift))
	if err != nil {
		a.o.t.Fatal(err)
	}
	return code
}

// enrolCode adds an application; the clock moves on by a step, so that its next code is another.
func (b *browser) enrolCode(name string) (*application, directory.Factor, error) {
	b.o.t.Helper()
	seed, err := b.service.BeginCode(b.request(), b.caller(), name, "somebody")
	if err != nil {
		return nil, directory.Factor{}, err
	}
	a := &application{b.o, strings.ReplaceAll(seed.Secret, " ", "")}
	w := httptest.NewRecorder()
	f, err := b.service.FinishCode(w, b.request(), b.caller(), a.code(0))
	b.keep(w)
	b.o.Clock.Advance(30 * time.Second)
	return a, f, err
}

// mustEnrolCode adds an application that counts at once.
func (b *browser) mustEnrolCode(name string) *application {
	b.o.t.Helper()
	a, f, err := b.enrolCode(name)
	if err != nil || f.State != directory.Active {
		b.o.t.Fatalf("%v, %+v", err, f)
	}
	return a
}

func (b *browser) prove(code string) error {
	w := httptest.NewRecorder()
	err := b.service.ProveCode(w, b.request(), b.caller(), code)
	b.keep(w)
	return err
}

// stick is somebody's security key.
type stick struct {
	authenticator virtualwebauthn.Authenticator
	credential    virtualwebauthn.Credential
	rp            virtualwebauthn.RelyingParty
}

// fullKey is the length of a P-256 key in COSE. The library leaves out leading zeros of coordinates, one key
// in 128, which no browser does and which is refused (RFC 9053 §7.1.1).
const fullKey = 77

func newStick() *stick {
	credential := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	for len(credential.Key.AttestationData()) != fullKey {
		credential = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return &stick{
		virtualwebauthn.NewAuthenticator(), credential,
		virtualwebauthn.RelyingParty{Name: "Test", ID: "localhost", Origin: place},
	}
}

// add adds the key.
func (k *stick) add(b *browser, name string) (directory.Factor, error) {
	b.o.t.Helper()
	options, err := b.service.BeginKey(b.request(), b.caller(), name, "somebody")
	if err != nil {
		return directory.Factor{}, err
	}
	parsed, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		b.o.t.Fatal(err)
	}
	answer := virtualwebauthn.CreateAttestationResponse(k.rp, k.authenticator, k.credential, *parsed)
	w := httptest.NewRecorder()
	f, err := b.service.FinishKey(w, b.request(), b.caller(), []byte(answer))
	b.keep(w)
	return f, err
}

// ask has the service ask for a key.
func (b *browser) ask() (*virtualwebauthn.AssertionOptions, error) {
	b.o.t.Helper()
	options, err := b.service.AskKey(b.request(), b.caller())
	if err != nil {
		return nil, err
	}
	parsed, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		b.o.t.Fatal(err)
	}
	return parsed, nil
}

func (k *stick) answer(to *virtualwebauthn.AssertionOptions) []byte {
	k.credential.Counter++
	return []byte(virtualwebauthn.CreateAssertionResponse(k.rp, k.authenticator, k.credential, *to))
}

func (b *browser) give(answer []byte) error {
	w := httptest.NewRecorder()
	err := b.service.ProveKey(w, b.request(), b.caller(), answer)
	b.keep(w)
	return err
}

func (k *stick) prove(b *browser) error {
	b.o.t.Helper()
	options, err := b.ask()
	if err != nil {
		return err
	}
	return b.give(k.answer(options))
}

func (o *office) want(what string, got, want error) {
	o.t.Helper()
	if !isOrNil(got, want) {
		o.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func isOrNil(got, want error) bool {
	if want == nil {
		return got == nil
	}
	return got != nil && errors.Is(got, want)
}

// told counts the notices of a kind for an account.
func (o *office) told(account string, kind notice.Kind) (n int) {
	o.t.Helper()
	row := o.raw.QueryRowContext(o.t.Context(), "SELECT COUNT(*) FROM notices WHERE account_id = $1 AND kind = $2", int64(o.Accounts[account].ID), string(kind))
	if err := row.Scan(&n); err != nil {
		o.t.Fatal(err)
	}
	return n
}

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
