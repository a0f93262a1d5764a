package web

import (
	"errors"
	"fmt"
	"html/template"
	"image/color"
	"net/http"
	"strings"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/signin"

	"github.com/boombuler/barcode/qr"
)

// factorsPage lists the caller's own factors and adds one.
type factorsPage struct {
	List     []factorView
	KeysWork bool
	Fresh    bool // a factor may be added now
	SignIn   string
	Prove    string // page that proves one that is there
	Active   bool   // the caller has one that counts
	KeyName  input
	CodeName input
	Notice   string // added, waiting, ended
	Faults   []fault
}

// factorView is one factor. End is where it is ended.
type factorView struct {
	directory.Factor
	End string
}

// factors shows them.
func (s *Site) factors(q *query) (answer, error) {
	page, err := s.factorsForm(q)
	if err != nil {
		return answer{}, err
	}
	if done := q.URL.Query().Get("done"); done == "added" || done == "waiting" || done == "ended" {
		page.Notice = done
	}
	return show("factors", page)
}

func (s *Site) factorsForm(q *query) (factorsPage, error) {
	all, err := s.rooms.Sessions.Factors(q.Context(), q.caller)
	if err != nil {
		return factorsPage{}, err
	}
	now := s.now()
	page := factorsPage{
		KeysWork: s.rooms.Sessions.KeysWork(), SignIn: signin.Link("/me/factors"), Prove: signin.StepUpLink("/me/factors"),
		KeyName: nameInput(q, "key"), CodeName: nameInput(q, "code"),
	}
	for _, f := range all {
		page.Active = page.Active || f.State == directory.Active
		page.List = append(page.List, factorView{f, localPath("me", "factors", s.rooms.Names.Name("factor", int64(f.ID)), "end")})
	}
	proven := !q.caller.ProvenAt.IsZero() && now.Before(q.caller.ProvenAt.Add(signin.StepUpLife))
	page.Fresh = proven || now.Before(q.caller.SignedAt.Add(signin.FreshFor))
	return page, nil
}

func nameInput(q *query, kind string) input {
	return input{
		ID: kind + "-name", Name: "name", Label: q.t("factor.name"), Hint: q.t("factor.name_hint." + kind), Value: q.field("name"),
		Autocomplete: "off", MaxLength: directory.MaxFactorName,
	}
}

// codePage shows the seed of a new application, to be read with it, and asks for its first code.
type codePage struct {
	Name     string
	Picture  template.HTMLAttr // path of the QR code
	Size     int               // its modules, quiet zone included
	Secret   string
	CodeForm input
	Faults   []fault
}

// beginCode begins to add an application.
func (s *Site) beginCode(q *query) (answer, error) {
	seed, err := s.rooms.Sessions.BeginCode(q.Request, q.caller, q.field("name"), q.standing.Account.Email)
	if err != nil {
		return s.addFailed(q, "code", err)
	}
	page, err := newCodePage(q, q.field("name"), seed)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, page: "factorcode", data: page, back: "/me/factors"}, nil
}

func newCodePage(q *query, name string, seed signin.CodeSeed) (codePage, error) {
	picture, size, err := drawQR(seed.URL)
	page := codePage{Name: name, Picture: picture, Size: size, Secret: seed.Secret, CodeForm: codeInput(q)}
	page.CodeForm.Hint = q.t("factor.first_code_hint")
	return page, err
}

// finishCode adds the application, or shows its seed again after a mistyped code.
func (s *Site) finishCode(q *query) (answer, error) {
	f, err := s.rooms.Sessions.FinishCode(q.w, q.Request, q.caller, q.field("code"))
	if err == nil {
		return added(f)
	}
	message, known := s.factorFault(q, err)
	if !known {
		return answer{}, err
	}
	seed, name, pending := s.rooms.Sessions.PendingCode(q.Request, q.caller, q.standing.Account.Email)
	if pending != nil || !errors.Is(err, signin.ErrWrong) && !errors.Is(err, signin.ErrCodeForm) {
		return s.addFailed(q, "code", err)
	}
	page, err := newCodePage(q, name, seed)
	page.CodeForm.Error, page.Faults = message, []fault{{Field: page.CodeForm.ID, Message: message}}
	return answer{status: http.StatusUnprocessableEntity, page: "factorcode", data: page, failed: true, back: "/me/factors"}, err
}

