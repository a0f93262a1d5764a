package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// good is the least that Read accepts.
const good = `[instance]
name = "Essai"
public_url = "https://ecluse.example"
[[providers]]
id = "proconnect"
label = "ProConnect"
issuer = "https://login.example/api/v2"
client_id = "c"
client_secret_file = "secret"
acr_accepted = ["eidas2", "eidas1-mfa"]
acr_strong = ["eidas2"]
`

// write puts text into a new folder as ecluse.toml and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ecluse.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// read is the problems of text as "line:column key: text | hint".
func read(t *testing.T, text string) (*Config, []string) {
	t.Helper()
	config, err := Read(write(t, text))
	var problems Problems
	if err != nil && !errors.As(err, &problems) {
		t.Fatalf("the error is not a list of problems: %v", err)
	}
	return config, short(problems)
}

func short(problems Problems) []string {
	var lines []string
	for _, p := range problems {
		line := strings.TrimPrefix(strings.TrimPrefix(p.Error(), p.File), ":")
		if p.Hint != "" {
			line += " | " + p.Hint
		}
		lines = append(lines, line)
	}
	return lines
}

func TestTheLeastFileGetsEveryDefault(t *testing.T) {
	config, problems := read(t, good)
	if problems != nil {
		t.Fatal(problems)
	}
	dir := filepath.Dir(config.Path())
	want := &Config{
		Instance: Instance{Name: "Essai", PublicURL: "https://ecluse.example"},
		Listen:   Listen{Address: "127.0.0.1:8080", Metrics: "127.0.0.1:9090", Connections: 1024},
		Database: Database{URL: "sqlite:" + filepath.Join(dir, "ecluse.db")},
		Keys:     Keys{File: filepath.Join(dir, "ecluse.key")},
		Providers: []Provider{{
			ID: "proconnect", Label: "ProConnect", Issuer: "https://login.example/api/v2", ClientID: "c",
			Auth: "client_secret_post", ClientSecretFile: filepath.Join(dir, "secret"),
			Scopes:      []string{"openid", "given_name", "usual_name", "email", "siret", "idp_id"},
			ACRAccepted: []string{"eidas2", "eidas1-mfa"}, ACRStrong: []string{"eidas2"},
			IDPClaim: "idp_id", Userinfo: "jwt", PKCE: true, Prompt: "login",
		}},
		Sessions:  Sessions{Idle: Duration{15 * time.Minute}, Absolute: Duration{12 * time.Hour}},
		Retention: Retention{Entries: 365, Justifications: 91, Network: 182, Seen: 181, Invitations: 30, Notices: 182},
		Mail:      Mail{TLS: "starttls", Language: "fr"},
		Log:       Log{Level: "info", Format: "text"},
	}
	if diff := cmp.Diff(want, config, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Error(diff)
	}
}

func TestWhatTheFileSaysBeatsTheDefault(t *testing.T) {
	for name, text := range map[string]string{
		"in a table":     good + "pkce = false\nidp_claim = \"\"\n[listen]\nmetrics = \"\"\n",
		"in a short one": strings.Replace(good, "[[providers]]\n", "", 1),
	} {
		if name == "in a short one" {
			text = `providers = [{id="p",label="P",issuer="https://i.example",client_id="c",client_secret_file="s",acr_accepted=["a"],pkce=false,idp_claim=""}]
listen = {metrics = ""}
[instance]
name = "x"
public_url = "https://e.example"
`
		}
		config, problems := read(t, text)
		if problems != nil {
			t.Fatal(name, problems)
		}
		if config.Providers[0].PKCE || config.Providers[0].IDPClaim != "" || config.Listen.Metrics != "" {
			t.Errorf("%s: a default replaced a given value: %+v", name, config)
		}
	}
}

