package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"ecluse/internal/ledger"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

func init() { *store.PostgresForStatements = storetest.Postgres }

// holderVariable makes this test binary, started again, a process that stops inside a transaction.
const holderVariable = "ECLUSE_TEST_HOLD_LOCK_OF"

// TestHoldTheHeadLock is no test but the other process of the test below.
func TestHoldTheHeadLock(t *testing.T) {
	url := os.Getenv(holderVariable)
	if url == "" {
		return
	}
	db, err := store.Open(t.Context(), url, store.Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Locked(t.Context(), time.Now(), func(tx ledger.Tx) error {
		tx.Head().NextID += 1000
		fmt.Println("LOCKED")
		time.Sleep(20 * time.Second) // the parent stops this process here
		return nil
	})
	fmt.Println("ENDED", err != nil)
}

// A process that is stopped inside its transaction holds the head lock; the server ends its session
// after a second, and the other process goes on.
func TestAProcessStoppedInsideItsTransactionBlocksTheOthersForTwoSecondsAtMost(t *testing.T) {
	url := storetest.Postgres(t)
	db := storetest.Open(t, url, store.Hooks{})
	if err := db.CreateInstance(t.Context(), time.Now(), []byte("check"), false); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run", "^TestHoldTheHeadLock$", "-test.v")
	child.Env = append(os.Environ(), holderVariable+"="+url)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "LOCKED" {
		continue
	}
	if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	before, err := db.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	began, busy := time.Now(), 0
	for {
		err := db.Locked(context.Background(), time.Now(), func(tx ledger.Tx) error { tx.Head().NextID++; return nil })
		if err == nil {
			break
		}
		if !errors.Is(err, ledger.ErrBusy) {
			t.Fatalf("while the lock is held: %v", err)
		}
		if busy++; time.Since(began) > 5*time.Second {
			t.Fatal("the lock is never given back")
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the other process waited %s", took)
	} else {
		t.Logf("served again after %s, busy %d times", took.Round(time.Millisecond), busy)
	}
	after, err := db.Head(t.Context())
	if err != nil || after.NextID != before.NextID+1 {
		t.Errorf("next id %d after %d: what the stopped process did was kept (%v)", after.NextID, before.NextID, err)
	}
	if err := child.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

func TestAStoppedCommitOfAnotherConnectionIsBusyAndThenFine(t *testing.T) {
	url := storetest.Postgres(t)
	hold := make(chan struct{})
	other := storetest.Open(t, url, store.Hooks{BeforeCommit: func(context.Context) error { <-hold; return nil }})
	db := storetest.Open(t, strings.Replace(url, "?", "?lock_timeout=200ms&", 1), store.Hooks{})
	if err := db.CreateInstance(t.Context(), time.Now(), []byte("check"), false); err != nil {
		t.Fatal(err)
	}
	stalled := make(chan error, 1)
	go func() { stalled <- other.Locked(t.Context(), time.Now(), func(ledger.Tx) error { return nil }) }()
	time.Sleep(200 * time.Millisecond)
	err := db.Locked(t.Context(), time.Now(), func(ledger.Tx) error { return nil })
	if !errors.Is(err, ledger.ErrBusy) {
		t.Errorf("while another holds the lock: %v, want ErrBusy", err)
	}
	time.Sleep(1200 * time.Millisecond) // the server ends the idle transaction
	if err := db.Locked(t.Context(), time.Now(), func(ledger.Tx) error { return nil }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	close(hold)
	if err := <-stalled; !errors.Is(err, ledger.ErrOutcomeUnknown) {
		t.Errorf("the one that was ended: %v, want ErrOutcomeUnknown", err)
	}
}
