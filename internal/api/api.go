// Package api is the HTTP API, version 1: JSON in, JSON out, described by openapi.yaml beside this
// file. It knows HTTP and nothing else: every value of a record that it writes came from the gate
// with the receipt of an entry that was durable before.
//
// Invariants, each with a test:
//   - every route is in openapi.yaml and the other way round, and every answer is as it says;
//   - what is not exactly understood is refused, with a pointer to the member: unknown and repeated
//     members, wrong types, anything after the document, more than 64 KiB;
//   - no answer holds the text of an internal error: it is logged once under a reference;
//   - the unknown and the out-of-mandate get the same bytes apart from the receipt;
//   - no value of a record is in a URL or a log line, and no answer may be kept by a cache, apart from
//     the ledger's hashes;
//   - a token opens the routes of forPrograms and no other, and never beside a cookie.
//
// Programs ask for tokens below /oauth/ (oauth.go), whose errors have the form of RFC 6749. Other errors are RFC 9457 problems (problem.go). The catalogue's words for reasons come from Rooms.Text.
package api

import (
	"bytes"
	_ "embed"
	"log/slog"
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"
	"golang.org/x/text/language"

	"ecluse/internal/gate"
	"ecluse/internal/host"
	"ecluse/internal/signin"
)

//go:embed openapi.yaml
var description []byte

// API serves every route of openapi.yaml. Safe for concurrent use.
type API struct {
	rooms Rooms
	mux   *http.ServeMux
	doors http.Handler // mux behind the check of origins
}

// call is one request on its way through the API.
type call struct {
	*http.Request
	caller signin.Caller // the zero Caller on public routes
	lang   string        // fr or en
	out    http.ResponseWriter

	delivery *gate.Delivery // of what the gate allows for this request
}

// reply is an answer that is not a problem.
type reply struct {
	status int
	body   any    // JSON, unless raw is set
	raw    []byte // of type kind
	kind   string
	cache  string // Cache-Control, "" = no-store
}

// route is one line of the table of routes.
type route struct {
	pattern string
	public  bool // needs no caller
	handle  func(*API, *call) (reply, error)
}

// routes lists every route. TestEveryRouteIsDescribed compares it with openapi.yaml.
var routes = []route{
	{"GET /api/v1/openapi.yaml", true, (*API).openapi},
	{"GET /api/v1/me", false, (*API).me},
	{"POST /api/v1/registers/{register}/search", false, (*API).search},
	{"GET /api/v1/registers/{register}/caseload", false, (*API).caseload},
	{"POST /api/v1/registers/{register}/persons/{handle}/disclose", false, (*API).disclose},
	{"POST /api/v1/registers/{register}/links", false, (*API).link},
	{"GET /api/v1/exposure", false, (*API).exposure},
	{"GET /api/v1/accounts/requests", false, (*API).requests},
	{"POST /api/v1/accounts/requests", false, (*API).requestAccount},
	{"POST /api/v1/accounts/requests/{id}/approve", false, (*API).approveAccount},
	{"POST /api/v1/accounts/requests/{id}/refuse", false, (*API).refuseAccount},
	{"GET /api/v1/accounts/{id}/lineage", false, (*API).lineage},
	{"GET /api/v1/scope", false, (*API).scope},
	{"POST /api/v1/containments", false, (*API).contain},
	{"POST /oauth/token", true, (*API).token},
	{"POST /oauth/keys", true, (*API).renewKey},
	{"GET /.well-known/oauth-authorization-server", true, (*API).metadata},
	{"GET /healthz", true, (*API).healthz},
	{"GET /readyz", true, (*API).readyz},
	{"GET /tlog/checkpoint", true, (*API).checkpoint},
	{"GET /tlog/tile/{level}/{index...}", true, (*API).tile},
}

// Prefixes are the paths below which a node must mount the API.
var Prefixes = []string{"/api/", "/oauth/", "/.well-known/oauth-authorization-server", "/tlog/", "/healthz", "/readyz"}

// New makes the API over the rooms.
func New(rooms Rooms) *API {
	if rooms.Log == nil {
		rooms.Log = slog.New(slog.DiscardHandler)
	}
	a := &API{rooms: rooms, mux: http.NewServeMux()}
	for _, r := range routes {
		a.mux.Handle(r.pattern, a.door(r))
	}
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.refuse(a.newCall(w, r), &problem{Status: http.StatusForbidden, Code: "origin.refused",
			Detail: "A browser sent this from a page of another site."})
	}))
	a.doors = origins.Handler(http.HandlerFunc(a.dispatch))
	return a
}

