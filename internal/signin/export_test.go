package signin

import (
	"net/http"

	"ecluse/internal/directory"
)

// OpenSession signs an account in as a provider's answer would. It reports whether an own factor is asked
// right after it.
func (s *Service) OpenSession(w http.ResponseWriter, r *http.Request, a directory.Account, acr string, invited bool) (bool, error) {
	h := &handshake{Provider: s.order[0], Secret: random()}
	err := s.open(w, r, h, a, &vouched{identity: directory.Identity{ACR: acr}, idToken: "an ID token", invited: invited})
	return h.stepUp, err
}
