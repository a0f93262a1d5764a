package node

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"

	"ecluse/internal/api"
	"ecluse/internal/config"
	"ecluse/internal/host"
	"ecluse/internal/ledger"
	"ecluse/internal/signin"
	"ecluse/internal/web"
)

// ServeOptions are what a demo adds.
type ServeOptions struct {
	Ready func(url string) error // called once the doors answer
	Demo  *web.Demo              // first page of a demo; nil in a real installation
	Extra http.Handler           // below /demo/; nil in a real installation
}

// Serve opens the doors until ctx ends, and does the node's background work meanwhile.
func (n *Node) Serve(ctx context.Context, o ServeOptions) error {
	doors, err := n.doors(o)
	if err != nil {
		return err
	}
	limits := host.DefaultLimits()
	limits.Connections = n.Config.Listen.Connections
	limits.PerNetwork = max(8, limits.Connections/8)
	proxies := n.Config.Listen.Proxies()
	server, err := host.Listen(host.Options{
		Address: n.Config.Listen.Address, Metrics: n.Config.Listen.Metrics, Public: n.Config.Public(), Local: n.Config.Plain(),
		Counts: n.Counts, Log: n.Log, Now: n.Clock.Now, Limits: limits, Refuse: doors.refuse,
		ClientIP: host.ClientIP(proxies), Carriers: append(proxies, loopback...),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n.running.Go(func() { n.Run(ctx) })
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, doors.mux) }()
	if o.Ready != nil {
		if err := o.Ready(strings.TrimSuffix(n.Config.Instance.PublicURL, "/")); err != nil {
			cancel()
			return errors.Join(err, <-served)
		}
	}
	return <-served
}

// loopback is this machine: a proxy in front that nobody named, a demo, a probe.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// Handler is everything that Serve serves, for whoever has a listener of their own.
func (n *Node) Handler(o ServeOptions) (http.Handler, error) {
	d, err := n.doors(o)
	if err != nil {
		return nil, err
	}
	return d.mux, nil
}

// doors are the handlers of a node.
type doors struct {
	mux  *http.ServeMux
	api  *api.API
	site *web.Site
}

func (n *Node) doors(o ServeOptions) (*doors, error) {
	sessions, err := n.sessions(o)
	if err != nil {
		return nil, err
	}
	d := &doors{mux: http.NewServeMux()}
	d.site, err = web.New(n.webConfig(sessions, o), web.Rooms{
		Sessions: sessions, Gate: n.Gate, Directory: n.Directory, Registers: n.Registers, Exposures: n.Exposures, Scopes: n.Scope, Names: n.Keys, Post: n.Post, Log: n.Log,
	}, n.Clock.Now)
	if err != nil {
		return nil, err
	}
	programs, err := n.programs()
	if err != nil {
		return nil, err
	}
	d.api = api.New(api.Rooms{
		Sessions: sessions, Programs: programs, Gate: n.Gate, Directory: n.Directory, Registers: n.Registers, Exposures: n.Exposures, Tree: tree{n}, Desk: n.Directory, Accounts: n.Directory, Scopes: n.Scope, Names: n.Keys, Ready: n.Ready,
		Text: d.site.Text, Now: n.Clock.Now, Log: n.Log,
	})
	for _, prefix := range api.Prefixes {
		d.mux.Handle(prefix, d.api)
	}
	signing := http.NewCrossOriginProtection().Handler(sessions.Handler(d.site))
	d.mux.Handle("/sign-in", signing)
	d.mux.Handle("/sign-in/", signing)
	d.mux.Handle("/sign-out", signing)
	d.mux.Handle("/sign-out/", signing)
	if o.Extra != nil {
		d.mux.Handle("/demo/", o.Extra)
	}
	d.mux.Handle("/", d.site)
	return d, nil
}

// refuse answers for the host in the form of the door that was knocked at.
func (d *doors) refuse(w http.ResponseWriter, r *http.Request, status int, reference string) {
	if slices.ContainsFunc(api.Prefixes, func(p string) bool { return strings.HasPrefix(r.URL.Path, p) }) {
		d.api.Refuse(w, r, status, reference)
		return
	}
	d.site.Status(w, r, status)
}

