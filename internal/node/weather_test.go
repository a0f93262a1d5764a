package node_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ecluse/internal/config"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

func refusal(w *nodetest.World) ledger.Candidate {
	return ledger.Candidate{Kind: ledger.KindRefuse, Register: w.Register.ID, Decision: ledger.Deny, Revision: ledger.AnyRevision}
}

func TestADatabaseHeldByAnotherProgramIsBusyAndThenFine(t *testing.T) {
	url := storetest.SQLite(t)
	w := nodetest.New(t, url, nil)
	other, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, statement := range []string{"BEGIN IMMEDIATE", "COMMIT"} {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err := w.Ledger.Append(t.Context(), refusal(w))
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("after %s the answer took %s", statement, took)
		}
		if held := statement == "BEGIN IMMEDIATE"; held != errors.Is(err, ledger.ErrBusy) || !held && err != nil {
			t.Errorf("after %s: %v", statement, err)
		}
	}
	holds(t, w, w.Config)
}

// Connections that the server cuts lose what was not committed, never what was answered.
func TestADatabaseThatGoesAwayComesBackAndNothingAnsweredIsLost(t *testing.T) {
	url := storetest.Postgres(t)
	w := nodetest.New(t, url, nil)
	admin, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	before, err := w.Store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var answered, failed atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := w.Ledger.Append(context.Background(), refusal(w)); err != nil {
					failed.Add(1)
				} else {
					answered.Add(1)
				}
			}
		})
	}
	for cuts := 0; cuts < 8 || cuts < 60 && failed.Load() == 0; cuts++ {
		time.Sleep(30 * time.Millisecond)
		_, err := admin.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		if err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	began := time.Now()
	for { // whatever was broken is mended by itself
		if _, err := w.Ledger.Append(t.Context(), refusal(w)); err == nil {
			answered.Add(1)
			break
		} else if time.Since(began) > 5*time.Second {
			t.Fatalf("it does not come back: %v", err)
		}
	}
	after, err := w.Store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if wrote := int64(after.N - before.N); wrote < answered.Load() {
		t.Errorf("%d entries for %d answers, %d failures", wrote, answered.Load(), failed.Load())
	}
	t.Logf("%d answered, %d failed, %d written", answered.Load(), failed.Load(), after.N-before.N)
	holds(t, w, w.Config)
}

