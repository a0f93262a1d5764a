package main

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ecluse/internal/demoidp"
)

// installation is a real one, made by the commands that an operator uses, with a provider of this test.
type installation struct {
	t       *testing.T
	dir     string
	config  string
	base    string
	process *process
}

// provider signs in whoever is in its list; it outlives the program.
type providerPeople []demoidp.Person

func (p providerPeople) List() []demoidp.Person { return p }

func (p providerPeople) Lookup(login string) (demoidp.Person, bool) {
	for _, person := range p {
		if person.Login == login {
			return person, true
		}
	}
	return demoidp.Person{}, false
}

const (
	claire = "claire.dumas@example.org"
	paul   = "paul.martin@example.org"
	rosa   = "rosa.luz@ml-nord.example"
)

var staff = providerPeople{
	{Login: claire, GivenName: "Claire", UsualName: "Dumas"}, {Login: paul, GivenName: "Paul", UsualName: "Martin"}, {Login: rosa, GivenName: "Rosa", UsualName: "Luz"},
}

// found runs init, enters the provider in ecluse.toml as the operator does, and serves.
func found(t *testing.T) *installation {
	t.Helper()
	address := freeAddress(t)
	i := &installation{t: t, dir: filepath.Join(t.TempDir(), "ecluse"), base: "http://" + address}
	i.config = filepath.Join(i.dir, "ecluse.toml")
	done(t, "init", i.dir, "--public-url", i.base, "--officer", claire+"=Claire/Dumas", "--officer", paul+"=Paul/Martin")
	issuer := i.provide()
	i.edit("https://proconnect.invalid/api/v2", issuer, "replace-with-the-client-id", "ecluse-test")
	i.write("provider.secret", "a secret that both sides know")
	done(t, "config", "check", "--config", i.config)
	i.process = serving(t, i.base, "serve", "--config", i.config)
	return i
}

// provide starts the provider and returns its issuer.
func (i *installation) provide() string {
	i.t.Helper()
	server := httptest.NewUnstartedServer(nil)
	issuer := "http://" + server.Listener.Addr().String() + "/api/v2"
	key, err := demoidp.KeyFrom([]byte("a seed of at least thirty-two bytes for the key"))
	if err != nil {
		i.t.Fatal(err)
	}
	provider, err := demoidp.New(demoidp.Config{Issuer: issuer, People: staff, Key: key, Now: time.Now, Clients: []demoidp.Client{{
		ID: "ecluse-test", Secret: "a secret that both sides know", RedirectURIs: []string{i.base + "/sign-in/proconnect/callback"}, PostLogout: []string{i.base + "/sign-out/done"},
	}}})
	if err != nil {
		i.t.Fatal(err)
	}
	server.Config.Handler = provider
	server.Start()
	i.t.Cleanup(server.Close)
	return issuer
}

// edit replaces texts in ecluse.toml; each has to be there.
func (i *installation) edit(pairs ...string) {
	i.t.Helper()
	text, err := os.ReadFile(i.config)
	if err != nil {
		i.t.Fatal(err)
	}
	for k := 0; k < len(pairs); k += 2 {
		if !strings.Contains(string(text), pairs[k]) {
			i.t.Fatalf("ecluse.toml does not hold %q", pairs[k])
		}
	}
	i.write("ecluse.toml", strings.NewReplacer(pairs...).Replace(string(text)))
}

// write writes a file of the folder, closed to others, and returns its path.
func (i *installation) write(name, text string) string {
	i.t.Helper()
	path := filepath.Join(i.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		i.t.Fatal(err)
	}
	return path
}

var invitationIn = regexp.MustCompile(`<([^>]+)>, until [^\n]+\n\s+(\S+)`)

// join opens the invitation of an address, chooses the provider, and picks oneself on its page.
func (i *installation) join(email string) *desk {
	i.t.Helper()
	for _, m := range invitationIn.FindAllStringSubmatch(done(i.t, "directory", "invitations", "--config", i.config), -1) {
		if m[1] != email {
			continue
		}
		path := strings.TrimPrefix(m[2], i.base)
		d := newDesk(i.t, i.base)
		if p := d.get(path); p.status != http.StatusOK {
			i.t.Fatalf("the invitation of %s: %d", email, p.status)
		}
		p := d.post(path, url.Values{"provider": {"proconnect"}})
		return i.choose(d, p, email)
	}
	i.t.Fatalf("nobody invited %s", email)
	return nil
}

