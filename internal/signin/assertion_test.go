package signin_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/signin"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// signer signs assertions.
type signer struct {
	key    any
	public []byte // JSON Web Key
	alg    jose.SignatureAlgorithm
}

func newSigner(t testing.TB, alg jose.SignatureAlgorithm) signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	public, err := jose.JSONWebKey{Key: key.Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return signer{key, public, alg}
}

// claims of a good assertion.
func (l *lodge) claims(jti string) map[string]any {
	at := l.clock.now().Unix()
	return map[string]any{"iss": "gestion", "sub": "gestion", "aud": "https://ecluse.example/oauth/token", "jti": jti, "iat": at, "exp": at + 60}
}

func (s signer) sign(t testing.TB, claims map[string]any, header map[jose.HeaderKey]any) signin.Proof {
	t.Helper()
	o := &jose.SignerOptions{ExtraHeaders: header}
	made, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: s.key}, o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := made.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return signin.Proof{AssertionType: jwtBearer, Assertion: compact}
}

// hold gives the program gestion a signer's public key.
func (l *lodge) hold(s signer) {
	l.held[21] = append(l.held[21], directory.ClientKey{ID: ecluse.ClientKeyID(len(l.held[21]) + 1), Account: 21, Kind: directory.KeyJWK, Material: s.public})
}

func TestAnAssertionOfEachAcceptedKindGivesAToken(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA} {
		l, s := newLodge(t), newSigner(t, alg)
		l.hold(s)
		token, err := l.programs.Token(request(), s.sign(t, l.claims("1"), nil), "anne@example.test")
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		if c, err := l.holding(token.Access); err != nil || c.Account != 11 || c.Client != 21 || c.ACR != "private_key_jwt" {
			t.Errorf("%s: %+v %v", alg, c, err)
		}
	}
}

