package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/scope"
)

const (
	scopePath       = "/api/v1/scope"
	containmentPath = "/api/v1/containments"
	lineagePath     = "/api/v1/accounts/anne@a.example/lineage"
)

// desk is the security desk's rooms: it knows one account, 8, and one organisation.
type desk struct{ *rooms }

func (desk) Name(kind string, id int64) string { return kind + "-" + strconv.FormatInt(id, 10) }

func (desk) Number(kind, name string) (int64, error) {
	rest, ok := strings.CutPrefix(name, kind+"-")
	if !ok {
		return 0, errors.New("no name")
	}
	return strconv.ParseInt(rest, 10, 64)
}

func (d desk) AccountCalled(_ context.Context, _ directory.Actor, email string) (ecluse.AccountID, error) {
	if email != "anne@a.example" {
		return 0, directory.ErrNotFound
	}
	return 8, nil
}

func (d desk) OrganisationCalled(_ context.Context, _ directory.Actor, code string) (ecluse.OrganisationID, error) {
	if code != "A" {
		return 0, directory.ErrNotFound
	}
	return 3, nil
}

func (d desk) Lineage(_ context.Context, _ directory.Actor, id ecluse.AccountID) (directory.Lineage, error) {
	if id != 8 {
		return directory.Lineage{}, directory.ErrNotFound
	}
	kin := func(id ecluse.AccountID, email string, depth int) directory.Kin {
		return directory.Kin{Account: directory.Account{ID: id, Email: email, State: directory.Active, Kind: "agent", Organisation: 3, Created: now, Starts: now, RequestedBy: id - 1}, Depth: depth}
	}
	dead := kin(9, "bob@a.example", 1)
	dead.Dead = true
	return directory.Lineage{
		Kin: kin(8, "anne@a.example", 0), Ancestors: []directory.Kin{kin(7, "manager@a.example", 1)}, Descendants: []directory.Kin{dead},
		Given: directory.Given{Links: []directory.Link{
			{Account: 12, Kind: "standin", MadeAt: now, Ends: now.Add(time.Hour), Person: 77}, {Account: 12, Kind: "standin", MadeAt: now, Ends: now.Add(2 * time.Hour), Person: 78},
		}},
		Others: map[ecluse.AccountID]directory.Account{12: {ID: 12, Email: "dora@b.example"}}, Places: map[ecluse.OrganisationID]directory.Organisation{3: {Code: "A"}},
	}, d.err
}

func (d desk) Preview(_ context.Context, _ directory.Actor, c directory.Containment) (directory.Preview, error) {
	d.lastRequest = c
	p := directory.Preview{Accounts: []directory.Kin{{Account: directory.Account{ID: 8, Email: "anne@a.example"}}}, Sessions: 2, PersonsSeen: 5}
	if c.Account == 9 {
		p.Reasons = []ecluse.Reason{ecluse.ReasonContainmentSecond}
	}
	return p, d.err
}

func (d desk) Contain(_ context.Context, _ directory.Actor, c directory.Containment) (directory.Contained, string, error) {
	d.lastRequest = c
	return directory.Contained{ID: 4, At: now, Body: `{"accounts":[{"id":8,"state":"active"}],"sessions":3}`}, receipt, d.err
}

func (d desk) RequestContainment(_ context.Context, _ directory.Actor, c directory.Containment) (directory.Approval, error) {
	return directory.Approval{ID: 31, State: "pending"}, d.err
}

func (d desk) Read(_ context.Context, _ directory.Actor, q scope.Query) (scope.Scope, error) {
	d.lastRequest = q
	if q.Account == 99 {
		return scope.Scope{}, directory.ErrNotFound
	}
	totals := scope.Totals{Persons: 2, Minors: 1, Entries: 3, First: now, Last: now}
	return scope.Scope{Totals: totals, AsOf: 12, Accounts: 1, Complete: true, Registers: []scope.Register{{
		Totals: totals, Code: "mission-locale", Fields: []scope.Field{{Name: "surname", Persons: 2}, {Name: "nir"}},
		Controllers: []scope.Controller{{Code: "ft", Persons: 2}}, Days: []scope.Day{{Date: "2026-11-21", Entries: 3, Persons: 2}},
		People: []scope.Person{{Pseudonym: "P-2345"}},
	}}}, d.err
}