// sessions makes the sign-in room from the configuration.
func (n *Node) sessions(o ServeOptions) (*signin.Service, error) {
	var providers []signin.Provider
	for _, p := range n.Config.Providers {
		made, err := provider(p)
		if err != nil {
			return nil, err
		}
		made.Demo = o.Extra != nil
		providers = append(providers, made)
	}
	return signin.New(signin.Options{
		PublicURL: n.Config.Instance.PublicURL, Name: n.Config.Instance.Name, DeviceNow: n.Clock.Machine, Providers: providers, Idle: n.Config.Sessions.Idle.Duration, Absolute: n.Config.Sessions.Absolute.Duration,
		Store: n.Store, Accounts: n.Directory, Sealer: n.Keys, Now: n.Clock.Now, Log: n.Log,
		ClientIP: host.ClientIP(n.Config.Listen.Proxies()),
	})
}

// programs signs partner software in.
func (n *Node) programs() (*signin.Programs, error) {
	return signin.NewPrograms(signin.ProgramOptions{
		PublicURL: n.Config.Instance.PublicURL, Directory: n.Directory, Store: n.Store, Keys: n.Keys, Now: n.Clock.Now, Log: n.Log,
		ClientIP: host.ClientIP(n.Config.Listen.Proxies()),
	})
}

func provider(p config.Provider) (signin.Provider, error) {
	made := signin.Provider{
		ID: p.ID, Label: p.Label, Issuer: p.Issuer, ClientID: p.ClientID, Auth: signin.AuthMethod(p.Auth), Scopes: p.Scopes,
		ACRAccepted: p.ACRAccepted, ACRStrong: p.ACRStrong, IDPClaim: p.IDPClaim, ProvenEmail: p.ProvenEmail, ProvenSIRET: p.ProvenSIRET, Userinfo: p.Userinfo, PKCE: p.PKCE, NoPromptLogin: p.Prompt == "",
	}
	if made.Auth == signin.PrivateKeyJWT {
		var err error
		made.Key, err = privateKey(p.PrivateKeyFile)
		return made, err
	}
	secret, err := os.ReadFile(p.ClientSecretFile)
	if err != nil {
		return made, fmt.Errorf("read the secret of provider %s: %w", p.ID, err)
	}
	made.Secret = strings.TrimSpace(string(secret))
	return made, nil
}

func privateKey(path string) (crypto.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a provider's private key: %w", err)
	}
	return signin.ParseKey(data)
}

func (n *Node) webConfig(sessions *signin.Service, o ServeOptions) web.Config {
	c := web.Config{
		Name: n.Config.Instance.Name, PublicURL: n.Config.Instance.PublicURL, FormTargets: sessions.Origins(),
		Mentions: web.Mentions{Hosting: n.Config.Mentions.Hosting}, Duty: n.Config.Mentions.Duty, Idle: n.Config.Sessions.Idle.Duration, Demo: o.Demo,
	}
	for _, p := range n.Config.Providers {
		c.Providers = append(c.Providers, web.Provider{ID: p.ID, Label: p.Label, ProvenEmail: p.ProvenEmail, ProvenSIRET: p.ProvenSIRET})
	}
	for _, s := range n.Config.Mentions.Suppliers {
		c.Mentions.Suppliers = append(c.Mentions.Suppliers, web.Supplier{Name: s})
	}
	return c
}

// tree is the ledger's public side.
type tree struct{ n *Node }

// Checkpoint is the newest checkpoint that this node signed.
func (t tree) Checkpoint(context.Context) ([]byte, error) { return t.n.Notary.Last(), nil }

// Tile is part of a tile, nil beyond the newest checkpoint.
func (t tree) Tile(ctx context.Context, level int, first, count int64) ([]byte, error) {
	if level > 7 || first+count > t.n.Notary.Size()>>(8*level) {
		return nil, nil
	}
	return ledger.TileRange(ctx, t.n.Store, level, first, count)
}
