package signin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"ecluse/internal/signin"
)

// tokenSigner changes tokens of the provider and signs them again.
type tokenSigner struct {
	t   *testing.T
	key *ecdsa.PrivateKey
}

// change edits the claims of a token and signs it with the provider's own key.
func (s tokenSigner) change(raw string, edit func(map[string]any)) string {
	return s.signWith(jose.ES256, s.key, s.edited(raw, edit), kid(s.t, raw))
}

func (s tokenSigner) edited(raw string, edit func(map[string]any)) []byte {
	s.t.Helper()
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		s.t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &claims); err != nil {
		s.t.Fatal(err)
	}
	edit(claims)
	payload, err := json.Marshal(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	return payload
}

func (s tokenSigner) signWith(alg jose.SignatureAlgorithm, key any, payload []byte, keyID string) string {
	s.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: keyID}}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func kid(t *testing.T, raw string) string {
	t.Helper()
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return jws.Signatures[0].Header.KeyID
}

// unsigned makes a token with alg none.
func unsigned(payload []byte) string {
	b := base64.RawURLEncoding
	return b.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + b.EncodeToString(payload) + "."
}

// onIDToken rewrites the ID token of each token answer.
func (w *world) onIDToken(change func(raw string) string) {
	w.rewrite = func(path string, status int, body []byte) (int, []byte) {
		if path != "/token" || status != 200 {
			return status, body
		}
		var answer map[string]any
		if err := json.Unmarshal(body, &answer); err != nil {
			w.t.Fatal(err)
		}
		answer["id_token"] = change(answer["id_token"].(string))
		out, err := json.Marshal(answer)
		if err != nil {
			w.t.Fatal(err)
		}
		return status, out
	}
}

// onUserinfo rewrites each userinfo answer.
func (w *world) onUserinfo(change func(raw string) string) {
	w.rewrite = func(path string, status int, body []byte) (int, []byte) {
		if path != "/userinfo" || status != 200 {
			return status, body
		}
		return status, []byte(change(string(body)))
	}
}

// set is an edit that sets one claim, nil removes it.
func set(name string, value any) func(map[string]any) {
	return func(c map[string]any) {
		if value == nil {
			delete(c, name)
			return
		}
		c[name] = value
	}
}

// clientKey is the instance's own key for private_key_jwt.
var clientKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

func clientPublicKey(t *testing.T) *jose.JSONWebKey {
	t.Helper()
	return &jose.JSONWebKey{Key: &clientKey().PublicKey, Algorithm: string(jose.ES256), KeyID: "ours"}
}

