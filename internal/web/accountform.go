package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

// accountFormPage asks for an account, or for another role, site or end of one.
type accountFormPage struct {
	Item         *directory.Member // whose account changes, nil = a new one
	Action       string
	Organisation *input // of the body's staff, which may ask for any
	Email        input
	Given, Usual input
	Sites        options
	Roles        options
	Ends         input
	Reasons      options
	Faults       []fault
}

// accountRoles are the roles that the form offers; those after the third are the body's own.
var accountRoles = []string{"agent", "account_manager", "agent account_manager", "access_officer", "security_officer", "dpo", "admin"}

// newAccount shows the form for a newcomer.
func (s *Site) newAccount(q *query) (answer, error) {
	s.again(q)
	page, err := s.accountForm(q, nil, q.standing.Organisation)
	if err != nil {
		return answer{}, err
	}
	return show("accountform", page)
}

// changeAccount shows it for somebody who is there.
func (s *Site) changeAccount(q *query) (answer, error) {
	s.again(q)
	m, o, err := s.member(q)
	if err != nil {
		return answer{}, err
	}
	page, err := s.accountForm(q, &m, o)
	if err != nil {
		return answer{}, err
	}
	return show("accountform", page)
}

// accountForm is the form with what was typed or, at first, with what is.
func (s *Site) accountForm(q *query, m *directory.Member, o directory.Organisation) (accountFormPage, error) {
	page := accountFormPage{Item: m, Action: "/colleagues"}
	is := map[string]string{"ends": s.now().Add(directory.AccountLife).In(s.config.Location).Format(time.DateOnly)}
	if m != nil {
		page.Action = s.colleaguePath(m.ID, "change")
		is = map[string]string{"email": m.Email, "given_name": m.GivenName, "usual_name": m.UsualName, "ends": is["ends"], "role": rolesValue(m.Roles)}
	}
	sites, err := s.rooms.Directory.Sites(q.Context(), o)
	if err != nil {
		return page, err
	}
	var places []choice
	for _, site := range sites {
		places = append(places, choice{site.Code, Label{FR: site.Name, EN: site.Name}})
		if m != nil && m.Account.Site == site.ID {
			is["site"] = site.Code
		}
	}
	typed := func(name string) string {
		if len(q.PostForm) > 0 {
			return q.field(name)
		}
		return is[name]
	}
	field := func(name, mode string) input {
		return input{ID: name, Name: name, Label: q.t("account.field." + name), Value: typed(name), Inputmode: mode, Autocomplete: "off", MaxLength: 254}
	}
	page.Email, page.Given, page.Usual, page.Ends = field("email", "email"), field("given_name", ""), field("usual_name", ""), field("ends", "")
	page.Email.Hint, page.Ends.Hint, page.Ends.Type = q.t("account.hint.email"), q.t("account.hint.ends"), "date"
	if q.standing.Account.Organisation == 0 && m == nil {
		code := field("organisation", "")
		code.Hint = q.t("account.hint.organisation")
		page.Organisation = &code
		site := field("site", "")
		page.Sites = options{ID: site.ID, Name: site.Name}
	}
	page.Sites = choose("site", q.t("account.field.site"), q.lang, typed("site"), places)
	page.Roles = choose("role", q.t("account.field.role"), q.lang, typed("role"), s.roleChoices(q, m))
	page.Reasons = choose("reason", q.t("account.field.reason"), q.lang, typed("reason"), wordChoices(q, "account.reason.", directory.RequestReasons))
	return page, nil
}

// roleChoices are the roles that the reader may ask for.
func (s *Site) roleChoices(q *query, m *directory.Member) []choice {
	offered := accountRoles[:3]
	if q.standing.Account.Organisation == 0 {
		offered = accountRoles
		if m != nil && m.Organisation != 0 {
			offered = accountRoles[:4]
		}
	}
	return wordChoices(q, "account.role.", offered)
}

func wordChoices(q *query, prefix string, codes []string) (list []choice) {
	for _, code := range codes {
		words := q.t(prefix + strings.ReplaceAll(code, " ", "_and_"))
		list = append(list, choice{code, Label{FR: words, EN: words}})
	}
	return list
}

// rolesValue is the choice that stands for roles.
func rolesValue(roles []ecluse.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	slices.SortFunc(names, func(a, b string) int { return slices.Index(accountRoles, a) - slices.Index(accountRoles, b) })
	return strings.Join(names, " ")
}

