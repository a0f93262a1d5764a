package signin

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const (
	endDomain = "signin.end"
	endLife   = 10 * time.Minute
	donePath  = "/sign-out/done"
)

// ending is a sign-out under way at the federation.
type ending struct {
	State string `json:"s"`
	Ends  int64  `json:"e"` // Unix seconds
}

// signOut ends the session here and now, then sends the browser to end the federation's: first things
// first, so that nothing the federation does keeps a session alive. It works on a locked session too.
//
// Clear-Site-Data names the cache only: "cookies" would sign people out of the body's other sites under
// the same domain, and delete the state that is checked on return.
func (s *Service) signOut(w http.ResponseWriter, r *http.Request, pages Pages) error {
	row, err := s.held(r)
	if err != nil {
		return err
	}
	if row != nil {
		if err := s.store.RevokeSession(r.Context(), row.Account, row.ID, s.now()); err != nil {
			return fmt.Errorf("end the session: %w", err)
		}
	}
	for _, which := range []string{sessionCookie, handshakeCookie, draftCookie} {
		s.clear(w, which)
	}
	w.Header().Set("Clear-Site-Data", `"cache"`)
	to := donePath
	if row != nil {
		if away, err := s.endSession(w, r, row); err != nil {
			return err
		} else if away != "" {
			to = away
		}
	}
	pages.Redirect(w, r, to)
	return nil
}

// endSession is the federation's address to end its session at (OpenID Connect RP-Initiated Logout 1.0
// §2), "" if the provider has none, is gone or does not answer.
func (s *Service) endSession(w http.ResponseWriter, r *http.Request, row *Session) (string, error) {
	p := s.providers[row.Provider]
	if p == nil {
		return "", nil
	}
	hint, err := s.sealer.Unseal(idTokenDomain, row.IDToken, row.binding())
	if err != nil {
		return "", nil // of an older key file: the session here is over all the same
	}
	m, err := p.discover(r.Context())
	if err != nil || m.endSession == "" {
		return "", nil
	}
	e := ending{State: random(), Ends: s.now().Add(endLife).Unix()}
	plain, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("write the sign-out: %w", err)
	}
	value, _, err := s.seal(endDomain, plain, []byte(s.public.String()))
	if err != nil {
		return "", fmt.Errorf("seal the sign-out: %w", err)
	}
	s.set(w, endCookie, value, endLife)
	u, err := url.Parse(m.endSession)
	if err != nil {
		return "", nil
	}
	q := u.Query()
	q.Set("id_token_hint", string(hint))
	q.Set("state", e.State)
	q.Set("post_logout_redirect_uri", s.PostLogoutURI())
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// PostLogoutURI is the address to register with each provider for the way back from a sign-out, exact.
func (s *Service) PostLogoutURI() string { return s.public.String() + donePath }

// RedirectURI is the address to register with a provider for the way back from a sign-in, exact.
func (s *Service) RedirectURI(provider string) string {
	return s.public.String() + "/sign-in/" + provider + "/callback"
}

// signedOut says goodbye. Whoever comes here with a session that is still open, by a link, is sent to
// the first page: it would be untrue.
func (s *Service) signedOut(w http.ResponseWriter, r *http.Request, pages Pages) error {
	q, err := query(r)
	if err != nil {
		return err
	}
	confirmed := s.takeEnding(w, r, q.Get("state"))
	row, err := s.held(r)
	if err != nil {
		return err
	}
	if row != nil && row.alive(s.now()) {
		pages.Redirect(w, r, "/")
		return nil
	}
	pages.SignedOut(w, r, Farewell{Federation: confirmed})
	return nil
}

// takeEnding reports whether state is that of the sign-out that this browser has under way.
func (s *Service) takeEnding(w http.ResponseWriter, r *http.Request, state string) bool {
	value, ok := s.get(r, endCookie)
	if !ok || len(state) < 32 {
		return false
	}
	plain, ok := s.unseal(endDomain, value, []byte(s.public.String()))
	var e ending
	if !ok || json.Unmarshal(plain, &e) != nil || subtle.ConstantTimeCompare([]byte(e.State), []byte(state)) != 1 {
		return false
	}
	s.clear(w, endCookie)
	return s.now().Unix() < e.Ends
}