// choose sends the form of the provider's page.
func (i *installation) choose(d *desk, p page, email string) *desk {
	i.t.Helper()
	f := formWith(i.t, p.body, `name="login_hint"`)
	f.fields.Set("login_hint", email)
	target, err := url.Parse(p.url)
	if err != nil {
		i.t.Fatal(err)
	}
	if target, err = target.Parse(f.action); err != nil {
		i.t.Fatal(err)
	}
	other := &desk{t: i.t, base: target.Scheme + "://" + target.Host, http: d.http}
	if p = other.get(target.Path + "?" + f.fields.Encode()); p.status != http.StatusOK || !strings.HasPrefix(p.url, i.base) || strings.Contains(p.path, "sign-in") {
		i.t.Fatalf("%s is not signed in: %d at %s: %.600s", email, p.status, p.url, p.body)
	}
	return d
}

// form is a form of a page: where it goes and what it holds already.
type form struct {
	action string
	fields url.Values
}

var (
	formIn   = regexp.MustCompile(`(?s)<form[^>]*>.*?</form>`)
	actionIn = regexp.MustCompile(`action="([^"]*)"`)
	hiddenIn = regexp.MustCompile(`<input[^>]*type="hidden"[^>]*>`)
	nameIn   = regexp.MustCompile(`name="([^"]*)"`)
	valueIn  = regexp.MustCompile(`value="([^"]*)"`)
)

// formWith is the first form of a page that holds a text.
func formWith(t testing.TB, body, text string) form {
	t.Helper()
	for _, f := range formIn.FindAllString(body, -1) {
		if !strings.Contains(f, text) {
			continue
		}
		out := form{fields: url.Values{}}
		if m := actionIn.FindStringSubmatch(f[:strings.Index(f, ">")]); m != nil {
			out.action = html.UnescapeString(m[1])
		}
		for _, h := range hiddenIn.FindAllString(f, -1) {
			value := ""
			if m := valueIn.FindStringSubmatch(h); m != nil {
				value = html.UnescapeString(m[1])
			}
			if m := nameIn.FindStringSubmatch(h); m != nil {
				out.fields.Set(m[1], value)
			}
		}
		return out
	}
	t.Fatalf("no form of the page holds %q: %.2000s", text, body)
	return form{}
}

// send posts a form with more fields: name, value, name, value.
func (d *desk) send(f form, more ...string) page {
	d.t.Helper()
	for k := 0; k < len(more); k += 2 {
		f.fields.Set(more[k], more[k+1])
	}
	return d.post(f.action, f.fields)
}

const records = `dossier;territory;surname;first_name;birth_date;nir;email;phone;situation
235194181A;93;Durand;Anaïs;2004-05-17;;anais.durand@example.test;0639980001;en formation
235194181B;93;Petit;Marc;31/12/2003;;marc.petit@example.test;0639980002;sans solution
235194181C;971;Loin;Lise;2002-02-03;;lise.loin@example.test;0639980003;en emploi
`

// directoryFiles are the files of one mission locale with one agent who follows Anaïs.
var directoryFiles = map[string]string{
	"organisations.csv": "organisation,parent,kind,siret,name,territory,phone,state\nNORD,,mission-locale,,Mission locale Nord,93,+33199001234,active\nNORD-1,NORD,site,,Siège,93,+33199001235,active\n",
	"agreements.csv":    "agreement,organisation,register,purposes,territory,starts,ends\nCONV-1,NORD,mission-locale,emploi formation,93,2025-01-01,2035-12-31\n",
	"accounts.csv":      "email,given_name,usual_name,organisation,site,roles,agreements\n" + rosa + ",Rosa,Luz,NORD,NORD-1,agent,CONV-1\n",
	"links.csv":         "person,register,account,kind,ends\n235194181A,mission-locale," + rosa + ",caseload,%s\n",
}

// request asks for the directory from the command line, beside the running server.
func (i *installation) request() {
	i.t.Helper()
	arguments := []string{"directory", "import", "--config", i.config, "--body", "si-ml", "--installation"}
	for _, name := range []string{"organisations.csv", "agreements.csv", "accounts.csv", "links.csv"} {
		text := strings.ReplaceAll(directoryFiles[name], "%s", time.Now().AddDate(0, 6, 0).Format(time.DateOnly))
		arguments = append(arguments, i.write(name, text))
	}
	if out := done(i.t, arguments...); !strings.Contains(out, "2 organisations and sites, 1 agreements, 1 accounts, 1 links") {
		i.t.Errorf("the request says %s", out)
	}
}

