package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/policy"
	"ecluse/internal/signin"
)

// state is one page in one situation: every test that looks at pages looks at all of them.
type state struct {
	fake         func(*fakeRooms)
	demo         bool
	method, path string
	form         url.Values
	direct       func(s *Site, w http.ResponseWriter, r *http.Request) // called by signin, not routed
}

// status is what a state answers when it is not 200.
var status = map[string]int{
	"desk-error":       422,
	"search-ambiguous": 409,
	"search-refused":   403,
	"person-error":     422,
	"emergency-error":  422,
	"refusal":          403,
	"refusal-budget":   403,
	"refusal-many":     403,
	"refusal-new":      403,
	"refusal-link":     403,
	"link-error":       422,
	"link-receiver":    422,
	"raise-error":      422,
	"raise-lineage":    422,
	"e404":             404,
	"e405":             405,
	"e413":             413,
	"e403":             403,
	"e410":             410,
	"e500":             500,
	"e503":             503,
	"lock":             403,
	"lock-post":        403,
	"lock-revoked":     403,
	"signin-error":     403,
	"signin-internal":  500,
}

// secretError is the text of an internal error: no reader may ever see it.
const secretError = "dial tcp 10.0.0.7:5432: password for ecluse refused"

func get(path string) state { return state{method: "GET", path: path} }

func post(path, form string) state {
	values, err := url.ParseQuery(form)
	if err != nil {
		panic(err)
	}
	return state{method: "POST", path: path, form: values}
}

func with(s state, f func(*fakeRooms)) state { s.fake = f; return s }

func inDemo(s state) state { s.demo = true; return s }

func nobody(f *fakeRooms) { f.signErr = signin.ErrNoSession }

func meterHigh(f *fakeRooms) {
	f.readings[1].Used, f.readings[3].Used = 35, 10
	f.outcome.Readings, f.search.Readings, f.caseload.Readings = f.readings, f.readings, f.readings
}

func refusing(reasons ...ecluse.Reason) func(*fakeRooms) {
	return func(f *fakeRooms) {
		f.outcome = gate.Outcome{Reasons: reasons, Receipt: testReceipt, Readings: f.readings}
	}
}

func noHit(reason ecluse.Reason) func(*fakeRooms) {
	return func(f *fakeRooms) {
		f.search = gate.SearchOutcome{Reasons: []ecluse.Reason{reason}, Receipt: testReceipt, Readings: f.readings}
	}
}

func rows(n int) func(*fakeRooms) {
	return func(f *fakeRooms) {
		surnames, names := []string{"Lefèvre-Diallo", "Benali", "Caron", "Nguyen", "Roux"}, []string{"Marie", "Yanis", "Léa", "Paul", "Inès"}
		for i := range n {
			f.values = append(f.values, record{"surname": surnames[i%5], "first_name": names[i%5], "birth_date": fmt.Sprintf("200%d-0%d-1%d", 3+i%5, 1+i%9, i%10)})
		}
		f.caseload.Readings = f.readings
		if n >= 24 {
			f.caseload.Next, f.caseload.Withheld = "c", 1
		}
	}
}

func asManager(f *fakeRooms) {
	motive := f.registers[0].Schema.Motives[0].ID
	f.standing.Account.GivenName, f.standing.Account.UsualName = "Solène", "Marchand"
	f.standing.Roles = []ecluse.Role{ecluse.RoleAgent, ecluse.RoleAccountManager}
	review := func(id ecluse.ReviewID, hours int, kind, who, motive string) directory.Review {
		return directory.Review{ID: id, At: testNow.Add(-time.Duration(hours) * time.Hour), Kind: kind, AccountName: who, Register: 1, Purpose: "emploi", Motive: motive, State: "pending"}
	}
	f.reviews = []directory.Review{
		review(1, 1, policy.ReviewEmergency, "Camille Arnaud", "minor_at_risk"), review(2, 3, policy.ReviewUnexplained, "Hugo Petit", motive),
		review(3, 26, policy.ReviewOutside, "Nadia Ferrand", motive), review(4, 50, policy.ReviewUnexplained, "Nadia Ferrand", ""),
	}
	f.reviews[1].Text = []byte("sealed")
	f.reviewText = "Le jeune s’est présenté à l’accueil, envoyé par la mairie ; il n’a pas encore de conseiller chez nous."
}

