package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ecluse/internal/config"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/store"
)

// Attached is an installation opened for reading beside whatever node serves it: it takes no part in
// signing, and opens on a ledger that was rolled back, so that verification can say so.
type Attached struct {
	Config     *config.Config
	Keys       *keys.Keys
	Store      *store.DB
	Instance   store.Instance
	Checkpoint []byte // this node's newest, read before anything else; nil if there is none
	now        func() time.Time
}

// Attach opens an installation of either kind. Errors: as Open, without those of ledger and clock.
func Attach(ctx context.Context, o Options) (_ *Attached, err error) {
	a := &Attached{Config: o.Config, now: o.Now}
	if a.Keys, err = keys.Open(o.Config.Keys.File); err != nil {
		return nil, err
	}
	a.Checkpoint, err = os.ReadFile(checkpointFile(o.Config))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read this node's checkpoint: %w", err)
	}
	if a.Store, err = store.Open(ctx, o.Config.Database.URL, o.Hooks); err != nil {
		return nil, err
	}
	err = a.Store.Ready(ctx)
	if err == nil {
		a.Instance, err = a.Store.Instance(ctx)
	}
	if err == nil {
		err = a.Instance.Belongs(a.Keys.Check(), a.Instance.Demo)
	}
	if err != nil {
		return nil, errors.Join(err, a.Store.Close())
	}
	return a, nil
}

// Close closes the database.
func (a *Attached) Close() error { return a.Store.Close() }

// Verify proves the ledger as of now against this node's checkpoint, with the key file. deep also
// rebuilds meters and memories, and compares the holds with their entries. receipts may be nil.
func (a *Attached) Verify(ctx context.Context, deep bool, receipts []string) (ledger.Report, error) {
	var report ledger.Report
	err := a.Store.Snapshot(ctx, func(s *store.Snapshot) error {
		src, err := ledger.Live(s, a.Keys, a.checkpoints()...), error(nil)
		if deep {
			report, err = ledger.VerifyDeep(ctx, src, a.Keys, s, receipts)
		} else {
			report, err = ledger.Verify(ctx, src, receipts)
		}
		return err
	})
	if err == nil && deep {
		err = a.verifyHolds(ctx, &report)
	}
	return report, err
}

// verifyHolds looks twice before it calls a hold altered: one may be made or ended between two reads.
func (a *Attached) verifyHolds(ctx context.Context, report *ledger.Report) error {
	_, err := holdRows(ctx, a.Store, a.Keys)
	if errors.Is(err, ErrHoldAltered) {
		_, err = holdRows(ctx, a.Store, a.Keys)
	}
	if errors.Is(err, ErrHoldAltered) || errors.Is(err, ledger.ErrAltered) {
		report.Problems, report.OK = append(report.Problems, err.Error()), false
		return nil
	}
	return err
}

func (a *Attached) checkpoints() [][]byte {
	if a.Checkpoint == nil {
		return nil
	}
	return [][]byte{a.Checkpoint}
}

func checkpointFile(c *config.Config) string {
	return filepath.Join(filepath.Dir(c.Path()), "checkpoint")
}

// Bundle writes the ledger as of now under a fresh signature, and this node's checkpoint, for anybody
// to verify offline. It returns the public key to verify with. Opened bundles are personal data.
func (a *Attached) Bundle(ctx context.Context, w io.Writer, opened bool) (string, error) {
	key, err := a.Keys.VerifierKey()
	if err != nil {
		return "", err
	}
	return key, a.Store.Snapshot(ctx, func(s *store.Snapshot) error {
		head, err := s.Head(ctx)
		if err != nil {
			return err
		}
		signed, err := ledger.SignHead(head, a.Keys)
		if err != nil {
			return err
		}
		return ledger.WriteBundle(ctx, w, ledger.Live(s, a.Keys, append(a.checkpoints(), signed.Note)...), key, opened)
	})
}
