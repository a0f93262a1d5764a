package exposure_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"

	"github.com/google/go-cmp/cmp"
)

const first = "mission-locale"

// of is one account of a report.
func of(t testing.TB, r exposure.Report, name string) exposure.Account {
	t.Helper()
	i := slices.IndexFunc(r.Accounts, func(a exposure.Account) bool { return a.Email == nodetest.Email(name) })
	if i < 0 {
		t.Fatalf("%s is not in the report", name)
	}
	return r.Accounts[i]
}

func query(w *nodetest.World, i int) register.Query {
	value := func(name string) string {
		f, _ := w.Register.Schema.Field(name)
		return nodetest.Value(f, i)
	}
	return register.Query{Surname: value("surname"), FirstName: value("first_name"), BirthDate: value("birth_date")}
}

// examine is what the command prints.
func examine(t testing.TB, w *nodetest.World) exposure.Report {
	t.Helper()
	r, err := w.Exposures.Examine(t.Context(), "cli:test@here")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// open opens person i, whatever the tier, and says whether that was allowed.
func open(t testing.TB, w *nodetest.World, c signin.Caller, i int) bool {
	t.Helper()
	out, err := w.Gate.Search(t.Context(), gate.SearchRequest{Caller: c, Register: first, Purpose: "emploi", Query: query(w, i), Channel: ecluse.ChannelAPI})
	if err != nil || len(out.Hits) != 1 {
		t.Fatalf("person %d is not found: %v %v", i, out.Reasons, err)
	}
	got, err := w.Gate.Disclose(t.Context(), gate.Request{
		Caller: c, Register: first, Handle: out.Hits[0].Handle, Purpose: "emploi", Motive: "walk_in", Text: "She came to the desk this morning.", Channel: ecluse.ChannelAPI,
	})
	if err != nil {
		t.Fatal(err)
	}
	return got.Allowed
}

func TestABoundIsMadeOfWhatTheAccountKnowsIsEntrustedWithAndMayNewlyOpen(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddPersons(1800) // 2,020 persons, 2,000 of them in the mandate: the breaker lets an account have 20 a day
		anne := w.SignIn("anne")
		for _, i := range []int{1, 2, 41, 42, 43, 81} { // two of her own, three of her site, one of the organisation
			if !open(t, w, anne, i) {
				t.Fatalf("person %d was refused", i)
			}
		}
		w.Link("anne", 41, 150) // one whom she knows, one whom she does not
		report := examine(t, w)
		got := of(t, report, "anne")
		want := budget.Reach{
			Limits: budget.Default(), OrganisationNew24h: budget.OrganisationLimit(4), RegisterNew24h: 40, Reachable: 2000,
			Familiar: 40 + 1 + 4, // her caseload, P150, and P041, P042, P043, P081
			Idle:     40 + 1 - 2, // of her 42, she was shown P001, P002 and P041
		}
		if len(got.Registers) != 1 || got.Registers[0].Reach != want {
			t.Errorf("reach %+v, want %+v", got.Registers, want)
		}
		if got.Day != (budget.Bound{Persons: 120, Term: budget.TermTotal}) || got.Month != (budget.Bound{Persons: 45 + 300 + 90, Term: budget.TermNovelty}) {
			t.Errorf("24 h %+v, 30 d %+v", got.Day, got.Month)
		}
		// A third of 3 x 4 + 20 is 10 a day: thirty times that is what the 300 of 30 d are, too.
		if parts := got.Registers[0].Reach.Novelty(); parts.New != 300 || parts.Emergencies != 90 {
			t.Errorf("parts %+v", parts)
		}
		for name, month := range map[string]int{"bob": 40 + 300 + 90, "carl": 40 + 300 + 90, "dora": 30*7 + 90, "manager": 0, "officer1": 0, "dpo": 0} {
			if got := of(t, report, name).Month.Persons; got != month {
				t.Errorf("%s: %d in 30 d, want %d", name, got, month)
			}
		}
	})
}

