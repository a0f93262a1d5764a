package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

func init() {
	for _, name := range []string{"clients-faults", "clients-taken", "client-key-wrong", "client-key-many"} {
		status[name] = http.StatusUnprocessableEntity
	}
}

// fakePrograms are programs and agreements. They decide nothing: a test says what they answer.
type fakePrograms struct {
	programs   []directory.DelegatedProgram
	clients    []directory.Client
	programErr error
	delegated  ecluse.AccountID
	undone     ecluse.AccountID
	keyFor     ecluse.AccountID
	keyText    string
	keyEnded   ecluse.ClientKeyID
}

func (f *fakePrograms) Programs(context.Context, directory.Actor) ([]directory.DelegatedProgram, error) {
	return f.programs, nil
}

func (f *fakePrograms) Delegate(_ context.Context, _ directory.Actor, id ecluse.AccountID) (directory.Delegation, error) {
	f.delegated = id
	return directory.Delegation{}, f.programErr
}

func (f *fakePrograms) EndDelegation(_ context.Context, _ directory.Actor, id ecluse.AccountID) error {
	f.undone = id
	return f.programErr
}

func (f *fakePrograms) Clients(context.Context, directory.Actor) ([]directory.Client, error) {
	return f.clients, nil
}

func (f *fakePrograms) RequestClientKey(_ context.Context, _ directory.Actor, id ecluse.AccountID, jwk []byte) (directory.Approval, directory.Secret, error) {
	f.keyFor, f.keyText = id, string(jwk)
	if f.programErr != nil || len(jwk) > 0 {
		return directory.Approval{Expires: testNow.AddDate(0, 1, 0)}, "", f.programErr
	}
	return directory.Approval{Expires: testNow.AddDate(0, 1, 0)}, "ecluse_cs_dGhpcyBpcyBub3QgYSBzZWNyZXQgYXQgYWxsLi4u", nil
}

func (f *fakePrograms) EndClientKey(_ context.Context, _ directory.Actor, _ ecluse.AccountID, key ecluse.ClientKeyID) error {
	f.keyEnded = key
	return f.programErr
}

func withPrograms(f *fakeRooms) {
	day := 24 * time.Hour
	program := func(id ecluse.AccountID, name string) directory.Account {
		return directory.Account{ID: id, Kind: directory.KindClient, State: directory.Active, UsualName: name, Sub: "c-7h2kq4m9x3p5w8zt", ActiveAt: testNow.Add(-time.Hour)}
	}
	f.programs = []directory.DelegatedProgram{
		{Account: program(21, "Parcours ML"), Delegation: directory.Delegation{Client: 21, Created: testNow.Add(-10 * day), Ends: testNow.Add(80 * day)}},
		{Account: program(22, "Agenda partagé")},
	}
	key := func(id ecluse.ClientKeyID, kind string, change func(*directory.ClientKey)) directory.ClientKey {
		k := directory.ClientKey{ID: id, Kind: kind, Created: testNow.Add(-40 * day), Ends: testNow.Add(326 * day), LastUsed: testNow.Add(-time.Hour)}
		change(&k)
		return k
	}
	f.clients = []directory.Client{
		{Account: program(21, "Parcours ML"), Place: "Mission locale de la Lézarde", Status: directory.Active, Keys: []directory.ClientKey{
			key(1, directory.KeySecret, func(k *directory.ClientKey) { k.RevokedAt = testNow }),
			key(2, directory.KeySecret, func(k *directory.ClientKey) { k.Ends = testNow.Add(-day) }),
			key(3, directory.KeySecret, func(k *directory.ClientKey) { k.ReplacedBy, k.Ends = 4, testNow.Add(5*day) }),
			key(4, directory.KeyJWK, func(k *directory.ClientKey) { k.LastUsed = time.Time{} }),
		}},
		{Account: program(22, "Agenda partagé"), Place: "Mission locale de la Lézarde", Status: directory.Dormant},
	}
	f.clients[1].ActiveAt = time.Time{}
}

func asKeeper(f *fakeRooms) {
	asManager(f)
	f.standing.Account.Organisation = f.standing.Organisation.ID
	withPrograms(f)
}

func keyApproval(running string) directory.Approval {
	return directory.Approval{
		ID: 10, Kind: directory.KindClientKey, State: "pending", Requester: "Solène Marchand", RequestedBy: 77, RequestedAt: testNow.Add(-time.Hour), Expires: testNow.Add(24 * time.Hour),
		Summary: `{"client_key":{"client_id":"c-7h2kq4m9x3p5w8zt","kind":"jwk","name":"Parcours ML","running":` + running + `,"thumbprint":"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}}`,
	}
}

