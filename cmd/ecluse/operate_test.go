package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
)

// TestOperation runs testdata/operate/*.txtar, each beside a small installation that was used and is
// closed: ecluse.toml, ecluse.key, ecluse.db and checkpoint lie in its folder.
func TestOperation(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/operate", RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "flip": flip, "cut": cut},
		Setup: func(env *testscript.Env) error {
			w := nodetest.Create(t, "sqlite:"+filepath.Join(env.WorkDir, "ecluse.db"), env.WorkDir, nil)
			w.Populate()
			refused := ledger.Candidate{Kind: ledger.KindRefuse, Register: w.Register.ID, Account: w.Accounts["anne"].ID, Decision: ledger.Deny, Revision: ledger.AnyRevision}
			results, err := w.Ledger.Append(t.Context(), refused, refused)
			if err != nil {
				return err
			}
			w.Node.Close()
			if _, err := keys.Create(filepath.Join(env.WorkDir, "other.key"), "ecluse.test", time.Now()); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(env.WorkDir, "receipts"), []byte("# of today\n"+results[0].ID+"\n\n"+results[1].ID+"\n"), 0o600)
		},
	})
}

// flip FILE changes a byte in the middle of a file.
func flip(ts *testscript.TestScript, _ bool, arguments []string) {
	path := ts.MkAbs(arguments[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.WriteFile(path, data, 0o600))
}

// cut FILE takes away the second half of a file.
func cut(ts *testscript.TestScript, _ bool, arguments []string) {
	path := ts.MkAbs(arguments[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path, data[:len(data)/2], 0o600))
}
