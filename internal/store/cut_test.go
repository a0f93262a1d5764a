package store_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"ecluse/internal/ledger"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// deaf stands between a program and PostgreSQL. Once deaf, it lets the program's words through and brings no
// answer back: the connection ends a moment later.
type deaf struct {
	net.Listener
	server string // socket
	deaf   atomic.Bool
}

// listen gives the URL of the database through the stand-in.
func (d *deaf) listen(t *testing.T, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	d.server = filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432")
	if d.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	go func() {
		for {
			c, err := d.Accept()
			if err != nil {
				return
			}
			go d.pass(c)
		}
	}()
	q := u.Query()
	q.Del("host")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = d.Addr().String(), q.Encode()
	return u.String()
}

func (d *deaf) pass(program net.Conn) {
	defer program.Close()
	server, err := net.Dial("unix", d.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(server, program) }()
	answer := make([]byte, 1<<16)
	for {
		n, err := server.Read(answer)
		if err != nil || d.deaf.Load() {
			return
		}
		if _, err := program.Write(answer[:n]); err != nil {
			return
		}
	}
}

// On PostgreSQL the writes of a transaction and its COMMIT travel together. Whoever does not hear the answer
// must not take that for a no: the transaction happened.
func TestAnAnswerThatNeverComesIsAnUnknownOutcome(t *testing.T) {
	database := storetest.Postgres(t)
	between := &deaf{}
	db := storetest.Open(t, between.listen(t, database), store.Hooks{})
	if err := db.CreateInstance(t.Context(), time.Now(), []byte("check"), false); err != nil {
		t.Fatal(err)
	}
	// Once heard, so that the statements are prepared and nothing is asked before COMMIT.
	if err := db.Locked(t.Context(), time.Now(), func(tx ledger.Tx) error { tx.Head().NextID++; return nil }); err != nil {
		t.Fatal(err)
	}
	direct := storetest.Open(t, database, store.Hooks{})
	before, err := direct.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = db.Locked(t.Context(), time.Now(), func(tx ledger.Tx) error {
		tx.Head().NextID += 7
		between.deaf.Store(true)
		return nil
	})
	if !errors.Is(err, ledger.ErrOutcomeUnknown) {
		t.Errorf("%v, want ErrOutcomeUnknown", err)
	}
	after, err := direct.Head(t.Context())
	if err != nil || after.NextID != before.NextID+7 {
		t.Errorf("next id %d after %d (%v): the test cut too early to show anything", after.NextID, before.NextID, err)
	}
	between.deaf.Store(false)
	if err := db.Locked(t.Context(), time.Now(), func(ledger.Tx) error { return nil }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// An answer of the server to a write before COMMIT is a clear no, on both engines.
func TestAWriteThatTheDatabaseRefusesIsAClearNo(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, database string) {
		db := storetest.Open(t, database, store.Hooks{})
		if err := db.CreateInstance(t.Context(), time.Now(), []byte("check"), false); err != nil {
			t.Fatal(err)
		}
		before, err := db.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = db.Locked(t.Context(), time.Now(), func(tx ledger.Tx) error {
			tx.Head().NextID += 7
			entry := ledger.Entry{Format: ledger.Format, Kind: ledger.KindDisclose, Account: 1, Detail: []byte("{}")}
			return tx.Save(t.Context(), ledger.Writes{Entries: []ledger.Entry{entry, entry}}) // the same number twice
		})
		if err == nil || errors.Is(err, ledger.ErrOutcomeUnknown) || errors.Is(err, ledger.ErrBusy) {
			t.Errorf("%v, want the database's own error", err)
		}
		if err := db.Locked(t.Context(), time.Now(), func(tx ledger.Tx) error { tx.Head().NextID++; return nil }); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		after, err := db.Head(t.Context())
		if err != nil || after.NextID != before.NextID+1 {
			t.Errorf("next id %d after %d (%v): something of the refused transaction was kept", after.NextID, before.NextID, err)
		}
	})
}
