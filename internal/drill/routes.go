package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"ecluse"
	"ecluse/internal/demo"
	"ecluse/internal/generate"
)

// route is a line of the published description of the API.
type route struct{ method, path string }

var (
	pathLine   = regexp.MustCompile(`^  (/[^ :]*):\s*$`)
	methodLine = regexp.MustCompile(`^    (get|post|put|patch|delete):\s*$`)
	variable   = regexp.MustCompile(`\{[a-z_]+\}`)
)

// routes reads the paths of an OpenAPI document as the product publishes it: two spaces before a path,
// four before a method.
func routes(document []byte) (list []route) {
	path := ""
	for line := range strings.Lines(string(document)) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "components:") {
			break
		}
		if m := pathLine.FindStringSubmatch(line); m != nil {
			path = m[1]
		} else if m := methodLine.FindStringSubmatch(line); m != nil && path != "" {
			list = append(list, route{strings.ToUpper(m[1]), path})
		}
	}
	return list
}

// identifiers are what others have and a thief could come by: in an address, a log, a mail.
type identifiers struct {
	handles  []string // that a colleague was given
	persons  []string // identifiers of whom these handles name
	accounts []string // e-mail addresses, one of every other role
	requests []string // that wait for an officer
}

// others are the roles whose identifiers are tried.
var others = []ecluse.Role{
	ecluse.RoleAgent, ecluse.RoleAccountManager, ecluse.RoleAccessOfficer, ecluse.RoleSecurityOfficer, ecluse.RoleDPO, ecluse.RoleAdmin,
}

// lost collects the identifiers of every other role, from those who have them.
func (t *thief) lost(ctx context.Context) (ids identifiers, err error) {
	g := t.ground
	for _, role := range others {
		fits := func(a generate.Account) bool {
			return a.Login != t.login && a.Login != t.follows && (role != ecluse.RoleAgent || follower(a))
		}
		if list := g.accounts(0, role, fits); len(list) > 0 {
			ids.accounts = append(ids.accounts, list[len(list)-1].Login)
		}
	}
	for i, login := range ids.accounts {
		d := g.door()
		if _, err := d.SignIn(ctx, demo.SignIn{Login: login}); err != nil {
			return ids, err
		}
		if i == 0 {
			_, answer, err := d.Call(ctx, "GET", "/registers/"+g.register(0)+"/caseload", nil)
			if err != nil {
				return ids, err
			}
			rows := objects(answer, "persons")
			for _, row := range rows[:min(3, len(rows))] {
				ids.handles = append(ids.handles, text(row, "handle"))
				ids.persons = append(ids.persons, g.census[g.register(0)].idOf(login, texts(object(row, "fields"))))
			}
		}
		_, answer, err := d.Call(ctx, "GET", "/accounts/requests", nil)
		if err != nil {
			return ids, err
		}
		for _, r := range objects(answer, "requests") {
			ids.requests = append(ids.requests, text(r, "id"))
		}
	}
	return ids, nil
}

