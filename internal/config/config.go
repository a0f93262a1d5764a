// Package config holds the file ecluse.toml: addresses and references to keys and secrets, never a
// secret itself, never a limit or a purpose (those live in the database under four eyes).
//
// The struct Config is the only description of the file: its tags say the key (toml), the default,
// the unit, the closed list of values (oneof), whether it must be given (required) and what it means
// (doc). Read, Describe and Write all walk the same tags, so that they cannot disagree.
//
// The invariant: a file with a key that nobody reads is refused, and every problem that can be seen
// without the network is named at once, with file, line and column.
package config

import (
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Config is one ecluse.toml. Paths in it are absolute once Read has returned.
type Config struct {
	Instance  Instance   `toml:"instance" doc:"What this installation is called and where the browsers find it."`
	Listen    Listen     `toml:"listen" doc:"Where the program listens. It speaks plain HTTP: put a proxy that ends TLS in front of it."`
	Database  Database   `toml:"database" doc:"Where the ledger, the directory and the sealed records are kept."`
	Keys      Keys       `toml:"keys" doc:"Keys that must never be in the database or beside its backups."`
	Providers []Provider `toml:"providers" doc:"OpenID Connect providers at which people sign in, in the order in which they are shown."`
	Sessions  Sessions   `toml:"sessions" doc:"How long a signed-in browser may go on."`
	Retention Retention  `toml:"retention" doc:"How long each kind of data is kept, in days. What is older goes when ecluse retention runs, which you do monthly; --dry-run says what would go. CNIL decision 2021-122 asks for 6 to 12 months of logs, up to 3 years with a written reason."`
	Mentions  Mentions   `toml:"mentions" doc:"What the page of legal mentions says beside the controllers and their DPOs."`
	Mail      Mail       `toml:"mail" doc:"The mail server that takes notices to those who must be told of something. Without it notices are shown in the program only, to whoever looks."`
	Log       Log        `toml:"log" doc:"The program's own log, on standard error. It never holds a value of a record."`

	path string
}

// Instance is the table [instance].
type Instance struct {
	Name      string `toml:"name" required:"true" doc:"Name of the installation, shown on every page."`
	PublicURL string `toml:"public_url" required:"true" doc:"Address that people type, without a path: https://HOST. http:// is accepted for a loopback host only. Requests for any other host are refused (421)."`
}

// Listen is the table [listen].
type Listen struct {
	Address     string `toml:"address" default:"127.0.0.1:8080" unit:"host:port" doc:"Address of pages and API."`
	Metrics     string `toml:"metrics" default:"127.0.0.1:9090" unit:"host:port" doc:"Address of /metrics, loopback only. Empty: no metrics."`
	Connections int    `toml:"connections" default:"1024" unit:"connections" doc:"Most connections held at once; beyond it the longest idle one is closed for a new one."`

	TrustedProxies []string `toml:"trusted_proxies" unit:"addresses or networks (CIDR)" doc:"Proxies whose X-Forwarded-For says where a request comes from, for the list of connections and for sign-ins from a new network. Empty: the connection's own address. Every proxy of a chain must be named, and nothing else."`
}

// Proxies are the trusted proxies as networks. The list must have been read by Read.
func (l Listen) Proxies() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range l.TrustedProxies {
		if p, err := network(text); err == nil {
			list = append(list, p)
		}
	}
	return list
}

// network reads an address or a network in CIDR form.
func network(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.Unmap().Prefix(ip.Unmap().BitLen())
	}
	return netip.ParsePrefix(text)
}

// Database is the table [database].
type Database struct {
	URL string `toml:"url" default:"sqlite:ecluse.db" doc:"sqlite:FILE or postgres://USER@HOST/DATABASE (15 or newer). A password belongs in the file that PGPASSFILE names; if it stands here, this file must be mode 0600."`
}

