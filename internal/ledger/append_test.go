package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/keys"
	"ecluse/internal/ledger"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"

	"go.uber.org/goleak"
)

// bench is a bare ledger on a real database, without directory or registers.
type bench struct {
	*ledger.Ledger
	db   *store.DB
	keys *keys.Keys
}

func newBench(t *testing.T, url string, hooks store.Hooks) *bench {
	t.Helper()
	k, err := keys.Create(filepath.Join(t.TempDir(), "key"), "ecluse.test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	db := storetest.Open(t, url, hooks)
	if err := db.CreateInstance(t.Context(), time.Now(), k.Check(), false); err != nil {
		t.Fatal(err)
	}
	b := &bench{Ledger: ledger.New(db, k, ledger.Options{Now: time.Now}), db: db, keys: k}
	t.Cleanup(b.Close)
	return b
}

// act is an entry of an account about nobody.
func act(account int) ledger.Candidate {
	return ledger.Candidate{Kind: ledger.KindRefuse, Register: 1, Account: ecluse.AccountID(account), Decision: ledger.Deny, Revision: ledger.AnyRevision}
}

// opening is an allowed disclosure; each person may be used once, for the world has no persons table row.
func opening(account, person int) ledger.Candidate {
	c := act(account)
	c.Kind, c.Decision, c.Person, c.Version, c.Fields = ledger.KindDisclose, ledger.Allow, ecluse.PersonID(person), 1, 1
	return c
}

func (b *bench) verify(t *testing.T, entries int64) {
	t.Helper()
	r, err := ledger.Verify(t.Context(), ledger.Live(b.db, b.keys), nil)
	if err != nil || !r.OK || r.Entries != entries {
		t.Errorf("the ledger has %d entries, want %d: %v %v", r.Entries, entries, err, r.Problems)
	}
}

// stall is a COMMIT that waits until it is let go.
type stall struct {
	on      atomic.Bool
	reached chan struct{}
	resume  chan error
}

func newStall() *stall { return &stall{reached: make(chan struct{}, 100), resume: make(chan error)} }

func (s *stall) beforeCommit(context.Context) error {
	if !s.on.Load() {
		return nil
	}
	s.reached <- struct{}{}
	return <-s.resume
}

func TestEntriesAreNumberedWithoutAGapByManyAtOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), goleak.IgnoreAnyFunction("database/sql.(*DB).connectionOpener"))
	storetest.Engines(t, func(t *testing.T, url string) {
		b := newBench(t, url, store.Hooks{})
		const accounts, each = 40, 15
		var seen sync.Map
		var wg sync.WaitGroup
		for a := range accounts {
			wg.Go(func() {
				for i := range each {
					results, err := b.Append(t.Context(), opening(100+a, 1000*a+i+1))
					if err != nil {
						t.Error(err)
						return
					}
					if _, twice := seen.LoadOrStore(results[0].N, true); twice {
						t.Errorf("number %d twice", results[0].N)
					}
					if _, err := results[0].Receipt.Open(time.Now()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		b.verify(t, accounts*each)
	})
}

func TestNothingComesBackWhileCommitIsStalledAndNothingIfItFails(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		s := newStall()
		b := newBench(t, url, store.Hooks{BeforeCommit: s.beforeCommit})
		for name, end := range map[string]error{"resumed": nil, "failed": errors.New("the disk is full")} {
			s.on.Store(true)
			answers := make(chan error, 4)
			for a := range 4 {
				go func() {
					results, err := b.Append(t.Context(), opening(a+1, a+1+100*len(name)))
					if err != nil && results != nil {
						err = fmt.Errorf("results and an error: %w", err)
					}
					answers <- err
				}()
			}
			<-s.reached
			select {
			case err := <-answers:
				t.Fatalf("%s: an append returned before its commit: %v", name, err)
			case <-time.After(300 * time.Millisecond):
			}
			s.on.Store(false)
			s.resume <- end
			failed := 0
			for range 4 {
				if err := <-answers; err != nil {
					failed++
					if !errors.Is(err, end) {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
			// The first batch holds one to four submissions; alone it has failed, together each is tried again.
			if end == nil && failed > 0 || failed > 1 {
				t.Errorf("%s: %d appends failed", name, failed)
			}
		}
		head, err := b.db.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.verify(t, int64(head.N))
	})
}

func TestAnUnknownOutcomeGivesNothingOutThoughTheEntryMayExist(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		var cut atomic.Bool
		b := newBench(t, url, store.Hooks{AfterCommit: func(context.Context) error {
			if cut.Load() {
				return errors.New("connection reset")
			}
			return nil
		}})
		cut.Store(true)
		results, err := b.Append(t.Context(), opening(1, 1))
		if !errors.Is(err, ledger.ErrOutcomeUnknown) || results != nil {
			t.Errorf("%v and %d results", err, len(results))
		}
		cut.Store(false)
		b.verify(t, 1)
		if _, err := b.Append(t.Context(), opening(1, 2)); err != nil {
			t.Error(err)
		}
		b.verify(t, 2)
	})
}

func TestTheQueueIsBoundedForEachAccountAndForAll(t *testing.T) {
	s := newStall()
	b := newBench(t, storetest.SQLite(t), store.Hooks{BeforeCommit: s.beforeCommit})
	s.on.Store(true)
	answers := make(chan error, 2000)
	ask := func(account int) {
		go func() {
			_, err := b.Append(t.Context(), act(account))
			answers <- err
		}()
	}
	ask(1)
	<-s.reached // the writer is busy from here on
	busy := func(n int) {
		t.Helper()
		for range n {
			select {
			case err := <-answers:
				if !errors.Is(err, ledger.ErrBusy) {
					t.Fatalf("want ErrBusy, have %v", err)
				}
			case <-time.After(time.Second):
				t.Fatal("nobody is refused at once")
			}
		}
	}
	for range ledger.AccountPlaces + 3 {
		ask(2)
	}
	busy(3) // eight places an account
	waitFor(t, func() bool { return b.QueueLength() == ledger.AccountPlaces })
	began := time.Now()
	for i := range ledger.QueueSize - ledger.AccountPlaces {
		ask(100 + i)
	}
	waitFor(t, func() bool { return b.QueueLength() == ledger.QueueSize })
	ask(9999)
	busy(1)
	// Whoever waits too long is told after 2 s; what is being committed must wait for its outcome.
	for range ledger.QueueSize {
		if err := <-answers; !errors.Is(err, ledger.ErrBusy) {
			t.Fatalf("want ErrBusy, have %v", err)
		}
	}
	if took := time.Since(began); took < ledger.QueueWait-100*time.Millisecond || took > ledger.QueueWait+time.Second {
		t.Errorf("the waiting ones were told after %s", took)
	}
	s.on.Store(false)
	s.resume <- nil
	if err := <-answers; err != nil {
		t.Errorf("the one being committed: %v", err)
	}
	b.verify(t, 1) // withdrawn ones are never written
	if _, err := b.Append(t.Context(), act(2)); err != nil {
		t.Errorf("after the storm: %v", err)
	}
	b.verify(t, 2)
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for range 500 {
		if what() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatal("it does not happen")
}

func TestAnAskerWhoLeavesWithdrawsUnlessItIsBeingWritten(t *testing.T) {
	s := newStall()
	b := newBench(t, storetest.SQLite(t), store.Hooks{BeforeCommit: s.beforeCommit})
	s.on.Store(true)
	ctx, leave := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, err := b.Append(ctx, act(1)); first <- err }()
	<-s.reached
	go func() { _, err := b.Append(ctx, act(2)); second <- err }()
	waitFor(t, func() bool { return b.QueueLength() == 1 })
	leave()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("the waiting one: %v", err)
	}
	select {
	case err := <-first:
		t.Fatalf("the one being written returned before its outcome: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	s.on.Store(false)
	s.resume <- nil
	if err := <-first; err != nil {
		t.Errorf("the one being written: %v", err)
	}
	if _, err := b.Append(t.Context(), act(3)); err != nil {
		t.Error(err)
	}
	b.verify(t, 2)
}

func TestOneFailingEffectUndoesOnlyItsOwnEntry(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		s := newStall()
		b := newBench(t, url, store.Hooks{BeforeCommit: s.beforeCommit})
		s.on.Store(true)
		first := make(chan error, 1)
		go func() { _, err := b.Append(t.Context(), act(1)); first <- err }()
		<-s.reached
		bad := errors.New("the invitation was used")
		answers := make([]chan error, 5)
		for i := range answers {
			answers[i] = make(chan error, 1)
			go func() {
				c := act(10 + i)
				c.Kind, c.Decision = ledger.KindDirectory, ""
				c.Effect = func(context.Context, ledger.Tx, *ledger.Entry) error {
					if i == 2 {
						return bad
					}
					return nil
				}
				_, err := b.Append(t.Context(), c)
				answers[i] <- err
			}()
		}
		waitFor(t, func() bool { return b.QueueLength() == 5 })
		s.on.Store(false)
		s.resume <- nil
		if err := <-first; err != nil {
			t.Fatal(err)
		}
		for i, a := range answers {
			if err := <-a; (i == 2) != errors.Is(err, bad) || i != 2 && err != nil {
				t.Errorf("submission %d: %v", i, err)
			}
		}
		b.verify(t, 5)
	})
}

func TestOnlyThoseWhoseFactsChangedAreStaleInTheirOwnBatchToo(t *testing.T) {
	s := newStall()
	b := newBench(t, storetest.SQLite(t), store.Hooks{BeforeCommit: s.beforeCommit})
	head, err := b.db.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.on.Store(true)
	first := make(chan error, 1)
	go func() { _, err := b.Append(t.Context(), act(1)); first <- err }()
	<-s.reached
	var answers []chan error
	queue := func(revision int64, raises bool) {
		answer := make(chan error, 1)
		n := b.QueueLength()
		go func() {
			c := act(10 + n)
			c.Revision, c.NewRevision = revision, raises
			_, err := b.Append(t.Context(), c)
			answer <- err
		}()
		waitFor(t, func() bool { return b.QueueLength() == n+1 })
		answers = append(answers, answer)
	}
	queue(head.Rev, false)           // fresh
	queue(head.Rev-1, false)         // old
	queue(head.Rev, true)            // suspends somebody
	queue(head.Rev, false)           // was decided before that
	queue(ledger.AnyRevision, false) // rests on nothing
	s.on.Store(false)
	s.resume <- nil
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, ledger.ErrStale, nil, ledger.ErrStale, nil} {
		if err := <-answers[i]; !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("submission %d: %v, want %v", i, err, want)
		}
	}
	after, err := b.db.Head(t.Context())
	if err != nil || after.Rev != head.Rev+1 {
		t.Errorf("revision %d after %d: %v", after.Rev, head.Rev, err)
	}
	b.verify(t, 4)
}

