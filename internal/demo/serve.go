package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"ecluse/internal/demoidp"
)

// What the demo's configuration and the demo's provider must agree on.
const (
	ProviderID = "proconnect"
	clientID   = "ecluse-demo"
	issuerPath = "/demo/idp/api/v2"
	clockPath  = "/demo/clock"
)

// Handler serves what only a demo has: its provider, its clock and its mails.
func (d *Demo) Handler() (http.Handler, error) {
	c := d.Node.Config
	secret, err := os.ReadFile(c.Providers[0].ClientSecretFile)
	if err != nil {
		return nil, fmt.Errorf("read the provider's secret: %w", err)
	}
	key, err := demoidp.KeyFrom(d.Node.Keys.MAC("demo/provider/v1"))
	if err != nil {
		return nil, err
	}
	d.people.newcomer = d.newcomer
	public := c.Instance.PublicURL
	provider, err := demoidp.New(demoidp.Config{
		Issuer: public + issuerPath, People: d.people, Key: key, Now: d.Node.Clock.Now,
		Clients: []demoidp.Client{{
			ID: clientID, Secret: string(secret), RedirectURIs: []string{public + "/sign-in/" + ProviderID + "/callback"},
			PostLogout: []string{public + "/sign-out/done"},
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("start the demo's provider: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle(provider.Path()+"/", provider)
	mux.HandleFunc("POST "+clockPath, d.clock)
	mux.HandleFunc("GET "+mailPath, d.mails)
	mux.HandleFunc("GET "+cssPath, d.mailStyle)
	return mux, nil
}

// maxAdvance bounds one move of the clock.
const maxAdvance = 366 * 24 * time.Hour

// clock moves the demo's clock forward: {"advance": "24h"}.
func (d *Demo) clock(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Advance string `json:"advance"`
	}
	err := json.NewDecoder(io.LimitReader(r.Body, 1<<10)).Decode(&body)
	by, parse := time.ParseDuration(body.Advance)
	if err := errors.Join(err, parse); err != nil || by <= 0 || by > maxAdvance {
		answer(w, http.StatusBadRequest, map[string]string{"detail": `want {"advance": "24h"}, more than 0 and at most a year`})
		return
	}
	if err := d.Node.AdvanceClock(r.Context(), by); err != nil {
		d.Node.Log.Error("the demo's clock did not move", slog.Any("error", err))
		answer(w, http.StatusInternalServerError, map[string]string{"detail": "the clock did not move"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"now": d.Node.Clock.Now().Format(time.RFC3339)})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone: nobody to tell
}
