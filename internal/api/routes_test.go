package api

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	gojson "github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/policy"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

var caller = signin.Caller{Account: 5, Session: 6}

func TestMeTellsOnlyRunningMandates(t *testing.T) {
	r := newRooms(t)
	m := r.standing.Mandates[0]
	ended, pending, manager := m, m, m
	ended.Ends, pending.Starts, manager.Role = now, now.Add(time.Hour), ecluse.RoleAccountManager
	r.standing.Mandates = append(r.standing.Mandates, ended, pending, manager, policy.Mandate{Register: 7})
	english := func(q *http.Request) { q.Header.Set("Accept-Language", "en-GB,fr;q=0.5") }
	got := r.ask("/api/v1/me", "", english)
	var me map[string]any
	if err := json.Unmarshal(got.body, &me); err != nil {
		t.Fatal(err)
	}
	want := []any{map[string]any{"register": "mission-locale", "label": "Register", "fields": []any{"surname", "first_name", "phone"},
		"purposes": []any{map[string]any{"id": "emploi", "label": "Employment", "fields": []any{"surname", "phone"}}}}}
	if diff := cmp.Diff(want, me["grants"]); diff != "" {
		t.Error(diff)
	}
	if me["account"] != "agent@body.example" || me["organisation"] != "ml-93" || len(me["budgets"].([]any)) != 2 || len(me["connections"].([]any)) != 3 {
		t.Errorf("%s", got.body)
	}
}

func TestADisclosureReachesTheGateAsItWasAsked(t *testing.T) {
	base := gate.Request{Caller: caller, Register: "mission-locale", Handle: "h4ndle", Channel: ecluse.ChannelAPI}
	tests := map[string]struct {
		body string
		want func(*gate.Request)
	}{
		"all fields": {`{"purpose":"emploi"}`, func(q *gate.Request) { q.Purpose = "emploi" }},
		"some fields": {`{"purpose":"emploi","fields":["surname","phone"]}`, func(q *gate.Request) {
			q.Purpose, q.Fields = "emploi", []string{"surname", "phone"}
		}},
		"justified": {`{"purpose":"emploi","justification":{"motive":"walk_in","text":"because"}}`, func(q *gate.Request) {
			q.Purpose, q.Motive, q.Text = "emploi", "walk_in", "because"
		}},
		"plain justification": {`{"purpose":"emploi","justification":"because"}`, func(q *gate.Request) { q.Purpose, q.Text = "emploi", "because" }},
		"emergency":           {`{"emergency":"danger"}`, func(q *gate.Request) { q.Emergency = "danger" }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, want := newRooms(t), base
			test.want(&want)
			got := r.ask(disclosePath, test.body)
			if diff := cmp.Diff(want, r.lastRequest); diff != "" || got.StatusCode != http.StatusOK {
				t.Errorf("%d %s\n%s", got.StatusCode, got.body, diff)
			}
		})
	}
}

// record stands for revealed values.
type record [][2]string

func (v record) Each(yield func(register.Field, string)) {
	for _, pair := range v {
		yield(register.Field{Name: pair[0]}, pair[1])
	}
}

