package signin

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"ecluse/internal/directory"
)

// assertionType of RFC 7523 §2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Bounds of a proof.
const (
	maxClientID  = 64
	maxSecret    = 256
	maxAssertion = 8 << 10
	maxJTI       = 255
	longestLife  = 5 * time.Minute // of an assertion, from now on
)

// prove finds the program that a proof belongs to. Whatever is wrong with the proof, the answer is one,
// and it comes late if the network has sent several wrong ones.
func (p *Programs) prove(ctx context.Context, r *http.Request, proof Proof) (proven, error) {
	if err := proof.check(); err != nil {
		return proven{}, err
	}
	who := proven{method: string(ClientSecretPost)}
	var signed assertion
	if proof.Assertion != "" {
		var readable bool
		if signed, readable = p.readAssertion(proof); !readable {
			return proven{}, p.refused(ctx, r)
		}
		proof.ClientID, who.method, who.jti = signed.claims.Iss, string(PrivateKeyJWT), signed.claims.JTI
	}
	account, keys, err := p.directory.Program(ctx, proof.ClientID)
	if err != nil {
		return proven{}, err
	}
	who.account = account
	var ok bool
	if proof.Assertion != "" {
		who.key, ok = p.signedBy(keys, signed)
	} else {
		who.key, ok = matching(keys, proof.Secret)
	}
	if !ok {
		return proven{}, p.refused(ctx, r)
	}
	if p.asked.count(fmt.Sprint(account.ID), p.now()) > tokensPerMinute {
		return proven{}, errSlow
	}
	return who, nil
}

// check is what a proof must look like before anybody is looked up.
func (f Proof) check() error {
	secret, signed := f.Secret != "", f.Assertion != "" || f.AssertionType != ""
	switch {
	case secret == signed, secret && f.ClientID == "", signed && f.AssertionType != assertionType:
		return errUnfinished
	case len(f.ClientID) > maxClientID, len(f.Secret) > maxSecret, len(f.Assertion) > maxAssertion:
		return errClient
	}
	return nil
}

// matching is the key whose secret it is; every key is compared.
func matching(keys []directory.ClientKey, secret string) (found directory.ClientKey, ok bool) {
	hash := directory.Secret(secret).Hash()
	for _, k := range keys {
		if k.SecretMatches(hash) {
			found, ok = k, true
		}
	}
	return found, ok
}

// refused answers a wrong proof: after a while, if its network has sent several.
func (p *Programs) refused(ctx context.Context, r *http.Request) error {
	n := p.wrong.count(networkPrefix(p.clientIP(r)), p.now())
	delay := lateness(n)
	if delay == 0 {
		return errClient
	}
	select {
	case p.waiting <- struct{}{}:
		defer func() { <-p.waiting }()
	default:
		return errSlow
	}
	p.wait(ctx, delay)
	return errClient
}

// lateness of the nth wrong proof within patience: none for the first few, then doubling to 4 s.
func lateness(n int) time.Duration {
	const free = 5
	if n <= free {
		return 0
	}
	return min(4*time.Second, 125*time.Millisecond<<min(n-free, 5))
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// assertion is a signed assertion that is not verified yet.
type assertion struct {
	*jose.JSONWebSignature
	header jose.Header
	claims assertionClaims
}

// assertionClaims of RFC 7523 §3. Times are seconds, possibly with a fraction.
type assertionClaims struct {
	Iss string          `json:"iss"`
	Sub string          `json:"sub"`
	Aud json.RawMessage `json:"aud"`
	Exp float64         `json:"exp"`
	Nbf float64         `json:"nbf"`
	Iat float64         `json:"iat"`
	JTI string          `json:"jti"`
}

// readAssertion checks everything about an assertion but the signature.
func (p *Programs) readAssertion(proof Proof) (a assertion, ok bool) {
	var err error
	a.JSONWebSignature, err = jose.ParseSignedCompact(proof.Assertion, directory.SigningAlgorithms)
	if err != nil || len(a.Signatures) != 1 {
		return a, false
	}
	a.header = a.Signatures[0].Protected
	if typ, given := a.header.ExtraHeaders[jose.HeaderType]; given && typ != "JWT" && typ != "client-authentication+jwt" {
		return a, false
	}
	if json.Unmarshal(a.UnsafePayloadWithoutVerification(), &a.claims) != nil {
		return a, false
	}
	return a, p.acceptable(a.claims, proof.ClientID)
}

func (p *Programs) acceptable(c assertionClaims, clientID string) bool {
	at := float64(p.now().UnixMilli()) / 1000
	switch {
	case c.Iss == "" || c.Iss != c.Sub || clientID != "" && clientID != c.Iss || len(c.Iss) > maxClientID:
		return false
	case !p.addressed(c.Aud) || c.JTI == "" || len(c.JTI) > maxJTI:
		return false
	case c.Exp <= at-skew.Seconds() || c.Exp > at+(longestLife+skew).Seconds():
		return false
	}
	return c.Nbf <= at+skew.Seconds() && c.Iat <= at+skew.Seconds()
}

// addressed: to us and to nobody else, so that what another server was sent is worth nothing here.
func (p *Programs) addressed(aud json.RawMessage) bool {
	var one string
	var list []string
	if json.Unmarshal(aud, &one) != nil && (json.Unmarshal(aud, &list) != nil || len(list) != 1) {
		return false
	}
	if len(list) == 1 {
		one = list[0]
	}
	return one == p.public || one == p.public+TokenPath
}

// signedBy is the key that signed an assertion: the one that the header names, or else the newest of the
// algorithm. One signature is verified whoever asks, that of a decoy for who has no such key.
func (p *Programs) signedBy(keys []directory.ClientKey, a assertion) (directory.ClientKey, bool) {
	public := p.decoys[a.header.Algorithm]
	var found directory.ClientKey
	for _, k := range slices.Backward(keys) {
		if k.Kind != directory.KeyJWK {
			continue
		}
		parsed, err := directory.ParsePublicKey(k.Material)
		if err != nil || !parsed.Signs(a.header.Algorithm) {
			continue
		}
		if id := a.header.KeyID; id == "" || id == parsed.KeyID || id == parsed.Thumbprint {
			found, public = k, parsed.Key
			break
		}
	}
	_, err := a.Verify(public)
	return found, err == nil && found.ID != 0
}

// decoys are public keys that nobody can sign with, by algorithm.
type decoys map[string]any

func newDecoys() (decoys, error) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a decoy: %w", err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a decoy: %w", err)
	}
	modulus := make([]byte, 256)
	_, _ = rand.Read(modulus)
	modulus[0] |= 0x80
	modulus[255] |= 1
	modular := &rsa.PublicKey{N: new(big.Int).SetBytes(modulus), E: 65537}
	return decoys{"ES256": &ec.PublicKey, "EdDSA": ed, "RS256": modular, "PS256": modular}, nil
}
