package demoidp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// KeyFrom derives the provider's P-256 signing key from a seed: the same seed, the same key.
func KeyFrom(seed []byte) (*ecdsa.PrivateKey, error) {
	for try := uint32(0); try < 64; try++ { // a candidate is out of range once in 2^32
		h := sha256.New()
		h.Write([]byte("ecluse demo provider key"))
		h.Write(binary.BigEndian.AppendUint32(nil, try))
		h.Write(seed)
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), h.Sum(nil)); err == nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("derive the demo provider's key")
}

// Sub is the sub claim of login for clientID: pairwise, the same at every start.
func Sub(clientID, login string) string {
	h := sha256.New()
	fmt.Fprintf(h, "ecluse demo sub|%d|%s|%s", len(clientID), clientID, login)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (p *Provider) prepareKey() error {
	public := jose.JSONWebKey{Key: &p.cfg.Key.PublicKey, Algorithm: string(jose.ES256), Use: "sig"}
	print, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return fmt.Errorf("name the demo provider's key: %w", err)
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(print[:12])
	p.jwk = public
	key := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.cfg.Key, KeyID: public.KeyID}}
	p.signer, err = jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	return err
}

func (p *Provider) sign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	jws, err := p.signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// verify checks a token of our own, expired or not, and returns its claims.
func (p *Provider) verify(raw string) (map[string]any, error) {
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(p.jwk)
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	return claims, json.Unmarshal(payload, &claims)
}

func (p *Provider) jwks(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.jwk}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a reader who has gone away is no concern of ours
}

// secret is a random string of 256 bits.
func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b)
}
