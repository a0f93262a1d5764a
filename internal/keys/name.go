package keys

import (
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/tink-crypto/tink-go/v2/daead/subtle"
)

// Name is what people and addresses call a row of a kind instead of its number, which would tell how
// much happens here. It is the same on every node and for ever: AES-SIV (RFC 5297) of the number, bound
// to the kind, 32 characters that an address takes as they are.
func (k *Keys) Name(kind string, id int64) string {
	sealed, err := k.siv().EncryptDeterministically(binary.BigEndian.AppendUint64(nil, uint64(id)), []byte(kind))
	if err != nil {
		panic("keys: " + err.Error()) // eight bytes are never too long
	}
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// Number is the inverse of Name: ErrSealed for what is no name of this kind.
func (k *Keys) Number(kind, name string) (int64, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(name)
	if err != nil {
		return 0, ErrSealed
	}
	id, err := k.siv().DecryptDeterministically(sealed, []byte(kind))
	if err != nil || len(id) != 8 {
		return 0, ErrSealed
	}
	return int64(binary.BigEndian.Uint64(id)), nil
}

type sivKey struct{} // in Keys.sealers, apart from every domain

func (k *Keys) siv() *subtle.AESSIV {
	if s, ok := k.sealers.Load(sivKey{}); ok {
		return s.(*subtle.AESSIV)
	}
	s, err := subtle.NewAESSIV(slices.Concat(k.key("name/mac"), k.key("name/cipher"))) // the key's two halves
	if err != nil {
		panic("keys: " + err.Error()) // 64 bytes are what it wants
	}
	k.sealers.Store(sivKey{}, s)
	return s
}