// ServeHTTP answers one request. Mount the API under Prefixes without stripping them.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.doors.ServeHTTP(w, r) }

// dispatch answers for paths and methods that no route has, in the API's own form.
func (a *API) dispatch(w http.ResponseWriter, r *http.Request) {
	handler, pattern := a.mux.Handler(r)
	if pattern != "" {
		a.mux.ServeHTTP(w, r)
		return
	}
	c := a.newCall(w, r)
	none := &absent{header: http.Header{}}
	handler.ServeHTTP(none, r)
	if none.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", none.header.Get("Allow"))
		a.refuse(c, &problem{Status: none.status, Code: "method.unknown", Detail: "This address has other methods: see Allow."})
		return
	}
	a.refuse(c, &problem{Status: http.StatusNotFound, Code: "address.unknown", Detail: "/api/v1/openapi.yaml lists every address."})
}

// absent learns what the mux would have said.
type absent struct {
	header http.Header
	status int
}

func (a *absent) Header() http.Header         { return a.header }
func (a *absent) WriteHeader(status int)      { a.status = status }
func (a *absent) Write(p []byte) (int, error) { return len(p), nil }

var languages = language.NewMatcher([]language.Tag{language.French, language.English})

// newCall reads what every request has.
func (a *API) newCall(w http.ResponseWriter, r *http.Request) *call {
	c := &call{Request: r, out: w, lang: "fr"}
	wanted, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err == nil && len(wanted) > 0 {
		if _, i, _ := languages.Match(wanted...); i == 1 {
			c.lang = "en"
		}
	}
	return c
}

// door takes a request from HTTP to its route and the answer back.
func (a *API) door(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		ctx, delivery := gate.Delivering(request.Context())
		c := a.newCall(w, request.WithContext(ctx))
		c.delivery = delivery
		defer a.undelivered(c)
		answer, err := a.pass(c, r)
		if err != nil {
			a.refuse(c, a.explain(c, err))
			return
		}
		a.write(c, answer)
	})
}

// undelivered writes down what the gate allowed for an answer that was never sent: its route or its JSON failed.
func (a *API) undelivered(c *call) {
	if err := c.delivery.Failed(c.Context()); err != nil {
		a.rooms.Log.Error("api: what was not shown could not be written down as such", "reference", host.RequestID(c.Context()), "error", err)
	}
}

// pass finds the caller and runs the route.
func (a *API) pass(c *call, r route) (reply, error) {
	if r.public {
		return r.handle(a, c)
	}
	caller, err := a.callerOf(c, r)
	if err != nil {
		return reply{}, err
	}
	c.caller = caller
	return r.handle(a, c)
}

// write sends an answer. It is made whole in memory before its first byte is handed over.
func (a *API) write(c *call, answer reply) {
	body, kind := answer.raw, answer.kind
	if body == nil {
		var buffer bytes.Buffer
		if err := json.MarshalWrite(&buffer, answer.body, json.Deterministic(true)); err != nil {
			a.refuse(c, a.internal(c, err))
			return
		}
		body, kind = buffer.Bytes(), "application/json"
	}
	c.delivery.Begun()
	a.send(c, answer.status, kind, answer.cache, body)
}

func (a *API) send(c *call, status int, kind, cache string, body []byte) {
	if cache == "" {
		cache = "no-store"
	}
	h := c.out.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", cache)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	c.out.WriteHeader(status)
	if c.Method != http.MethodHead {
		_, _ = c.out.Write(body)
	}
}

func (a *API) openapi(*call) (reply, error) {
	return reply{status: http.StatusOK, raw: description, kind: "application/yaml", cache: "no-cache"}, nil
}

// parameters refuses query parameters other than those named.
func (c *call) parameters(known ...string) error {
	query := c.URL.Query()
	for name, values := range query {
		if !slices.Contains(known, name) {
			return badRequest("", "There is a query parameter that this address does not have.")
		}
		if len(values) > 1 {
			return badRequest("", "The query parameter "+name+" is there twice.")
		}
	}
	return nil
}
