package signin

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ParseKey reads the PEM file of a client key for private_key_jwt: PKCS #8, SEC 1 or PKCS #1, holding an
// ECDSA P-256 or an RSA key of at least 2048 bits. The error never quotes the file.
func ParseKey(data []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		for _, parse := range []func([]byte) (any, error){
			x509.ParsePKCS8PrivateKey,
			func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
			func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
		} {
			key, err := parse(block.Bytes)
			if err != nil {
				continue
			}
			if signer, ok := key.(crypto.Signer); ok && assertionAlg(signer) != "" {
				return signer, nil
			}
		}
	}
	return nil, errors.New("no ECDSA P-256 or RSA private key in PEM")
}

// assertionLife is short: an assertion is used at once.
const assertionLife = time.Minute

// assertion proves to the token endpoint who we are (RFC 7523 §3), once.
func (p *provider) assertion(audience string) (string, error) {
	key := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(assertionAlg(p.Key)), Key: jose.JSONWebKey{Key: p.Key, KeyID: p.KeyID}}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("prepare the client assertion: %w", err)
	}
	now := p.now()
	claims, err := json.Marshal(map[string]any{
		"iss": p.ClientID, "sub": p.ClientID, "aud": audience, "jti": random(), "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", fmt.Errorf("sign the client assertion: %w", err)
	}
	return signed.CompactSerialize()
}
