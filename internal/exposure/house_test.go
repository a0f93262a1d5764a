package exposure_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/demoidp"
	"ecluse/internal/directory"
	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/presets"
)

// A house is an installation in which several accounts are stolen at once, one an organisation, so that
// none of the thieves is another one's accomplice. Its limits are small, so that bounds are reached.
type house struct {
	*nodetest.World
	rng     *rand.Rand
	second  *register.Register // of the same body; to be in it is sensitive
	door    atomic.Pointer[http.Handler]
	idp     *httptest.Server
	people  crowd
	streets []*street
	persons map[int]resident
}

// street is one organisation: whom the thief can hope for.
type street struct {
	code      string
	territory string
	sites     [2]string
	thief     string
	roles     []ecluse.Role
	limits    [2]string // JSON, by register
	registers []bool    // in which of the two it has an agreement
	residents [2][]int  // by register: of its territory
	follows   [2]int    // persons of the thief's caseload: the first ones
	extras    []extra
}

// extra is something that makes mandates less plain.
type extra string

const (
	youth  extra = "young"  // the account is made after the installation
	ending extra = "ending" // an agreement ends within the month
	coming extra = "coming" // an agreement begins within the month
	raised extra = "raised" // a colleague raised its limit just before

	devoted extra = "devoted" // it follows nearly everybody there is, and its agreements set no total
)

// resident is a person and what is known of her to a thief who knows everything.
type resident struct {
	register   string
	surname    string
	firstName  string
	birthDate  string
	identifier string
}

type crowd map[string]demoidp.Person

func (c crowd) Lookup(login string) (demoidp.Person, bool) { p, ok := c[login]; return p, ok }
func (c crowd) List() []demoidp.Person                     { return nil }

const (
	firstResident  = nodetest.PersonCount + 1
	secondResident = 9000
	perStreet      = 26 // persons of the first register
	perStreetToo   = 12 // of the second
	outsider       = "mallory"
	puppets        = 10 // people whom the provider knows and thieves ask accounts for
)

// build makes a house of n streets. filler persons that nobody may see make the breaker wide.
func build(t testing.TB, rng *rand.Rand, url string, n, filler int) *house {
	t.Helper()
	h := &house{World: nodetest.New(t, url, nil), rng: rng, people: crowd{}, persons: map[int]resident{}}
	h.addSensitiveRegister(t)
	for k := range n {
		h.streets = append(h.streets, h.draw(k))
	}
	h.settle(t, filler)
	h.Approve(h.founding())
	late := h.Change()
	for _, s := range h.streets {
		if s.is(youth) {
			late.Accounts = append(late.Accounts, h.account(s.thief, s, 0, s.roles...))
			late.Links = append(late.Links, h.links(s)...)
		}
	}
	if len(late.Accounts) > 0 {
		h.Approve(late)
	}
	h.provide(t)
	h.reopen(t)
	return h
}

func (s *street) is(e extra) bool {
	for _, x := range s.extras {
		if x == e {
			return true
		}
	}
	return false
}

// draw draws an organisation and its limits.
func (h *house) draw(k int) *street {
	s := &street{code: fmt.Sprintf("H%02d", k), territory: fmt.Sprintf("%02d", 10+k), thief: fmt.Sprintf("thief%02d", k), roles: []ecluse.Role{ecluse.RoleAgent}}
	s.sites = [2]string{s.code + "a", s.code + "b"}
	s.registers = [][]bool{{true, false}, {true, false}, {false, true}, {true, true}}[h.rng.IntN(4)]
	switch {
	case k == 0: // an agent and nothing else
	case h.rng.IntN(8) == 0:
		s.roles = []ecluse.Role{ecluse.RoleAgent, ecluse.RoleAccountManager}
	case h.rng.IntN(8) == 0:
		s.roles = []ecluse.Role{ecluse.RoleAccountManager}
	}
	for _, e := range []extra{youth, ending, coming, raised} {
		if h.rng.IntN(5) == 0 {
			s.extras = append(s.extras, e)
		}
	}
	if k == 0 || h.rng.IntN(8) == 0 {
		s.extras = []extra{devoted}
	}
	for i := range 2 {
		s.limits[i] = h.drawLimits(!s.is(devoted) && h.rng.IntN(3) > 0)
		s.follows[i] = h.rng.IntN(9)
		if s.is(devoted) {
			s.follows[i] = [2]int{perStreet, perStreetToo}[i] - 1
		}
	}
	return s
}

