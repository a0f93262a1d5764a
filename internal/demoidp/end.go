package demoidp

import (
	"net/http"
	"net/url"
	"slices"
)

// endParameters are what ProConnect accepts at the end of a session.
var endParameters = []string{"id_token_hint", "state", "post_logout_redirect_uri", "client_id", "logout_hint", "ui_locales"}

// end ends the provider's own session: id_token_hint, state and the exact post_logout_redirect_uri are
// required. A hint that has expired still names the client.
func (p *Provider) end(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	for name := range q {
		if !slices.Contains(endParameters, name) {
			p.errorPage(w, r, refuse("undocumented parameter"))
			return
		}
	}
	claims, err := p.verify(q.Get("id_token_hint"))
	if err != nil {
		p.errorPage(w, r, refuse("id_token_hint is missing or not ours"))
		return
	}
	id, _ := claims["aud"].(string)
	client, ok := p.client(id)
	switch {
	case !ok:
		p.errorPage(w, r, refuse("id_token_hint is not for a client"))
		return
	case q.Get("state") == "":
		p.errorPage(w, r, refuse("state is missing"))
		return
	case !slices.Contains(client.PostLogout, q.Get("post_logout_redirect_uri")):
		p.errorPage(w, r, refuse("post_logout_redirect_uri is not registered"))
		return
	}
	if cookie, err := r.Cookie(ssoCookie); err == nil {
		p.mu.Lock()
		delete(p.browsers, cookie.Value)
		p.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: ssoCookie, Path: p.path, MaxAge: -1, HttpOnly: true})
	http.Redirect(w, r, q.Get("post_logout_redirect_uri")+"?"+url.Values{"state": {q.Get("state")}}.Encode(), http.StatusSeeOther)
}
