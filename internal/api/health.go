package api

import "net/http"

type healthAnswer struct {
	Status string `json:"status"`
}

// healthz says that the process answers.
func (a *API) healthz(*call) (reply, error) {
	return reply{status: http.StatusOK, body: healthAnswer{"ok"}}, nil
}

// readyz says whether this node can serve; why not is in the log alone.
func (a *API) readyz(c *call) (reply, error) {
	if err := a.rooms.Ready(c.Context()); err != nil {
		a.rooms.Log.Warn("api: not ready", "error", err)
		return reply{}, a.later(c, "not_ready", "This node cannot serve at the moment.")
	}
	return reply{status: http.StatusOK, body: healthAnswer{"ready"}}, nil
}