func asSecurityOfficer(f *fakeRooms) {
	asManager(f)
	f.standing.Roles = []ecluse.Role{ecluse.RoleSecurityOfficer}
	contested := f.reviews[2]
	contested.ID, contested.State, contested.DecidedAt = 5, directory.ReviewContested, testNow
	f.reviews = append(f.reviews, contested)
}

// manyReviews are three pages of them.
func manyReviews(f *fakeRooms) {
	for i := range 2*directory.ReviewPageSize + 3 {
		r := f.reviews[1]
		r.ID, r.At = ecluse.ReviewID(100+i), testNow.Add(-time.Duration(i)*time.Hour)
		f.reviews = append(f.reviews, r)
	}
}

func asOfficer(f *fakeRooms) {
	f.caller.Account = 21
	f.standing = directory.Standing{
		Account:    directory.Account{ID: 21, Controller: 1, GivenName: "Karim", UsualName: "Haddad"},
		Controller: f.standing.Controller, Roles: []ecluse.Role{ecluse.RoleAccessOfficer},
	}
	pending := directory.Approval{ID: 1, Kind: directory.KindImport, Requester: "Lucie Morel", RequestedBy: 22, RequestedAt: testNow.Add(-2 * time.Hour), Expires: testNow.AddDate(0, 0, 30), State: "pending", Summary: summary(bigDiff())}
	own, done := pending, pending
	own.ID, own.RequestedBy, own.Requester = 2, 21, "Karim Haddad"
	done.ID, done.State, done.DecidedBy, done.DecidedAt, done.Requester = 3, "approved", 21, testNow.Add(-time.Hour), "Lucie Morel cli:ops@node1"
	f.approvals = []directory.Approval{pending, own, done}
}

// bigDiff is a directory import as a body sends one.
func bigDiff() directory.Summary {
	lines := func(n int, first ...directory.Line) []directory.Line {
		for i := len(first); i < n; i++ {
			first = append(first, directory.Line{Op: "new", Name: fmt.Sprint("Agent ", i), Cells: []directory.Cell{{Name: "organisation", New: "ml-lezarde"}, {Name: "roles", New: "agent"}}})
		}
		return first
	}
	return directory.Summary{
		Warnings: []string{"whole_territory reseau-ml", "new_domain ailleurs.test"}, Links: 12408, Receivers: []directory.Line{{Op: "new", Name: "Camille Arnaud", Cells: []directory.Cell{{Name: "receiver", New: "camille.arnaud@lezarde.demo.ecluse.test"}}, Links: []directory.LinkCount{{Register: "mission-locale", Kind: "caseload", Persons: 40, Links: 40, Until: "2027-12-31"}}}},
		Organisations: []directory.Line{
			{Op: "new", Name: "Mission locale de la Lézarde", Cells: []directory.Cell{{Name: "code", New: "ml-lezarde"}, {Name: "kind", New: "mission_locale"}, {Name: "territory", New: "93"}}}, {Op: "new", Name: "Site de Pantin", Cells: []directory.Cell{{Name: "code", New: "ml-lezarde-pantin"}, {Name: "organisation", New: "ml-lezarde"}, {Name: "territory", New: "93-055"}}},
			{Op: "changed", Name: "Mission locale du Canal", Cells: []directory.Cell{{Name: "territory", Old: "75", New: "75 93"}}},
		},
		Agreements: []directory.Line{{Op: "new", Name: "ml-lezarde 2026-1", Cells: []directory.Cell{{Name: "register", New: "mission-locale"}, {Name: "purposes", New: "emploi formation logement"}, {Name: "territory", New: "93"}, {Name: "ends", New: "2027-12-31"}}}},
		Accounts: lines(maxDiffRows+217, directory.Line{Op: "new", Name: "Camille Arnaud", Cells: []directory.Cell{{Name: "email", New: "camille.arnaud@lezarde.demo.ecluse.test"}, {Name: "organisation", New: "ml-lezarde"}, {Name: "roles", New: "agent"}}},
			directory.Line{Op: "new", Name: "Solène Marchand", Cells: []directory.Cell{{Name: "email", New: "solene.marchand@lezarde.demo.ecluse.test"}, {Name: "roles", New: "account_manager"}}}, directory.Line{Op: "ended", Name: "Paul Dubois", Cells: []directory.Cell{{Name: "state", Old: "active", New: "ended"}}}),
	}
}