func TestWhatEndsOrBeginsWithinThirtyDaysCounts(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.AddPersons(1800)
	later := w.Change()
	young := nodetest.Account("young", "A", "A1", ecluse.RoleAgent)
	later.Accounts = append(later.Accounts, young)
	w.Approve(later)
	if got := of(t, examine(t, w), "young").Registers[0].Reach.Limits.New30d; got != 300 {
		t.Errorf("whoever turns thirty days old within thirty days counts with %d new persons, want 300", got)
	}
	next := w.Change()
	next.Links = []directory.LinkChange{
		{Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons[nodetest.External(190)]}, Account: nodetest.Email("young"), Kind: directory.LinkAppointment, Starts: nodetest.Start.AddDate(0, 0, 20), Ends: nodetest.Start.AddDate(0, 0, 25)},
		{Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons[nodetest.External(191)]}, Account: nodetest.Email("young"), Kind: directory.LinkAppointment, Starts: nodetest.Start.AddDate(0, 0, 40), Ends: nodetest.Start.AddDate(0, 0, 45)},
		{Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons[nodetest.External(192)]}, Site: "A1", Kind: directory.LinkAppointment, Ends: nodetest.Start.AddDate(0, 0, 5)},
	}
	w.Approve(next)
	if got := of(t, examine(t, w), "young").Registers[0].Reach; got.Familiar != 2 || got.Idle != 2 {
		t.Errorf("familiar %d (unused %d), want the one of day 20 and the one of the site", got.Familiar, got.Idle)
	}
	if got := of(t, examine(t, w), "anne").Registers[0].Reach.Familiar; got != 41 {
		t.Errorf("anne: familiar %d, want her 40 and the one of the site", got)
	}
	w.Clock.Advance(6 * budget.Day)
	if got := of(t, examine(t, w), "young").Registers[0].Reach.Familiar; got != 1 {
		t.Errorf("familiar %d, want the one of day 20", got)
	}
}

func TestObservedBudgetsBoundNothingAndSaySo(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	a, err := w.Directory.RequestObserve(t.Context(), w.Actor("officer1"), directory.ObserveChange{Register: w.Register.ID, RegisterCode: first, Days: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), a.ID, true); err != nil {
		t.Fatal(err)
	}
	report := examine(t, w)
	got := of(t, report, "anne")
	if !got.Observed || got.Month != (budget.Bound{Persons: 200, Term: budget.TermReachable}) || got.Day != got.Month || report.Observed() != 4 {
		t.Errorf("%+v, %d accounts", got, report.Observed())
	}
	if got.Steps[0].What != budget.StepEnforce {
		t.Errorf("what would lower it: %+v", got.Steps)
	}
	if d := report.Document([]exposure.Account{got}); d.Accounts[0].Enforced || d.Accounts[0].Registers[0].Total24h != nil || d.NotEnforced != 4 {
		t.Errorf("%+v", d)
	}
	w.Clock.Advance(3*budget.Day + time.Hour)
	if got := of(t, examine(t, w), "anne"); got.Observed || got.Month.Persons >= 200 {
		t.Errorf("after it ended: %+v", got)
	}
}

func TestEveryStepHoldsOnceItIsTaken(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.AddPersons(1800)
	w.SetLimits(`{"new_30d":200,"total_24h":90,"emergency_24h":2}`)
	before := of(t, examine(t, w), "anne")
	steps := before.Steps
	if len(steps) == 0 {
		t.Fatal("nothing would lower a bound of 300")
	}
	for _, s := range steps {
		limits := map[string]string{
			"new_30d":          `{"new_30d":130,"total_24h":90,"emergency_24h":2}`,
			"total_24h":        `{"new_30d":200,"total_24h":60,"emergency_24h":2}`,
			"emergency_24h":    `{"new_30d":200,"total_24h":90,"emergency_24h":1}`,
			"new_24h":          `{"new_30d":200,"total_24h":90,"emergency_24h":2,"new_24h":25}`,
			budget.StepIdle:    "",
			budget.StepEnforce: "",
		}[s.What]
		if limits == "" {
			continue
		}
		w.SetLimits(limits)
		after := of(t, examine(t, w), "anne")
		if after.Day != s.Day || after.Month != s.Month {
			t.Errorf("%s %d -> %d: 24 h %+v and 30 d %+v, promised %+v and %+v", s.What, s.From, s.To, after.Day, after.Month, s.Day, s.Month)
		}
	}
}

