package bench

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/demo"
)

// standIn answers as a demo with one agent does, who follows one person, and takes its time to disclose. It
// returns the file that it wrote.
func standIn(t *testing.T, disclose http.HandlerFunc) string {
	t.Helper()
	mux := http.NewServeMux()
	reply := func(path string, body any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(body) })
	}
	person := map[string]any{"handle": "h1", "fields": map[string]string{"surname": "Morel", "first_name": "Ana", "birth_date": "2004-05-17"}}
	reply("GET /sign-in/proconnect", nil)
	reply("GET /api/v1/me", map[string]any{})
	reply("GET /api/v1/registers/mission-locale/caseload", map[string]any{"persons": []any{person}})
	reply("POST /api/v1/registers/mission-locale/search", map[string]any{"hits": []any{person}})
	mux.HandleFunc("POST /api/v1/registers/mission-locale/persons/h1/disclose", disclose)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ready.json")
	ready := demo.Ready{BaseURL: server.URL, Identities: []demo.Identity{{Register: "mission-locale", Role: ecluse.RoleAgent, Login: "a@example.test"}}}
	if err := ready.Write(file); err != nil {
		t.Fatal(err)
	}
	return file
}

func after(pause time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(pause)
		_, _ = w.Write([]byte("{}"))
	}
}

func measured(t *testing.T, files ...string) (DemoResult, error) {
	t.Helper()
	return Demos(t.Context(), DemoSetting{Ready: files, Length: time.Second, Rate: 10, Now: time.Now, Step: func(string, float64) {}})
}

func TestASlowDemoIsCalledSlow(t *testing.T) {
	r, err := measured(t, standIn(t, after(5*time.Millisecond)), standIn(t, after(300*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	if first, second := r.Demos[0], r.Demos[1]; first.Disclose.Acts != second.Disclose.Acts || first.Search.Acts < 2 || second.Disclose.P50 < 300*time.Millisecond {
		t.Errorf("measured %+v", r)
	}
	if r.Slower <= Bearable {
		t.Errorf("300 ms are %.1f times as slow as 5 ms", r.Slower)
	}
}

func TestARefusalIsNoAnswerTime(t *testing.T) {
	refusing := standIn(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"code": "budget.account.total"}`))
	})
	if _, err := measured(t, refusing); err == nil || !strings.Contains(err.Error(), "/disclose answers 403 budget.account.total") {
		t.Errorf("a refusal was measured: %v", err)
	}
}