func (h *house) drawLimits(withTotal bool) string {
	up := func(least, most int) int { return least + h.rng.IntN(most-least+1) }
	total := ""
	if withTotal {
		total = fmt.Sprintf(`,"total_24h":%d`, up(2, 12))
	}
	return fmt.Sprintf(`{"unexplained_24h":%d,"outside_24h":%d,"new_24h":%d,"new_30d":%d,"emergency_24h":%d,"search_24h":60,"search_10min":%d%s}`,
		up(0, 3), up(1, 4), up(1, 6), up(2, 12), h.rng.IntN(2), up(8, 15), total)
}

// addSensitiveRegister adds a second register of the same body, in which to be found tells something.
func (h *house) addSensitiveRegister(t testing.TB) {
	t.Helper()
	schema, err := presets.FS.ReadFile("licences-sport/schema.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range [][2]string{
		{`code = "sport-scolaire"`, `code = "` + h.Change().Controller + `"`}, {"membership_sensitive = false", "membership_sensitive = true"},
	} {
		if !bytes.Contains(schema, []byte(edit[0])) {
			t.Fatalf("the preset's schema has no %s", edit[0])
		}
		schema = bytes.Replace(schema, []byte(edit[0]), []byte(edit[1]), 1)
	}
	definition, err := register.Define(register.File{Name: register.SchemaFile, Data: schema})
	if err != nil {
		t.Fatal(err)
	}
	if h.second, err = h.Registers.Create(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
}

// settle imports the residents of every street, and the filler.
func (h *house) settle(t testing.TB, filler int) {
	t.Helper()
	var rows [2][]register.Row
	add := func(r int, i int, territory string) {
		reg := h.register(r)
		row := register.Row{External: h.external(r, i), Territory: territory}
		who := resident{register: reg.Code}
		for _, f := range reg.Schema.Fields {
			v := nodetest.Value(f, i)
			row.Values = append(row.Values, v)
			switch f.Name {
			case "surname":
				who.surname = v
			case "first_name":
				who.firstName = v
			case "birth_date":
				who.birthDate = v
			case "nir", "licence":
				who.identifier = v
			}
		}
		rows[r], h.persons[i] = append(rows[r], row), who
	}
	next := [2]int{firstResident, secondResident}
	for _, s := range h.streets {
		for r, count := range [2]int{perStreet, perStreetToo} {
			for range count {
				add(r, next[r], s.territory)
				s.residents[r] = append(s.residents[r], next[r])
				next[r]++
			}
		}
	}
	for range filler {
		add(0, next[0], "971")
		next[0]++
	}
	add(1, next[1], "971") // never an empty register
	for r := range rows {
		h.Import(h.register(r), rows[r]...)
	}
}

func (h *house) register(r int) *register.Register {
	if r == 0 {
		return h.Register
	}
	return h.second
}

func (h *house) external(r, i int) string {
	if r == 0 {
		return nodetest.External(i)
	}
	return fmt.Sprintf("S%d", i)
}

func (h *house) account(name string, s *street, site int, roles ...ecluse.Role) directory.AccountChange {
	login := nodetest.Email(name)
	h.people[login] = demoidp.Person{Login: login, GivenName: name, UsualName: "Test", Role: "agent", Preset: "test"}
	c := directory.AccountChange{
		Email: login, GivenName: name, UsualName: "Test", Organisation: s.code, Site: s.sites[site], Roles: roles,
		IDP: "test/" + demoidp.IDP, Sub: demoidp.Sub("ecluse", login), State: directory.Active,
	}
	for r, code := range []string{"conv", "conv2"} {
		if s.registers[r] {
			c.Agreements = append(c.Agreements, code)
		}
	}
	return c
}

// founding is the installation batch: organisations, agreements, the thieves and their colleagues.
func (h *house) founding() directory.Change {
	c := h.Change()
	c.Installation = true
	for _, s := range h.streets {
		place := directory.OrganisationChange{Code: s.code, Kind: "ml", Name: "ML " + s.code, Territory: s.territory, Phone: "+33199001234", State: directory.Active}
		c.Organisations = append(c.Organisations, place)
		place.Parent = s.code
		for _, site := range s.sites {
			place.Code = site
			c.Organisations = append(c.Organisations, place)
		}
		for r, code := range []string{"conv", "conv2"} {
			if s.registers[r] {
				c.Agreements = append(c.Agreements, h.agreement(s, r, code))
			}
		}
		if !s.is(youth) {
			c.Accounts = append(c.Accounts, h.account(s.thief, s, 0, s.roles...))
			c.Links = append(c.Links, h.links(s)...)
		}
		mate, far := "mate"+s.code[1:], "far"+s.code[1:]
		c.Accounts = append(c.Accounts, h.account(mate, s, 0, ecluse.RoleAgent), h.account(far, s, 1, ecluse.RoleAgent))
		for r := range 2 {
			if own := s.follows[r]; s.registers[r] { // whom the colleagues follow: half of the others
				others := s.residents[r][own:]
				c.Links = append(c.Links, h.link(r, mate, others[:len(others)/3]...)...)
				c.Links = append(c.Links, h.link(r, far, others[len(others)/3:len(others)/2]...)...)
			}
		}
	}
	h.knowPeopleWithoutAccount()
	return c
}

// knowPeopleWithoutAccount has the provider vouch for an outsider and for everybody for whom thieves ask.
func (h *house) knowPeopleWithoutAccount() {
	names := []string{outsider}
	for i := range puppets {
		names = append(names, fmt.Sprintf("puppet%02d", i))
	}
	for _, name := range names {
		h.people[nodetest.Email(name)] = demoidp.Person{Login: nodetest.Email(name), GivenName: name, UsualName: "Test", Role: "agent", Preset: "test"}
	}
}

func (h *house) agreement(s *street, r int, code string) directory.AgreementChange {
	reg := h.register(r)
	a := directory.AgreementChange{
		Code: code, Organisation: s.code, Register: reg.ID, RegisterCode: reg.Code, Territory: s.territory, Limits: s.limits[r], State: directory.Active,
		Starts: nodetest.Start.AddDate(-1, 0, 0), Ends: nodetest.Start.AddDate(2, 0, 0),
	}
	for _, p := range reg.Schema.Purposes {
		a.Purposes = append(a.Purposes, string(p.ID))
		a.Fields |= p.Fields
	}
	switch {
	case s.is(ending) && r == 0:
		a.Ends = nodetest.Start.AddDate(0, 0, 12)
	case s.is(coming) && r == 0:
		a.Starts = nodetest.Start.AddDate(0, 0, 9)
	}
	return a
}

// links are the thief's own persons: most of them at once, one of them later, and one of the site.
func (h *house) links(s *street) (links []directory.LinkChange) {
	for r := range 2 {
		if !s.registers[r] {
			continue
		}
		links = append(links, h.link(r, s.thief, s.residents[r][:s.follows[r]]...)...)
		if n := s.follows[r]; n > 2 && !s.is(devoted) {
			links[len(links)-1].Starts = nodetest.Start.AddDate(0, 0, 5+h.rng.IntN(20))
			links[len(links)-2].Ends = nodetest.Start.AddDate(0, 0, 5+h.rng.IntN(20))
			links[len(links)-3].Account, links[len(links)-3].Site = "", s.sites[0]
			links[len(links)-3].Kind = directory.LinkPrescription
		}
	}
	return links
}

func (h *house) link(r int, account string, persons ...int) (links []directory.LinkChange) {
	for _, i := range persons {
		links = append(links, directory.LinkChange{
			Register: h.register(r).ID, Persons: []ecluse.PersonID{h.Persons[h.external(r, i)]}, Account: nodetest.Email(account), Kind: directory.LinkCaseload, Ends: nodetest.Start.AddDate(1, 0, 0),
		})
	}
	return links
}

// provide starts the provider that signs everybody of the house in, and an outsider.
func (h *house) provide(t testing.TB) {
	t.Helper()
	key, err := demoidp.KeyFrom([]byte("test"))
	if err != nil {
		t.Fatal(err)
	}
	var provider atomic.Pointer[demoidp.Provider]
	h.idp = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { provider.Load().ServeHTTP(w, r) }))
	t.Cleanup(h.idp.Close)
	p, err := demoidp.New(demoidp.Config{
		Issuer: h.idp.URL + "/idp", People: h.people, Key: key, Now: h.Clock.Now,
		Clients: []demoidp.Client{{ID: "ecluse", Secret: "a secret of enough characters", RedirectURIs: []string{base + "/sign-in/test/callback"}, PostLogout: []string{base + "/sign-out/done"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	provider.Store(p)
	h.Config.Providers[0].Issuer = h.idp.URL + "/idp"
	h.Config.Sessions.Idle.Duration, h.Config.Sessions.Absolute.Duration = 40*budget.Day, 80*budget.Day // one sign-in lasts a season
}

const base = "http://127.0.0.1:8080"

// reopen restarts the node, as an operator would: with the clock set right first.
func (h *house) reopen(t testing.TB) {
	t.Helper()
	head, err := h.Store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if behind := head.At.Sub(h.Clock.Now()); behind > 0 {
		h.Clock.Advance(behind)
	}
	h.Reopen()
	door, err := h.Handler(node.ServeOptions{Extra: http.NotFoundHandler()}) // with Extra, login_hint is obeyed
	if err != nil {
		t.Fatal(err)
	}
	h.door.Store(&door)
}

// RoundTrip answers what is for the house in this process.
func (h *house) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != strings.TrimPrefix(base, "http://") {
		return http.DefaultTransport.RoundTrip(r)
	}
	w := httptest.NewRecorder()
	asServer := r.Clone(r.Context())
	asServer.RemoteAddr, asServer.Host, asServer.RequestURI = "192.0.2.7:40000", r.URL.Host, r.URL.RequestURI()
	if asServer.Body == nil {
		asServer.Body = http.NoBody
	}
	(*h.door.Load()).ServeHTTP(w, asServer)
	res := w.Result()
	res.Request = r
	return res, nil
}

// browser is a browser of somebody.
func (h *house) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err)
	}
	return &http.Client{Transport: h, Jar: jar}
}

