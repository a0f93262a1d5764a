package policy

import (
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"

	"github.com/google/go-cmp/cmp"
)

const (
	surname ecluse.FieldSet = 1 << iota
	phone
	nir
	diagnosis
)

const (
	lock    ecluse.RegisterID = 7
	jobs    ecluse.Purpose    = "emploi"
	housing ecluse.Purpose    = "logement"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func mandate() Mandate {
	return Mandate{
		Agreement: 1, Register: lock, Purposes: []ecluse.Purpose{jobs}, Fields: surname | phone | nir,
		Territory: ParseTerritory("93 75-011"), Starts: noon.AddDate(-1, 0, 0), Ends: noon.AddDate(1, 0, 0),
		Running: true, Limits: budget.Default(), Role: ecluse.RoleAgent, Since: noon.AddDate(-1, 0, 0),
	}
}

// facts of an agent who may open the case of a person of their own.
func facts() Facts {
	return Facts{
		At: noon, AccountState: StateActive, Assured: true, Strong: true, Trained: true, Mandates: []Mandate{mandate()},
		Register: lock, Purpose: jobs, PurposeFields: surname | phone | diagnosis, EmergencyFields: phone,
		Act: budget.Disclose, Person: PersonFacts{Found: true, Territory: "93-008"},
	}
}

func justified(f *Facts) { f.Motive, f.MotiveKnown, f.TextRunes = "walk_in", true, MinTextRunes }

func tier(t ecluse.Tier) func(*Facts) { return func(f *Facts) { f.Person.Tier = t } }

func emergency(f *Facts) {
	f.Act, f.EmergencyMotive, f.Person.Tier = budget.Emergency, "danger", ecluse.Unexplained
}

func search(f *Facts) { f.Act, f.Person = budget.Search, PersonFacts{} }

func standIn(f *Facts) { f.StandIn = true }

func weak(f *Facts) { f.Strong = false }

func link(f *Facts) { f.Act = budget.MakeLink }

func asked(s ecluse.FieldSet) func(*Facts) { return func(f *Facts) { f.Asked = s } }

func TestWhatIsAllowed(t *testing.T) {
	for name, c := range map[string]struct {
		change []func(*Facts)
		fields ecluse.FieldSet
		review string
	}{
		"an explained person":                  {nil, surname | phone, ""},
		"only what is asked":                   {[]func(*Facts){asked(phone)}, phone, ""},
		"a person of the same site":            {[]func(*Facts){tier(ecluse.SameSite)}, surname | phone, ""},
		"tier 2 with a motive and no text":     {[]func(*Facts){tier(ecluse.SameOrganisation), justified, func(f *Facts) { f.TextRunes = 0 }}, surname | phone, ReviewOutside},
		"tier 3 with motive and text":          {[]func(*Facts){tier(ecluse.Unexplained), justified}, surname | phone, ReviewUnexplained},
		"tier 3 with the longest text":         {[]func(*Facts){tier(ecluse.Unexplained), justified, func(f *Facts) { f.TextRunes = MaxTextRunes }}, surname | phone, ReviewUnexplained},
		"tier 3 with four reviews pending":     {[]func(*Facts){tier(ecluse.Unexplained), justified, func(f *Facts) { f.PendingReviews = 4 }}, surname | phone, ReviewUnexplained},
		"tier 2 with many reviews pending":     {[]func(*Facts){tier(ecluse.SameOrganisation), justified, func(f *Facts) { f.PendingReviews = 9 }}, surname | phone, ReviewOutside},
		"an emergency, whatever is pending":    {[]func(*Facts){emergency, func(f *Facts) { f.PendingReviews = 9 }}, phone, ReviewEmergency},
		"an emergency for an explained person": {[]func(*Facts){emergency, tier(ecluse.Explained)}, phone, ReviewEmergency},
		"an emergency without a certificate":   {[]func(*Facts){emergency, untrained}, phone, ReviewEmergency},
		"a search for an emergency without it": {[]func(*Facts){search, untrained, motive("danger")}, surname | phone, ""},
		"a search":                             {[]func(*Facts){search}, surname | phone, ""},
		"a link, which needs no justification": {[]func(*Facts){link, tier(ecluse.Unexplained)}, surname | phone, ""},
		"tier 2 in a weak session":             {[]func(*Facts){weak, tier(ecluse.SameOrganisation), justified}, surname | phone, ReviewOutside},
		"an emergency in a weak session":       {[]func(*Facts){weak, emergency}, phone, ReviewEmergency},
		"a search in a weak session":           {[]func(*Facts){weak, search}, surname | phone, ""},
		"a replacement, and its person":        {[]func(*Facts){standIn}, surname | phone, ""},
		"a search of a replacement":            {[]func(*Facts){standIn, search}, surname | phone, ""},
		"fields of two agreements together":    {[]func(*Facts){secondAgreement, func(f *Facts) { f.Person.Territory = "75-011" }}, surname | phone | diagnosis, ""},
		"fields of the agreement that covers":  {[]func(*Facts){secondAgreement}, surname | phone, ""},
	} {
		f := facts()
		for _, change := range c.change {
			change(&f)
		}
		want := Decision{Allow: true, Fields: c.fields, Limits: budget.Default(), Review: c.review}
		if diff := cmp.Diff(want, Decide(f)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// secondAgreement adds one for more fields on a smaller territory.
func secondAgreement(f *Facts) {
	m := mandate()
	m.Agreement, m.Fields, m.Territory = 2, diagnosis, ParseTerritory("75-011")
	f.Mandates = append(f.Mandates, m)
}

// on changes the first mandate.
func on(change func(*Mandate)) func(*Facts) {
	return func(f *Facts) { change(&f.Mandates[0]) }
}

func TestWhatIsRefusedAndWhy(t *testing.T) {
	type changes = []func(*Facts)
	type reasons = []ecluse.Reason
	for name, c := range map[string]struct {
		change changes
		want   reasons
	}{
		"nothing at all":              {changes{func(f *Facts) { *f = Facts{} }}, reasons{ecluse.ReasonAccountSuspended, ecluse.ReasonAssuranceTooLow, ecluse.ReasonTraining, ecluse.ReasonPurposeNotCovered}},
		"a suspended account":         {changes{func(f *Facts) { f.AccountState = StateSuspended }}, reasons{ecluse.ReasonAccountSuspended}},
		"an ended account":            {changes{func(f *Facts) { f.AccountState = StateEnded }}, reasons{ecluse.ReasonAccountSuspended}},
		"a dormant account":           {changes{func(f *Facts) { f.AccountState = StateDormant }}, reasons{ecluse.ReasonAccountSuspended}},
		"a replacement's emergency":   {changes{standIn, emergency}, reasons{ecluse.ReasonStandInAct}},
		"a replacement's link":        {changes{standIn, link}, reasons{ecluse.ReasonStandInAct}},
		"a replacement's colleague's": {changes{standIn, tier(ecluse.SameSite)}, reasons{ecluse.ReasonPersonUnavailable}},
		"a replacement's stranger":    {changes{standIn, tier(ecluse.Unexplained), justified}, reasons{ecluse.ReasonPersonUnavailable}},
		"an account in no known state": {
			changes{func(f *Facts) { f.AccountState = "activ" }}, reasons{ecluse.ReasonAccountSuspended},
		},
		"an invited account":     {changes{func(f *Facts) { f.AccountState = StateInvited }}, reasons{ecluse.ReasonAccountPending}},
		"weak assurance":         {changes{func(f *Facts) { f.Assured = false }}, reasons{ecluse.ReasonAssuranceTooLow}},
		"an agreement stopped":   {changes{on(func(m *Mandate) { m.Running = false })}, reasons{ecluse.ReasonAgreementEnded}},
		"an agreement over":      {changes{on(func(m *Mandate) { m.Ends = noon })}, reasons{ecluse.ReasonAgreementEnded}},
		"an agreement to come":   {changes{on(func(m *Mandate) { m.Starts = noon.Add(1) })}, reasons{ecluse.ReasonAgreementEnded}},
		"another register":       {changes{on(func(m *Mandate) { m.Register++ })}, reasons{ecluse.ReasonPurposeNotCovered}},
		"another purpose":        {changes{func(f *Facts) { f.Purpose = housing }}, reasons{ecluse.ReasonPurposeNotCovered}},
		"no such purpose":        {changes{func(f *Facts) { f.PurposeFields = 0 }}, reasons{ecluse.ReasonPurposeNotCovered}},
		"no such act":            {changes{func(f *Facts) { f.Act = 9 }}, reasons{ecluse.ReasonPurposeNotCovered}},
		"an account manager":     {changes{on(func(m *Mandate) { m.Role = ecluse.RoleAccountManager })}, reasons{ecluse.ReasonPurposeNotCovered}},
		"a field of no purpose":  {changes{asked(surname | nir)}, reasons{ecluse.ReasonFieldNotCovered}},
		"a field of no mandate":  {changes{asked(diagnosis)}, reasons{ecluse.ReasonFieldNotCovered}},
		"a mandate of no fields": {changes{on(func(m *Mandate) { m.Fields = nir })}, reasons{ecluse.ReasonFieldNotCovered}},
		"a mandate of no place":  {changes{on(func(m *Mandate) { m.Territory = nil })}, reasons{ecluse.ReasonFieldNotCovered}},
		"more than an emergency shows": {
			changes{emergency, asked(surname)}, reasons{ecluse.ReasonFieldNotCovered},
		},
		"an emergency without motive": {
			changes{emergency, func(f *Facts) { f.EmergencyMotive = "" }}, reasons{ecluse.ReasonJustificationRequired},
		},
		"an emergency of another kind": {
			changes{emergency, func(f *Facts) { f.EmergencyMotive = "curiosity" }}, reasons{ecluse.ReasonJustificationRequired},
		},
		"spent budgets": {
			changes{search, func(f *Facts) { f.BudgetSpent = reasons{ecluse.ReasonBudgetSearch} }}, reasons{ecluse.ReasonBudgetSearch},
		},
		"everything wrong with the caller, and the person": {
			changes{func(f *Facts) {
				f.AccountState, f.Assured, f.Mandates[0].Running = StateSuspended, false, false
				f.BudgetSpent, f.Person = reasons{ecluse.ReasonBudgetLinks}, PersonFacts{}
			}},
			reasons{ecluse.ReasonAccountSuspended, ecluse.ReasonAssuranceTooLow, ecluse.ReasonAgreementEnded, ecluse.ReasonBudgetLinks},
		},
		"an unknown person":         {changes{func(f *Facts) { f.Person.Found = false }}, reasons{ecluse.ReasonPersonUnavailable}},
		"a person elsewhere":        {changes{func(f *Facts) { f.Person.Territory = "930" }}, reasons{ecluse.ReasonPersonUnavailable}},
		"a person of no territory":  {changes{func(f *Facts) { f.Person.Territory = "" }}, reasons{ecluse.ReasonPersonUnavailable}},
		"a person everywhere":       {changes{func(f *Facts) { f.Person.Territory = "*" }}, reasons{ecluse.ReasonPersonUnavailable}},
		"a link for one elsewhere":  {changes{link, func(f *Facts) { f.Person.Territory = "69" }}, reasons{ecluse.ReasonPersonUnavailable}},
		"an emergency elsewhere":    {changes{emergency, func(f *Facts) { f.Person.Territory = "69" }}, reasons{ecluse.ReasonPersonUnavailable}},
		"a field allowed elsewhere": {changes{secondAgreement, asked(diagnosis)}, reasons{ecluse.ReasonPersonUnavailable}},
		"tier 2 without motive":     {changes{tier(ecluse.SameOrganisation)}, reasons{ecluse.ReasonJustificationRequired}},
		"tier 3 in a weak session":  {changes{weak, tier(ecluse.Unexplained), justified}, reasons{ecluse.ReasonAssuranceTooLow}},
		"tier 3 in a weak session, unjustified": {
			changes{weak, tier(ecluse.Unexplained)}, reasons{ecluse.ReasonJustificationRequired},
		},
		"an unknown person in a weak session": {
			changes{weak, justified, func(f *Facts) { f.Person.Found = false }}, reasons{ecluse.ReasonPersonUnavailable},
		},
		"tier 2 with a motive unknown": {
			changes{tier(ecluse.SameOrganisation), justified, func(f *Facts) { f.MotiveKnown = false }}, reasons{ecluse.ReasonJustificationRequired},
		},
		"tier 2 with no motive picked": {
			changes{tier(ecluse.SameOrganisation), justified, func(f *Facts) { f.Motive = "" }}, reasons{ecluse.ReasonJustificationRequired},
		},
		"a field of an agreement over": {
			changes{secondAgreement, func(f *Facts) { f.Mandates[1].Running = false }, asked(diagnosis)}, reasons{ecluse.ReasonFieldNotCovered},
		},
		"tier 3 with a short text": {
			changes{tier(ecluse.Unexplained), justified, func(f *Facts) { f.TextRunes = MinTextRunes - 1 }}, reasons{ecluse.ReasonJustificationRequired},
		},
		"tier 3 with a long text": {
			changes{tier(ecluse.Unexplained), justified, func(f *Facts) { f.TextRunes = MaxTextRunes + 1 }}, reasons{ecluse.ReasonJustificationRequired},
		},
		"tier 3 with five reviews pending": {
			changes{tier(ecluse.Unexplained), justified, func(f *Facts) { f.PendingReviews = 5 }}, reasons{ecluse.ReasonReviewPending},
		},
		"tier 3 unjustified, which tells no more": {
			changes{tier(ecluse.Unexplained), func(f *Facts) { f.PendingReviews = 5 }}, reasons{ecluse.ReasonJustificationRequired},
		},
	} {
		f := facts()
		for _, change := range c.change {
			change(&f)
		}
		d := Decide(f)
		d.Limits = budget.Limits{}
		if diff := cmp.Diff(Decision{Reasons: c.want}, d); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLimitsAreTheHighestOfTheRunningMandatesAndAQuarterOfTheYoung(t *testing.T) {
	young := mandate()
	young.Since, young.Limits.New24h, young.Limits.Total24h = noon.AddDate(0, 0, -29), 200, 200
	over, elsewhere := mandate(), mandate()
	over.Running, over.Limits.New24h = false, 1000
	elsewhere.Register, elsewhere.Limits.New24h = 8, 1000

	f := facts()
	f.Mandates = []Mandate{mandate(), young, over, elsewhere}
	want := budget.Default()
	want.New24h, want.Total24h = 50, 200
	if diff := cmp.Diff(want, Decide(f).Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	f.Mandates[1].Installed = true
	if got := Decide(f).Limits.New24h; got != 200 {
		t.Errorf("an installed grant has %d new persons a day, want 200", got)
	}
}

func BenchmarkDecide(b *testing.B) {
	f := facts()
	b.ReportAllocs()
	for b.Loop() {
		if !Decide(f).Allow {
			b.Fatal("denied")
		}
	}
}