// summary is what a request stores of what its approver is shown.
func summary(s directory.Summary) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

const (
	typedMarie = "purpose=emploi&surname=Lefevre&first_name=Marie&birth_date=17/05/2004"
	deskML     = "/desk/mission-locale"
	handleML   = deskML + "/persons/h1"
)

const (
	typedLink  = "purpose=emploi&kind=standin&receiver=nadia.ferrand@lezarde.test"
	typedRaise = "register=mission-locale&colleague=a11&reason=standin"
)

func underObservation(f *fakeRooms) {
	f.standing.Observations = []directory.Observation{{Register: 1, Controller: 1, Starts: testNow.AddDate(0, 0, -2), Ends: testNow.AddDate(0, 0, 12)}}
}

func asObserver(f *fakeRooms) {
	asOfficer(f)
	observe := f.approvals[0]
	observe.ID, observe.Kind, observe.Summary = 4, directory.KindObserve, summary(directory.Summary{Observe: &directory.ObserveChange{Register: 1, Days: 30}})
	f.approvals = append(f.approvals, observe)
}

// bothRegisters gives the agent a second register to work with.
func bothRegisters(f *fakeRooms) {
	second := f.standing.Mandates[0]
	second.Register = 2
	f.standing.Mandates = append(f.standing.Mandates, second)
}

func showing(values ...record) func(*fakeRooms) { return func(f *fakeRooms) { f.values = values } }