// ask sends a request and reads the answer; redirects are followed.
func ask(c *http.Client, method, path string, body []byte, kind string) (status int, answer string) {
	r, err := http.NewRequest(method, base+path, bytes.NewReader(body))
	if err != nil {
		return 0, "" // not an address
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	res, err := c.Do(r)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()
	var b bytes.Buffer
	_, _ = b.ReadFrom(res.Body)
	return res.StatusCode, b.String()
}

// signIn signs somebody in through the provider, and reports whose session it became ("" = nobody's).
func signIn(c *http.Client, login string) string {
	ask(c, "GET", "/sign-in/test?login_hint="+url.QueryEscape(login), nil, "")
	status, me := ask(c, "GET", "/api/v1/me", nil, "")
	if status != http.StatusOK {
		return ""
	}
	return text(me, "account")
}

// working lists every account that can act, with the identity that it is bound to.
func (h *house) working(t testing.TB) map[string]bool {
	t.Helper()
	controllers, err := h.Store.Controllers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, c := range controllers {
		accounts, err := h.Store.Accounts(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range accounts {
			if a.State == directory.Active || a.State == directory.Invited {
				all[fmt.Sprintf("%d %s %s %s %d %d", a.ID, a.Email, a.IDP, a.Sub, a.Organisation, a.Site)] = true
			}
		}
	}
	return all
}