func TestAClosedLedgerFinishesItsBatchAndRefusesTheRest(t *testing.T) {
	s := newStall()
	b := newBench(t, storetest.SQLite(t), store.Hooks{BeforeCommit: s.beforeCommit})
	s.on.Store(true)
	first := make(chan error, 1)
	go func() { _, err := b.Append(t.Context(), act(1)); first <- err }()
	<-s.reached
	s.on.Store(false)
	closed := make(chan struct{})
	go func() { b.Close(); close(closed) }()
	select {
	case <-closed:
		t.Error("it closed before its batch was committed")
	case <-time.After(100 * time.Millisecond):
	}
	s.resume <- nil
	if err := <-first; err != nil {
		t.Error(err)
	}
	<-closed
	for range 50 {
		if _, err := b.Append(t.Context(), act(2)); !errors.Is(err, ledger.ErrStopped) {
			t.Fatalf("after closing: %v", err)
		}
	}
	b.Close() // twice is fine
}

func TestAStoppedClockAdmitsNothing(t *testing.T) {
	k, err := keys.Create(filepath.Join(t.TempDir(), "key"), "ecluse.test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	db := storetest.Open(t, storetest.SQLite(t), store.Hooks{})
	if err := db.CreateInstance(t.Context(), time.Now(), k.Check(), false); err != nil {
		t.Fatal(err)
	}
	jumped := errors.New("the clock jumped")
	l := ledger.New(db, k, ledger.Options{Now: time.Now, Admitting: func() error { return jumped }})
	defer l.Close()
	if _, err := l.Append(t.Context(), act(1)); !errors.Is(err, ledger.ErrStopped) || !errors.Is(err, jumped) {
		t.Error(err)
	}
}

func TestALedgerKeepsItsTimeWhenTheClockGoesBack(t *testing.T) {
	k, err := keys.Create(filepath.Join(t.TempDir(), "key"), "ecluse.test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	db := storetest.Open(t, storetest.SQLite(t), store.Hooks{})
	at := time.Now().UTC().Truncate(time.Microsecond)
	if err := db.CreateInstance(t.Context(), at, k.Check(), false); err != nil {
		t.Fatal(err)
	}
	var now atomic.Pointer[time.Time]
	now.Store(&at)
	l := ledger.New(db, k, ledger.Options{Now: func() time.Time { return *now.Load() }})
	defer l.Close()
	for _, by := range []time.Duration{time.Hour, -3 * time.Hour, 0} {
		moved := at.Add(by)
		now.Store(&moved)
		results, err := l.Append(t.Context(), act(1))
		if err != nil {
			t.Fatal(err)
		}
		if want := at.Add(time.Hour); !results[0].At.Equal(want) {
			t.Errorf("at %s, want %s", results[0].At, want)
		}
	}
}

// A candidate that a budget refused in a batch that failed is asked again alone: by then the budget
// may have room, and it must be allowed, charged once, and not be said to be denied.
func TestABudgetIsAskedAgainWhenABatchIsTriedItemByItem(t *testing.T) {
	s := newStall()
	b := newBench(t, storetest.SQLite(t), store.Hooks{BeforeCommit: s.beforeCommit})
	s.on.Store(true)
	first := make(chan error, 1)
	go func() { _, err := b.Append(t.Context(), act(1)); first <- err }()
	<-s.reached
	search := func(effect ledger.Effect) ledger.Candidate {
		c := act(7)
		c.Kind, c.Decision, c.Effect = ledger.KindSearch, ledger.Allow, effect
		c.Charge = &budget.Charge{Act: budget.Search, Limits: budget.Limits{Search24h: 1, Search10min: 1}}
		return c
	}
	failing, second := make(chan error, 1), make(chan ledger.Result, 1)
	go func() {
		_, err := b.Append(t.Context(), search(func(context.Context, ledger.Tx, *ledger.Entry) error { return errors.New("no") }))
		failing <- err
	}()
	waitFor(t, func() bool { return b.QueueLength() == 1 })
	go func() {
		results, err := b.Append(t.Context(), search(nil))
		if err != nil {
			t.Error(err)
			results = make([]ledger.Result, 1)
		}
		second <- results[0]
	}()
	waitFor(t, func() bool { return b.QueueLength() == 2 })
	s.on.Store(false)
	s.resume <- nil
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if err := <-failing; err == nil {
		t.Error("the failing effect is not told")
	}
	if r := <-second; !r.Allowed || len(r.Reasons) > 0 {
		t.Errorf("the one after it: allowed %v, %v", r.Allowed, r.Reasons)
	}
	r, err := ledger.VerifyDeep(t.Context(), ledger.Live(b.db, b.keys), b.keys, b.db, nil)
	if err != nil || !r.OK {
		t.Errorf("%v %v", err, r.Problems)
	}
}

// A refusal in a batch that is tried again item by item is counted once.
func TestARefusalIsCountedOnceHoweverOftenItsBatchIsTried(t *testing.T) {
	k, err := keys.Create(filepath.Join(t.TempDir(), "key"), "ecluse.test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := newStall()
	db := storetest.Open(t, storetest.SQLite(t), store.Hooks{BeforeCommit: s.beforeCommit})
	if err := db.CreateInstance(t.Context(), time.Now(), k.Check(), false); err != nil {
		t.Fatal(err)
	}
	var counted atomic.Int64
	b := &bench{Ledger: ledger.New(db, k, ledger.Options{Now: time.Now, Watch: ledger.Watch{Refusal: func(ecluse.Reason) { counted.Add(1) }}}), db: db, keys: k}
	defer b.Close()
	refused, failing := act(7), act(8)
	refused.Kind, refused.Decision, refused.Charge = ledger.KindSearch, ledger.Allow, &budget.Charge{Act: budget.Search}
	failing.Decision = ledger.Allow
	failing.Effect = func(context.Context, ledger.Tx, *ledger.Entry) error { return errors.New("no") }
	_, errs, _ := together(t, b, s, refused, failing)
	if errs[0] != nil || errs[1] == nil {
		t.Fatal(errs)
	}
	if counted.Load() != 1 {
		t.Errorf("counted %d times", counted.Load())
	}
}
