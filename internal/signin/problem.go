package signin

import (
	"errors"
	"net/http"

	"ecluse"
)

// Code is the stable code of what went wrong with a sign-in. Web has a text for each: what happened and
// what to do.
type Code string

// The closed list of codes.
const (
	CodeRequestInvalid   Code = "signin.request_invalid"   // oversized, repeated or unreadable parameters
	CodeProviderUnknown  Code = "signin.provider_unknown"  // no such provider here
	CodeProviderDown     Code = "signin.provider_down"     // no answer, late, too large or not understood
	CodeProviderDenied   Code = "signin.provider_denied"   // the person or the provider said no: access_denied
	CodeProviderRefused  Code = "signin.provider_refused"  // the provider refuses our request: a matter for the operator
	CodeStateMissing     Code = "signin.state_missing"     // no handshake in this browser, or another one's
	CodeStateExpired     Code = "signin.state_expired"     // more than 10 minutes ago
	CodeStateReplayed    Code = "signin.state_replayed"    // this handshake has served
	CodeTokenInvalid     Code = "signin.token_invalid"     // signature, issuer, audience or content
	CodeNonce            Code = "signin.nonce"             // the token answers another request
	CodeClock            Code = "signin.clock"             // our clock and the provider's differ
	CodeAssurance        Code = "assurance.too_low"        // acr not in the accepted list
	CodeNoAccount        Code = "account.unknown"          // nobody is bound to this identity
	CodeAccountPending   Code = "account.pending"          // not active yet
	CodeAccountSuspended Code = "account.suspended"        //
	CodeAccountEnded     Code = "account.ended"            //
	CodeAccountDormant   Code = "account.dormant"          // nobody signed in for too long
	CodeInvitation       Code = "invitation.invalid"       // no such invitation
	CodeInvitationUsed   Code = "invitation.used"          // it has served
	CodeInvitationOver   Code = "invitation.expired"       // more than 7 days ago
	CodeInvitationOther  Code = "invitation.other_account" // this identity has another account
	CodeInvitationUnlike Code = "invitation.mismatch"      // who signed in is not who was invited, as far as the provider can be trusted
	CodeInternal         Code = "internal"                 // see Problem.Err
)

// Codes lists every code, for the test that each has its text.
var Codes = []Code{
	CodeRequestInvalid, CodeProviderUnknown, CodeProviderDown, CodeProviderDenied, CodeProviderRefused, CodeStateMissing, CodeStateExpired,
	CodeStateReplayed, CodeTokenInvalid, CodeNonce, CodeClock, CodeAssurance, CodeNoAccount, CodeAccountPending, CodeAccountSuspended,
	CodeAccountEnded, CodeAccountDormant, CodeInvitation, CodeInvitationUsed, CodeInvitationOver, CodeInvitationOther, CodeInvitationUnlike,
	CodeInternal,
}

// Problem is a sign-in that failed, to be shown.
type Problem struct {
	Code     Code
	Provider string           // its label, "" if none
	Again    string           // local address to try again, "" if that would not help
	Lang     string           // asked for at the start: fr, en or ""
	Account  ecluse.AccountID // CodeAccountSuspended only: whose it is has just proven who she is
	Err      error            // CodeInternal only: for the log with a reference, never for the page
}

// Choice is what the page with the providers shows.
type Choice struct {
	Providers  []ProviderLink
	Return     string // where the reader wants to go, a checked local path
	Locked     bool   // this browser holds a session that locked itself: signing in again resumes it
	Invitation bool   // the reader follows an invitation
}

// ProviderLink is one way to sign in: URL is a plain link (GET).
type ProviderLink struct {
	ID, Label, URL string
	Demo           bool
}

// Farewell is what the page after a sign-out shows.
type Farewell struct {
	// Federation: the provider confirmed the end of its own session too. If false, the reader of a
	// shared desk should close the browser.
	Federation bool
}

// Pages renders for signin, in the reader's language; package web implements it. Each writes a whole
// answer; headers that signin has set stay.
type Pages interface {
	Choose(http.ResponseWriter, *http.Request, Choice)
	Problem(http.ResponseWriter, *http.Request, Problem)
	SignedOut(http.ResponseWriter, *http.Request, Farewell)
	// Redirect answers 303 See Other to a checked address: a local path or a provider's endpoint.
	Redirect(w http.ResponseWriter, r *http.Request, to string)
}

// refusal is an expected failure: its code goes to the page, its stage to the log.
type refusal struct {
	code  Code
	stage string // where, a constant of this program: "token", "userinfo: exp" …
	h     *handshake
	// account is the suspended one of whoever has just proven who she is, 0 otherwise.
	account ecluse.AccountID
}

func (e *refusal) Error() string { return "sign-in refused: " + string(e.code) + " (" + e.stage + ")" }

func refuse(code Code, stage string) error { return &refusal{code: code, stage: stage} }

// problem logs once and lets pages show err.
func (s *Service) problem(w http.ResponseWriter, r *http.Request, pages Pages, err error) {
	p := Problem{Code: CodeInternal, Err: err}
	id := r.PathValue("provider")
	if known := s.providers[id]; known != nil {
		p.Provider, p.Again = known.Label, "/sign-in/"+id
	} else {
		id = ""
	}
	var refused *refusal
	if errors.As(err, &refused) {
		p.Code, p.Err, p.Account = refused.code, nil, refused.account
		if refused.h != nil {
			p.Lang = refused.h.Lang
			p.Again = refused.h.again(p.Again)
		}
		s.log.InfoContext(r.Context(), "sign-in refused", "code", string(refused.code), "stage", refused.stage, "provider", id)
	}
	pages.Problem(w, r, p)
}