func TestEachMistakeIsNamedWithItsPlaceAndAHint(t *testing.T) {
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the text has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	tests := map[string]struct {
		text string
		want []string
	}{
		"unknown key":         {swap("client_id", "clientid"), []string{`8:1: providers.clientid: no such key | did you mean client_id?`, "4:3: providers[0].client_id: must be given"}},
		"unknown table":       {good + "[sesions]\nidle = \"1m\"\n", []string{"12:2: sesions: no such key | did you mean sessions?"}},
		"far key":             {good + "[log]\ncompletely_else = 1\n", []string{"13:1: log.completely_else: no such key | ecluse config describe lists every key"}},
		"not TOML":            {good + "[log\n", nil},
		"wrong type":          {good + "[listen]\nconnections = \"many\"\n", nil},
		"bad duration":        {good + "[sessions]\nidle = \"soon\"\n", nil},
		"http on a host":      {swap("https://ecluse.example", "http://ecluse.example"), []string{"3:1: instance.public_url: must be https: sessions would travel in the clear | http:// is accepted for 127.0.0.1, [::1] and localhost only"}},
		"path in public_url":  {swap("https://ecluse.example", "https://ecluse.example/app"), []string{"3:1: instance.public_url: must be scheme and host only | leave out path, query and user"}},
		"metrics for all":     {good + "[listen]\nmetrics = \"0.0.0.0:9090\"\n", []string{`13:1: listen.metrics: must be a loopback address: it tells how much the program is used | for example "127.0.0.1:9090"`}},
		"no port":             {good + "[listen]\naddress = \"127.0.0.1\"\n", []string{`13:1: listen.address: must be host:port | for example "127.0.0.1:8080"`}},
		"proxy by name":       {good + "[listen]\ntrusted_proxies = [\"proxy.example\"]\n", []string{`13:1: listen.trusted_proxies: "proxy.example" is not a network of proxies | write addresses or CIDR networks, for example ["10.1.2.3", "10.20.0.0/24"]`}},
		"everybody a proxy":   {good + "[listen]\ntrusted_proxies = [\"0.0.0.0/0\"]\n", []string{`13:1: listen.trusted_proxies: "0.0.0.0/0" is not a network of proxies | write addresses or CIDR networks, for example ["10.1.2.3", "10.20.0.0/24"]`}},
		"no database":         {good + "[database]\nurl = \"postgres://u:hunter2@h\"\n", []string{"13:1: database.url: names no database | write sqlite:FILE or postgres://USER@HOST/DATABASE"}},
		"other database":      {good + "[database]\nurl = \"mysql://u:hunter2@h/d\"\n", []string{"13:1: database.url: is neither sqlite:FILE nor a postgres:// address | write sqlite:FILE or postgres://USER@HOST/DATABASE"}},
		"empty acr list":      {swap(`["eidas2", "eidas1-mfa"]`, `[]`), []string{"10:1: providers[0].acr_accepted: must be given", `11:1: providers[0].acr_strong: "eidas2" is not in acr_accepted`}},
		"auth":                {good + "auth = \"basic\"\n", []string{"12:1: providers[0].auth: must be one of client_secret_post, private_key_jwt"}},
		"two proofs":          {good + "private_key_file = \"k\"\n", []string{"4:3: providers[0].auth: two ways to prove oneself are given | keep client_secret_file or private_key_file"}},
		"idle too long":       {good + "[sessions]\nidle = \"3h\"\n", []string{"13:1: sessions.idle: must be from 1m to 2h"}},
		"too short a ledger":  {good + "[retention]\nentries = 90\n", []string{"13:1: retention.entries: must be from 183 to 1096 days | 6 to 12 months are usual; up to 3 years take a written reason (CNIL decision 2021-122)"}},
		"too long a ledger":   {good + "[retention]\nentries = 2000\n", []string{"13:1: retention.entries: must be from 183 to 1096 days | 6 to 12 months are usual; up to 3 years take a written reason (CNIL decision 2021-122)"}},
		"seen too short":      {good + "[retention]\nseen = 180\n", []string{"13:1: retention.seen: must be at least 181 days, and at most retention.entries"}},
		"notices beyond":      {good + "[retention]\nentries = 200\nnotices = 201\n", []string{"14:1: retention.notices: must be at least 30 days, and at most retention.entries"}},
		"nothing kept":        {good + "[retention]\njustifications = 0\n", []string{"13:1: retention.justifications: must be at least 30 days, and at most retention.entries"}},
		"absolute below idle": {good + "[sessions]\nidle = \"1h\"\nabsolute = \"30m\"\n", []string{"14:1: sessions.absolute: must be longer than sessions.idle and at most 24h"}},
		"two providers of a name": {good + strings.TrimPrefix(good, "[instance]\nname = \"Essai\"\npublic_url = \"https://ecluse.example\"\n"),
			[]string{"13:1: providers[1].id: is used by another provider"}},
		"mail without sender":    {good + "[mail]\nserver = \"smtp.example:587\"\n", []string{"12:2: mail.from: must be given with mail.server"}},
		"mail without server":    {good + "[mail]\nfrom = \"a@b.example\"\n", []string{"12:2: mail.server: must be given with the rest of [mail] | or leave the table out: notices are then shown in the program only"}},
		"mail in the clear":      {good + "[mail]\nserver = \"smtp.example:25\"\nfrom = \"a@b.example\"\ntls = \"none\"\n", []string{"15:1: mail.tls: may be none for a relay on a loopback address only: notices would travel in the clear"}},
		"mail from two":          {good + "[mail]\nserver = \"smtp.example:25\"\nfrom = \"a@b.example, c@d.example\"\n", []string{"14:1: mail.from: is not an address | write ADDRESS or NAME <ADDRESS>"}},
		"mail from a header":     {good + "[mail]\nserver = \"smtp.example:25\"\nfrom = \"A <a@b.example>\\r\\nBcc: c@d.example\"\n", []string{"14:1: mail.from: is not an address | write ADDRESS or NAME <ADDRESS>"}},
		"user without password":  {good + "[mail]\nserver = \"smtp.example:25\"\nfrom = \"a@b.example\"\nuser = \"u\"\n", []string{"15:1: mail.user: user and password_file go together"}},
		"mail in another tongue": {good + "[mail]\nlanguage = \"de\"\n", []string{"13:1: mail.language: must be one of fr, en"}},
		"nobody":                 {"[instance]\nname = \"x\"\npublic_url = \"http://127.0.0.1:8080\"\n", []string{"providers: nobody could sign in: no [[providers]] | ecluse config describe lists its keys"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			config, got := read(t, test.text)
			if config != nil || len(got) == 0 {
				t.Fatalf("accepted: %+v", config)
			}
			if strings.Contains(strings.Join(got, ""), "hunter2") {
				t.Errorf("a password is shown: %v", got)
			}
			if test.want == nil {
				if !strings.HasPrefix(got[0], "12:") && !strings.HasPrefix(got[0], "13:") {
					t.Errorf("no place: %v", got)
				}
				return
			}
			for _, want := range test.want {
				if !contains(got, want) {
					t.Errorf("missing %q in\n%s", want, strings.Join(got, "\n"))
				}
			}
		})
	}
}

