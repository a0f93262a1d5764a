package gate

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"ecluse"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// A handle is the AEAD ciphertext of a person's number, bound to the session and the register it was
// given out in: useless elsewhere, and there is no table of them. A program's is bound to the program, the
// account that it asks for and the month, for its tokens last minutes.

// sealPerson encrypts a person's number under a domain; 0 gives the same length.
func (g *Gate) sealPerson(domain string, p ecluse.PersonID, ad []byte) ([]byte, error) {
	sealed, err := g.keys.Seal("person/"+domain, binary.BigEndian.AppendUint64(nil, uint64(p)), ad)
	if err != nil {
		return nil, fmt.Errorf("seal a person's number: %w", err)
	}
	return sealed, nil
}

func (g *Gate) boundTo(c signin.Caller, reg *register.Register, domain string) []byte {
	if c.Client != 0 {
		return fmt.Appendf(nil, "%s client %d account %d month %s register %d", domain, c.Client, c.Account, g.now().UTC().Format("2006-01"), reg.ID)
	}
	return fmt.Appendf(nil, "%s session %d account %d register %d", domain, c.Session, c.Account, reg.ID)
}

// handle names a person to a caller.
func (g *Gate) handle(c signin.Caller, reg *register.Register, p ecluse.PersonID) (string, error) {
	return g.token("handle", c, reg, p)
}

func (g *Gate) token(domain string, c signin.Caller, reg *register.Register, p ecluse.PersonID) (string, error) {
	sealed, err := g.sealPerson(domain, p, g.boundTo(c, reg, domain))
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// openHandle is the inverse of handle: ErrHandle for whatever this caller was not given.
func (g *Gate) openHandle(c signin.Caller, reg *register.Register, handle string) (ecluse.PersonID, error) {
	return g.openToken("handle", c, reg, handle)
}

// maxToken is longer than any handle or cursor.
const maxToken = 96

func (g *Gate) openToken(domain string, c signin.Caller, reg *register.Register, token string) (ecluse.PersonID, error) {
	if len(token) > maxToken || strings.ContainsAny(token, "\r\n") { // which the decoder would skip
		return 0, ErrHandle
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return 0, ErrHandle
	}
	number, err := g.keys.Unseal("person/"+domain, sealed, g.boundTo(c, reg, domain))
	if err != nil || len(number) != 8 {
		return 0, ErrHandle
	}
	return ecluse.PersonID(binary.BigEndian.Uint64(number)), nil
}