// Keys is the table [keys].
type Keys struct {
	File string `toml:"file" default:"ecluse.key" unit:"path" doc:"Key file written by ecluse init, mode 0600. Without it the database cannot be read; keep a copy apart from the backups."`
}

// Provider is one table [[providers]].
type Provider struct {
	ID               string   `toml:"id" required:"true" doc:"Short name in addresses (/sign-in/ID): small letters, digits and hyphens. Accounts are bound to it: never change it."`
	Label            string   `toml:"label" required:"true" doc:"Name on the sign-in button."`
	Issuer           string   `toml:"issuer" required:"true" doc:"Issuer of the provider, https; /.well-known/openid-configuration is read below it."`
	ClientID         string   `toml:"client_id" required:"true" doc:"Identifier that the provider gave to this installation."`
	Auth             string   `toml:"auth" default:"client_secret_post" oneof:"client_secret_post|private_key_jwt" doc:"How this installation proves itself to the provider."`
	ClientSecretFile string   `toml:"client_secret_file" unit:"path" doc:"File with the client secret, mode 0600 (auth = client_secret_post)."`
	PrivateKeyFile   string   `toml:"private_key_file" unit:"path" doc:"File with the private key in PEM, mode 0600 (auth = private_key_jwt)."`
	Scopes           []string `toml:"scopes" default:"openid,given_name,usual_name,email,siret,idp_id" doc:"Scopes asked for; openid must be one of them."`
	ACRAccepted      []string `toml:"acr_accepted" required:"true" doc:"Values of acr with which one may act at all: exact names, not an order."`
	ACRStrong        []string `toml:"acr_strong" doc:"Values of acr that are enough for sensitive acts; each must be in acr_accepted."`
	IDPClaim         string   `toml:"idp_claim" default:"idp_id" doc:"Claim that names the identity provider behind a federation; accounts are bound to it and sub. Empty: the provider itself."`
	ProvenEmail      []string `toml:"proven_email" doc:"Identity providers (values of idp_claim, or * for all) that prove the e-mail address which they pass on: who accepts an invitation must then come with the very address. Of all others it is a hint."`
	ProvenSIRET      []string `toml:"proven_siret" doc:"Identity providers that prove the SIRET which they pass on: it must then be that of the account's organisation or site. Of all others it is a hint; most pass on what the person typed."`
	Userinfo         string   `toml:"userinfo" default:"jwt" oneof:"jwt|json" doc:"Form of the userinfo answer: a signed JWT or plain JSON."`
	PKCE             bool     `toml:"pkce" default:"true" doc:"Send a PKCE challenge (S256)."`
	Prompt           string   `toml:"prompt" default:"login" doc:"\"login\" asks the federation to prove the person anew each time, as shared desks need; empty leaves it to the federation."`
}

// Sessions is the table [sessions].
type Sessions struct {
	Idle     Duration `toml:"idle" default:"15m" unit:"duration" doc:"Time without a request after which the session is locked: 1m to 2h."`
	Absolute Duration `toml:"absolute" default:"12h" unit:"duration" doc:"Longest life of a session, whatever is done in it: more than idle, at most 24h."`
}

// Retention is the table [retention], in days. Each is at most Entries.
type Retention struct {
	Entries        int `toml:"entries" default:"365" unit:"days" doc:"References of entries (who, whom, when, which fields, why), and the rows that repeat them: sessions, reviews, ended links and factors, requests: 183 to 1096. Number, instant and hash of an entry stay for ever, so that the ledger still proves itself."`
	Justifications int `toml:"justifications" default:"91" unit:"days" doc:"Sealed free texts of justifications, after someone has reviewed them: at least 30."`
	Network        int `toml:"network" default:"182" unit:"days" doc:"Network, device and sign-in token of sessions, after their end; wrong codes: at least 30."`
	Seen           int `toml:"seen" default:"181" unit:"days" doc:"Which person an account has seen, after its last look: at least 181, for budgets remember 180 days."`
	Invitations    int `toml:"invitations" default:"30" unit:"days" doc:"Invitations, once used or lapsed: at least 7."`
	Notices        int `toml:"notices" default:"182" unit:"days" doc:"Who was told of what: at least 30."`
}