func TestAScopeIsAskedForByAddressOrNameAndListsNobody(t *testing.T) {
	for path, want := range map[string]scope.Query{
		scopePath + "?account=anne@a.example&tree=true":                                    {Account: 8, Tree: true},
		scopePath + "?account=account-8&from=2026-03-01T00:00:00Z&to=2026-04-01T00:00:00Z": {Account: 8, From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)},
		scopePath + "?organisation=A":                                                      {Organisation: 3},
	} {
		r := newRooms(t)
		got := r.ask(path, "")
		if diff := cmp.Diff(want, r.lastRequest); diff != "" || got.StatusCode != http.StatusOK {
			t.Errorf("%s: %d %s\n%s", path, got.StatusCode, got.body, diff)
		}
		if strings.Contains(string(got.body), "P-2345") || !strings.Contains(string(got.body), `"fields":{"surname":2},`) || !strings.Contains(string(got.body), `"fields_absent":["nir"]`) {
			t.Errorf("%s: %s", path, got.body)
		}
	}
	for path, code := range map[string]string{
		scopePath: "request.invalid", scopePath + "?account=nobody@a.example": "account.unknown", scopePath + "?organisation=Z": "account.unknown",
		scopePath + "?account=account-99": "account.unknown", scopePath + "?account=account-8&tree=yes": "request.invalid",
		scopePath + "?account=account-8&from=yesterday": "request.invalid", scopePath + "?account=account-8&top=3": "request.invalid",
	} {
		if p := newRooms(t).ask(path, "").problem(t); p.Code != code {
			t.Errorf("%s: %s, want %s", path, p.Code, code)
		}
	}
	foreign := func(q *http.Request) { q.Header.Set("Sec-Fetch-Site", "cross-site") }
	if p := newRooms(t).ask(scopePath+"?account=account-8", "", foreign).problem(t); p.Code != "origin.refused" {
		t.Errorf("a page of another site has it read: %s", p.Code)
	}
}

func TestAContainmentIsPreviewedMadeOrAskedOfASecondOfficer(t *testing.T) {
	tests := map[string]struct {
		body   string
		status int
		want   string
	}{
		"dry run": {`{"account":"anne@a.example","tree":true,"dry_run":true}`, http.StatusOK, `"dry_run":true`},
		"made":    {`{"account":"anne@a.example","tree":true,"since":"2026-11-20T08:00:00Z","reason":"stolen this morning"}`, http.StatusCreated, `"sessions":3`},
		"second":  {`{"account":"account-9","reason":"stolen this morning"}`, http.StatusAccepted, `{"id":"approval-31","state":"pending"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRooms(t)
			if got := r.ask(containmentPath, test.body); got.StatusCode != test.status || !strings.Contains(string(got.body), test.want) {
				t.Errorf("%d %s", got.StatusCode, got.body)
			}
		})
	}
}

func TestARefusedContainmentSaysWhyInItsOwnCode(t *testing.T) {
	const body = `{"account":"anne@a.example","reason":"stolen this morning"}`
	for want, err := range map[string]error{
		"account.unknown": directory.ErrNotFound, "request.invalid": directory.ErrReason, "containment.since": directory.ErrSince,
		"containment.too_many": directory.ErrTooMany, "containment.nothing": directory.ErrContained, "assurance.too_low": directory.ErrWeak,
		"containment.own": &directory.RefusedError{Reasons: []ecluse.Reason{ecluse.ReasonContainmentOwn}},
	} {
		r := newRooms(t)
		r.err = err
		if p := r.ask(containmentPath, body).problem(t); p.Code != want {
			t.Errorf("%v: %s", err, p.Code)
		}
	}
	for body, pointer := range map[string]string{
		`{"account":"nobody@a.example"}`:                    "/account",
		`{"account":""}`:                                    "/account",
		`{"account":"anne@a.example","since":"2026-03-01"}`: "/since",
	} {
		if p := newRooms(t).ask(containmentPath, body).problem(t); p.Pointer != pointer {
			t.Errorf("%s: %s %s", body, p.Code, p.Pointer)
		}
	}
}

func TestALineageNamesAccountsAndNoPerson(t *testing.T) {
	got := newRooms(t).ask(lineagePath, "")
	var l lineageAnswer
	if err := json.Unmarshal(got.body, &l); err != nil || got.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if l.Account != "account-8" || len(l.Ancestors) != 1 || !l.Descendants[0].Dead || l.Descendants[0].RequestedBy != "account-8" {
		t.Errorf("%+v", l)
	}
	if len(l.Links) != 1 || l.Links[0].Links != 2 || l.Links[0].Email != "dora@b.example" || !l.Links[0].Ends.Equal(now.Add(2*time.Hour)) {
		t.Errorf("links: %+v", l.Links)
	}
	if strings.Contains(string(got.body), "77") {
		t.Errorf("a person is named: %s", got.body)
	}
	if p := newRooms(t).ask("/api/v1/accounts/account-12/lineage", "").problem(t); p.Code != "account.unknown" || p.Status != http.StatusNotFound {
		t.Errorf("%+v", p)
	}
}
