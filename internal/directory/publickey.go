package directory

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// PublicKey is a program's public key.
type PublicKey struct {
	jose.JSONWebKey
	JSON       []byte // canonical: nothing but the key and its name
	Thumbprint string // RFC 7638, SHA-256
}

// maxPublicKey is more than the largest accepted key measures.
const maxPublicKey = 4 << 10

// ParsePublicKey reads a JSON Web Key (RFC 7517): ErrPublicKey unless it is a public key of an accepted
// kind. A private key is refused and not kept, so that nobody gets used to sending one.
func ParsePublicKey(text []byte) (PublicKey, error) {
	var k jose.JSONWebKey
	if len(text) > maxPublicKey || k.UnmarshalJSON(text) != nil || !k.Valid() || !k.IsPublic() || len(k.KeyID) > 128 || len(algorithms(k.Key)) == 0 {
		return PublicKey{}, ErrPublicKey
	}
	if k.Use != "" && k.Use != "sig" {
		return PublicKey{}, ErrPublicKey
	}
	bare := jose.JSONWebKey{Key: k.Key, KeyID: k.KeyID}
	canonical, err := bare.MarshalJSON()
	if err != nil {
		return PublicKey{}, ErrPublicKey
	}
	sum, err := bare.Thumbprint(crypto.SHA256)
	if err != nil {
		return PublicKey{}, ErrPublicKey
	}
	return PublicKey{JSONWebKey: bare, JSON: canonical, Thumbprint: base64.RawURLEncoding.EncodeToString(sum)}, nil
}

// SigningAlgorithms are the signatures that programs may make: asymmetric ones, each for one kind of key.
var SigningAlgorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA}

// Signs reports whether the key makes signatures of an algorithm.
func (k PublicKey) Signs(alg string) bool {
	return slices.Contains(algorithms(k.Key), jose.SignatureAlgorithm(alg))
}

func algorithms(key any) []jose.SignatureAlgorithm {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return []jose.SignatureAlgorithm{jose.ES256}
		}
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= 2048 && bits <= 4096 && k.E >= 65537 {
			return []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
		}
	case ed25519.PublicKey:
		return []jose.SignatureAlgorithm{jose.EdDSA}
	}
	return nil
}