func TestExposureIsReadByOfficersOfTheOwnBodyAndWrittenDownFirst(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.AddSecondRegister(30)
	for _, name := range []string{"anne", "manager", "admin"} {
		if _, err := w.Exposures.Read(t.Context(), w.Actor(name)); !errors.Is(err, exposure.ErrNotYours) {
			t.Errorf("%s reads exposure: %v", name, err)
		}
	}
	weak := w.Actor("officer1")
	weak.Assured = false
	if _, err := w.Exposures.Read(t.Context(), weak); !errors.Is(err, directory.ErrWeak) {
		t.Errorf("without assurance: %v", err)
	}
	for name, accounts := range map[string]string{"officer1": "anne", "rssi": "anne", "dpo": "anne", "sofficer1": "sven"} {
		head, err := w.Store.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.Exposures.Read(t.Context(), w.Actor(name))
		if err != nil {
			t.Fatal(name, err)
		}
		other := map[string]string{"anne": "sven", "sven": "anne"}[accounts]
		of(t, r, accounts)
		if slices.ContainsFunc(r.Accounts, func(a exposure.Account) bool { return a.Email == nodetest.Email(other) }) {
			t.Errorf("%s sees an account of another body", name)
		}
		if got := read(t, w, head.N); got.Account != w.Accounts[name].ID {
			t.Errorf("%s: the entry is %+v", name, got)
		}
	}
	head, err := w.Store.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	of(t, examine(t, w), "sven")
	entry := read(t, w, head.N)
	d, err := entry.ReadDetail()
	if diff := cmp.Diff(ledger.Detail{What: "exposure", By: "cli:test@here"}, d); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// read is the one reading that was written down since entry n.
func read(t testing.TB, w *nodetest.World, n ecluse.EntryNumber) (found ledger.Entry) {
	t.Helper()
	count := 0
	err := w.Store.Entries(t.Context(), n, n+100, func(e *ledger.Entry) error {
		found = *e
		count++
		return nil
	})
	if err != nil || count != 1 || found.Kind != ledger.KindLedgerRead {
		t.Fatalf("%d entries, the last %+v, %v", count, found, err)
	}
	return found
}

func TestWhatIsAddedIsTheBoundAfterLessTheBoundBefore(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	w.AddPersons(1800)
	sited := w.Change()
	sited.Links = []directory.LinkChange{{Register: w.Register.ID, Persons: []ecluse.PersonID{w.Persons[nodetest.External(192)]}, Site: "A2", Kind: directory.LinkAppointment, Ends: nodetest.Start.AddDate(0, 0, 5)}}
	w.Approve(sited)
	body := w.Accounts["anne"].Controller
	added, err := w.Exposures.Added(t.Context(), body, nodetest.Account("eve", "A", "A2", ecluse.RoleAgent))
	if err != nil {
		t.Fatal(err)
	}
	if added.Day != 120 || added.Month != 1+300+90 || added.Term != budget.TermNovelty {
		t.Errorf("a new agent adds %+v", added)
	}
	change := w.Change()
	change.Accounts = []directory.AccountChange{nodetest.Account("eve", "A", "A2", ecluse.RoleAgent)}
	w.Approve(change)
	if got := of(t, examine(t, w), "eve"); got.Month.Persons != added.Month || got.Day.Persons != added.Day {
		t.Errorf("and once she is there: %+v", got)
	}
	moved := nodetest.Account("anne", "A", "A2", ecluse.RoleAgent)
	if added, err := w.Exposures.Added(t.Context(), body, moved); err != nil || added.Month != 1 || added.Day != 0 {
		t.Errorf("a move to the other site adds %+v, %v", added, err)
	}
	if added, err := w.Exposures.Added(t.Context(), body, nodetest.Account("max", "A", "A1", ecluse.RoleAccountManager)); err != nil || added.Month != 0 {
		t.Errorf("an account manager adds %+v, %v", added, err)
	}
	if _, err := w.Exposures.Added(t.Context(), body, nodetest.Account("max", "nowhere", "", ecluse.RoleAgent)); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("an account of an organisation that is not there: %v", err)
	}
}