func statesOfPrograms() map[string]state {
	get := func(path string, fake func(*fakeRooms)) state { return state{method: "GET", path: path, fake: fake} }
	post := func(path, form string, fake func(*fakeRooms)) state {
		values, _ := url.ParseQuery(form)
		return state{method: "POST", path: path, form: values, fake: fake}
	}
	refusing := func(err error) func(*fakeRooms) {
		return func(f *fakeRooms) { asKeeper(f); f.programErr, f.accountErr = err, err }
	}
	approving := func(running string) func(*fakeRooms) {
		return func(f *fakeRooms) { asOfficer(f); f.approvals = append(f.approvals, keyApproval(running)) }
	}
	return map[string]state{
		"programs":          get("/me/programs", withPrograms),
		"programs-none":     get("/me/programs?done=ended", func(*fakeRooms) {}),
		"programs-done":     get("/me/programs?done=agreed", withPrograms),
		"program-agree":     get("/me/programs/p22", withPrograms),
		"clients":           get("/programs", asKeeper),
		"clients-done":      get("/programs?done=ended", asKeeper),
		"clients-none":      get("/programs", func(f *fakeRooms) { asKeeper(f); f.clients = nil }),
		"clients-faults":    post("/programs", "name=&email=nobody", asKeeper),
		"clients-taken":     post("/programs", "name=Soft&email=a@b.test", refusing(directory.ErrTaken)),
		"clients-made":      post("/programs", "name=Soft&email=a@b.test", asKeeper),
		"client-key":        get("/programs/p21/key", asKeeper),
		"client-key-secret": post("/programs/p21/key", "jwk=", asKeeper),
		"client-key-jwk":    post("/programs/p21/key", "jwk={}", asKeeper),
		"client-key-wrong":  post("/programs/p21/key", "jwk={}", refusing(directory.ErrPublicKey)),
		"client-key-many":   post("/programs/p21/key", "", refusing(directory.ErrManyKeys)),
		"client-end":        get("/programs/p21/keys/c3/end", asKeeper),
		"client-end-last":   get("/programs/p21/keys/c4/end", func(f *fakeRooms) { asKeeper(f); f.clients[0].Keys = f.clients[0].Keys[3:] }),
		"approval-key":      get("/approvals/a10", approving("1")),
		"approval-key-yes":  post("/approvals/a10/confirm", "decision=approve", approving("0")),
		"approval-key-no":   post("/approvals/a10/confirm", "decision=refuse", approving("2")),
	}
}

func TestAnAgentAgreesAfterTheQuestionAndTakesItBackAtOnce(t *testing.T) {
	f := newFake(t)
	withPrograms(f)
	s := newSite(t, f)
	if w := send(s, "GET", "/me/programs/p22", ""); w.Code != 200 || f.delegated != 0 {
		t.Errorf("the question: %d, agreed %d", w.Code, f.delegated)
	}
	if w := send(s, "POST", "/me/programs/p22", ""); w.Header().Get("Location") != "/me/programs?done=agreed" || f.delegated != 22 {
		t.Errorf("agreeing: %d %s", w.Code, w.Header())
	}
	if w := send(s, "POST", "/me/programs/p21/end", ""); w.Header().Get("Location") != "/me/programs?done=ended" || f.undone != 21 {
		t.Errorf("taking back: %d %s", w.Code, w.Header())
	}
	if w := send(s, "GET", "/me/programs/p99", ""); w.Code != 404 {
		t.Errorf("a program that is not hers: %d", w.Code)
	}
	f.programErr = directory.ErrWeak
	weakly(f)
	if w := send(s, "POST", "/me/programs/p22", ""); !strings.HasPrefix(w.Header().Get("Location"), "/second-factor?") {
		t.Errorf("without a strong proof: %d %s", w.Code, w.Header().Get("Location"))
	}
}

func TestASecretIsOnOnePageAndInNoAddress(t *testing.T) {
	f := newFake(t)
	asKeeper(f)
	s := newSite(t, f)
	w := send(s, "POST", "/programs/p21/key", "jwk=")
	if w.Code != 200 || f.keyFor != 21 || strings.Count(w.Body.String(), "ecluse_cs_") != 1 || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Location") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for _, path := range []string{"/programs", "/programs/p21/key"} {
		if strings.Contains(send(s, "GET", path, "").Body.String(), "ecluse_cs_") {
			t.Errorf("%s shows it again", path)
		}
	}
	if w := send(s, "POST", "/programs/p99/key", "jwk="); w.Code != 404 || f.keyFor != 21 {
		t.Errorf("for a program that is not hers: %d", w.Code)
	}
}

func TestAKeyIsEndedAfterAConfirmationOnly(t *testing.T) {
	f := newFake(t)
	asKeeper(f)
	s := newSite(t, f)
	if w := send(s, "GET", "/programs/p21/keys/c3/end", ""); w.Code != 200 || f.keyEnded != 0 {
		t.Errorf("%d, ended %d", w.Code, f.keyEnded)
	}
	if w := send(s, "GET", "/programs/p21/keys/c1/end", ""); w.Code != 404 {
		t.Errorf("a key that is over: %d", w.Code)
	}
	if w := send(s, "POST", "/programs/p21/keys/c3/end", ""); w.Header().Get("Location") != "/programs?done=ended" || f.keyEnded != 3 {
		t.Errorf("%d, ended %d", w.Code, f.keyEnded)
	}
	f.programErr = directory.ErrNotFound
	if w := send(s, "POST", "/programs/p21/keys/c3/end", ""); w.Code != 404 {
		t.Errorf("twice: %d", w.Code)
	}
}

func TestANewProgramIsAskedForLikeAnAccount(t *testing.T) {
	f := newFake(t)
	asKeeper(f)
	s := newSite(t, f)
	w := send(s, "POST", "/programs", "name=Parcours&email=equipe%40editeur.test")
	if w.Code != 200 || f.fakeAccounts.asked.UsualName != "Parcours" || f.fakeAccounts.asked.Program == "" || !strings.Contains(w.Body.String(), f.fakeAccounts.asked.Program) {
		t.Errorf("%d %+v", w.Code, f.fakeAccounts.asked)
	}
	f.accountErr = errors.New("disk")
	if w := send(s, "POST", "/programs", "name=Parcours&email=equipe%40editeur.test"); w.Code != 500 {
		t.Errorf("%d", w.Code)
	}
}
