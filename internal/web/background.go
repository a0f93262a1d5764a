package web

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"
	"ecluse/internal/signin"
)

// careful is what the page of a request asks beside the request itself.
type careful interface {
	Background(ctx context.Context, by directory.Actor, id ecluse.ApprovalID) (directory.Background, error)
	TakeUp(ctx context.Context, by directory.Actor, id ecluse.ApprovalID) error
	Progress(ctx context.Context, by directory.Actor, id ecluse.ApprovalID) (made, total int, err error)
}

// progressView is how much of an approved batch is made; Left is what remains.
type progressView struct{ Made, Total, Left int }

// progress tells how far an approved import is; nil for whatever took effect with its approval.
func (s *Site) progress(q *query, a directory.Approval) (*progressView, error) {
	if a.Kind != directory.KindImport || a.State != "approved" {
		return nil, nil
	}
	made, total, err := s.rooms.Directory.Progress(q.Context(), q.actor(), a.ID)
	if err != nil || total == 0 {
		return nil, err
	}
	return &progressView{made, total, total - made}, nil
}

// Exposures computes what a change would let be lost; *exposure.Exposures does.
type Exposures interface {
	exposed
	Added(ctx context.Context, c ecluse.ControllerID, changes ...directory.AccountChange) (exposure.Added, error)
}

// backgroundView is what a careful human looks at before approving a request for accounts.
type backgroundView struct {
	directory.Background
	Lineage []string // names, nearest first
	Domains []domainView
	Day     int // persons that would be lost at most, in 24 h
	Month   int // in 30 days
	Known   bool
}

type domainView struct {
	directory.DomainUse
	Ways []wayView
}

// wayView is one way in which people of a domain sign in.
type wayView struct {
	Name         string
	Accounts     int
	Email, SIRET bool // it proves them
}

// maxExposed is how many accounts of a batch the exposure is computed for while somebody waits.
const maxExposed = 25

// background tells what is behind a request that opens accounts; nil for every other one.
func (s *Site) background(q *query, a directory.Approval) (*backgroundView, error) {
	changes, err := a.AccountChanges()
	if err != nil || len(changes) == 0 && a.Kind != directory.KindStandInConfirm && a.Kind != directory.KindClientKey {
		return nil, err
	}
	b, err := s.rooms.Directory.Background(q.Context(), q.actor(), a.ID)
	if err != nil {
		return nil, err
	}
	view := &backgroundView{Background: b}
	for _, ancestor := range b.Lineage {
		view.Lineage = append(view.Lineage, ancestor.Name())
	}
	for _, use := range b.Domains {
		d := domainView{DomainUse: use}
		for _, p := range use.Providers {
			if p.IDP != directory.ClientIDP { // programs: they have an address and sign in with a key
				d.Ways = append(d.Ways, s.way(p))
			}
		}
		view.Domains = append(view.Domains, d)
	}
	if len(changes) == 0 || len(changes) > maxExposed || a.State != "pending" {
		return view, nil
	}
	added, err := s.rooms.Exposures.Added(q.Context(), a.Controller, changes...)
	if errors.Is(err, directory.ErrNotFound) { // it names what the same batch makes
		return view, nil
	}
	view.Day, view.Month, view.Known = added.Day, added.Month, err == nil
	return view, err
}

// way names a provider as the sign-in page does, and says what it proves.
func (s *Site) way(p directory.ProviderUse) wayView {
	id, behind, _ := strings.Cut(p.IDP, "/")
	w := wayView{Name: p.IDP, Accounts: p.Accounts}
	if i := slices.IndexFunc(s.config.Providers, func(o Provider) bool { return o.ID == id }); i >= 0 {
		o := s.config.Providers[i]
		w.Name = cmp.Or(o.Label, o.ID)
		if behind != "" {
			w.Name += " · " + behind
		}
		w.Email, w.SIRET = signin.Proves(o.ProvenEmail, behind), signin.Proves(o.ProvenSIRET, behind)
	}
	return w
}

// takeUp makes a request of the command line the reader's own.
func (s *Site) takeUp(q *query) (answer, error) {
	id, err := s.number("approval", q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if err := s.rooms.Directory.TakeUp(q.Context(), q.actor(), ecluse.ApprovalID(id)); err != nil {
		return answer{}, err
	}
	return redirect(localPath("approvals", q.PathValue("id")))
}