// states are all pages in all their situations.
func states() map[string]state {
	all := map[string]state{
		"front": inDemo(with(get("/"), nobody)), "tour": inDemo(with(get("/tour"), nobody)), "entry": with(get("/"), nobody), "entry-none": with(get("/"), nobody),
		"purpose": get(deskML), "desk": inDemo(get(deskML + "?purpose=emploi")), "desk-high": with(get(deskML+"?purpose=emploi"), meterHigh),
		"desk-error": post(deskML+"/search", "purpose=emploi&surname=&first_name=Marie&birth_date=32/13/2004"),
		"desks":      with(get("/desk"), bothRegisters),
		"desks-none": with(get("/desk"), func(f *fakeRooms) { f.standing.Mandates = nil }),
		"search-own": with(post(deskML+"/search", typedMarie), func(f *fakeRooms) {
			f.search.Hits = []gate.Hit{{Handle: "h1", Relation: "caseload", Exact: true}, {Handle: "h2", Relation: "caseload", Differs: []string{"first_name", "birth_date"}}}
		}),
		"search-site":         with(post(deskML+"/search", typedMarie), func(f *fakeRooms) { f.search.Hits[0].Relation = "site" }),
		"search-other":        with(post(deskML+"/search", typedMarie), func(f *fakeRooms) { f.search.Hits[0].Relation = "other"; meterHigh(f) }),
		"search-none":         with(post(deskML+"/search", typedMarie), noHit(ecluse.ReasonPersonUnavailable)),
		"search-ambiguous":    with(post(deskML+"/search", typedMarie), noHit(ecluse.ReasonSearchAmbiguous)),
		"search-refused":      with(post(deskML+"/search", typedMarie), noHit(ecluse.ReasonBudgetSearch)),
		"person-organisation": post(handleML+"/reason", typedMarie+"&relation=organisation"), "person-other": post(handleML+"/reason", typedMarie+"&relation=other"),
		"person-error": post(handleML, typedMarie+"&relation=other&text=court"), "person-plain": get(handleML + "?purpose=emploi"),
		"emergency": post(handleML+"/emergency", typedMarie), "emergency-error": post(handleML+"/emergency/open", typedMarie),
		"case": with(post(handleML, typedMarie+"&relation=caseload"), showing(marie)), "case-emergency": with(post(handleML+"/emergency/open", typedMarie+"&emergency=health"), showing(record{
			"phone": "+33612345678", "email": "marie@x.test", "address": "12 rue des Lilas\n93500 Pantin", "representative_surname": "Lefèvre", "representative_phone": "+33145678901"})),
		"case-high": with(post(handleML, typedMarie+"&relation=site"), func(f *fakeRooms) { f.outcome.Relation, f.values = "site", []record{marie}; meterHigh(f) }),
		"refusal":   with(post(handleML, typedMarie+"&relation=site"), refusing(ecluse.ReasonPersonUnavailable)),
		"refusal-budget": with(post(handleML, typedMarie+"&relation=site"), func(f *fakeRooms) {
			refusing(ecluse.ReasonBudgetOutside)(f)
			meterHigh(f)
			f.outcome.Readings = f.readings
		}),
		"refusal-many": with(post(handleML, typedMarie+"&relation=site"), refusing(ecluse.ReasonAssuranceTooLow, ecluse.ReasonPurposeNotCovered, ecluse.ReasonBudgetNew)),
		"caseload":     with(get(deskML+"/persons?purpose=emploi"), rows(24)), "caseload-empty": with(get(deskML+"/persons?purpose=emploi"), rows(0)), "caseload-two": with(get(deskML+"/persons?purpose=emploi&cursor=x"), rows(2)),
		"reviews": with(get("/reviews"), asManager), "reviews-empty": with(get("/reviews?done=accepted"), func(f *fakeRooms) { asManager(f); f.reviews = nil }),
		"reviews-told": with(get("/reviews?list=told"), asManager), "reviews-contested": with(get("/reviews?list=contested&done=settled"), asSecurityOfficer),
		"reviews-many": with(get("/reviews?page=2"), func(f *fakeRooms) { asManager(f); manyReviews(f) }), "review-contested": with(get("/reviews/r5"), asSecurityOfficer),
		"review": with(get("/reviews/r2"), asManager), "review-text": with(post("/reviews/r2/text", ""), asManager),
		"approvals": with(get("/approvals"), asOfficer), "approval": with(get("/approvals/a1"), asOfficer), "approval-own": with(get("/approvals/a2"), asOfficer), "approval-done": with(get("/approvals/a3?done"), asOfficer), "approval-confirm": with(post("/approvals/a1/confirm", "decision=approve"), asOfficer), "approval-refuse": with(post("/approvals/a1/confirm", "decision=refuse"), asOfficer), "approvals-empty": with(get("/approvals"), func(f *fakeRooms) { asOfficer(f); f.approvals = nil }),
		"refusal-new": with(post(handleML, typedMarie+"&relation=site"), func(f *fakeRooms) {
			f.readings[1].Used = 40
			refusing(ecluse.ReasonBudgetNew)(f)
		}),
		"link": get(handleML + "/link?purpose=emploi"), "link-plain": get(handleML + "/link"), "link-error": post(handleML+"/link", "purpose=emploi&receiver=a@b.test&site=x&ends=32/01/2027"),
		"link-receiver": with(post(handleML+"/link", typedLink), func(f *fakeRooms) { f.gateErr = gate.ErrLink }),
		"link-done":     get(handleML + "/link/done?purpose=emploi&kind=standin&ends=2026-12-05&receipt=" + testReceipt),
		"refusal-link": with(post(handleML+"/link", typedLink), func(f *fakeRooms) {
			f.link = gate.LinkOutcome{Reasons: []ecluse.Reason{ecluse.ReasonDualControl}, Receipt: testReceipt}
		}),
		"raise": get("/raises"), "raise-done": get("/raises?register=mission-locale&done=yes"), "raise-none": with(get("/raises"), func(f *fakeRooms) { f.colleagues = nil }),
		"raise-choice": with(get("/raises"), bothRegisters),
		"raise-error":  post("/raises/confirm", "register=mission-locale&email=personne@ailleurs.test"), "raise-confirm": post("/raises/confirm", typedRaise),
		"raise-lineage":    with(post("/raises/confirm", typedRaise), func(f *fakeRooms) { f.raiseErr = directory.ErrDualControl }),
		"me-raised":        with(get("/me"), func(f *fakeRooms) { f.readings[1].Limit, f.readings[1].RaisedUntil = 80, testNow.Add(20*time.Hour) }),
		"desk-observed":    with(get(deskML+"?purpose=emploi"), underObservation),
		"approval-observe": with(get("/approvals/a4"), asObserver), "approval-observe-confirm": with(post("/approvals/a4/confirm", "decision=approve"), asObserver),
		"approval-observe-refuse": with(post("/approvals/a4/confirm", "decision=refuse"), asObserver), "approvals-observe": with(get("/approvals"), asObserver),
		"told": with(get("/me/notices"), wasTold), "told-empty": get("/me/notices"),
		"me": get("/me"), "me-officer": with(get("/me"), asOfficer),
		"home": with(get("/home"), asManager), "home-officer": with(get("/home"), asOfficer), "home-empty": with(get("/home"), func(f *fakeRooms) { asOfficer(f); f.approvals = nil }),
		"mentions": with(get("/mentions"), nobody), "help": get("/aide"), "help-out": with(get("/aide"), nobody),
		"e404": get("/nulle-part"), "e405": post("/mentions", ""), "e413": post("/preferences", "x="+strings.Repeat("y", 40000)), "e403": get("/approvals"), "e410": with(post(handleML, typedMarie+"&relation=other&motive=walk_in&text=Une+explication+bien+assez+longue"), func(f *fakeRooms) { f.gateErr = gate.ErrHandle }),
		"e500": with(get(deskML+"/persons?purpose=emploi"), func(f *fakeRooms) { f.gateErr = errors.New(secretError) }), "e503": with(get(deskML+"/persons?purpose=emploi"), func(f *fakeRooms) { f.gateErr = ledger.ErrBusy }),
		"lock": with(get(deskML+"?purpose=emploi"), func(f *fakeRooms) { f.signErr = signin.ErrLocked }), "lock-post": with(post(handleML, typedMarie+"&relation=other&text=abc"), func(f *fakeRooms) { f.signErr = signin.ErrLocked }), "lock-revoked": with(get(deskML+"?purpose=emploi"), func(f *fakeRooms) { f.signErr = signin.ErrRevoked }),
		"invitation": with(get("/invitation/abc"), nobody), "session": get("/session"),
		"signin": {demo: true, fake: nobody, direct: func(s *Site, w http.ResponseWriter, r *http.Request) {
			s.Choose(w, r, signin.Choice{Providers: []signin.ProviderLink{{ID: "proconnect", Label: "ProConnect", URL: "/sign-in/proconnect"}}})
		}},
		"signin-locked": {fake: nobody, direct: func(s *Site, w http.ResponseWriter, r *http.Request) {
			s.Choose(w, r, signin.Choice{Locked: true, Providers: []signin.ProviderLink{{ID: "proconnect", Label: "ProConnect", URL: "/sign-in/proconnect"}}})
		}},
		"signin-error": {fake: nobody, direct: func(s *Site, w http.ResponseWriter, r *http.Request) {
			s.Problem(w, r, signin.Problem{Code: signin.CodeAssurance, Again: "/sign-in/proconnect"})
		}},
		"signin-internal": {fake: nobody, direct: func(s *Site, w http.ResponseWriter, r *http.Request) {
			s.Problem(w, r, signin.Problem{Code: signin.CodeInternal, Again: "/sign-in/proconnect", Err: errors.New(secretError)})
		}},
		"signedout": {fake: nobody, direct: func(s *Site, w http.ResponseWriter, r *http.Request) {
			s.SignedOut(w, r, signin.Farewell{Federation: true})
		}},
	}
	maps.Copy(all, factorStates())
	maps.Copy(all, accountStates())
	maps.Copy(all, statesOfPrograms())
	maps.Copy(all, statesOfSecurity())
	maps.Copy(all, statesOfExposure())
	maps.Copy(all, statesOfTraining())
	return all
}

// visit answers a state.
func visit(t testing.TB, st state, lang string, change ...func(*Config)) (*httptest.ResponseRecorder, *fakeRooms) {
	t.Helper()
	f := newFake(t)
	if st.fake != nil {
		st.fake(f)
	}
	if st.demo {
		change = append(change, demoConfig)
	}
	s := newSite(t, f, change...)
	r := httptest.NewRequest("GET", "/sign-in", nil)
	if st.direct == nil {
		r = httptest.NewRequest(st.method, st.path, strings.NewReader(st.form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.AddCookie(&http.Cookie{Name: languageCookie, Value: lang})
	w := httptest.NewRecorder()
	if st.direct != nil {
		st.direct(s, w, r)
	} else {
		s.ServeHTTP(w, r)
	}
	return w, f
}
