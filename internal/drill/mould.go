package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"ecluse/internal/demo"
)

// began is when every instance's clock stands at first: a Monday after the day that the presets' invented
// dates are counted from. It moves in whole hours, so that the day on which a drill runs changes nothing.
var began = time.Date(2026, 9, 7, 0, 0, 0, 0, time.UTC)

// moulds makes each installation once; every scenario is played against a copy of its files. Safe for
// concurrent use.
type moulds struct {
	dir     string // temporary
	options Options

	mu  sync.Mutex
	all map[string]*mould
}

// mould is one installation that nobody has used yet, with the truth about it.
type mould struct {
	once   sync.Once
	dir    string
	census map[string]*census // by register
	err    error
}

func newMoulds(o Options) (*moulds, error) {
	dir, err := os.MkdirTemp("", "ecluse-drill-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the drill: %w", err)
	}
	return &moulds{dir: dir, options: o, all: map[string]*mould{}}, nil
}

func (m *moulds) close() error { return os.RemoveAll(m.dir) }

// of is the installation with some presets. The first caller of each makes it.
func (m *moulds) of(ctx context.Context, presets []string) (*mould, error) {
	name := strings.Join(presets, "+")
	m.mu.Lock()
	one := m.all[name]
	if one == nil {
		one = &mould{dir: filepath.Join(m.dir, name), census: map[string]*census{}}
		m.all[name] = one
	}
	m.mu.Unlock()
	one.once.Do(func() { one.err = one.make(ctx, presets, m.options) })
	return one, one.err
}

func (m *mould) make(ctx context.Context, presets []string, o Options) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	d, err := openDemo(ctx, presets, m.dir, address, o)
	if err != nil {
		return fmt.Errorf("make the installation: %w", err)
	}
	defer d.Close()
	for n, p := range d.Populations {
		if m.census[p.Register()], err = takeCensus(ctx, d, n); err != nil {
			return err
		}
	}
	return nil
}

// cast makes a copy of the installation in a new folder, and opens it.
func (m *moulds) cast(ctx context.Context, s scenario, address string) (*demo.Demo, *mould, string, error) {
	one, err := m.of(ctx, s.presets)
	if err != nil {
		return nil, nil, "", err
	}
	dir, err := os.MkdirTemp(m.dir, s.name+"-")
	if err != nil {
		return nil, nil, "", err
	}
	if err := copyFolder(dir, one.dir); err != nil {
		return nil, nil, dir, fmt.Errorf("copy the installation: %w", err)
	}
	d, err := openDemo(ctx, s.presets, dir, address, m.options)
	return d, one, dir, err
}

func openDemo(ctx context.Context, presets []string, dir, address string, o Options) (*demo.Demo, error) {
	return demo.Open(ctx, demo.Options{
		Presets: presets, Persons: o.Persons, Seed: o.Seed, Dir: dir, Listen: address, Log: o.Log,
		Now: func() time.Time { return began }, Step: func(string, float64) {},
	})
}

// freeAddress is an address of this machine that nothing listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// copyFolder copies files with their modes: a key file that others may read is refused.
func copyFolder(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(target, info.Mode().Perm())
		}
		return copyFile(target, path, info.Mode().Perm())
	})
}

func copyFile(to, from string, mode fs.FileMode) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	_, err = io.Copy(target, source)
	return err
}
