package demo

import (
	"context"
	"encoding/base32"
	"fmt"
	"slices"

	"ecluse"
	"ecluse/internal/demoidp"
	"ecluse/internal/directory"
	"ecluse/internal/generate"
	"ecluse/internal/signin"
)

// codeHolders are the roles whose acts take a strong session: in a demo they have an application for codes,
// so that the acts can also be tried after a weak sign-in (?demo_acr=eidas1-mfa).
var codeHolders = []ecluse.Role{ecluse.RoleAccountManager, ecluse.RoleAccessOfficer, ecluse.RoleSecurityOfficer}

// codeSeed is what a login's application makes codes of, the same as long as the demo has its key file.
func (d *Demo) codeSeed(login string) []byte {
	return d.Node.Keys.MAC("demo/code/v1", []byte(login))[:20]
}

// CodeSecret is the seed as applications take it, "" for who has none.
func (d *Demo) CodeSecret(a generate.Account) string {
	if !slices.Contains(codeHolders, a.Role) {
		return ""
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(d.codeSeed(a.Login))
}

// addCodes gives those who are shown their applications.
func (d *Demo) addCodes(ctx context.Context, p *generate.Population) error {
	for _, a := range shown(p) {
		if d.CodeSecret(a) == "" {
			continue
		}
		account, err := d.Node.Directory.ByIdentity(ctx, ProviderID+"/"+demoidp.IDP, demoidp.Sub(clientID, a.Login))
		if err != nil {
			return fmt.Errorf("find a holder of codes: %w", err)
		}
		f, err := signin.SealCode(d.Node.Keys, account.ID, "demo", d.codeSeed(a.Login))
		if err != nil {
			return err
		}
		by := directory.Actor{Account: account.ID, CLI: "demo", Assured: true, Strong: true}
		if _, err := d.Node.Directory.AddFactor(ctx, by, directory.Enrolment{Factor: f, Fresh: true, Strong: true}, nil); err != nil {
			return err
		}
	}
	return nil
}
