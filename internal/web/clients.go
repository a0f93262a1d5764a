package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"ecluse"
	"ecluse/internal/directory"
)

// keeper is what these pages ask of the directory.
type keeper interface {
	Clients(ctx context.Context, by directory.Actor) ([]directory.Client, error)
	RequestAccount(ctx context.Context, by directory.Actor, r directory.AccountRequest) (directory.Approval, error)
	RequestClientKey(ctx context.Context, by directory.Actor, client ecluse.AccountID, publicKey []byte) (directory.Approval, directory.Secret, error)
	EndClientKey(ctx context.Context, by directory.Actor, client ecluse.AccountID, key ecluse.ClientKeyID) error
}

// clientsPage lists the programs that the caller looks after, and asks for a new one.
type clientsPage struct {
	List   []clientView
	May    bool // the caller's organisation may have a program: a form asks for one
	Name   input
	Email  input
	Faults []fault
	Notice string // ended
}

// clientView is one program with its keys.
type clientView struct {
	directory.Client
	Ask  string // page that asks for a key
	Keys []keyView
}

// keyView is one key. State is runs, replaced, over or ended.
type keyView struct {
	directory.ClientKey
	State string
	Mark  string // by which people tell keys apart
	End   string // page that asks whether to end it, "" = it is over
}

// clientKeyPage asks for a key: a secret, or the public key that is typed.
type clientKeyPage struct {
	Name, Action string
	JWK          string
	JWKError     string
	Faults       []fault
}

// clientMadePage is shown once: it holds the secret.
type clientMadePage struct {
	Name     string
	ClientID string
	Secret   string // "" for a public key, and for a new program
	Program  bool   // a program was asked for, not a key
	Until    machineTime
}

// clientEndPage asks whether to end a key.
type clientEndPage struct {
	Name   string
	Key    keyView
	Last   bool // the program has no other that runs
	Action string
}

// clients shows the list.
func (s *Site) clients(q *query) (answer, error) {
	page, err := s.clientsForm(q)
	if err != nil {
		return answer{}, err
	}
	if q.URL.Query().Get("done") == "ended" {
		page.Notice = "ended"
	}
	return show("clients", page)
}

func (s *Site) clientsForm(q *query) (clientsPage, error) {
	list, err := s.ownClients(q)
	return clientsPage{
		List: list, May: q.standing.Account.Organisation != 0,
		Name:  input{ID: "name", Name: "name", Label: q.t("clients.name"), Hint: q.t("clients.name_hint"), Value: q.field("name"), Autocomplete: "off", MaxLength: 80},
		Email: input{ID: "email", Name: "email", Label: q.t("clients.email"), Hint: q.t("clients.email_hint"), Value: q.field("email"), Inputmode: "email", Autocomplete: "off", MaxLength: 254},
	}, err
}

func (s *Site) ownClients(q *query) ([]clientView, error) {
	all, err := s.rooms.Directory.Clients(q.Context(), q.actor())
	if err != nil {
		return nil, err
	}
	var list []clientView
	for _, c := range all {
		id := s.rooms.Names.Name("program", int64(c.ID))
		v := clientView{Client: c, Ask: localPath("programs", id, "key")}
		for _, k := range c.Keys {
			v.Keys = append(v.Keys, s.viewKey(id, k))
		}
		list = append(list, v)
	}
	return list, nil
}

func (s *Site) viewKey(client string, k directory.ClientKey) keyView {
	name := s.rooms.Names.Name("client_key", int64(k.ID))
	v := keyView{ClientKey: k, State: "runs", Mark: name[:min(8, len(name))], End: localPath("programs", client, "keys", name, "end")}
	switch {
	case !k.RevokedAt.IsZero():
		v.State, v.End = "ended", ""
	case !s.now().Before(k.Ends):
		v.State, v.End = "over", ""
	case k.ReplacedBy != 0:
		v.State = "replaced"
	}
	return v
}

// client is the program that the address names, of those that the caller looks after.
func (s *Site) client(q *query) (clientView, error) {
	id, err := s.number("program", q.PathValue("id"))
	if err != nil {
		return clientView{}, err
	}
	list, err := s.ownClients(q)
	if err != nil {
		return clientView{}, err
	}
	for _, c := range list {
		if c.ID == ecluse.AccountID(id) {
			return c, nil
		}
	}
	return clientView{}, directory.ErrNotFound
}

