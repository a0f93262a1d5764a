package gate_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/host"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"
)

func caseload(c signin.Caller) gate.CaseloadRequest {
	return gate.CaseloadRequest{Caller: c, Register: first, Purpose: "emploi", Channel: ecluse.ChannelCaseload}
}

// A heap is everything that must hold no value.
type heap struct {
	mu   sync.Mutex
	logs bytes.Buffer
	text strings.Builder
}

func (h *heap) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logs.Write(p)
}

// take keeps every way of turning values into text.
func (h *heap) take(values ...any) {
	for _, v := range values {
		fmt.Fprintf(&h.text, "%v\n%+v\n%#v\n%s\n%q\n", v, v, v, v, v)
		if text, err := json.Marshal(v); err == nil {
			h.text.Write(text)
		}
		slog.New(slog.NewJSONHandler(&h.text, nil)).Info("x", "v", v)
	}
}

func markers(w *nodetest.World, texts ...string) (list []string) {
	for i := 1; i <= nodetest.PersonCount; i++ {
		for k, v := range w.Row(i).Values {
			if w.Register.Schema.Fields[k].Kind == register.KindDate && i > 30 {
				continue // thirty dates are enough
			}
			list = append(list, strings.ToLower(v), strings.ToLower(strings.ReplaceAll(v, " ", "")))
		}
	}
	for _, t := range texts {
		list = append(list, strings.ToLower(t), strings.ToLower(t[:24]))
	}
	return list
}

// absent insists that none of the markers is in what was found.
func absent(t *testing.T, where string, found []byte, markers []string) {
	t.Helper()
	if len(found) == 0 {
		t.Errorf("nothing was found in %s", where)
	}
	found = bytes.ToLower(found)
	shown := 0
	for _, m := range markers {
		if len(m) >= 5 && bytes.Contains(found, []byte(m)) {
			if shown++; shown < 5 {
				t.Errorf("%s holds %q", where, m)
			}
		}
	}
}

func TestNoValueIsWhereItDoesNotBelong(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		h := &heap{}
		w := nodetest.NewLogged(t, url, nil, slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug})))
		text, other := "Zqreasoned: he was sent here by the town hall this morning.", "Zqanother: her mother telephones and is very worried today."
		anne := w.SignIn("anne")
		busy(t, w, h, anne, text, other)
		db := around(t, url)
		// Rows written around the program are reported: their reports are searched too.
		tamper(t, db, `UPDATE links SET ends = ends + 1 WHERE person_id = $1`, int64(w.Persons["P002"]))
		h.take(open(t, w, to(w, anne, 2)))
		var sealed []byte
		p := int64(w.Persons["P003"])
		if err := db.QueryRow(`SELECT sealed FROM records WHERE person_id = $1`, p).Scan(&sealed); err != nil {
			t.Fatal(err)
		}
		sealed[len(sealed)-20] ^= 1
		tamper(t, db, `UPDATE records SET sealed = $2 WHERE person_id = $1`, p, sealed)
		for _, fields := range [][]string{nil, {"follow_up"}, {"nosuchfield"}} {
			q := to(w, anne, 3)
			q.Fields = fields
			_, err := w.Gate.Disclose(t.Context(), q)
			h.take(err, fmt.Sprint(err))
		}
		want := markers(w, text, other, reason)
		absent(t, "metrics", metrics(t, w), want)
		if strings.HasPrefix(url, "sqlite:") {
			file := strings.TrimPrefix(url, "sqlite:")
			all, err := filepath.Glob(file + "*")
			if err != nil || len(all) < 2 {
				t.Fatalf("the database and its log are %v (%v)", all, err)
			}
			for _, f := range all {
				b, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasSuffix(f, "-shm") {
					continue
				}
				absent(t, filepath.Base(f), b, want)
			}
		}
		absent(t, "the tables", dump(t, db, url), want)
		h.mu.Lock()
		defer h.mu.Unlock()
		absent(t, "the log", h.logs.Bytes(), want)
		absent(t, "the outcomes and errors", []byte(h.text.String()), want)
	})
}

// busy does a bit of everything and keeps what comes of it.
func busy(t *testing.T, w *nodetest.World, h *heap, c signin.Caller, text, other string) {
	ctx := t.Context()
	for _, i := range []int{1, 41, 81, 121, 210} {
		out := search(t, w, gate.SearchRequest{Caller: c, Register: first, Purpose: "emploi", Query: query(w, i)})
		h.take(out)
		q := to(w, c, i)
		q.Text = text
		h.take(open(t, w, q))
		q.Text = other + strings.Repeat("x", 600)
		h.take(open(t, w, q))
		emergency(&q)
		q.Text = other
		h.take(open(t, w, q))
	}
	nir, _ := w.Register.Schema.Field("nir")
	h.take(search(t, w, gate.SearchRequest{Caller: c, Register: first, Purpose: "sante", Query: register.Query{Identifier: nodetest.Value(nir, 130)}, Beyond: true}))
	page, err := w.Gate.Caseload(ctx, caseload(c))
	h.take(page, err)
	for _, row := range page.Rows {
		h.take(row, row.Values, &row.Values)
		row.Values.Each(func(f register.Field, v string) {
			if v == "" {
				t.Errorf("%s is empty: the test looks for nothing", f.Name)
			}
		})
	}
	list := w.Reviews("manager")
	h.take(list, nil)
	for _, r := range list {
		if got, err := w.Directory.ReviewText(ctx, w.Actor("manager"), r.ID); err != nil {
			t.Error(err)
		} else if r.Kind == "unexplained" && got != text {
			t.Error("the text of a review is another one")
		}
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	_, err = w.Gate.Disclose(short, to(w, c, 1))
	h.take(err, fmt.Sprint(err))
	_, err = w.Gate.Disclose(ctx, gate.Request{Caller: c, Register: first, Handle: "x", Purpose: "emploi", Text: text})
	h.take(err, fmt.Sprint(err))
	_, err = w.Gate.Disclose(ctx, gate.Request{Caller: c, Register: "no such register", Handle: "x", Purpose: "emploi", Text: text})
	h.take(err, fmt.Sprint(err))
	verified(t, w)
}

// metrics is the text of /metrics as the node serves it.
func metrics(t *testing.T, w *nodetest.World) []byte {
	t.Helper()
	s, err := host.Listen(host.Options{Address: "127.0.0.1:0", Metrics: "127.0.0.1:0", Local: true, Counts: w.Counts, Now: w.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, http.NotFoundHandler()) }()
	defer func() { stop(); <-done }()
	res, err := http.Get("http://" + s.MetricsAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || !bytes.Contains(text, []byte("ecluse_refusals_total")) {
		t.Fatalf("the metrics are not there: %v", err)
	}
	return text
}

// dump is every table as text, bytes as bytes and in hexadecimal.
func dump(t *testing.T, db *sql.DB, url string) []byte {
	t.Helper()
	list := `SELECT name FROM sqlite_master WHERE type = 'table'`
	if !strings.HasPrefix(url, "sqlite:") {
		list = `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`
	}
	var out bytes.Buffer
	for _, table := range column(t, db, list) {
		rows, err := db.Query(`SELECT * FROM ` + table)
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			cells := make([]any, len(names))
			for i := range cells {
				cells[i] = new(any)
			}
			if err := rows.Scan(cells...); err != nil {
				t.Fatal(err)
			}
			for _, c := range cells {
				v := *c.(*any)
				if b, ok := v.([]byte); ok {
					out.Write(b)
				}
				fmt.Fprintf(&out, " %v", v)
			}
			out.WriteByte('\n')
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func column(t *testing.T, db *sql.DB, query string) (list []string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}
