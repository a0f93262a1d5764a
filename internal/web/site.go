package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"
	_ "time/tzdata" // pages show local time on machines without a zone database

	"ecluse"
)

// Config is what an installation tells the pages about itself. No secret is among it.
type Config struct {
	Name        string   // of the instance, beside the logo
	PublicURL   string   // "https://…": decides HSTS and the cookie names
	FormTargets []string // origins of the identity providers, for form-action
	Providers   []Provider
	Mentions    Mentions
	Duty        string         // how to reach the duty officer, "" = unknown
	Location    *time.Location // of the instants shown; nil = Europe/Paris
	Idle        time.Duration  // of the idle lock, for the help page
	Demo        *Demo          // nil in a real installation
}

// Provider is one way to sign in. The lists name the identity providers behind it that prove what they pass
// on.
type Provider struct {
	ID, Label                string
	ProvenEmail, ProvenSIRET []string
}

// Mentions is what /mentions says beside the controllers, who come from the registers.
type Mentions struct {
	Suppliers []Supplier
	Hosting   string
}

// Supplier is a processor (GDPR art. 28).
type Supplier struct{ Name, Task string }

// Demo is what the first page of a demo shows.
type Demo struct {
	Identities []DemoIdentity
	// Samples gives fictive persons to look for, by register; nil = none are shown.
	Samples func(register string, account ecluse.AccountID) []DemoSample
	Tour    Tour // nil = there is no guided tour
}

// DemoIdentity is one fictive person who can log in.
type DemoIdentity struct {
	Role         ecluse.Role
	Name         string
	Organisation string
	Site         string
	Register     Label
	Training     string // what an agent's certificate is worth, "" = none is asked for
	SignIn       string // local URL that signs in without a form
}

// DemoSample is one fictive person of a demo register.
type DemoSample struct {
	Relation                      string // caseload, site, organisation, other, outside
	Surname, FirstName, BirthDate string // the date as yyyy-mm-dd
	Identifier                    string
}

// Site is the desk. It is read-only after New and safe for concurrent use.
type Site struct {
	config    Config
	rooms     Rooms
	now       func() time.Time
	assets    *assets
	templates *templates
	routes    []Route
	mux       *http.ServeMux
	handler   http.Handler
}

// New parses every template and executes it with sample data in every language, so that a page that
// cannot be shown stops the start and not a reader.
func New(config Config, rooms Rooms, now func() time.Time) (*Site, error) {
	if config.Location == nil {
		paris, err := time.LoadLocation("Europe/Paris")
		if err != nil {
			return nil, fmt.Errorf("loading the time zone: %w", err)
		}
		config.Location = paris
	}
	if rooms.Log == nil {
		rooms.Log = slog.New(slog.DiscardHandler)
	}
	files, err := loadAssets()
	if err != nil {
		return nil, fmt.Errorf("loading the static files: %w", err)
	}
	set, err := loadTemplates(files, config.Location)
	if err != nil {
		return nil, err
	}
	return assemble(config, rooms, now, files, set), nil
}

// assemble puts the parts together; nothing can fail any more.
func assemble(config Config, rooms Rooms, now func() time.Time, files *assets, set *templates) *Site {
	s := &Site{config: config, rooms: rooms, now: now, assets: files, templates: set}
	s.routes = s.table()
	s.mux = http.NewServeMux()
	for _, route := range s.routes {
		s.mux.Handle(route.Method+" "+route.Pattern, s.door(route))
	}
	s.handler = s.secure(s.sameOrigin(http.HandlerFunc(s.dispatch)))
	return s
}

// ServeHTTP answers every path that no other room has taken.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// sameOrigin refuses a state-changing request that another site had the browser send.
func (s *Site) sameOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.write(w, s.newQuery(w, r), problem(http.StatusForbidden, "cross_origin"))
	}))
	return guard.Handler(next)
}

// dispatch serves assets, then pages, and gives the mux's own plain-text errors a page.
func (s *Site) dispatch(w http.ResponseWriter, r *http.Request) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && s.assets.serve(w, r) {
		return
	}
	if _, pattern := s.mux.Handler(r); pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	if allow := s.allowed(r); allow != "" {
		w.Header().Set("Allow", allow)
		s.write(w, s.newQuery(w, r), problem(http.StatusMethodNotAllowed, "method"))
		return
	}
	s.write(w, s.newQuery(w, r), problem(http.StatusNotFound, "not_found"))
}

// allowed lists the methods that the path would take, "" for an unknown path.
func (s *Site) allowed(r *http.Request) string {
	allow := ""
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		probe := r.Clone(r.Context())
		probe.Method = method
		if _, pattern := s.mux.Handler(probe); pattern == "" {
			continue
		}
		if allow != "" {
			allow += ", "
		}
		if allow += method; method == http.MethodGet {
			allow += ", HEAD"
		}
	}
	return allow
}
