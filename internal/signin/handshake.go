package signin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"ecluse"
)

// handshake is one sign-in between its start and its callback. It lives sealed in a cookie of the
// browser that started it, so a callback elsewhere finds nothing to match.
//
// It serves once, on any number of nodes: it holds the secret that the session will have (which its
// bearer can't read), and the database takes a session's secret only once.
type handshake struct {
	Provider   string           `json:"p"`
	State      string           `json:"s"`
	Nonce      string           `json:"n"`
	Verifier   string           `json:"v"`
	Secret     string           `json:"c"`
	Return     string           `json:"r"`
	Invitation string           `json:"i,omitempty"`
	Lang       string           `json:"l,omitempty"`
	For        ecluse.AccountID `json:"a,omitempty"` // whose session this browser held: only she gets back to her page
	Ends       int64            `json:"e"`           // Unix seconds

	stepUp bool // the sign-in came from a new place: an own factor is asked before anything else
}

// handshakeLife is how long someone may take at the provider.
const handshakeLife = 10 * time.Minute

const (
	handshakeDomain = "signin.handshake"
	maxInvitation   = 128
)

// random is 256 bits as 43 characters: ProConnect wants state and nonce to have at least 32.
func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b)
}

// start sends the browser to the provider.
func (s *Service) start(w http.ResponseWriter, r *http.Request, pages Pages) error {
	p := s.providers[r.PathValue("provider")]
	if p == nil {
		return refuse(CodeProviderUnknown, "start")
	}
	q, err := query(r)
	if err != nil {
		return err
	}
	h := &handshake{
		Provider: p.ID, State: random(), Nonce: random(), Verifier: random(), Secret: random(),
		Return: localPath(q.Get("return")), Invitation: q.Get("invitation"), Lang: language(q.Get("lang")),
		Ends: s.now().Add(handshakeLife).Unix(),
	}
	if len(h.Invitation) > maxInvitation {
		return refuse(CodeInvitation, "start")
	}
	if held, err := s.held(r); err != nil {
		return err
	} else if held != nil {
		h.For = held.Account
	}
	m, err := p.discover(r.Context())
	if err != nil {
		return err
	}
	to, err := p.authorizeURL(m, h, hint(q.Get("login_hint")), q.Get("demo_acr"))
	if err != nil {
		return err
	}
	if err := s.saveHandshake(w, h); err != nil {
		return err
	}
	pages.Redirect(w, r, to)
	return nil
}

func (s *Service) saveHandshake(w http.ResponseWriter, h *handshake) error {
	plain, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("write the handshake: %w", err)
	}
	value, fits, err := s.seal(handshakeDomain, plain, []byte(s.public.String()))
	if err != nil {
		return fmt.Errorf("seal the handshake: %w", err)
	}
	if !fits {
		return refuse(CodeRequestInvalid, "start")
	}
	s.set(w, handshakeCookie, value, handshakeLife)
	return nil
}

// takeHandshake is the handshake that state belongs to; it leaves the browser. Somebody else's state
// leaves it alone, so that a forged callback can't disturb a sign-in under way.
func (s *Service) takeHandshake(w http.ResponseWriter, r *http.Request, provider, state string) (*handshake, error) {
	value, ok := s.get(r, handshakeCookie)
	if !ok {
		return nil, refuse(CodeStateMissing, "no cookie")
	}
	plain, ok := s.unseal(handshakeDomain, value, []byte(s.public.String()))
	h := &handshake{}
	if !ok || json.Unmarshal(plain, h) != nil {
		return nil, refuse(CodeStateMissing, "cookie unreadable")
	}
	if h.Provider != provider || len(state) < 32 || subtle.ConstantTimeCompare([]byte(h.State), []byte(state)) != 1 {
		return nil, refuse(CodeStateMissing, "another state")
	}
	s.clear(w, handshakeCookie)
	if s.now().Unix() >= h.Ends {
		return nil, &refusal{code: CodeStateExpired, stage: "callback", h: h}
	}
	return h, nil
}

// again is the address that starts the same sign-in anew.
func (h *handshake) again(start string) string {
	q := url.Values{}
	for name, value := range map[string]string{"return": h.Return, "invitation": h.Invitation, "lang": h.Lang} {
		if value != "" && value != "/" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return start
	}
	return start + "?" + q.Encode()
}

func language(raw string) string {
	if raw == "fr" || raw == "en" {
		return raw
	}
	return ""
}
