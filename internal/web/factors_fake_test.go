package web

import (
	"context"
	"encoding/json"
	"net/http"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/signin"
)

// fakeFactors are the own factors of whoever asks. They decide nothing: a test says what they answer.
type fakeFactors struct {
	factors    []directory.Factor
	factorErr  error // of proving, adding and ending
	enrolled   directory.Factor
	nameless   bool // the public address is a number
	proved     string
	ended      ecluse.FactorID
	others     bool
	recovered  ecluse.FactorID
	waiting    []directory.Factor
	recoverErr error
}

func (f *fakeFactors) KeysWork() bool { return !f.nameless }

func (f *fakeFactors) Factors(context.Context, signin.Caller) ([]directory.Factor, error) {
	return f.factors, nil
}

func (f *fakeFactors) ProveCode(_ http.ResponseWriter, _ *http.Request, _ signin.Caller, code string) error {
	f.proved = code
	return f.factorErr
}

func (f *fakeFactors) AskKey(*http.Request, signin.Caller) (json.RawMessage, error) {
	return json.RawMessage(`{"publicKey":{"challenge":"eA"}}`), f.factorErr
}

func (f *fakeFactors) ProveKey(_ http.ResponseWriter, _ *http.Request, _ signin.Caller, answer []byte) error {
	f.proved = string(answer)
	return f.factorErr
}

var testSeed = signin.CodeSeed{Secret: "ABCD EFGH", URL: "otpauth://totp/Test:anne?secret=ABCDEFGH&issuer=Test"}

func (f *fakeFactors) BeginCode(*http.Request, signin.Caller, string, string) (signin.CodeSeed, error) {
	return testSeed, f.factorErr
}

func (f *fakeFactors) PendingCode(*http.Request, signin.Caller, string) (signin.CodeSeed, string, error) {
	return testSeed, "telephone", nil
}

func (f *fakeFactors) FinishCode(_ http.ResponseWriter, _ *http.Request, _ signin.Caller, code string) (directory.Factor, error) {
	f.proved = code
	return f.enrolled, f.factorErr
}

func (f *fakeFactors) BeginKey(*http.Request, signin.Caller, string, string) (json.RawMessage, error) {
	return json.RawMessage(`{"publicKey":{"challenge":"eA"}}`), f.factorErr
}

func (f *fakeFactors) FinishKey(_ http.ResponseWriter, _ *http.Request, _ signin.Caller, answer []byte) (directory.Factor, error) {
	f.proved = string(answer)
	return f.enrolled, f.factorErr
}

func (f *fakeFactors) EndFactor(_ context.Context, _ signin.Caller, id ecluse.FactorID) error {
	f.ended = id
	return f.factorErr
}

func (f *fakeFactors) RevokeOthers(context.Context, signin.Caller) (int, error) {
	f.others = true
	return 1, nil
}

func (f *fakeRooms) Recoverable(context.Context, directory.Actor, string) (directory.Account, error) {
	return directory.Account{ID: 7, GivenName: "Paul", UsualName: "Sansclé"}, f.recoverErr
}

func (f *fakeRooms) WaitingFactors(context.Context, directory.Actor, ecluse.AccountID) ([]directory.Factor, int, error) {
	return f.waiting, len(f.factors), nil
}

func (f *fakeRooms) RequestRecovery(_ context.Context, _ directory.Actor, _ ecluse.AccountID, id ecluse.FactorID) (directory.Approval, error) {
	f.recovered = id
	return directory.Approval{}, f.recoverErr
}