func TestValuesAreWrittenInSchemaOrderAndAbsentOnesAreNull(t *testing.T) {
	got, err := gojson.Marshal(values{record{{"surname", `D"É<`}, {"phone", ""}, {"a", "1"}}})
	if want := `{"surname":"D\"É<","phone":null,"a":"1"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

func TestWhatIsNotExactlyUnderstoodIsRefusedWithAPointer(t *testing.T) {
	long := strings.Repeat("é", 2001)
	tests := map[string]struct{ path, body, pointer, detail string }{
		"unknown member":         {disclosePath, `{"purpose":"emploi","puropse":"x"}`, "/puropse", "no such member"},
		"unknown inside":         {disclosePath, `{"purpose":"emploi","justification":{"why":"x"}}`, "/justification/why", "no such member"},
		"other case":             {disclosePath, `{"Purpose":"emploi"}`, "/Purpose", "no such member"},
		"twice":                  {disclosePath, `{"purpose":"a","purpose":"b"}`, "/purpose", "twice"},
		"twice inside":           {disclosePath, `{"purpose":"a","justification":{"text":"a","text":"b"}}`, "/justification/text", "twice"},
		"wrong type":             {disclosePath, `{"purpose":5}`, "/purpose", "wrong type"},
		"wrong type inside":      {disclosePath, `{"purpose":"a","fields":["surname",7]}`, "/fields/1", "wrong type"},
		"an array":               {disclosePath, `[]`, "", "wrong type"},
		"after the document":     {disclosePath, `{"purpose":"a"} {}`, "", "Not valid JSON"},
		"half a document":        {disclosePath, `{"purpose":"a"`, "", "Not"},
		"no document":            {disclosePath, ` `, "", "Not valid JSON"},
		"not UTF-8":              {disclosePath, "{\"purpose\":\"\xff\"}", "/purpose", "Not valid JSON"},
		"too deep":               {disclosePath, `{"fields":` + strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000) + `}`, "", "deeply"},
		"no purpose":             {disclosePath, `{}`, "/purpose", "which purpose"},
		"no field":               {disclosePath, `{"purpose":"a","fields":[]}`, "/fields", "leave the member out"},
		"a field twice":          {disclosePath, `{"purpose":"a","fields":["x","x"]}`, "/fields/1", "twice"},
		"long text":              {disclosePath, `{"purpose":"a","justification":"` + long + `"}`, "/justification/text", "At most 2000"},
		"search without query":   {searchPath, `{"purpose":"a"}`, "/query", "identifier"},
		"search both ways":       {searchPath, `{"purpose":"a","query":{"identifier":"1","surname":"x"}}`, "/query", "not both"},
		"search with long name":  {searchPath, `{"purpose":"a","query":{"surname":"` + long + `"}}`, "/query/surname", "At most 200"},
		"link of another kind":   {linkPath, `{"kind":"presence","handle":"h","purpose":"a","account":"b"}`, "/kind", "One of"},
		"link to nobody":         {linkPath, `{"kind":"standin","handle":"h","purpose":"a"}`, "/account", "for whom"},
		"link without end":       {linkPath, `{"kind":"standin","handle":"h","purpose":"a","account":"b","ends":"31/12/2026"}`, "/ends", "yyyy-mm-dd"},
		"query parameter":        {casePath + "?page=2", "", "", "query parameter"},
		"query parameter twice":  {casePath + "?cursor=a&cursor=b", "", "", "twice"},
		"query parameter on top": {searchPath + "?purpose=x", `{}`, "", "query parameter"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRooms(t)
			got := r.ask(test.path, test.body)
			p := got.problem(t)
			if got.StatusCode != http.StatusBadRequest || p.Code != "request.invalid" || !strings.Contains(p.Detail, test.detail) ||
				name != "too deep" && p.Pointer != test.pointer {
				t.Errorf("%d %.300s", got.StatusCode, got.body)
			}
			if r.lastRequest != nil {
				t.Errorf("the gate was asked: %+v", r.lastRequest)
			}
		})
	}
}

func TestABodyMustBeJSONOfAtMost64KiB(t *testing.T) {
	r := newRooms(t)
	text := func(q *http.Request) { q.Header.Set("Content-Type", "text/plain") }
	if p := r.ask(searchPath, `{}`, text).problem(t); p.Status != 415 || p.Code != "content_type.unsupported" {
		t.Errorf("%+v", p)
	}
	none := func(q *http.Request) { q.Header.Del("Content-Type") }
	if p := r.ask(searchPath, `{}`, none).problem(t); p.Status != 415 {
		t.Errorf("%+v", p)
	}
	utf8 := func(q *http.Request) { q.Header.Set("Content-Type", "application/json; charset=utf-8") }
	if got := r.ask(searchPath, `{"purpose":"a","query":{"identifier":"1"}}`, utf8); got.StatusCode != 200 {
		t.Errorf("%s", got.body)
	}
	large := `{"purpose":"` + strings.Repeat(" ", 64<<10) + `"}`
	if p := r.ask(searchPath, large).problem(t); p.Status != 413 || p.Code != "request.too_large" {
		t.Errorf("%+v", p)
	}
}

func TestARefusalTellsEveryReasonInTheReadersLanguage(t *testing.T) {
	r := newRooms(t)
	r.disclosed = gate.Outcome{Receipt: receipt, Reasons: []ecluse.Reason{ecluse.ReasonBudgetNew, ecluse.ForbiddenBy("night"), ecluse.ForbiddenBy("gone")}}
	for accepted, lang := range map[string]string{"": "fr", "de": "fr", "en": "en", "fr-CA": "fr", "en-US,fr;q=0.9": "en", "%%%": "fr"} {
		got := r.ask(disclosePath, `{"purpose":"emploi"}`, func(q *http.Request) { q.Header.Set("Accept-Language", accepted) })
		want := problem{Type: "about:blank", Title: "Forbidden", Status: 403, Code: "budget.account.new", Receipt: receipt,
			Detail: lang + " reason.budget.account.new.message",
			Reasons: []reason{{ecluse.ReasonBudgetNew, "", lang + " reason.budget.account.new.message", lang + " reason.budget.account.new.remedy"},
				{ecluse.ReasonForbiddenByPreset, "night", map[string]string{"fr": "Pas la nuit.", "en": "Not at night."}[lang], "policy.forbidden"},
				{ecluse.ReasonForbiddenByPreset, "gone", "policy.forbidden", "policy.forbidden"}}}
		if diff := cmp.Diff(want, got.problem(t)); diff != "" || got.StatusCode != 403 || got.Header.Get("Content-Language") != lang {
			t.Errorf("%q: %d %s %s", accepted, got.StatusCode, got.Header.Get("Content-Language"), diff)
		}
	}
}

func TestTheUnknownAndTheOutOfMandateGetTheSameBytes(t *testing.T) {
	r := newRooms(t)
	var bodies [][]byte
	for _, outcome := range []gate.Outcome{
		{Receipt: receipt, Reasons: []ecluse.Reason{ecluse.ReasonPersonUnavailable}},
		{Receipt: receipt, Reasons: []ecluse.Reason{ecluse.ReasonPersonUnavailable}, Readings: r.disclosed.Readings, Relation: "other", Fields: 3, Purpose: "emploi"},
	} {
		r.disclosed = outcome
		got := r.ask(disclosePath, `{"purpose":"emploi"}`)
		if got.StatusCode != http.StatusForbidden {
			t.Errorf("%d", got.StatusCode)
		}
		bodies = append(bodies, got.body)
	}
	if !bytes.Equal(bodies[0], bodies[1]) {
		t.Errorf("%s\n%s", bodies[0], bodies[1])
	}
}

func TestASearchEchoesWhatWasTypedAndNothingElse(t *testing.T) {
	r := newRooms(t)
	got := r.ask(searchPath, `{"purpose":"emploi","beyond":true,"emergency":"danger","query":{"surname":"Durand","birth_date":"17/05/2004"}}`)
	want := gate.SearchRequest{Caller: caller, Register: "mission-locale", Purpose: "emploi", Beyond: true, Emergency: "danger", Channel: ecluse.ChannelAPI,
		Query: register.Query{Surname: "Durand", BirthDate: "17/05/2004"}}
	if diff := cmp.Diff(want, r.lastRequest); diff != "" {
		t.Error(diff)
	}
	const hit = `"hits":[{"handle":"h","fields":{"birth_date":"17/05/2004","surname":"Durand"},"relation":"site","exact":false,"differs":["birth_date"]}]`
	if !strings.Contains(string(got.body), hit) {
		t.Errorf("%s", got.body)
	}
}

func TestASearchThatShowsNobodyAndOneThatIsAmbiguous(t *testing.T) {
	tests := map[ecluse.Reason]struct {
		status int
		body   string
	}{
		ecluse.ReasonPersonUnavailable: {200, `"hits":[],"reasons":[{"code":"person.unavailable"`},
		ecluse.ReasonSearchAmbiguous:   {409, `"code":"search.ambiguous"`},
		ecluse.ReasonSearchTooBroad:    {403, `"code":"search.too_broad"`},
		ecluse.ReasonBudgetSearch:      {403, `"code":"budget.account.search"`},
	}
	for reason, test := range tests {
		r := newRooms(t)
		r.searched = gate.SearchOutcome{Reasons: []ecluse.Reason{reason}, Receipt: receipt}
		got := r.ask(searchPath, `{"purpose":"emploi","query":{"identifier":"1"}}`)
		if got.StatusCode != test.status || !strings.Contains(string(got.body), test.body) {
			t.Errorf("%s: %d %s", reason, got.StatusCode, got.body)
		}
	}
}

func TestACaseloadWithoutAPurposeTakesTheFirstOfTheGrants(t *testing.T) {
	r := newRooms(t)
	got := r.ask(casePath+"?cursor=abc", "")
	want := gate.CaseloadRequest{Caller: caller, Register: "mission-locale", Purpose: "emploi", Cursor: "abc", Channel: ecluse.ChannelCaseload}
	if diff := cmp.Diff(want, r.lastRequest); diff != "" || got.StatusCode != 200 || !strings.Contains(string(got.body), `"next":"c"`) {
		t.Errorf("%s %s", got.body, diff)
	}
	r.ask(casePath+"?purpose=formation", "")
	if q := r.lastRequest.(gate.CaseloadRequest); q.Purpose != "formation" {
		t.Errorf("%+v", q)
	}
	r.rows = gate.CaseloadOutcome{Withheld: 25, Reasons: []ecluse.Reason{ecluse.ReasonBudgetTotal}}
	if p := r.ask(casePath, "").problem(t); p.Status != 403 || p.Code != "budget.account.total" {
		t.Errorf("%+v", p)
	}
	r.rows = gate.CaseloadOutcome{}
	if got := r.ask(casePath, ""); got.StatusCode != 200 || strings.Contains(string(got.body), "next") {
		t.Errorf("an empty caseload: %s", got.body)
	}
}

func TestALinkRunsToTheEndOfItsLastDay(t *testing.T) {
	r := newRooms(t)
	got := r.ask(linkPath, `{"kind":"standin","handle":"h","purpose":"emploi","account":"b@body.example","ends":"2026-12-24"}`)
	want := gate.LinkRequest{Caller: caller, Register: "mission-locale", Handle: "h", Purpose: "emploi", Kind: "standin", Receiver: "b@body.example",
		Ends: time.Date(2026, 12, 25, 0, 0, 0, 0, time.UTC), Channel: ecluse.ChannelAPI}
	if diff := cmp.Diff(want, r.lastRequest); diff != "" || got.StatusCode != http.StatusCreated {
		t.Errorf("%d %s %s", got.StatusCode, got.body, diff)
	}
	if r.ask(linkPath, `{"kind":"prescription","handle":"h","purpose":"emploi","site":"ml-93-2"}`); r.lastRequest.(gate.LinkRequest).Site != "ml-93-2" {
		t.Errorf("a whole site: %+v", r.lastRequest)
	}
	if p := r.ask(linkPath, `{"kind":"standin","handle":"h","purpose":"emploi","account":"b","site":"c"}`).problem(t); p.Status != 400 {
		t.Errorf("an account and a site: %+v", p)
	}
	r.linked = gate.LinkOutcome{Reasons: []ecluse.Reason{ecluse.ReasonDualControl}, Receipt: receipt}
	if p := r.ask(linkPath, `{"kind":"standin","handle":"h","purpose":"emploi","account":"b"}`).problem(t); p.Code != "dual_control.required" {
		t.Errorf("%+v", p)
	}
	r.err = gate.ErrLink
	if p := r.ask(linkPath, `{"kind":"standin","handle":"h","purpose":"emploi","account":"b"}`).problem(t); p.Status != 422 {
		t.Errorf("%+v", p)
	}
}

func TestTilesHaveTheAddressesOfTheStandard(t *testing.T) {
	tests := map[string]int{ // path below /tlog/tile/ -> hashes, 0 = no such tile
		"0/000": 256, "0/001.p/44": 44, "0/001.p/1": 1, "0/x001/067": 0,
		"0/001": 0, "0/001.p/45": 0, "0/0": 0, "0/001.p/0": 0, "0/001.p/256": 0, "00/000": 0, "-1/000": 0, "data/000": 0, "64/000": 0,
		"0/000.p/044": 0, "0/x000/000": 0, "0/1e2": 0, "0/x999/x999/x999/x999/x999/x999/x999/999": 0,
	}
	for path, hashes := range tests {
		r := newRooms(t)
		got := r.ask("/tlog/tile/"+path, "")
		switch {
		case hashes > 0 && (got.StatusCode != 200 || len(got.body) != 32*hashes || got.Header.Get("Cache-Control") != unchanging):
			t.Errorf("%s: %d, %d bytes", path, got.StatusCode, len(got.body))
		case hashes == 0 && (got.StatusCode != 404 || got.problem(t).Code != "tree.no_tile"):
			t.Errorf("%s: %d %.100s", path, got.StatusCode, got.body)
		}
	}
	r := newRooms(t)
	r.leaves = 256*1234*1000 + 256*68
	if got := r.ask("/tlog/tile/0/x1234/067", ""); got.StatusCode != 404 {
		t.Errorf("a group of four digits: %d", got.StatusCode)
	}
	r.leaves = 256 * 1234068
	if got := r.ask("/tlog/tile/0/x001/x234/067", ""); got.StatusCode != 200 {
		t.Errorf("tile 1234067: %d %s", got.StatusCode, got.body)
	}
}

func TestTheCheckpointIsANote(t *testing.T) {
	r := newRooms(t)
	if got := r.ask("/tlog/checkpoint", ""); got.StatusCode != 200 || !strings.HasPrefix(string(got.body), "ecluse.example\n300\n") || got.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	r.leaves = 0
	if p := r.ask("/tlog/checkpoint", "").problem(t); p.Code != "tree.empty" {
		t.Errorf("%+v", p)
	}
}

func TestHealthTellsNothingButYesAndNo(t *testing.T) {
	r := newRooms(t)
	r.notReady = gate.ErrLink
	if got := r.ask("/healthz", ""); string(got.body) != `{"status":"ok"}` {
		t.Errorf("%s", got.body)
	}
	got := r.ask("/readyz", "")
	if p := got.problem(t); p.Status != 503 || p.Code != "not_ready" || strings.Contains(string(got.body), r.notReady.Error()) || got.Header.Get("Retry-After") == "" {
		t.Errorf("%s", got.body)
	}
	r.notReady = nil
	if got := r.ask("/readyz", ""); got.StatusCode != 200 {
		t.Errorf("%s", got.body)
	}
}

func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	r := newRooms(t)
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		got := r.ask(disclosePath, `{"purpose":"emploi"}`, func(q *http.Request) { q.Header.Set(header, value) })
		if p := got.problem(t); p.Status != 403 || p.Code != "origin.refused" || r.lastRequest != nil {
			t.Errorf("%s: %+v", header, p)
		}
	}
}

// A caseload page is 25 disclosures and a GET, which the check of origins lets pass.
func TestNoPageOfAnotherSiteHasABrowserReadACaseload(t *testing.T) {
	for site, status := range map[string]int{"cross-site": 403, "same-site": 403, "nonsense": 403, "same-origin": 200, "none": 200, "": 200} {
		r := newRooms(t)
		got := r.ask(casePath, "", func(q *http.Request) {
			if site != "" {
				q.Header.Set("Sec-Fetch-Site", site)
			}
		})
		if got.StatusCode != status || (r.lastRequest != nil) != (status == 200) {
			t.Errorf("Sec-Fetch-Site %q: %d, and the gate was asked %v", site, got.StatusCode, r.lastRequest)
		}
		if status == 403 && got.problem(t).Code != "origin.refused" {
			t.Errorf("Sec-Fetch-Site %q: %s", site, got.body)
		}
	}
	r := newRooms(t)
	recorder := httptest.NewRecorder()
	if r.api().ServeHTTP(recorder, httptest.NewRequest(http.MethodHead, casePath, nil)); recorder.Code != 403 || r.lastRequest != nil {
		t.Errorf("HEAD: %d, and the gate was asked %v", recorder.Code, r.lastRequest)
	}
}

func TestUnknownAddressesAndMethodsAreProblemsToo(t *testing.T) {
	r := newRooms(t)
	if p := r.ask("/api/v1/nothing", "").problem(t); p.Status != 404 || p.Code != "address.unknown" {
		t.Errorf("%+v", p)
	}
	got := r.ask(searchPath, "")
	if p := got.problem(t); p.Status != 405 || p.Code != "method.unknown" || got.Header.Get("Allow") != "POST" {
		t.Errorf("%+v %v", p, got.Header)
	}
}

func TestWhatTheHostRefusesIsAProblemToo(t *testing.T) {
	for status, code := range map[int]string{400: "request.malformed", 414: "address.too_long", 421: "host.unknown", 500: "internal"} {
		recorder := httptest.NewRecorder()
		newRooms(t).api().Refuse(recorder, httptest.NewRequest(http.MethodGet, "/api/v1/me", nil), status, "R3F")
		p := answer{recorder.Result(), recorder.Body.Bytes()}.problem(t)
		if recorder.Code != status || p.Code != code || p.Reference != "R3F" {
			t.Errorf("%d: %+v", recorder.Code, p)
		}
	}
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	recorder := httptest.NewRecorder()
	newRooms(t).api().ServeHTTP(recorder, httptest.NewRequest(http.MethodHead, "/healthz", nil))
	if recorder.Code != 200 || recorder.Body.Len() != 0 {
		t.Errorf("%d %s", recorder.Code, recorder.Body)
	}
}

// TestEveryReasonIsDescribed reads the constants from the glossary's source, so that none is forgotten.
func TestEveryReasonAndCodeIsDescribed(t *testing.T) {
	schemas := described(t).Components.Schemas
	written := func(name string) (codes []string) {
		for _, code := range schemas[name].Value.Enum {
			codes = append(codes, code.(string))
		}
		slices.Sort(codes)
		return codes
	}
	if diff := cmp.Diff(constants(t, "../../ecluse.go", "Reason"), written("ReasonCode")); diff != "" {
		t.Errorf("reasons: %s", diff)
	}
	for _, code := range written("ReasonCode") {
		if !strings.Contains(schemas["ReasonCode"].Value.Description, "| "+code+" |") {
			t.Errorf("%s has no meaning in the table", code)
		}
	}
	if diff := cmp.Diff(problemCodes(t), written("ProblemCode")); diff != "" {
		t.Errorf("codes: %s", diff)
	}
}

// constants are the values of the string constants of a type in a file, sorted.
func constants(t *testing.T, file, typ string) (values []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if name, ok := spec.Type.(*ast.Ident); ok && name.Name == typ {
				values = append(values, strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`))
			}
		}
		return true
	})
	slices.Sort(values)
	return values
}