// requestClient asks for an account for a new program.
func (s *Site) requestClient(q *query) (answer, error) {
	page, err := s.clientsForm(q)
	if err != nil {
		return answer{}, err
	}
	if q.field("name") == "" {
		page.Name.Error = q.t("clients.error.name")
	}
	if !strings.Contains(q.field("email"), "@") {
		page.Email.Error = q.t("clients.error.email")
	}
	r := directory.AccountRequest{
		Email: q.field("email"), UsualName: q.field("name"), Roles: []ecluse.Role{ecluse.RoleAgent}, Reason: "other", Program: directory.NewClientID(),
	}
	if page.Name.Error+page.Email.Error == "" {
		made, err := s.rooms.Directory.RequestAccount(q.Context(), q.actor(), r)
		switch {
		case err == nil:
			return show("clientmade", clientMadePage{Name: r.UsualName, ClientID: r.Program, Program: true, Until: machineTime{made.Expires}})
		case errors.Is(err, directory.ErrTaken):
			page.Email.Error = q.t("clients.error.taken")
		default:
			return answer{}, err
		}
	}
	for _, in := range []input{page.Name, page.Email} {
		if in.Error != "" {
			page.Faults = append(page.Faults, fault{Field: in.ID, Message: in.Error})
		}
	}
	return answer{status: http.StatusUnprocessableEntity, page: "clients", data: page, failed: true, back: "/programs"}, nil
}

// clientKey shows the form that asks for a key.
func (s *Site) clientKey(q *query) (answer, error) {
	c, err := s.client(q)
	if err != nil {
		return answer{}, err
	}
	return show("clientkey", clientKeyPage{Name: c.Name(), Action: c.Ask})
}

// requestKey asks for it; a secret is on the page that answers and nowhere else.
func (s *Site) requestKey(q *query) (answer, error) {
	c, err := s.client(q)
	if err != nil {
		return answer{}, err
	}
	approval, secret, err := s.rooms.Directory.RequestClientKey(q.Context(), q.actor(), c.ID, []byte(q.field("jwk")))
	page := clientKeyPage{Name: c.Name(), Action: c.Ask, JWK: q.field("jwk")}
	switch {
	case errors.Is(err, directory.ErrPublicKey):
		page.JWKError = q.t("clients.error.jwk")
		page.Faults = []fault{{Field: "jwk", Message: page.JWKError}}
	case errors.Is(err, directory.ErrManyKeys):
		page.Faults = []fault{{Message: q.t("clients.error.many")}}
	case err != nil:
		return answer{}, err
	default:
		return show("clientmade", clientMadePage{Name: c.Name(), ClientID: c.Sub, Secret: string(secret), Until: machineTime{approval.Expires}})
	}
	return answer{status: http.StatusUnprocessableEntity, page: "clientkey", data: page, failed: true, back: c.Ask}, nil
}

// confirmKeyEnd asks whether to end a key.
func (s *Site) confirmKeyEnd(q *query) (answer, error) {
	c, err := s.client(q)
	if err != nil {
		return answer{}, err
	}
	page := clientEndPage{Name: c.Name(), Last: true, Action: q.URL.Path}
	for _, k := range c.Keys {
		if k.End == q.URL.Path {
			page.Key = k
		} else if k.End != "" {
			page.Last = false
		}
	}
	if page.Key.ID == 0 {
		return answer{}, directory.ErrNotFound
	}
	return show("clientend", page)
}

// endKey ends it.
func (s *Site) endKey(q *query) (answer, error) {
	client, err := s.number("program", q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	key, err := s.number("client_key", q.PathValue("key"))
	if err != nil {
		return answer{}, err
	}
	if err := s.rooms.Directory.EndClientKey(q.Context(), q.actor(), ecluse.AccountID(client), ecluse.ClientKeyID(key)); err != nil {
		return answer{}, err
	}
	return redirect("/programs?done=ended")
}

func toClients(*query) string     { return "/programs" }
func toClientKey(q *query) string { return localPath("programs", q.PathValue("id"), "key") }
func toKeyEnd(q *query) string {
	return localPath("programs", q.PathValue("id"), "keys", q.PathValue("key"), "end")
}