func TestAClockThatWentBackIsRefusedUntilItIsAccepted(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	at, err := w.Store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.Node.Close()
	w.Clock.Advance(-time.Hour)
	options := node.Options{Config: w.Config, Now: w.Clock.Now, FakeClock: true, Log: slog.New(slog.DiscardHandler)}
	if _, err := node.Open(t.Context(), options); !errors.Is(err, node.ErrClock) {
		t.Fatalf("%v, want ErrClock", err)
	}
	options.AcceptClock = true
	n, err := node.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	w.Node = n
	err = n.Store.Entries(t.Context(), at.N, at.N+1, func(e *ledger.Entry) error {
		if e.Kind != ledger.KindClock || e.At.Before(at.At) {
			t.Errorf("entry %d is a %s of %s", e.N, e.Kind, e.At)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, w, w.Config)
}

func TestANodeOnTheWrongServerTimeIsRefused(t *testing.T) {
	url := storetest.Postgres(t)
	w := nodetest.New(t, url, nil)
	w.Node.Close()
	ahead := func() time.Time { return time.Now().Add(time.Minute) }
	if _, err := node.Open(t.Context(), node.Options{Config: w.Config, Now: ahead}); !errors.Is(err, node.ErrClock) {
		t.Errorf("a minute before the database's clock: %v", err)
	}
}

// A clock that only the machine has moves for real: the ledger's own time is what is attacked here.
func TestALedgerWhoseTimeWasMovedAheadAdmitsNothingMore(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.Node.Close()
		n, err := node.Open(t.Context(), node.Options{Config: w.Config, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		w.Node = n
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go n.Run(ctx)
		if _, err := n.Ledger.Append(t.Context(), refusal(w)); err != nil {
			t.Fatal(err)
		}
		// A day ahead: every window of a budget would be past.
		ahead := time.Now().Add(24 * time.Hour).UnixMicro()
		driver, source := "pgx", url
		if file, lite := strings.CutPrefix(url, "sqlite:"); lite {
			driver, source = "sqlite", "file:"+file+"?_pragma=busy_timeout(5000)"
		}
		db, err := sql.Open(driver, source)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec("UPDATE heads SET at = $1", ahead); err != nil {
			t.Fatal(err)
		}
		eventually(t, 5*time.Second, func() bool {
			_, err := n.Ledger.Append(t.Context(), refusal(w))
			return errors.Is(err, ledger.ErrStopped) && errors.Is(err, node.ErrClock)
		})
		if err := n.Ready(t.Context()); !errors.Is(err, node.ErrClock) {
			t.Errorf("the node says it is ready: %v", err)
		}
	})
}

// What cannot be proven later is not admitted: ten seconds without a signature, and it stops.
func TestANodeThatCannotSignStopsAndGoesOnByItself(t *testing.T) {
	t.Parallel() // it waits
	w := nodetest.New(t, storetest.SQLite(t), nil)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	path := w.CheckpointFile()
	if err := errors.Join(os.Remove(path), os.MkdirAll(path+"/x", 0o700)); err != nil {
		t.Fatal(err)
	}
	go w.Run(ctx)
	if _, err := w.Ledger.Append(t.Context(), refusal(w)); err != nil {
		t.Fatalf("at the first failure already: %v", err)
	}
	eventually(t, 20*time.Second, func() bool { return errors.Is(w.Notary.Fresh(), ledger.ErrUnsigned) })
	if _, err := w.Ledger.Append(t.Context(), refusal(w)); !errors.Is(err, ledger.ErrStopped) || !errors.Is(err, ledger.ErrUnsigned) {
		t.Errorf("an append says %v", err)
	}
	if err := w.Ready(t.Context()); !errors.Is(err, ledger.ErrUnsigned) {
		t.Errorf("the node says it is ready: %v", err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, func() bool {
		_, err := w.Ledger.Append(t.Context(), refusal(w))
		return err == nil
	})
}

func eventually(t *testing.T, within time.Duration, what func() bool) {
	t.Helper()
	for began := time.Now(); time.Since(began) < within; time.Sleep(50 * time.Millisecond) {
		if what() {
			return
		}
	}
	t.Fatalf("not within %s", within)
}

const fullDiskVariable = "ECLUSE_TEST_FULL_DISK"

// TestOnAFullDisk is no test but the process of the test below: it appends until no file may grow.
func TestOnAFullDisk(t *testing.T) {
	path := os.Getenv(fullDiskVariable)
	if path == "" {
		return
	}
	signal.Ignore(syscall.SIGXFSZ) // a write then fails, as on a full disk
	c, err := config.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Open(t.Context(), node.Options{Config: c, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	refuse := ledger.Candidate{Kind: ledger.KindRefuse, Register: 1, Account: 1, Decision: ledger.Deny, Revision: ledger.AnyRevision}
	var room syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &room); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: room.Max}); err != nil {
		t.Fatal(err)
	}
	answered := 0
	for err = nil; err == nil && answered < 5000; {
		if _, err = n.Ledger.Append(t.Context(), refuse); err == nil {
			answered++
		}
	}
	fmt.Printf("FULL after %d: %v\n", answered, err)
	if _, again := n.Ledger.Append(t.Context(), refuse); again == nil {
		t.Error("a full disk takes an entry")
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &room); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Ledger.Append(t.Context(), refuse); err != nil {
		t.Errorf("with room again: %v", err)
	}
	n.Close()
	fmt.Printf("ANSWERED %d\n", answered+1)
}

func TestAFullDiskIsToldLosesNothingAndIsForgottenWithRoomAgain(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	before, err := w.Store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.Node.Close()
	child := exec.Command(os.Args[0], "-test.run", "^TestOnAFullDisk$", "-test.v")
	child.Env = append(os.Environ(), fullDiskVariable+"="+w.Config.Path())
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var answered int64
	at := bytes.Index(out, []byte("ANSWERED "))
	if at < 0 {
		t.Fatalf("%s", out)
	}
	if _, err := fmt.Sscanf(string(out[at:]), "ANSWERED %d", &answered); err != nil || answered < 10 {
		t.Fatalf("%d answered: %v\n%s", answered, err, out)
	}
	t.Logf("%s", out[bytes.Index(out, []byte("FULL")):at])
	report := holds(t, w, w.Config)
	if wrote := report.Entries - int64(before.N); wrote < answered {
		t.Errorf("%d entries for %d answers", wrote, answered)
	}
}

func TestACheckpointThatCannotBeWrittenIsToldAndWrittenLater(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	path := w.CheckpointFile()
	if err := errors.Join(os.Remove(path), os.MkdirAll(path+"/x", 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Ledger.Append(t.Context(), refusal(w)); err != nil {
		t.Fatal(err)
	}
	if err := w.Notary.Sign(t.Context()); err == nil {
		t.Error("it was written over a folder")
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := w.Notary.Sign(t.Context()); err != nil {
		t.Error(err)
	}
	head, err := w.Store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if report := holds(t, w, w.Config); report.Checkpoint != int64(head.N) {
		t.Errorf("signed %d of %d", report.Checkpoint, head.N)
	}
}