// Valid reports whether every period is within its bounds: nothing is removed by periods that are not.
func (r Retention) Valid() bool {
	f := &form{}
	f.retention(r)
	return len(f.problems) == 0
}

// Mentions is the table [mentions].
type Mentions struct {
	Suppliers []string `toml:"suppliers" doc:"Suppliers and processors (GDPR art. 28) that take part in running the installation."`
	Duty      string   `toml:"duty" doc:"How to reach the duty officer at once (phone, address): shown where somebody is refused or declares an emergency."`
	Hosting   string   `toml:"hosting" doc:"Who hosts the machines, and where."`
}

// Mail is the table [mail].
type Mail struct {
	Server       string `toml:"server" unit:"host:port" doc:"SMTP server, usually the body's own relay. Empty: no mail."`
	From         string `toml:"from" doc:"Sender: ADDRESS or NAME <ADDRESS>. Required with server."`
	TLS          string `toml:"tls" default:"starttls" oneof:"starttls|tls|none" doc:"starttls: the connection must turn to TLS before anything is said; tls: from the first byte; none: a relay on a loopback address only."`
	User         string `toml:"user" doc:"Name to sign in with at the server; empty: it asks for none."`
	PasswordFile string `toml:"password_file" unit:"path" doc:"File with the password, mode 0600. Required with user. It is read again for each mail."`
	Language     string `toml:"language" default:"fr" oneof:"fr|en" doc:"Language of the mails."`
}

// Log is the table [log].
type Log struct {
	Level  string `toml:"level" default:"info" oneof:"debug|info|warn|error" doc:"Least level that is written."`
	Format string `toml:"format" default:"text" oneof:"text|json" doc:"Form of the lines."`
}

// Duration is a time.Duration that reads and writes itself as "15m" or "12h".
type Duration struct{ time.Duration }

// UnmarshalText reads the form of time.ParseDuration.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return errDuration
	}
	d.Duration = parsed
	return nil
}

// MarshalText writes the shortest form that reads back as the same duration: "12h", not "12h0m0s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the text of MarshalText.
func (d Duration) String() string {
	s := d.Duration.String()
	if d.Duration >= time.Minute && strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if d.Duration >= time.Hour && strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Path is the absolute path of the file that was read, "" for a Config that was not read from one.
func (c *Config) Path() string { return c.path }

// Public is the parsed public_url. It must have been read by Read.
func (c *Config) Public() *url.URL {
	u, err := url.Parse(c.Instance.PublicURL)
	if err != nil {
		return &url.URL{}
	}
	return u
}

// Plain reports whether browsers reach the installation over http on a loopback address, which only
// the demo and trials do: cookies then carry neither Secure nor the __Host- prefix.
func (c *Config) Plain() bool { return c.Public().Scheme == "http" }

// SQLiteFile is the path of an embedded database, "" when the database is PostgreSQL.
func (d Database) SQLiteFile() string {
	file, found := strings.CutPrefix(d.URL, "sqlite:")
	if !found {
		return ""
	}
	return file
}

// resolve makes every path absolute, seen from dir.
func (c *Config) resolve(dir string) {
	from := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	c.Keys.File = from(c.Keys.File)
	if file := c.Database.SQLiteFile(); file != "" {
		c.Database.URL = "sqlite:" + from(file)
	}
	c.Mail.PasswordFile = from(c.Mail.PasswordFile)
	for i := range c.Providers {
		c.Providers[i].ClientSecretFile = from(c.Providers[i].ClientSecretFile)
		c.Providers[i].PrivateKeyFile = from(c.Providers[i].PrivateKeyFile)
	}
}

// loopback reports whether host is localhost or a loopback address.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