func TestAnAssertionThatIsNotExactlyRightGivesNothing(t *testing.T) {
	good := newSigner(t, jose.ES256)
	type claims = map[string]any
	with := func(name string, value any) func(claims) { return func(c claims) { c[name] = value } }
	in := func(d time.Duration) int64 { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).Add(d).Unix() }
	for name, change := range map[string]func(claims){
		"no iss":                    with("iss", ""),
		"another sub":               with("sub", "planning"),
		"another program":           func(c claims) { c["iss"], c["sub"] = "planning", "planning" },
		"an unknown program":        func(c claims) { c["iss"], c["sub"] = "nobody", "nobody" },
		"no aud":                    with("aud", nil),
		"another aud":               with("aud", "https://other.example/oauth/token"),
		"aud with a slash":          with("aud", "https://ecluse.example/"),
		"aud of the keys":           with("aud", "https://ecluse.example/oauth/keys"),
		"aud of two":                with("aud", []string{"https://ecluse.example/oauth/token", "https://other.example"}),
		"aud of none":               with("aud", []string{}),
		"aud that is a number":      with("aud", 7),
		"no jti":                    with("jti", ""),
		"a long jti":                with("jti", strings.Repeat("x", 256)),
		"no exp":                    with("exp", nil),
		"over":                      with("exp", in(-30*time.Second)),
		"for six minutes":           with("exp", in(6*time.Minute)),
		"for a year":                with("exp", in(365*24*time.Hour)),
		"exp beyond all":            with("exp", 1e300),
		"not yet":                   with("nbf", in(time.Minute)),
		"from the future":           with("iat", in(time.Minute)),
		"exp in words":              with("exp", "tomorrow"),
		"client_id of someone else": func(claims) {},
	} {
		l := newLodge(t)
		l.hold(good)
		c := l.claims("1")
		change(c)
		proof := good.sign(t, c, nil)
		if strings.HasPrefix(name, "client_id") {
			proof.ClientID = "planning"
		}
		if _, err := l.programs.Token(request(), proof, ""); refusal(err) != "invalid_client" || len(l.rows) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(claims){"as it is": func(claims) {}, "to the issuer": with("aud", "https://ecluse.example"),
		"in a list of one": with("aud", []string{"https://ecluse.example"}), "for five minutes": with("exp", in(5*time.Minute)), "half a second": with("exp", float64(in(time.Minute))+.5)} {
		l := newLodge(t)
		l.hold(good)
		c := l.claims("1")
		change(c)
		if _, err := l.programs.Token(request(), good.sign(t, c, nil), ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyTheProgramsOwnKeyAndItsAlgorithmSign(t *testing.T) {
	own, other := newSigner(t, jose.ES256), newSigner(t, jose.ES256)
	pub, err := x509.MarshalPKIXPublicKey(own.key.(*ecdsa.PrivateKey).Public())
	if err != nil {
		t.Fatal(err)
	}
	l := newLodge(t)
	l.hold(own)
	plain := func(header string) signin.Proof {
		text, _ := json.Marshal(l.claims("1"))
		e := base64.RawURLEncoding.EncodeToString
		return signin.Proof{AssertionType: jwtBearer, Assertion: e([]byte(header)) + "." + e(text) + "."}
	}
	hmac := func(key []byte) signin.Proof { return signer{key: key, alg: jose.HS256}.sign(t, l.claims("1"), nil) }
	embedded, err := jose.JSONWebKey{Key: other.key.(*ecdsa.PrivateKey).Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	swapped := own.sign(t, l.claims("1"), nil)
	head, rest, _ := strings.Cut(swapped.Assertion, ".")
	_, signature, _ := strings.Cut(rest, ".")
	forged, _ := json.Marshal(map[string]any{"iss": "gestion", "sub": "gestion", "aud": "https://ecluse.example", "jti": "2", "exp": l.clock.now().Unix() + 60})
	swapped.Assertion = head + "." + base64.RawURLEncoding.EncodeToString(forged) + "." + signature
	for name, proof := range map[string]signin.Proof{
		"alg none":                     plain(`{"alg":"none"}`),
		"alg None":                     plain(`{"alg":"None"}`),
		"no alg":                       plain(`{}`),
		"HS256 with the public key":    hmac(own.public),
		"HS256 with its DER":           hmac(pub),
		"HS256 with the secret's hash": hmac(directory.Secret(secret).Hash()),
		"another key":                  other.sign(t, l.claims("1"), nil),
		"another key of its name":      other.sign(t, l.claims("1"), map[jose.HeaderKey]any{"kid": "k"}),
		"a key in the header":          other.sign(t, l.claims("1"), map[jose.HeaderKey]any{"jwk": json.RawMessage(embedded)}),
		"a key at an address":          other.sign(t, l.claims("1"), map[jose.HeaderKey]any{"jku": "https://evil.example/keys"}),
		"ES384":                        func() signin.Proof { return signer{p384(t), nil, jose.ES384}.sign(t, l.claims("1"), nil) }(),
		"RS256 where the key is EC":    newSigner(t, jose.RS256).sign(t, l.claims("1"), nil),
		"a token of another kind":      own.sign(t, l.claims("1"), map[jose.HeaderKey]any{"typ": "at+jwt"}),
		"what must be understood":      own.sign(t, l.claims("1"), map[jose.HeaderKey]any{"crit": []string{"exp"}, "exp": 1}),
		"another content":              swapped,
		"cut":                          {AssertionType: jwtBearer, Assertion: own.sign(t, l.claims("1"), nil).Assertion[:80]},
		"JSON serialisation":           {AssertionType: jwtBearer, Assertion: `{"payload":"e30","signatures":[]}`},
	} {
		if _, err := l.programs.Token(request(), proof, ""); refusal(err) != "invalid_client" || len(l.rows) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, typ := range []string{"JWT", "client-authentication+jwt"} {
		if _, err := l.programs.Token(request(), own.sign(t, l.claims(typ), map[jose.HeaderKey]any{"typ": typ}), ""); err != nil {
			t.Errorf("typ %s: %v", typ, err)
		}
	}
}

func p384(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTheHeaderMayNameTheKey(t *testing.T) {
	l, older, newer := newLodge(t), newSigner(t, jose.ES256), newSigner(t, jose.ES256)
	l.hold(older)
	l.hold(newer)
	key, err := directory.ParsePublicKey(older.public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.programs.Token(request(), older.sign(t, l.claims("1"), map[jose.HeaderKey]any{"kid": key.Thumbprint}), ""); err != nil {
		t.Errorf("by its thumbprint: %v", err)
	}
	if _, err := l.programs.Token(request(), newer.sign(t, l.claims("2"), nil), ""); err != nil {
		t.Errorf("the newest without a name: %v", err)
	}
	if _, err := l.programs.Token(request(), older.sign(t, l.claims("3"), nil), ""); refusal(err) != "invalid_client" {
		t.Errorf("the older without a name: %v", err)
	}
}

func TestAnAssertionServesOnceOnTwoNodes(t *testing.T) {
	l, s := newLodge(t), newSigner(t, jose.ES256)
	l.hold(s)
	other := l.open() // another node, one database
	proof := s.sign(t, l.claims("once"), nil)
	again := l.claims("once")
	again["exp"] = l.clock.now().Unix() + 61
	var wg sync.WaitGroup
	var mu sync.Mutex
	codes := map[string]int{}
	for i := range 16 {
		wg.Go(func() {
			node := []*signin.Programs{l.programs, other}[i%2]
			_, err := node.Token(from([]string{"203.0.113.7", "198.51.100.7", "192.0.2.7", "10.1.2.3"}[i%4]), proof, "")
			mu.Lock()
			defer mu.Unlock()
			codes[refusal(err)]++
		})
	}
	wg.Wait()
	if codes[""] != 1 || codes["invalid_client"] != 15 {
		t.Errorf("%v", codes)
	}
	if _, err := l.programs.Token(from("10.9.9.9"), s.sign(t, again, nil), ""); refusal(err) != "invalid_client" {
		t.Errorf("the same jti in another assertion: %v", err)
	}
	if _, _, err := l.programs.Renew(from("10.9.9.9"), proof, nil); refusal(err) != "invalid_client" || len(l.renews) != 0 {
		t.Errorf("a key for an assertion that served: %v", err)
	}
}

func TestAKeyIsRenewedByItselfAndNotByAToken(t *testing.T) {
	l, s := newLodge(t), newSigner(t, jose.ES256)
	if k, made, err := l.programs.Renew(request(), bySecret("gestion", secret), nil); err != nil || made != "ecluse_cs_new" || k.ID != 99 || l.renews[0].ID != 1 {
		t.Errorf("%+v %v", k, err)
	}
	l.hold(s)
	proof := s.sign(t, l.claims("1"), nil)
	if _, _, err := l.programs.Renew(request(), proof, nil); err != nil || l.renews[1].ID != 2 {
		t.Errorf("by an assertion: %v", err)
	}
	if _, err := l.programs.Token(from("10.0.0.1"), proof, ""); refusal(err) != "invalid_client" {
		t.Errorf("a token for the same assertion: %v", err)
	}
	for _, row := range l.rows {
		if row.Ends.After(l.clock.now()) {
			t.Errorf("renewing a key left a token that serves: %+v", row)
		}
	}
	token, err := l.programs.Token(request(), bySecret("gestion", secret), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.programs.Renew(request(), bySecret("gestion", token.Access), nil); refusal(err) != "invalid_client" {
		t.Errorf("by a token: %v", err)
	}
	if _, _, err := l.programs.Renew(request(), bySecret("gestion", secret), []byte("broken")); refusal(err) != "invalid_request" {
		t.Errorf("with a broken key: %v", err)
	}
	l.held[21][0].ReplacedBy = 99
	if _, _, err := l.programs.Renew(request(), bySecret("gestion", secret), nil); refusal(err) != "invalid_client" {
		t.Errorf("by a key that was replaced: %v", err)
	}
}

func TestLogsHoldNoSecretNoAssertionAndNoToken(t *testing.T) {
	l, s := newLodge(t), newSigner(t, jose.ES256)
	l.hold(s)
	proof := s.sign(t, l.claims("1"), nil)
	token, err := l.programs.Token(request(), proof, "anne@example.test")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = l.programs.Token(request(), proof, "anne@example.test")
	_, _ = l.programs.Token(request(), bySecret("gestion", secret+"x"), "")
	for hash, row := range l.rows {
		row.Client = 22
		l.rows[hash] = row
	}
	_, _ = l.holding(token.Access)
	if l.log.Len() == 0 {
		t.Error("nothing is logged of a replay and a forged row")
	}
	for _, hidden := range []string{secret, proof.Assertion, token.Access, "anne@"} {
		if strings.Contains(l.log.String(), hidden) {
			t.Errorf("the log holds %q", hidden)
		}
	}
	for _, row := range l.rows {
		for _, kept := range [][]byte{row.Hash, row.IDToken, []byte(row.ACR + row.Provider + row.Network + row.Device)} {
			if strings.Contains(string(kept), token.Access) || strings.Contains(string(kept), proof.Assertion) {
				t.Error("the row holds a token or an assertion")
			}
		}
	}
}

func FuzzAnyAssertionIsRefusedOrRight(f *testing.F) {
	l, s := newLodge(f), newSigner(f, jose.ES256)
	l.hold(s)
	good := s.sign(f, l.claims("1"), nil).Assertion
	f.Add(good)
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, text string) {
		l := newLodge(t)
		l.hold(s)
		_, err := l.programs.Token(request(), signin.Proof{AssertionType: jwtBearer, Assertion: text}, "")
		if code := refusal(err); (text == good) != (code == "") || code != "" && code != "invalid_client" && code != "invalid_request" {
			t.Errorf("%q: %v", text, err)
		}
	})
}
