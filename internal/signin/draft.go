package signin

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"ecluse"
)

// draftLife is how long a typed text waits for its author.
const draftLife = 30 * time.Minute

const draftDomain = "signin.draft"

// ErrDraftTooLarge: the text does not fit (about 2,800 bytes with the names of its fields, which a
// justification of 500 characters never reaches). Say so on the lock; nothing was kept.
var ErrDraftTooLarge = errors.New("the text is too long to be kept over a sign-in")

// draft is what a locked form held.
type draft struct {
	Values url.Values `json:"v"`
	Ends   int64      `json:"e"` // Unix seconds
}

// KeepDraft keeps what was typed into a form when its session turned out to be locked or over: sealed
// for the session's account and path, in a cookie of the answer that shows the lock. path is the page
// to come back to; it must be a local path as Link takes it. Without a session there is nobody to keep
// it for and nothing happens.
func (s *Service) KeepDraft(w http.ResponseWriter, r *http.Request, path string, values url.Values) error {
	row, err := s.held(r)
	if err != nil || row == nil || !row.RevokedAt.IsZero() {
		return err
	}
	plain, err := json.Marshal(draft{Values: values, Ends: s.now().Add(draftLife).Unix()})
	if err != nil {
		return fmt.Errorf("write the draft: %w", err)
	}
	value, fits, err := s.seal(draftDomain, plain, draftBound(row.Account, path))
	switch {
	case err != nil:
		return fmt.Errorf("seal the draft: %w", err)
	case !fits:
		return ErrDraftTooLarge
	}
	s.set(w, draftCookie, value, draftLife)
	return nil
}

// Draft gives the caller back what she typed on the page path, once, and false if there is nothing of
// hers. Another account, another page or an old draft gets nothing. The form fills itself with it; the
// values are as the browser sent them then, so the form's checks apply again.
func (s *Service) Draft(w http.ResponseWriter, r *http.Request, c Caller, path string) (url.Values, bool) {
	value, ok := s.get(r, draftCookie)
	if !ok || c.Locked || c.Account == 0 {
		return nil, false
	}
	plain, ok := s.unseal(draftDomain, value, draftBound(c.Account, path))
	if !ok {
		return nil, false // of another page: it may still be asked for
	}
	s.clear(w, draftCookie)
	var d draft
	if json.Unmarshal(plain, &d) != nil || s.now().Unix() >= d.Ends {
		return nil, false
	}
	return d.Values, true
}

// draftBound ties a draft to an account and a page, in whatever language the page is asked for.
func draftBound(account ecluse.AccountID, path string) []byte {
	path = localPath(path)
	if u, err := url.Parse(path); err == nil {
		q := u.Query()
		q.Del("lang")
		path = u.Path + "?" + q.Encode()
	}
	return append(binary.BigEndian.AppendUint64(nil, uint64(account)), path...)
}