func TestAnIDTokenThatIsNotExactlyRightLetsNobodyIn(t *testing.T) {
	now := func(w *world) float64 { return float64(w.clock.now().Unix()) }
	for name, c := range map[string]struct {
		edit func(*world) func(map[string]any)
		code signin.Code
	}{
		"another issuer":                 {func(*world) func(map[string]any) { return set("iss", "https://evil.example") }, signin.CodeTokenInvalid},
		"no issuer":                      {func(*world) func(map[string]any) { return set("iss", nil) }, signin.CodeTokenInvalid},
		"another audience":               {func(*world) func(map[string]any) { return set("aud", "somebody-else") }, signin.CodeTokenInvalid},
		"no audience":                    {func(*world) func(map[string]any) { return set("aud", nil) }, signin.CodeTokenInvalid},
		"two audiences without azp":      {func(*world) func(map[string]any) { return set("aud", []string{"ecluse", "evil"}) }, signin.CodeTokenInvalid},
		"another authorised party":       {func(*world) func(map[string]any) { return set("azp", "evil") }, signin.CodeTokenInvalid},
		"expired":                        {func(w *world) func(map[string]any) { return set("exp", now(w)-31) }, signin.CodeClock},
		"no expiry":                      {func(*world) func(map[string]any) { return set("exp", nil) }, signin.CodeTokenInvalid},
		"issued tomorrow":                {func(w *world) func(map[string]any) { return set("iat", now(w)+86400) }, signin.CodeClock},
		"no instant of issue":            {func(*world) func(map[string]any) { return set("iat", nil) }, signin.CodeTokenInvalid},
		"not valid yet":                  {func(w *world) func(map[string]any) { return set("nbf", now(w)+3600) }, signin.CodeClock},
		"another nonce":                  {func(*world) func(map[string]any) { return set("nonce", "0123456789012345678901234567890123456789012") }, signin.CodeNonce},
		"no nonce":                       {func(*world) func(map[string]any) { return set("nonce", nil) }, signin.CodeNonce},
		"another access token's at_hash": {func(*world) func(map[string]any) { return set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA") }, signin.CodeTokenInvalid},
		"no subject":                     {func(*world) func(map[string]any) { return set("sub", nil) }, signin.CodeTokenInvalid},
		"somebody else's subject":        {func(*world) func(map[string]any) { return set("sub", "x") }, signin.CodeTokenInvalid},
		"an acr below":                   {func(*world) func(map[string]any) { return set("acr", "eidas0-mfa") }, signin.CodeAssurance},
		"a renamed acr":                  {func(*world) func(map[string]any) { return set("acr", "eidas-2") }, signin.CodeAssurance},
		"an acr in other letters":        {func(*world) func(map[string]any) { return set("acr", "EIDAS2") }, signin.CodeAssurance},
		"an acr that sorts above":        {func(*world) func(map[string]any) { return set("acr", "eidas9") }, signin.CodeAssurance},
		"an acr between two accepted":    {func(*world) func(map[string]any) { return set("acr", "eidas2-mfa") }, signin.CodeAssurance},
		"no acr":                         {func(*world) func(map[string]any) { return set("acr", nil) }, signin.CodeAssurance},
		"an acr that is a list":          {func(*world) func(map[string]any) { return set("acr", []string{"eidas2"}) }, signin.CodeTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.onIDToken(func(raw string) string { return w.signer.change(raw, c.edit(w)) })
			w.refused(c.code)
		})
	}
}

func TestATokenThatTheProviderDidNotSignLetsNobodyIn(t *testing.T) {
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	same := func(map[string]any) {}
	attacks := map[string]func(w *world, raw string) string{
		"alg none": func(w *world, raw string) string { return unsigned(w.signer.edited(raw, same)) },
		"HS256 with our client secret": func(w *world, raw string) string {
			return w.signer.signWith(jose.HS256, append([]byte(clientSecret), make([]byte, 8)...), w.signer.edited(raw, same), kid(w.t, raw))
		},
		"HS256 with the public key": func(w *world, raw string) string {
			return w.signer.signWith(jose.HS256, publicBytes(w), w.signer.edited(raw, same), kid(w.t, raw))
		},
		"a stranger's key of the same name": func(w *world, raw string) string {
			return w.signer.signWith(jose.ES256, stranger, w.signer.edited(raw, same), kid(w.t, raw))
		},
		"our own client key": func(w *world, raw string) string {
			return w.signer.signWith(jose.ES256, clientKey(), w.signer.edited(raw, same), kid(w.t, raw))
		},
		"a changed payload": func(_ *world, raw string) string { return raw[:len(raw)/2] + "A" + raw[len(raw)/2+1:] },
		"no signature":      func(_ *world, raw string) string { return raw[:lastDot(raw)+1] },
		"nothing":           func(*world, string) string { return "" },
		"garbage":           func(*world, string) string { return "...." },
	}
	for name, attack := range attacks {
		t.Run("ID token: "+name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.onIDToken(func(raw string) string { return attack(w, raw) })
			w.refused(signin.CodeTokenInvalid)
		})
		t.Run("userinfo: "+name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.onUserinfo(func(raw string) string { return attack(w, raw) })
			w.refused(signin.CodeTokenInvalid)
		})
	}
}

func lastDot(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '.' {
			return i
		}
	}
	return 0
}

func publicBytes(w *world) []byte {
	b, err := w.signer.key.PublicKey.Bytes()
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func TestAUserinfoThatIsNotExactlyRightLetsNobodyIn(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*world) func(map[string]any)
		code signin.Code
	}{
		"another issuer":          {func(*world) func(map[string]any) { return set("iss", "https://evil.example") }, signin.CodeTokenInvalid},
		"another audience":        {func(*world) func(map[string]any) { return set("aud", "somebody-else") }, signin.CodeTokenInvalid},
		"no audience":             {func(*world) func(map[string]any) { return set("aud", nil) }, signin.CodeTokenInvalid},
		"expired":                 {func(w *world) func(map[string]any) { return set("exp", w.clock.now().Unix()-31) }, signin.CodeClock},
		"no expiry":               {func(*world) func(map[string]any) { return set("exp", nil) }, signin.CodeTokenInvalid},
		"issued tomorrow":         {func(w *world) func(map[string]any) { return set("iat", w.clock.now().Unix()+86400) }, signin.CodeClock},
		"somebody else's subject": {func(*world) func(map[string]any) { return set("sub", "x") }, signin.CodeTokenInvalid},
		"no subject":              {func(*world) func(map[string]any) { return set("sub", nil) }, signin.CodeTokenInvalid},
		"no identity provider":    {func(*world) func(map[string]any) { return set("idp_id", nil) }, signin.CodeTokenInvalid},
		"a numeric idp_id":        {func(*world) func(map[string]any) { return set("idp_id", 7) }, signin.CodeTokenInvalid},
		"another idp_id":          {func(*world) func(map[string]any) { return set("idp_id", "another") }, signin.CodeNoAccount},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.onUserinfo(func(raw string) string { return w.signer.change(raw, c.edit(w)) })
			w.refused(c.code)
		})
	}
}

func TestAnUnsignedUserinfoIsRefusedWhereASignedOneIsConfigured(t *testing.T) {
	w := newWorld(t, nil)
	w.rewrite = func(path string, status int, body []byte) (int, []byte) {
		if path == "/userinfo" {
			return status, w.signer.edited(string(body), func(map[string]any) {})
		}
		return status, body
	}
	w.refused(signin.CodeTokenInvalid)
}