// problemCodes are the codes in the source of this package, sorted.
func problemCodes(t *testing.T) []string {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if left, ok := n.Lhs[0].(*ast.SelectorExpr); ok && left.Sel.Name == "Code" {
					codes = append(codes, text(n.Rhs[0])...)
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
					codes = append(codes, text(n.Value)...)
				}
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "later" {
					codes = append(codes, text(n.Args[1])...)
				}
			}
			return true
		})
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

func text(e ast.Expr) []string {
	if literal, ok := e.(*ast.BasicLit); ok {
		return []string{strings.Trim(literal.Value, `"`)}
	}
	return nil
}

func FuzzAnyBodyIsUnderstoodOrRefused(f *testing.F) {
	f.Add([]byte(`{"purpose":"emploi","fields":["surname"],"justification":{"motive":"m","text":"t"}}`))
	f.Add([]byte(`{"purpose":"emploi","justification":"t"}{`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := newRooms(t)
		request := httptest.NewRequest(http.MethodPost, disclosePath, bytes.NewReader(body))
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		r.api().ServeHTTP(recorder, request)
		if refused := recorder.Code == 400 || recorder.Code == 413; refused == (r.lastRequest != nil) || !refused && recorder.Code != 200 {
			t.Errorf("%d, gate asked: %v", recorder.Code, r.lastRequest != nil)
		}
	})
}

func TestAWeakSessionIsToldWhereItBecomesStrong(t *testing.T) {
	for _, c := range []struct {
		assured, strong bool
		want            string
	}{{true, false, "/second-factor"}, {false, false, ""}, {true, true, ""}} {
		r := newRooms(t)
		r.assured, r.strong = c.assured, c.strong
		r.disclosed = gate.Outcome{Receipt: receipt, Reasons: []ecluse.Reason{ecluse.ReasonAssuranceTooLow}}
		if p := r.ask(disclosePath, `{"purpose":"emploi"}`).problem(t); p.Status != http.StatusForbidden || p.Code != "assurance.too_low" || p.Address != c.want {
			t.Errorf("%+v: %+v", c, p)
		}
	}
}
