package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var providerID = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// form collects problems of values.
type form struct{ problems Problems }

func (f *form) add(key, text, hint string) {
	f.problems = append(f.problems, Problem{Key: key, Text: text, Hint: hint})
}

// forms checks everything that the file alone can tell. Problems carry keys, no places.
func (c *Config) forms() Problems {
	f := &form{}
	f.tags(reflect.ValueOf(c).Elem(), "")
	f.publicURL(c.Instance.PublicURL)
	f.address("listen.address", c.Listen.Address, false)
	if c.Listen.Metrics != "" {
		f.address("listen.metrics", c.Listen.Metrics, true)
	}
	if c.Listen.Connections < 8 || c.Listen.Connections > 100_000 {
		f.add("listen.connections", "must be from 8 to 100000", "")
	}
	for _, text := range c.Listen.TrustedProxies {
		if p, err := network(text); err != nil || p.Bits() == 0 || p != p.Masked() {
			f.add("listen.trusted_proxies", fmt.Sprintf("%q is not a network of proxies", text), `write addresses or CIDR networks, for example ["10.1.2.3", "10.20.0.0/24"]`)
		}
	}
	f.database(c.Database.URL)
	if c.Keys.File == "" {
		f.add("keys.file", "must not be empty", "")
	}
	f.sessions(c.Sessions)
	f.retention(c.Retention)
	f.providers(c.Providers)
	f.mail(c.Mail)
	return f.problems
}

// tags checks what the tags say of every key: required, oneof.
func (f *form) tags(value reflect.Value, at string) {
	for i, field := range reflect.VisibleFields(value.Type()) {
		key, target := at+field.Tag.Get("toml"), value.Field(i)
		switch {
		case !field.IsExported():
		case field.Tag.Get("required") == "true" && target.Len() == 0:
			f.add(key, "must be given", "")
		case field.Tag.Get("oneof") != "":
			if values := strings.Split(field.Tag.Get("oneof"), "|"); !slices.Contains(values, target.String()) {
				f.add(key, "must be one of "+strings.Join(values, ", "), "")
			}
		case field.Type.Kind() == reflect.Struct && field.Type != reflect.TypeFor[Duration]():
			f.tags(target, key+".")
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			for j := range target.Len() {
				f.tags(target.Index(j), fmt.Sprintf("%s[%d].", key, j))
			}
		}
	}
}

func (f *form) publicURL(text string) {
	const key = "instance.public_url"
	if text == "" {
		return // named by its tag
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		f.add(key, "is not an address", "write it as https://host.example")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		f.add(key, "must be https: sessions would travel in the clear", "http:// is accepted for 127.0.0.1, [::1] and localhost only")
	case u.Scheme != "https" && u.Scheme != "http":
		f.add(key, "must start with https://", "")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		f.add(key, "must be scheme and host only", "leave out path, query and user")
	case !goodPort(u.Port(), true):
		f.add(key, "has no port between 1 and 65535", "")
	}
}

func (f *form) address(key, text string, local bool) {
	host, port, err := net.SplitHostPort(text)
	switch {
	case err != nil || !goodPort(port, false):
		f.add(key, "must be host:port", `for example "127.0.0.1:8080"`)
	case local && !loopback(host):
		f.add(key, "must be a loopback address: it tells how much the program is used", `for example "127.0.0.1:9090"`)
	}
}