func contains(lines []string, want string) bool {
	for _, line := range lines {
		if strings.TrimSpace(line) == want {
			return true
		}
	}
	return false
}

func TestAllProblemsComeAtOnce(t *testing.T) {
	_, got := read(t, "[instance]\nname = \"\"\nurl = \"x\"\n[sessions]\nidle = \"9h\"\n[log]\nlevel = \"loud\"\n")
	if len(got) != 6 { // name, url, public_url, idle, level, no providers
		t.Errorf("%d problems:\n%s", len(got), strings.Join(got, "\n"))
	}
}

func TestAMissingFileSaysHowToGetOne(t *testing.T) {
	_, err := Read(filepath.Join(t.TempDir(), "none.toml"))
	var problems Problems
	if !errors.As(err, &problems) || !strings.Contains(problems[0].Hint, "ecluse init") {
		t.Errorf("%v", err)
	}
}

func TestFilesNamesEveryFileThatIsMissingOrOpenToOthers(t *testing.T) {
	config, problems := read(t, good+"[database]\nurl = \"sqlite:none/ecluse.db\"\n")
	if problems != nil {
		t.Fatal(problems)
	}
	dir := filepath.Dir(config.Path())
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("s"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(short(config.Files()), "\n")
	for _, want := range []string{"ecluse.key: does not exist", "others may read it (mode 0644) | chmod 600 " + secret, "the folder of " + filepath.Join(dir, "none", "ecluse.db")} {
		if !strings.Contains(got, want) {
			t.Errorf("missing %q in\n%s", want, got)
		}
	}
	for path, content := range map[string]string{secret: "s", config.Keys.File: "k"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config.Database.URL = "sqlite:" + filepath.Join(dir, "ecluse.db")
	if rest := config.Files(); rest != nil {
		t.Errorf("still: %v", rest)
	}
}

func TestAPasswordInTheFileNeedsMode0600(t *testing.T) {
	path := write(t, good+"[database]\nurl = \"postgres://u:hunter2@h/d\"\n")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	config, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Files().Error(); !strings.Contains(got, "database.url: "+path+": others may read it") || strings.Contains(got, "hunter2") {
		t.Error(got)
	}
}

func TestEveryKeyIsDescribed(t *testing.T) {
	var out bytes.Buffer
	if err := Describe(&out); err != nil {
		t.Fatal(err)
	}
	keys := Reference()
	if len(keys) < 25 {
		t.Fatalf("only %d keys", len(keys))
	}
	for _, key := range keys {
		if key.Name == "" || key.Doc == "" {
			t.Errorf("%+v has no name or no meaning", key)
		}
		if !strings.Contains(out.String(), "\n  "+key.Name+" = ") {
			t.Errorf("%s.%s is not in the description", key.Table, key.Name)
		}
	}
	eachTable(func(table reflect.StructField, _ reflect.Type) {
		if table.Tag.Get("doc") == "" {
			t.Errorf("table %s has no meaning", table.Name)
		}
	})
	for _, line := range strings.Split(out.String(), "\n") {
		if len([]rune(line)) > 100 && !strings.Contains(line, " = ") {
			t.Errorf("long line: %s", line)
		}
	}
}

func TestWhatWriteWritesReadReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.Rune(), 1, 20, -1)
		config := Defaults()
		config.Instance = Instance{Name: text.Draw(t, "name"), PublicURL: "https://ecluse.example"}
		config.Mentions.Suppliers = rapid.SliceOf(text).Draw(t, "suppliers")
		config.Mentions.Hosting = text.Draw(t, "hosting")
		config.Sessions.Idle.Duration = time.Duration(rapid.IntRange(60, 7200).Draw(t, "idle")) * time.Second
		config.Listen.Metrics = rapid.SampledFrom([]string{"", "127.0.0.1:9090", "[::1]:1"}).Draw(t, "metrics")
		provider := DefaultProvider()
		provider.ID, provider.Label, provider.ClientID = "p", text.Draw(t, "label"), "c"
		provider.Issuer, provider.ClientSecretFile = "https://i.example", "/secret"
		provider.ACRAccepted = []string{text.Draw(t, "acr")}
		provider.PKCE = rapid.Bool().Draw(t, "pkce")
		config.Providers = []Provider{provider}
		config.Database.URL, config.Keys.File = "sqlite:/ecluse.db", "/ecluse.key"
		var out bytes.Buffer
		if err := Write(&out, config); err != nil {
			t.Fatal(err)
		}
		back, problems := parse("ecluse.toml", out.Bytes())
		if len(problems) > 0 {
			t.Fatalf("%v in\n%s", problems, out.String())
		}
		if diff := cmp.Diff(config, back, cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s\n%s", diff, out.String())
		}
	})
}

func TestAnUntouchedFileHoldsEveryKeyAsAComment(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, Defaults()); err != nil {
		t.Fatal(err)
	}
	for _, key := range Reference() {
		if !strings.Contains(out.String(), "\n#"+key.Name+" = ") && !(key.Required && strings.Contains(out.String(), "\n"+key.Name+" = ")) {
			t.Errorf("no line for %s.%s in\n%s", key.Table, key.Name, out.String())
		}
	}
}

func TestDurationsReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]string{"15m": "15m", "12h": "12h", "1h30m": "1h30m", "90s": "1m30s", "720m": "12h", "30s": "30s"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.String() != want {
			t.Errorf("%s is shown as %s, %v", text, d, err)
		}
	}
}

func FuzzAnyTextIsReadOrRefusedWithoutPanic(f *testing.F) {
	f.Add(good)
	f.Add("[instance\n")
	f.Add("providers = [{}]\n[listen]\nconnections=-1")
	f.Fuzz(func(t *testing.T, text string) {
		config, problems := parse("ecluse.toml", []byte(text))
		if config == nil && len(problems) == 0 {
			t.Error("neither a configuration nor a problem")
		}
	})
}
