package directory

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"ecluse"
)

// Domains of the MACs, one a table. The version is that of what the MAC covers: a release that covers
// something else gives it another one, and can still check rows of this one (decision 0025).
const (
	accountDomain      = "directory/accounts/v1"
	agreementDomain    = "directory/agreements/v1"
	grantDomain        = "directory/grants/v1"
	linkDomain         = "directory/links/v1"
	activityDomain     = "directory/activity/v1"
	bindingDomain      = "directory/identities/v1"
	organisationDomain = "directory/organisations/v1"
)

// rowBytes is the canonical form of a row: every column in table order, numbers as 8 bytes, texts with
// their length.
type rowBytes struct{ bytes.Buffer }

func row(values ...any) []byte {
	var b rowBytes
	for _, v := range values {
		switch v := v.(type) {
		case string:
			b.number(int64(len(v)))
			b.WriteString(v)
		case time.Time:
			if v.IsZero() {
				b.number(0)
			} else {
				b.number(v.UnixMicro())
			}
		case bool:
			if v {
				b.number(1)
			} else {
				b.number(0)
			}
		case int64:
			b.number(v)
		default:
			panic(fmt.Sprintf("directory: %T has no canonical form", v))
		}
	}
	return b.Bytes()
}

func (b *rowBytes) number(n int64) {
	var buf [8]byte
	binary.BigEndian.PutUint64(buf[:], uint64(n))
	b.Write(buf[:])
}

// canonical leaves out ActiveAt, which every sign-in changes and ActiveMAC covers.
func (a Account) canonical() []byte {
	return row(int64(a.ID), int64(a.Controller), int64(a.Organisation), int64(a.Site), a.Kind, a.State, a.IDP, a.Sub, a.Email,
		a.GivenName, a.UsualName, int64(a.RequestedBy), int64(a.ApprovedBy), a.Installed, a.Created, a.Starts, a.Ends, a.StandInEnds, int64(a.Entry))
}

func (o Organisation) canonical() []byte {
	return row(int64(o.ID), int64(o.Controller), int64(o.Parent), o.Code, o.Kind, o.SIRET, o.Name, o.Territory, o.Phone, int64(o.Headcount), o.State)
}

func (a Agreement) canonical() []byte {
	return row(int64(a.ID), int64(a.Organisation), int64(a.Register), a.Code, a.Purposes, int64(a.Fields), a.Territory, a.Limits,
		a.Starts, a.Ends, a.State, int64(a.Entry))
}

func (g Grant) canonical() []byte {
	return row(int64(g.Account), int64(g.Agreement), string(g.Role), int64(g.RequestedBy), int64(g.ApprovedBy), g.Created, g.Ends, int64(g.Entry))
}

func (l Link) canonical() []byte {
	return row(int64(l.ID), int64(l.Register), int64(l.Person), int64(l.Account), int64(l.Site), int64(l.Organisation), l.Kind,
		int64(l.MadeBy), l.MadeAt, int64(l.Entry), l.Starts, l.Ends)
}

// valid reports whether a row's MAC holds; a dead row is reported, and says nothing else.
func (d *Directory) valid(domain string, id int64, mac, canonical []byte) bool {
	if hmac.Equal(mac, d.keys.MAC(domain, canonical)) {
		return true
	}
	d.log.Error("dead row: written around the program, ignored", "table", strings.Split(domain, "/")[1], "row", id)
	return false
}

// checkAccount: ErrDead if an account is not as the program wrote it. Nobody else can say when it was last
// signed in with either, lest a dormant one be woken.
func (d *Directory) checkAccount(a Account) error {
	if !d.valid(accountDomain, int64(a.ID), a.MAC, a.canonical()) {
		return fmt.Errorf("account %d: %w", a.ID, ErrDead)
	}
	if !a.ActiveAt.IsZero() && !d.valid(activityDomain, int64(a.ID), a.ActiveMAC, a.activity()) {
		return fmt.Errorf("account %d: %w", a.ID, ErrDead)
	}
	return nil
}

func purposes(text string) []ecluse.Purpose {
	var list []ecluse.Purpose
	for p := range strings.FieldsSeq(text) {
		list = append(list, ecluse.Purpose(p))
	}
	return list
}
