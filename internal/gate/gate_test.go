package gate_test

import (
	"testing"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"

	"github.com/google/go-cmp/cmp"
)

// query is what an agent types to find person i.
func query(w *nodetest.World, i int) register.Query {
	value := func(name string) string {
		f, _ := w.Register.Schema.Field(name)
		return nodetest.Value(f, i)
	}
	return register.Query{Surname: value("surname"), FirstName: value("first_name"), BirthDate: value("birth_date")}
}

func find(t *testing.T, w *nodetest.World, c signin.Caller, i int) gate.SearchOutcome {
	t.Helper()
	out, err := w.Gate.Search(t.Context(), gate.SearchRequest{Caller: c, Register: "mission-locale", Purpose: "emploi", Query: query(w, i)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAnAgentOpensACaseFileOfHerCaseload(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		anne := w.SignIn("anne")
		found := find(t, w, anne, 1)
		if len(found.Hits) != 1 || found.Hits[0].Relation != "caseload" {
			t.Fatalf("the search shows %+v", found)
		}
		out, err := w.Gate.Disclose(t.Context(), gate.Request{
			Caller: anne, Register: "mission-locale", Handle: found.Hits[0].Handle, Purpose: "emploi", Channel: ecluse.ChannelAPI,
		})
		if err != nil {
			t.Fatal(err)
		}
		if !out.Allowed || out.Receipt == "" {
			t.Fatalf("refused: %+v", out)
		}
		f, _ := w.Register.Schema.Field("surname")
		got, _ := out.Values.Get("surname")
		if diff := cmp.Diff(nodetest.Value(f, 1), got); diff != "" {
			t.Error(diff)
		}
	})
}