// crawl tries every route of the published description with the identifiers of every other role. Whatever
// is a person's in the answers is loot.
func (t *thief) crawl(ctx context.Context) error {
	if _, _, err := t.enter(ctx); err != nil {
		return err
	}
	ids, err := t.lost(ctx)
	if err != nil {
		return fmt.Errorf("collect identifiers: %w", err)
	}
	status, document, err := t.Do(ctx, "GET", "/api/v1/openapi.yaml", "", nil)
	if err != nil {
		return err
	}
	list := routes(document)
	if status != http.StatusOK || len(list) == 0 {
		return fmt.Errorf("the description of the API names no route (status %d)", status)
	}
	for _, r := range list {
		for _, register := range t.registers(r) {
			if strings.HasSuffix(r.path, "/search") {
				if err := t.lookAllUp(ctx, register, ids.persons); err != nil {
					return err
				}
				continue
			}
			for _, path := range fill(r.path, register, ids) {
				for _, body := range bodies(r, t, ids) {
					if err := t.try(ctx, r.method, path, register, body); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// lookAllUp searches a register for persons, by their identifiers.
func (t *thief) lookAllUp(ctx context.Context, register string, persons []string) error {
	purpose := string(t.truth().schema.Purposes[0].ID)
	for _, id := range persons {
		if _, _, err := t.lookUp(ctx, register, purpose, id, map[string]string{"identifier": id}); err != nil {
			return err
		}
	}
	return nil
}

// registers are those that a route is tried in.
func (t *thief) registers(r route) (list []string) {
	if !strings.Contains(r.path, "{register}") {
		return []string{t.register}
	}
	return slices.Sorted(maps.Keys(t.ground.census))
}

// fill puts identifiers in the place of a path's variables, and into the query where one is read.
func fill(path, register string, ids identifiers) (list []string) {
	path = strings.ReplaceAll(path, "{register}", register)
	choices := []string{""}
	switch {
	case strings.Contains(path, "{handle}"):
		choices = ids.handles
	case strings.Contains(path, "/requests/"):
		choices = append([]string{"1", "AAAA"}, ids.requests[:min(4, len(ids.requests))]...)
	case strings.Contains(path, "{"):
		choices = append([]string{"1"}, ids.accounts...)
	case strings.HasSuffix(path, "/scope"):
		for _, a := range ids.accounts {
			list = append(list, path+"?tree=true&account="+url.QueryEscape(a))
		}
		return list
	}
	for _, choice := range choices {
		list = append(list, variable.ReplaceAllString(path, url.PathEscape(choice)))
	}
	return list
}

// bodies are what is sent with a route: what its description asks for, with others' identifiers in it. A
// route that is not known here gets an empty object.
func bodies(r route, t *thief, ids identifiers) (list []any) {
	if r.method == http.MethodGet {
		return []any{nil}
	}
	purpose := string(t.truth().schema.Purposes[0].ID)
	last := r.path[strings.LastIndex(r.path, "/")+1:]
	switch last {
	case "disclose":
		return []any{t.forged(purpose), map[string]any{"emergency": "danger"}}
	case "links":
		for _, h := range ids.handles {
			list = append(list, map[string]any{"kind": "appointment", "handle": h, "purpose": purpose, "account": t.login})
		}
	case "requests":
		list = append(list, map[string]any{"email": t.login, "given_name": "A", "usual_name": "B", "role": "access_officer", "reason": "role"})
	case "containments":
		for _, a := range ids.accounts {
			list = append(list, map[string]any{"account": a, "tree": true, "dry_run": true, "reason": "This account was stolen."})
		}
	default:
		list = append(list, map[string]any{})
	}
	return list
}

// try sends one request and keeps what is a person's in the answer.
func (t *thief) try(ctx context.Context, method, path, register string, body any) error {
	var sent []byte
	kind := ""
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return err
		}
		kind = "application/json"
	}
	status, answer, err := t.Do(ctx, method, path, kind, sent)
	if err != nil {
		return err
	}
	var content any
	if json.Unmarshal(answer, &content) != nil {
		content = string(answer)
	}
	if problem, ok := content.(map[string]any); ok && status >= 400 {
		t.refused(codes(problem)...)
	}
	t.harvest(register, content)
	return nil
}

// harvest keeps what is a person's in an answer of any shape: the members values and fields, and every
// text that one person of the register alone has, wherever it stands.
func (t *thief) harvest(register string, content any) {
	c := t.ground.census[register]
	switch v := content.(type) {
	case map[string]any:
		for name, member := range v {
			if values := texts(object(v, name)); (name == "values" || name == "fields") && len(values) > 0 {
				t.loot.take(c.idOf(t.follows, values), values, nil)
				continue
			}
			t.harvest(register, member)
		}
	case []any:
		for _, one := range v {
			t.harvest(register, one)
		}
	case string:
		if h, ok := c.only[v]; ok && h.person >= 0 {
			t.loot.take(c.people[h.person].ID, map[string]string{h.field: v}, nil)
		}
	}
}
