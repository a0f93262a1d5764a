package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

// accounts is the directory behind the addresses of accounts: request 31 is for an account, 32 for something
// else.
type accounts struct{ *rooms }

func (r accounts) RequestAccount(_ context.Context, _ directory.Actor, q directory.AccountRequest) (directory.Approval, error) {
	r.lastRequest = q
	return directory.Approval{ID: 31, State: "pending"}, r.err
}

func (r accounts) Requests(context.Context, directory.Actor) ([]directory.Approval, error) {
	return []directory.Approval{{ID: 31, Kind: directory.KindAccount, State: "pending", RequestedBy: 5, Requester: "Camille Durand", RequestedAt: now, Expires: now.Add(time.Hour),
		Summary: `{"account":{"op":"open","reason":"arrival","email":"nina@a.example","organisation":"A"}}`}}, r.err
}

func (r accounts) Approval(_ context.Context, _ directory.Actor, id ecluse.ApprovalID) (directory.Approval, error) {
	if id == 32 {
		return directory.Approval{ID: 32, Kind: directory.KindImport}, nil
	}
	return directory.Approval{ID: id, Kind: directory.KindAccount}, nil
}

func (r accounts) Decide(_ context.Context, _ directory.Actor, id ecluse.ApprovalID, approve bool) error {
	r.lastRequest = [2]any{id, approve}
	return r.err
}

const requestsPath = "/api/v1/accounts/requests"

const nina = `{"email":"nina@a.example","given_name":"Nina","usual_name":"Test","organisation":"A","site":"A1","role":"agent account_manager","reason":"arrival","ends":"2027-01-31"}`

func TestARequestForAnAccountWaits(t *testing.T) {
	r := newRooms(t)
	got := r.ask(requestsPath, nina)
	q, _ := r.lastRequest.(directory.AccountRequest)
	if got.StatusCode != http.StatusAccepted || string(got.body) != `{"id":"approval-31","state":"pending"}` {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if q.Email != "nina@a.example" || len(q.Roles) != 2 || q.Site != "A1" || q.Ends.Format(time.DateOnly) != "2027-01-31" {
		t.Errorf("%+v", q)
	}
	for err, want := range map[error]string{
		directory.ErrEmail: "400 request.invalid /email", directory.ErrName: "400 request.invalid /given_name", directory.ErrRole: "400 request.invalid /role",
		directory.ErrReason: "400 request.invalid /reason", directory.ErrEnd: "400 request.invalid /ends", directory.ErrNotFound: "400 request.invalid /site",
		directory.ErrTaken: "422 account.taken /email", directory.ErrNothing: "409 account.unchanged ", directory.ErrDualControl: "403 dual_control.required ",
		directory.ErrWeak: "403 assurance.too_low ", directory.ErrInactive: "403 account.suspended ", errors.New("disk"): "500 internal ",
	} {
		r := newRooms(t)
		r.err = err
		p := r.ask(requestsPath, nina).problem(t)
		if got := fmt.Sprint(p.Status, " ", p.Code, " ", p.Pointer); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
	if p := newRooms(t).ask(requestsPath, strings.Replace(nina, "2027-01-31", "soon", 1)).problem(t); p.Pointer != "/ends" {
		t.Errorf("%+v", p)
	}
}

func TestRequestsThatWaitAreListed(t *testing.T) {
	var answer requestsAnswer
	got := newRooms(t).ask(requestsPath, "")
	if err := json.Unmarshal(got.body, &answer); err != nil || len(answer.Requests) != 1 || answer.Requests[0].Email != "nina@a.example" || !answer.Requests[0].Own {
		t.Errorf("%d %s %v", got.StatusCode, got.body, err)
	}
	r := newRooms(t)
	r.err = directory.ErrNotFound
	if p := r.ask(requestsPath, "").problem(t); p.Status != http.StatusForbidden || p.Code != "dual_control.required" {
		t.Errorf("%+v", p)
	}
}

func TestARequestIsDecidedByItsAddress(t *testing.T) {
	post := func(q *http.Request) { q.Method = http.MethodPost }
	for path, want := range map[string]struct {
		approve bool
		state   string
	}{"/approve": {true, "approved"}, "/refuse": {false, "refused"}} {
		r := newRooms(t)
		got := r.ask(requestsPath+"/approval-31"+path, "", post)
		if string(got.body) != `{"id":"approval-31","state":"`+want.state+`"}` || r.lastRequest != [2]any{ecluse.ApprovalID(31), want.approve} {
			t.Errorf("%s: %d %s, %v", path, got.StatusCode, got.body, r.lastRequest)
		}
	}
	for _, id := range []string{"approval-32", "account-31", "31", "x"} {
		if p := newRooms(t).ask(requestsPath+"/"+id+"/approve", "", post).problem(t); p.Status != http.StatusNotFound || p.Code != "request.unknown" {
			t.Errorf("%s: %+v", id, p)
		}
	}
	refused := &directory.RefusedError{Reasons: []ecluse.Reason{ecluse.ReasonDualLineage, ecluse.ReasonDualDaily}}
	for err, want := range map[error]string{refused: "dual_control.lineage", directory.ErrDecided: "request.decided", directory.ErrChanged: "request.changed", directory.ErrWeak: "assurance.too_low"} {
		r := newRooms(t)
		r.err = err
		if p := r.ask(requestsPath+"/approval-31/approve", "", post).problem(t); p.Code != want || errors.Is(err, refused) && len(p.Reasons) != 2 {
			t.Errorf("%v: %+v", err, p)
		}
	}
}