// beginKey answers the page's script what a new key has to make.
func (s *Site) beginKey(q *query) (answer, error) {
	options, err := s.rooms.Sessions.BeginKey(q.Request, q.caller, q.field("name"), q.standing.Account.Email)
	return s.scripted(q, options, err)
}

// finishKey adds the key whose answer the page's script has put into the form.
func (s *Site) finishKey(q *query) (answer, error) {
	f, err := s.rooms.Sessions.FinishKey(q.w, q.Request, q.caller, []byte(q.PostFormValue("answer")))
	if err == nil {
		return added(f)
	}
	return s.addFailed(q, "key", err)
}

func added(f directory.Factor) (answer, error) {
	if f.State == directory.Waiting {
		return redirect("/me/factors?done=waiting")
	}
	return redirect("/me/factors?done=added")
}

// addFailed shows the page again with what was wrong.
func (s *Site) addFailed(q *query, kind string, err error) (answer, error) {
	message, known := s.factorFault(q, err)
	if !known {
		return answer{}, err
	}
	page, err := s.factorsForm(q)
	if err != nil {
		return answer{}, err
	}
	in := &page.KeyName
	if kind == "code" {
		in = &page.CodeName
	}
	in.Error, page.Faults = message, []fault{{Field: in.ID, Message: message}}
	return answer{status: http.StatusUnprocessableEntity, page: "factors", data: page, failed: true, back: "/me/factors"}, nil
}

// factorEndPage says what ending a factor does before it is done.
type factorEndPage struct {
	Factor directory.Factor
	Last   bool // it is the last one that counts
	Action string
}

// confirmFactorEnd says it.
func (s *Site) confirmFactorEnd(q *query) (answer, error) {
	id, err := s.number("factor", q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	all, err := s.rooms.Sessions.Factors(q.Context(), q.caller)
	if err != nil {
		return answer{}, err
	}
	page, active := factorEndPage{Action: q.URL.Path}, 0
	for _, f := range all {
		if f.ID == ecluse.FactorID(id) {
			page.Factor = f
		}
		if f.State == directory.Active {
			active++
		}
	}
	if page.Factor.ID == 0 {
		return answer{}, directory.ErrNotFound
	}
	page.Last = page.Factor.State == directory.Active && active == 1
	return show("factorend", page)
}

// endFactor does it.
func (s *Site) endFactor(q *query) (answer, error) {
	id, err := s.number("factor", q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if err := s.rooms.Sessions.EndFactor(q.Context(), q.caller, ecluse.FactorID(id)); err != nil {
		return answer{}, err
	}
	return redirect("/me/factors?done=ended")
}

// revokeOthers ends every other session of the caller.
func (s *Site) revokeOthers(q *query) (answer, error) {
	if _, err := s.rooms.Sessions.RevokeOthers(q.Context(), q.caller); err != nil {
		return answer{}, err
	}
	return redirect("/me?done=others")
}

// quiet is the margin that readers of QR codes need, in modules (ISO/IEC 18004 §6.3.8).
const quiet = 4

// drawQR is the path of a picture of text, one unit a module, and its width.
func drawQR(text string) (template.HTMLAttr, int, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", 0, err
	}
	var path strings.Builder
	side := code.Bounds().Dx()
	for y := range side {
		for x := 0; x < side; x++ {
			run := x
			for ; run < side && dark(code.At(run, y)); run++ {
			}
			if run > x {
				writeRun(&path, x+quiet, y+quiet, run-x)
				x = run
			}
		}
	}
	return template.HTMLAttr(`d="` + path.String() + `"`), side + 2*quiet, nil // #nosec: digits and letters of this function
}

func dark(c color.Color) bool {
	r, _, _, _ := c.RGBA()
	return r < 0x8000
}

// writeRun draws dark modules beside each other.
func writeRun(path *strings.Builder, x, y, length int) {
	fmt.Fprintf(path, "M%d %dh%dv1h-%dz", x, y, length, length)
}

func toFactors(*query) string     { return "/me/factors" }
func toFactorEnd(q *query) string { return localPath("me", "factors", q.PathValue("id"), "end") }