func TestAnInstallationIsFoundedApprovedAndUsedAsTheManualSays(t *testing.T) {
	i := found(t)
	officer1 := i.join(claire)
	done(t, "import", "--config", i.config, "--register", "mission-locale", i.write("records.csv", records))
	arguments := []string{"directory", "import", "--config", i.config, "--body", "si-ml", i.write("accounts.csv", directoryFiles["accounts.csv"])}
	if out, messages, exit := runs(t, arguments...); exit != 2 || !strings.Contains(messages, "organisation NORD") {
		t.Errorf("an account of an unknown organisation: status %d\n%s%s", exit, out, messages)
	}
	i.request()

	approval := firstLink(t, officer1.get("/approvals").body, "/approvals/")
	if p := officer1.get(approval); strings.Contains(p.body, `value="approve"`) {
		t.Error("what nobody has taken up is offered to be approved")
	}
	if p := officer1.send(formWith(t, officer1.get(approval).body, "/take-up")); p.status != http.StatusOK || strings.Contains(p.body, `value="approve"`) {
		t.Errorf("the officer takes it up: status %d, or she is offered to approve", p.status)
	}
	if p := officer1.post(approval+"/decision", url.Values{"decision": {"approve"}}); p.status != http.StatusForbidden {
		t.Errorf("the officer who took it up approves: status %d", p.status)
	}
	officer2 := i.join(paul)
	approval = firstLink(t, officer2.get("/approvals").body, "/approvals/")
	p := officer2.send(formWith(t, officer2.get(approval).body, `value="approve"`), "decision", "approve")
	if p = officer2.send(formWith(t, p.body, `value="approve"`), "decision", "approve"); p.status != http.StatusOK {
		t.Fatalf("the second officer does not approve: %d", p.status)
	}

	agent := i.join(rosa)
	i.useWithoutTraining(agent)
	i.use(agent)
	i.useTheAPI(agent)
	i.process.stop()
	if out := done(t, "verify", "--config", i.config, "--deep", "--json"); !strings.Contains(out, `"ok"`) {
		t.Errorf("verify says %s", out)
	}
}

func firstLink(t *testing.T, body, prefix string) string {
	t.Helper()
	m := regexp.MustCompile(`href="(` + prefix + `[^"]+)"`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no link to %s: %.1500s", prefix, body)
	}
	return html.UnescapeString(m[1])
}

// use finds Anaïs on the pages and opens her file, and finds nobody outside the mandate.
func (i *installation) use(d *desk) {
	i.t.Helper()
	home := d.get("/desk/mission-locale?purpose=emploi")
	hit := d.send(formWith(i.t, home.body, `name="surname"`), "surname", "Durant", "first_name", "anais", "birth_date", "17/05/2004")
	file := d.send(formWith(i.t, hit.body, "hit-acts"))
	if file.status != http.StatusOK || !strings.Contains(file.body, "anais.durand@example.test") {
		i.t.Errorf("the file of the agent's own person: %d %.1500s", file.status, file.body)
	}
	if p := d.send(formWith(i.t, home.body, `name="surname"`), "surname", "Loin", "first_name", "Lise", "birth_date", "03/02/2002"); strings.Contains(p.body, "hit-acts") {
		i.t.Error("somebody outside the mandate is found")
	}
}

func (i *installation) useTheAPI(d *desk) {
	i.t.Helper()
	var found struct {
		Hits []struct{ Handle, Relation string }
	}
	d.call(http.StatusOK, http.MethodPost, registerPath("search"), identity("Petit", "Marc", "2003-12-31"), &found)
	if len(found.Hits) != 1 || found.Hits[0].Relation != "other" {
		i.t.Fatalf("found %v", found.Hits)
	}
	path := registerPath("persons/%s/disclose", found.Hits[0].Handle)
	d.call(http.StatusForbidden, http.MethodPost, path, map[string]any{"purpose": "emploi"}, nil)
	var opened struct{ Values map[string]string }
	question := map[string]any{"purpose": "emploi", "justification": map[string]string{"motive": "walk_in", "text": "Il se présente sans rendez-vous ce matin."}}
	d.call(http.StatusOK, http.MethodPost, path, question, &opened)
	if opened.Values["phone"] != "+33639980002" {
		i.t.Errorf("opened %v", opened.Values)
	}
}
