package gate_test

import (
	"slices"
	"testing"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/signin"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

var untrained = []ecluse.Reason{ecluse.ReasonTraining}

// passes has an agent take the exam with the right answers.
func passes(t testing.TB, w *nodetest.World, who string) {
	t.Helper()
	course := w.Register.Definition.Training
	exam, err := w.Directory.Exam(t.Context(), w.Actor(who), w.Register.ID, course)
	if err != nil {
		t.Fatal(err)
	}
	answers := make([][]int, len(exam.Questions))
	for i, q := range exam.Questions {
		for k, c := range q.Choices {
			if c.Right {
				answers[i] = append(answers[i], k)
			}
		}
	}
	if s, err := w.Directory.SitExam(t.Context(), w.Actor(who), w.Register.ID, course, exam.Form, answers); err != nil || !s.Passed {
		t.Fatalf("%s: %v", who, err)
	}
}

func TestWithoutACertificateNothingIsFoundOrOpenedButInAnEmergency(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.NewTraining(t, url, nil)
		c := w.SignIn("anne")
		if out := open(t, w, to(w, c, 1)); out.Allowed || !slices.Equal(out.Reasons, untrained) || out.Receipt == "" {
			t.Errorf("a person of her own: %+v", out.Reasons)
		}
		find := gate.SearchRequest{Caller: c, Register: first, Purpose: "emploi", Query: query(w, 1), Channel: ecluse.ChannelPage}
		if out := search(t, w, find); out.Allowed || len(out.Hits) > 0 || !slices.Equal(out.Reasons, untrained) {
			t.Errorf("a search: %+v", out)
		}
		page, err := w.Gate.Caseload(t.Context(), gate.CaseloadRequest{Caller: c, Register: first, Purpose: "emploi", Channel: ecluse.ChannelCaseload})
		if err != nil || len(page.Rows) > 0 || !slices.Equal(page.Reasons, untrained) {
			t.Errorf("the caseload: %d rows, %v, %v", len(page.Rows), page.Reasons, err)
		}
		link, err := w.Gate.MakeLink(t.Context(), gate.LinkRequest{
			Caller: c, Register: first, Handle: w.Gate.HandleOf(c, w.Register, w.Persons[nodetest.External(1)]), Purpose: "emploi",
			Kind: "appointment", Receiver: nodetest.Email("bob"), Channel: ecluse.ChannelPage,
		})
		if err != nil || link.Allowed || !slices.Equal(link.Reasons, untrained) {
			t.Errorf("a link: %+v, %v", link.Reasons, err)
		}
		find.Emergency = "danger"
		if out := search(t, w, find); !out.Allowed || len(out.Hits) != 1 {
			t.Errorf("a search for an emergency: %+v", out)
		}
		urgent := to(w, c, 1)
		urgent.Emergency = "danger"
		if out := open(t, w, urgent); !out.Allowed || out.Values.Fields() != w.Register.Schema.EmergencyFields()&out.Fields {
			t.Errorf("an emergency: %+v", out.Reasons)
		}
		passes(t, w, "anne")
		if out := open(t, w, to(w, c, 1)); !out.Allowed {
			t.Errorf("with a certificate: %v", out.Reasons)
		}
		verified(t, w)
	})
}

// The reason concerns the caller: it is told before anybody is looked at, the same for everybody.
func TestWithoutACertificateEverybodyIsRefusedAlike(t *testing.T) {
	r := &tape{}
	w := nodetest.NewTraining(t, storetest.SQLite(t), &store.Hooks{Trace: r.trace})
	c := w.SignIn("anne")
	open(t, w, to(w, c, 1)) // caches are warm from here
	var all []gate.Outcome
	var calls [][]string
	for _, i := range []int{1, 50, 100, 150, nodetest.Outside} {
		calls = append(calls, r.of(func() { all = append(all, open(t, w, to(w, c, i))) }))
	}
	calls = append(calls, r.of(func() { all = append(all, open(t, w, toPerson(w, c, 1<<40))) }))
	for i := range all {
		if !slices.Equal(all[i].Reasons, untrained) || all[i].Relation != "" || !slices.Equal(calls[i], calls[0]) {
			t.Errorf("person %d: %v, relation %q, calls %v and %v", i, all[i].Reasons, all[i].Relation, calls[i], calls[0])
		}
	}
}

// A program has no exam to take; whoever it acts for has one.
func TestAProgramNeedsTheCertificateOfWhomItActsFor(t *testing.T) {
	w := nodetest.NewTraining(t, storetest.SQLite(t), nil)
	w.AddProgram("soft", "A")
	w.Delegate("anne", "soft")
	w.Link("soft", 1)
	allowed := func(c signin.Caller) gate.Outcome { return open(t, w, to(w, c, 1)) }
	if out := allowed(w.Program("soft", "soft")); !out.Allowed {
		t.Errorf("for itself: %v", out.Reasons)
	}
	if out := allowed(w.Program("soft", "anne")); !slices.Equal(out.Reasons, untrained) {
		t.Errorf("for an agent without a certificate: %v", out.Reasons)
	}
	passes(t, w, "anne")
	if out := allowed(w.Program("soft", "anne")); !out.Allowed {
		t.Errorf("for an agent with one: %v", out.Reasons)
	}
}

func TestACertificateIsOfOneRegister(t *testing.T) {
	w := nodetest.NewTraining(t, storetest.SQLite(t), nil)
	passes(t, w, "anne")
	s, err := w.Directory.Standing(t.Context(), w.Accounts["anne"].ID)
	if err != nil || !s.Trained(w.Register.ID, w.Clock.Now()) || s.Trained(w.Register.ID+1, w.Clock.Now()) {
		t.Errorf("%v", err)
	}
}
