package signin

import (
	"encoding/base64"
	"net/http"
	"time"
)

// Cookies, by what they carry. On https each name has the prefix __Host- (RFC 6265bis §4.1.3.2): Secure,
// Path=/, no Domain, so that no sister host can set it. On the demo's http loopback the prefix can't be
// had and the names say demo.
const (
	sessionCookie   = ""
	handshakeCookie = "-signin"
	draftCookie     = "-draft"
	endCookie       = "-end"
	deviceCookie    = "-device"
)

func (s *Service) cookieName(which string) string {
	if s.secure {
		return "__Host-ecluse" + which
	}
	return "ecluse-demo" + which
}

// CookieName is the name of the session cookie, for tests and the documentation of the API.
func (s *Service) CookieName() string { return s.cookieName(sessionCookie) }

// maxCookie is the most that a value may measure: browsers keep 4,096 bytes with name and attributes.
const maxCookie = 3900

// set writes a cookie: HttpOnly, SameSite=Lax (the provider's redirect back is a top-level GET). life 0
// ends with the browser.
func (s *Service) set(w http.ResponseWriter, which, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(which), Value: value, Path: "/", MaxAge: int(life.Seconds()),
		Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// clear removes a cookie.
func (s *Service) clear(w http.ResponseWriter, which string) {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(which), Path: "/", MaxAge: -1, Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// get reads a cookie: there must be exactly one of the name, of a bearable size.
func (s *Service) get(r *http.Request, which string) (string, bool) {
	all := r.CookiesNamed(s.cookieName(which))
	if len(all) != 1 || all[0].Value == "" || len(all[0].Value) > maxCookie {
		return "", false
	}
	return all[0].Value, true
}

// seal makes a cookie value of a secret; ok is false if it would be too large for a cookie.
func (s *Service) seal(domain string, plaintext, ad []byte) (value string, ok bool, err error) {
	sealed, err := s.sealer.Seal(domain, plaintext, ad)
	if err != nil {
		return "", false, err
	}
	value = base64.RawURLEncoding.EncodeToString(sealed)
	return value, len(value) <= maxCookie, nil
}

// unseal opens what seal made: false for anything else.
func (s *Service) unseal(domain, value string, ad []byte) ([]byte, bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil, false
	}
	plaintext, err := s.sealer.Unseal(domain, sealed, ad)
	return plaintext, err == nil
}

// Holds reports whether a request carries a cookie of a session, whatever it is worth.
func (s *Service) Holds(r *http.Request) bool {
	return len(r.CookiesNamed(s.cookieName(sessionCookie))) > 0
}
