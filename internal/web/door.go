package web

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/host"
	"ecluse/internal/register"
)

// ErrForbidden: the caller's roles do not open the route.
var ErrForbidden = errors.New("the caller's roles do not open this route")

// door takes a request from HTTP to the page and its answer back, checking who may come in.
func (s *Site) door(route Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, delivery := gate.Delivering(r.Context())
		q := s.newQuery(w, r.WithContext(ctx))
		q.route, q.delivery = route, delivery
		defer s.undelivered(q)
		defer s.recover(w, q)
		a, err := s.pass(q, route)
		if a.own = err == nil; err != nil {
			a = s.explain(q, err)
		}
		s.write(w, q, a)
	})
}

// undelivered writes down what the gate allowed for a page that was never sent: it failed, or its template.
func (s *Site) undelivered(q *query) {
	if err := q.delivery.Failed(q.Context()); err != nil {
		s.rooms.Log.Error("web: what was not shown could not be written down as such", "reference", host.RequestID(q.Context()), "error", err)
	}
}

// pass is the path of every page: the form, the caller, the standing, the role, the page.
func (s *Site) pass(q *query, route Route) (answer, error) {
	if q.Method == http.MethodPost {
		q.Body = http.MaxBytesReader(q.w, q.Body, maxFormBytes)
		if err := q.ParseForm(); err != nil {
			return answer{}, errForm{err}
		}
	}
	if err := s.identify(q); err != nil && !route.Access.Public {
		return answer{}, err
	}
	if !route.Access.Public && !route.Access.admits(q.standing) {
		return answer{}, ErrForbidden
	}
	return route.handle(q)
}

// identify finds the caller and where she stands.
func (s *Site) identify(q *query) error {
	caller, err := s.rooms.Sessions.FromRequest(q.Request)
	if err != nil {
		return err
	}
	standing, err := s.rooms.Directory.Standing(q.Context(), caller.Account)
	if err != nil {
		return err
	}
	q.caller, q.standing, q.signedIn = caller, standing, true
	q.observed, err = s.observed(q, standing)
	return err
}

// observed are the registers of the caller's own body whose budgets stop none of its accounts now.
func (s *Site) observed(q *query, st directory.Standing) ([]observed, error) {
	var list []observed
	for _, o := range st.Observations {
		if !o.Runs(s.now()) {
			continue
		}
		reg, err := s.rooms.Registers.ByID(q.Context(), o.Register)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(reg.Controllers, func(c register.Controller) bool { return c.ID == st.Account.Controller }) {
			list = append(list, observed{Register: reg.Schema.Label, Until: o.Ends})
		}
	}
	return list, nil
}

// write sends an answer. A page is executed into memory first: shown whole or not at all.
func (s *Site) write(w http.ResponseWriter, q *query, a answer) {
	for _, c := range a.cookies {
		http.SetCookie(w, c)
	}
	if a.redirect != "" {
		w.Header().Set("Location", a.redirect)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	if text, plain := a.data.(plainText); plain {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(text))
		return
	}
	if text, scripted := a.data.(document); scripted {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.status)
		_, _ = w.Write(text)
		return
	}
	var page bytes.Buffer
	if err := s.templates.execute(&page, a.page, view{F: s.frame(q, a), P: a.data}); err != nil {
		a = s.explain(q, err)
		page.Reset()
		if s.templates.execute(&page, a.page, view{F: s.frame(q, a), P: a.data}) != nil {
			a.status = http.StatusInternalServerError
		}
	} else if a.own {
		q.delivery.Begun()
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", q.lang)
	w.WriteHeader(a.status)
	if q.Method != http.MethodHead {
		_, _ = w.Write(page.Bytes())
	}
}

// frame is what surrounds the page for this reader.
func (s *Site) frame(q *query, a answer) frame {
	f := frame{Lang: q.lang, Theme: q.theme, Back: a.back, Instance: s.config.Name, Demo: s.config.Demo != nil, Failed: a.failed, Area: a.page}
	if f.Back == "" {
		f.Back = q.URL.RequestURI()
	}
	if !q.signedIn {
		return f
	}
	st := q.standing
	f.Who = &who{Name: strings.TrimSpace(st.Account.Name()), Structure: st.Organisation.Name, Controller: st.Controller.Name}
	if st.Site.Name != "" && st.Site.Name != st.Organisation.Name {
		f.Who.Structure += " · " + st.Site.Name
	}
	f.Idle = int(s.config.Idle / time.Second) // this request has just moved the idle lock
	f.Nav = s.navigation(q)
	f.Observed = q.observed
	return f
}

// navigation lists the places that the caller's roles open.
func (s *Site) navigation(q *query) []navItem {
	var items []navItem
	for _, p := range places {
		if p.href == "/home" && s.start(q.standing) == "/desk" {
			continue // the desk is an agent's home
		}
		if s.opens(p.href, q.standing) {
			here := q.URL.Path == p.href || strings.HasPrefix(q.URL.Path, p.href+"/")
			items = append(items, navItem{Href: p.href, Key: p.key, Current: here})
		}
	}
	return items
}

// ownAct reports whether the reader, and not a page of another site, asked for what costs and is
// written down (Fetch Metadata; browsers without it are let through). A HEAD shows nothing and would be
// written down all the same.
func (q *query) ownAct() bool {
	site := q.Header.Get("Sec-Fetch-Site")
	return q.Method != http.MethodHead && (site == "" || site == "same-origin" || site == "none")
}
