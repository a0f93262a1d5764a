package web

import (
	"log/slog"
	"net/http"
	"net/url"

	"ecluse/internal/directory"
	"ecluse/internal/signin"
)

// signInPage offers the configured providers.
type signInPage struct {
	Providers  []signin.ProviderLink
	Locked     bool        // this browser holds a session that locked itself
	Invitation bool        // an invitation is being followed
	Groups     []demoGroup // in a demo, the people who can log in
}

// signInErrorPage says why signing in did not work and what to do. Its texts are signin.error.<Code>.*.
type signInErrorPage struct {
	Code      signin.Code
	Provider  string
	Again     string // "" where trying again cannot help
	Reference string // of the log line, internal errors only
}

// signedOutPage says that the session is over, here and (Federation) at the provider too.
type signedOutPage struct{ Federation bool }

// invitationPage welcomes a new agent. It says nothing about the account: whoever holds a guessed
// token learns nothing.
type invitationPage struct{ Providers []Provider }

// sessionPage tells somebody who signed in again in a second tab to go back to the first.
type sessionPage struct{}

var _ signin.Pages = (*Site)(nil)

// Choose implements signin.Pages: how one can sign in.
func (s *Site) Choose(w http.ResponseWriter, r *http.Request, c signin.Choice) {
	page := signInPage{Providers: c.Providers, Locked: c.Locked, Invitation: c.Invitation}
	if s.config.Demo != nil && !c.Locked && !c.Invitation {
		page.Groups = demoGroups(s.config.Demo.Identities)
	}
	s.page(w, r, "", func(*query) answer { return answer{status: http.StatusOK, page: "signin", data: page} })
}

// Problem implements signin.Pages: why signing in did not work, and what to do.
func (s *Site) Problem(w http.ResponseWriter, r *http.Request, p signin.Problem) {
	s.page(w, r, p.Lang, func(q *query) answer {
		if p.Code == signin.CodeAccountSuspended && p.Account != 0 {
			if told, err := s.rooms.Directory.Concerns(q.Context(), p.Account); err == nil {
				return answer{status: problemStatus(p.Code), page: "contained", data: s.newContainedPage(told), failed: true, back: "/sign-in"}
			}
		}
		page := signInErrorPage{Code: p.Code, Provider: p.Provider, Again: p.Again}
		if p.Code == signin.CodeInternal && p.Err != nil {
			page.Reference = s.internal(q, slog.String("error", p.Err.Error())).data.(problemPage).Reference
		}
		return answer{status: problemStatus(p.Code), page: "signinerror", data: page, failed: true, back: "/sign-in"}
	})
}

// SignedOut implements signin.Pages: the session is over.
func (s *Site) SignedOut(w http.ResponseWriter, r *http.Request, f signin.Farewell) {
	s.page(w, r, "", func(*query) answer {
		return answer{status: http.StatusOK, page: "signedout", data: signedOutPage{f.Federation}, back: "/"}
	})
}

// Redirect implements signin.Pages. The address was checked by signin.
func (s *Site) Redirect(w http.ResponseWriter, r *http.Request, to string) {
	s.page(w, r, "", func(*query) answer { return answer{redirect: to} })
}

// page answers for another room: nobody is signed in on it, and the headers are those of every page.
func (s *Site) page(w http.ResponseWriter, r *http.Request, lang string, make func(*query) answer) {
	s.secure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := s.newQuery(w, r)
		if known(languages, lang) {
			q.lang, q.texts = lang, s.templates.texts[lang]
		}
		s.write(w, q, make(q))
	})).ServeHTTP(w, r)
}

// Fail shows the page of an error that another room met outside the pages.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, err error) {
	s.page(w, r, "", func(q *query) answer { return s.explain(q, err) })
}

// problemStatus is the HTTP status of a sign-in that failed.
func problemStatus(code signin.Code) int {
	switch code {
	case signin.CodeRequestInvalid, signin.CodeStateMissing, signin.CodeStateExpired, signin.CodeStateReplayed:
		return http.StatusBadRequest
	case signin.CodeProviderUnknown, signin.CodeInvitation:
		return http.StatusNotFound
	case signin.CodeInvitationUsed, signin.CodeInvitationOver:
		return http.StatusGone
	case signin.CodeProviderDown:
		return http.StatusServiceUnavailable
	case signin.CodeProviderRefused, signin.CodeTokenInvalid, signin.CodeNonce, signin.CodeClock:
		return http.StatusBadGateway
	case signin.CodeInternal:
		return http.StatusInternalServerError
	}
	return http.StatusForbidden
}

// invitation is the landing page of an invitation. Only the button uses the token: a mail scanner
// that follows links spends nothing.
func (s *Site) invitation(q *query) (answer, error) {
	return show("invitation", invitationPage{Providers: s.config.Providers})
}

// acceptInvitation goes to the chosen provider with the token.
func (s *Site) acceptInvitation(q *query) (answer, error) {
	for _, p := range s.config.Providers {
		if p.ID == q.field("provider") {
			return redirect(localPath("sign-in", p.ID) + "?" + url.Values{"invitation": {q.PathValue("token")}}.Encode())
		}
	}
	return answer{}, directory.ErrNotFound
}

// sessionState tells the lock in the page (HEAD) and the reader (GET) whether somebody is signed in.
func (s *Site) sessionState(q *query) (answer, error) {
	if !q.signedIn {
		return s.lock(q, "expired"), nil
	}
	return show("session", sessionPage{})
}