// requestAccount asks for a newcomer.
func (s *Site) requestAccount(q *query) (answer, error) {
	return s.askForAccount(q, nil, q.standing.Organisation)
}

// requestChange asks for a change of somebody's account.
func (s *Site) requestChange(q *query) (answer, error) {
	m, o, err := s.member(q)
	if err != nil {
		return answer{}, err
	}
	return s.askForAccount(q, &m, o)
}

func (s *Site) askForAccount(q *query, m *directory.Member, o directory.Organisation) (answer, error) {
	if left := leftEmpty(q, m == nil, "role", "reason"); len(left) > 0 {
		page, err := s.accountForm(q, m, o)
		if err != nil {
			return answer{}, err
		}
		for _, f := range left {
			page.blame(f.Field, f.Message)
		}
		return answer{status: http.StatusUnprocessableEntity, page: "accountform", data: page, failed: true, back: page.Action}, nil
	}
	r := directory.AccountRequest{
		Email: q.field("email"), GivenName: q.field("given_name"), UsualName: q.field("usual_name"), Organisation: o.Code, Site: q.field("site"),
		Reason: q.field("reason"),
	}
	if m != nil {
		r.Email = m.Email
	} else if o.ID == 0 {
		r.Organisation = q.field("organisation")
	}
	for role := range strings.FieldsSeq(q.field("role")) {
		r.Roles = append(r.Roles, ecluse.Role(role))
	}
	var err error
	if ends := q.field("ends"); ends != "" {
		if r.Ends, err = time.Parse(time.DateOnly, ends); err != nil {
			err = directory.ErrEnd
		}
	}
	if err == nil {
		_, err = s.rooms.Directory.RequestAccount(q.Context(), q.actor(), r)
	}
	if err == nil {
		return redirect("/colleagues?done=asked")
	}
	return s.accountFault(q, m, o, err)
}

// leftEmpty names every field of a form about an account that nothing was typed into, all at once.
func leftEmpty(q *query, email bool, more ...string) (list []fault) {
	fields := slices.Concat([]string{"given_name", "usual_name"}, more)
	if email {
		fields = slices.Insert(fields, 0, "email")
	}
	codes := map[string]string{"given_name": "given", "usual_name": "usual"}
	for _, name := range fields {
		if q.field(name) == "" {
			list = append(list, fault{Field: name, Message: q.t("account.error." + cmp.Or(codes[name], name))})
		}
	}
	return list
}

// accountFaults are the mistakes that the form shows beside a field.
var accountFaults = []struct {
	err   error
	field string
	code  string
}{
	{directory.ErrEmail, "email", "email"}, {directory.ErrTaken, "email", "taken"}, {directory.ErrName, "given_name", "name"},
	{directory.ErrRole, "role", "role"}, {directory.ErrEnd, "ends", "ends"}, {directory.ErrReason, "reason", "reason"},
	{directory.ErrNotFound, "site", "place"}, {directory.ErrNothing, "", "nothing"}, {directory.ErrDualControl, "email", "own"},
	{directory.ErrStandIns, "", "standins"}, {directory.ErrIdentity, "email", "taken"},
}

// accountFault shows the form again with what is wrong, everything typed included.
func (s *Site) accountFault(q *query, m *directory.Member, o directory.Organisation, err error) (answer, error) {
	for _, f := range accountFaults {
		if !errors.Is(err, f.err) {
			continue
		}
		page, err := s.accountForm(q, m, o)
		if err != nil {
			return answer{}, err
		}
		page.blame(f.field, q.t("account.error."+f.code))
		return answer{status: http.StatusUnprocessableEntity, page: "accountform", data: page, failed: true, back: page.Action}, nil
	}
	return answer{}, err
}

func (p *accountFormPage) blame(field, message string) {
	leads := field
	switch field {
	case "email":
		p.Email.Error = message
	case "given_name":
		p.Given.Error = message
	case "usual_name":
		p.Usual.Error = message
	case "ends":
		p.Ends.Error = message
	case "role":
		p.Roles.Error, leads = message, p.Roles.ID
	case "reason":
		p.Reasons.Error, leads = message, p.Reasons.ID
	case "site":
		p.Sites.Error, leads = message, p.Sites.ID
		if p.Organisation != nil {
			p.Organisation.Error, leads = message, p.Organisation.ID
		}
	}
	p.Faults = append(p.Faults, fault{Field: leads, Message: message})
}

func toNewAccount(*query) string { return "/colleagues/new" }
func toChange(q *query) string   { return localPath("colleagues", q.PathValue("id"), "change") }