// goodPort accepts 0, by which the system chooses a free one, except in addresses that people type.
func goodPort(port string, typed bool) bool {
	if port == "" {
		return typed
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && (n > 0 || !typed)
}

func (f *form) database(text string) {
	const key = "database.url"
	hint := "write sqlite:FILE or postgres://USER@HOST/DATABASE"
	if file, found := strings.CutPrefix(text, "sqlite:"); found {
		if file == "" || strings.ContainsAny(file, "?#") || strings.HasPrefix(file, "//") {
			f.add(key, "names no file", "write sqlite:FILE, without options")
		}
		return
	}
	u, err := url.Parse(text) // its error would repeat a password: never shown
	switch {
	case err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql"):
		f.add(key, "is neither sqlite:FILE nor a postgres:// address", hint)
	case strings.Trim(u.Path, "/") == "":
		f.add(key, "names no database", hint)
	}
}

func (f *form) sessions(s Sessions) {
	if s.Idle.Duration < time.Minute || s.Idle.Duration > 2*time.Hour {
		f.add("sessions.idle", "must be from 1m to 2h", "")
	}
	if s.Absolute.Duration <= s.Idle.Duration || s.Absolute.Duration > 24*time.Hour {
		f.add("sessions.absolute", "must be longer than sessions.idle and at most 24h", "")
	}
}

// retention bounds the periods: what follows an entry cannot outlive it, and what a budget rests on is kept
// as long as the budget remembers it.
func (f *form) retention(r Retention) {
	const shortest, longest = 183, 1096
	if r.Entries < shortest || r.Entries > longest {
		f.add("retention.entries", fmt.Sprintf("must be from %d to %d days", shortest, longest), "6 to 12 months are usual; up to 3 years take a written reason (CNIL decision 2021-122)")
	}
	for _, p := range []struct {
		key         string
		days, least int
	}{{"justifications", r.Justifications, 30}, {"network", r.Network, 30}, {"seen", r.Seen, 181}, {"invitations", r.Invitations, 7}, {"notices", r.Notices, 30}} {
		if p.days < p.least || p.days > max(r.Entries, shortest) {
			f.add("retention."+p.key, fmt.Sprintf("must be at least %d days, and at most retention.entries", p.least), "")
		}
	}
}

func (f *form) mail(m Mail) {
	host, _, _ := net.SplitHostPort(m.Server)
	sender, err := mail.ParseAddress(m.From)
	switch {
	case m.Server == "" && (m.From != "" || m.User != "" || m.PasswordFile != ""):
		f.add("mail.server", "must be given with the rest of [mail]", "or leave the table out: notices are then shown in the program only")
	case m.Server == "":
		return
	default:
		f.address("mail.server", m.Server, false)
	}
	switch {
	case m.From == "":
		f.add("mail.from", "must be given with mail.server", "")
	case err != nil || !strings.Contains(sender.Address, "@") || strings.ContainsAny(m.From, "\r\n"):
		f.add("mail.from", "is not an address", "write ADDRESS or NAME <ADDRESS>")
	}
	if m.TLS == "none" && !loopback(host) {
		f.add("mail.tls", "may be none for a relay on a loopback address only: notices would travel in the clear", "")
	}
	if (m.User == "") != (m.PasswordFile == "") {
		f.add("mail.user", "user and password_file go together", "")
	}
}

func (f *form) providers(providers []Provider) {
	if len(providers) == 0 {
		f.add("providers", "nobody could sign in: no [[providers]]", "ecluse config describe lists its keys")
	}
	ids := map[string]bool{}
	for i, p := range providers {
		at := fmt.Sprintf("providers[%d].", i)
		switch {
		case p.ID != "" && !providerID.MatchString(p.ID):
			f.add(at+"id", "must be small letters, digits and hyphens, at most 31", "")
		case ids[p.ID]:
			f.add(at+"id", "is used by another provider", "")
		}
		ids[p.ID] = true
		if p.Prompt != "" && p.Prompt != "login" {
			f.add(at+"prompt", `must be "login" or empty`, "")
		}
		f.issuer(at+"issuer", p.Issuer)
		f.lists(at, p)
		f.secret(at, p)
	}
}

func (f *form) issuer(key, text string) {
	if text == "" {
		return // named by its tag
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		f.add(key, "is not an issuer's address", "write it exactly as the provider's discovery document does")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		f.add(key, "must be https", "")
	}
}

func (f *form) lists(at string, p Provider) {
	if !slices.Contains(p.Scopes, "openid") {
		f.add(at+"scopes", `must hold "openid"`, "")
	}
	if slices.Contains(p.ACRAccepted, "") {
		f.add(at+"acr_accepted", "holds an empty value", "")
	}
	for _, acr := range p.ACRStrong {
		if !slices.Contains(p.ACRAccepted, acr) {
			f.add(at+"acr_strong", fmt.Sprintf("%q is not in acr_accepted", acr), "")
		}
	}
}

func (f *form) secret(at string, p Provider) {
	key, file, other := "client_secret_file", p.ClientSecretFile, p.PrivateKeyFile
	if p.Auth == "private_key_jwt" {
		key, file, other = "private_key_file", p.PrivateKeyFile, p.ClientSecretFile
	}
	if file == "" {
		f.add(at+key, "must be given with auth = "+p.Auth, "")
	}
	if other != "" {
		f.add(at+"auth", "two ways to prove oneself are given", "keep client_secret_file or private_key_file")
	}
}

// Files checks what c refers to: key file and secrets exist, hold something and are readable by their
// owner alone; the folder of an embedded database exists. It opens no database and no connection.
func (c *Config) Files() Problems {
	f := &form{}
	f.private("keys.file", c.Keys.File, "ecluse init writes it")
	for i, p := range c.Providers {
		at := fmt.Sprintf("providers[%d].", i)
		if p.Auth == "private_key_jwt" {
			f.private(at+"private_key_file", p.PrivateKeyFile, "")
		} else {
			f.private(at+"client_secret_file", p.ClientSecretFile, "")
		}
	}
	if c.Mail.PasswordFile != "" {
		f.private("mail.password_file", c.Mail.PasswordFile, "")
	}
	if file := c.Database.SQLiteFile(); file != "" {
		if info, err := os.Stat(filepath.Dir(file)); err != nil || !info.IsDir() {
			f.add("database.url", "the folder of "+file+" does not exist", "")
		}
	} else if u, err := url.Parse(c.Database.URL); err == nil && u.User != nil {
		if _, given := u.User.Password(); given && c.path != "" {
			f.private("database.url", c.path, "it holds the password of the database")
		}
	}
	for i := range f.problems {
		f.problems[i].File = c.path
	}
	return f.problems
}

// private adds a problem unless path is a regular, non-empty file with mode 0600 or less.
func (f *form) private(key, path, hint string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		f.add(key, path+": "+reason(err), hint)
	case !info.Mode().IsRegular():
		f.add(key, path+": is not a file", hint)
	case info.Mode().Perm()&0o077 != 0:
		f.add(key, fmt.Sprintf("%s: others may read it (mode %04o)", path, info.Mode().Perm()), "chmod 600 "+path)
	case info.Size() == 0:
		f.add(key, path+": is empty", hint)
	}
}

// reason is the cause of a file error without the path, which the caller has said already.
func reason(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read by this user"
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}
