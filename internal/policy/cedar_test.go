package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/tomlfile"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func vocabulary(t testing.TB) Vocabulary {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return Vocabulary{
		Purposes: []ecluse.Purpose{jobs, housing}, Zone: zone,
		Fields:  map[string]ecluse.FieldSet{"surname": surname, "phone": phone, "nir": nir, "diagnosis": diagnosis},
		Classes: map[ecluse.FieldClass]ecluse.FieldSet{ecluse.Identity: surname, ecluse.Contact: phone, ecluse.Identifier: nir, ecluse.Health: diagnosis},
	}
}

// forbids reads policies, each with an id and texts of its own.
func forbids(t testing.TB, policies ...string) *Forbids {
	t.Helper()
	var text strings.Builder
	for i, p := range policies {
		fmt.Fprintf(&text, "@id(\"p%d\") @fr(\"Non.\") @en(\"No.\")\n%s\n", i, p)
	}
	f, err := ParseForbids("policies.cedar", []byte(text.String()), vocabulary(t))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAPolicyThatCannotBeFollowedIsRefusedWithItsPlace(t *testing.T) {
	head := "@id(\"night\") @fr(\"Non.\") @en(\"No.\")\n"
	for what, text := range map[string]string{
		"policies.cedar:1:1: a policy that permits":                      `permit (principal, action, resource);`,
		"policies.cedar:3:1: a policy that permits":                      "// x\n\n" + `@id("x") permit (principal, action, resource);`,
		`policies.cedar:1:1: "" is no name of a policy`:                  `@fr("Non.") @en("No.") forbid (principal, action, resource);`,
		`policies.cedar:1:1: "Night x" is no name`:                       `@id("Night x") @fr("Non.") @en("No.") forbid (principal, action, resource);`,
		"policies.cedar:1:1: what the agent is told is not complete":     `@id("x") @fr("Non.") forbid (principal, action, resource);`,
		"policies.cedar:1:1: unknown annotation @advice":                 `@id("x") @advice("x") @fr("Non.") @en("No.") forbid (principal, action, resource);`,
		"policies.cedar:3:1: the policy night stands twice":              head + "forbid (principal, action, resource);\n" + head + "forbid (principal, action, resource);",
		"policies.cedar:1:1: the head of a policy names a principal":     head + `forbid (principal == Account::"12", action, resource);`,
		`policies.cedar:1:1: there is no action Action::"read"`:          head + `forbid (principal, action == Action::"read", resource);`,
		"policies.cedar:1:1: the head of a policy names its resource":    head + `forbid (principal, action, resource is Field);`,
		`policies.cedar:1:1: the register has no Field::"iban"`:          head + `forbid (principal, action, resource == Field::"iban");`,
		`policies.cedar:1:1: the register has no Class::"image"`:         head + `forbid (principal, action, resource in Class::"image");`,
		`policies.cedar:1:1: the head of a policy names Purpose::"jobs"`: head + `forbid (principal, action, resource in Purpose::"jobs");`,
		"policies.cedar:1:1: policy night looks at the action":           head + `forbid (principal, action, resource) when { action has x };`,
		"policies.cedar:1:1: policy night looks at the person":           head + `forbid (principal, action == Action::"search", resource) when { resource.tier > 1 };`,
		"policies.cedar:1:1: policy night: ":                             head + `forbid (principal, action, resource) when { context.purpose == Purpose::"emplio" };`,
		"policies.cedar:2:":                                              head + `forbid (principal, action, resource) when { context. };`,
	} {
		_, err := ParseForbids("policies.cedar", []byte(text), vocabulary(t))
		var e *tomlfile.Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), what) || e.Remedy == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, condition := range []string{
		"context.hours > 20", `context.hour > "20"`, "resource.name == 1", "principal.role == 1", `context.channel == Channel::"fax"`,
		`context.hour == "7"`, "context.purpose.x == 1", `context.purpose == "emploi"`,
	} {
		if _, err := ParseForbids("p", []byte(head+"forbid (principal, action, resource) when { "+condition+" };"), vocabulary(t)); err == nil {
			t.Errorf("a mistake that would never forbid anything is taken: %s", condition)
		}
	}
	many := strings.Builder{}
	for i := range maxForbids + 1 {
		fmt.Fprintf(&many, "@id(\"p%d\") @fr(\"Non.\") @en(\"No.\") forbid (principal, action, resource);\n", i)
	}
	if _, err := ParseForbids("p", []byte(many.String()), vocabulary(t)); err == nil {
		t.Error("any number of policies is taken")
	}
	if _, err := ParseForbids("p", make([]byte, tomlfile.MaxBytes+1), vocabulary(t)); err == nil {
		t.Error("a file of any size is taken")
	}
}

func FuzzParseForbids(f *testing.F) {
	f.Add(`@id("a") @fr("Non.") @en("No.") forbid (principal, action, resource in Class::"health") when { context.hour < 7 };`)
	f.Add("permit(principal, action, resource); forbid")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseForbids("p", []byte(text), vocabulary(t))
		var e *tomlfile.Error
		if (got == nil) == (err == nil) || err != nil && (!errors.As(err, &e) || e.Problem == "") {
			t.Fatalf("%v, %v", got, err)
		}
	})
}

// What policies see, and what comes of it.
func TestPoliciesTakeAwayWhatTheySay(t *testing.T) {
	const (
		night     = `forbid (principal, action, resource) when { context.hour < 7 || context.hour >= 20 || context.weekday > 5 };`
		noNIR     = `forbid (principal, action, resource == Field::"nir");`
		noPhone   = `forbid (principal, action, resource in Class::"contact") when { resource.tier > 0 };`
		noHealth  = `forbid (principal, action, resource in Class::"health") unless { context.purpose == Purpose::"logement" };`
		own       = `forbid (principal, action, resource) when { resource.tier > 0 };`
		territory = `forbid (principal, action, resource) when { resource.territory like "93-*" };`
		kind      = `forbid (principal, action, resource) when { principal.organisation_kind == "course" && principal.organisation == "O1" && principal.site == "S1" };`
		programs  = `forbid (principal, action, resource) when { context.program && context.channel == Channel::"api" };`
		weak      = `forbid (principal, action in [Action::"disclose", Action::"emergency"], resource) unless { context.strong };`
		broken    = `forbid (principal, action, resource) when { context.hour * 9223372036854775807 > 1 };`
	)
	all := surname | phone // what facts() gives
	no := func(p string) []ecluse.Reason { return []ecluse.Reason{ecluse.ForbiddenBy(p)} }
	at := func(hour, day int) func(*Facts) {
		return func(f *Facts) { f.At = time.Date(2026, 11, day, hour, 30, 0, 0, time.UTC) }
	}
	for _, c := range []struct {
		name     string
		policies []string
		change   func(*Facts)
		reasons  []ecluse.Reason
		fields   ecluse.FieldSet
	}{
		{"in hours", []string{night}, nil, nil, all},
		{"hours are those of Paris", []string{night}, at(6, 23), nil, all},
		{"at night", []string{night}, at(19, 23), no("p0"), 0},
		{"on Sunday", []string{night}, at(12, 22), no("p0"), 0},
		{"a search at night", []string{night}, func(f *Facts) { at(19, 23)(f); search(f) }, no("p0"), 0},
		{"an emergency at night", []string{night}, func(f *Facts) { at(19, 23)(f); emergency(f) }, nil, phone},
		{"an emergency that is named", []string{weak}, func(f *Facts) { emergency(f); weakSession(f) }, no("p0"), 0},
		{"a search is not", []string{weak}, func(f *Facts) { search(f); weakSession(f) }, nil, all},
		{"a field that nobody asks for", []string{noNIR}, nil, nil, all},
		{"a field that is withheld", []string{noPhone}, tier(ecluse.SameSite), nil, surname},
		{"and given to her own", []string{noPhone}, nil, nil, all},
		{"a field asked for by name", []string{noPhone}, func(f *Facts) { f.Asked = phone; f.Person.Tier = 1 }, no("p0"), 0},
		{"another field by name", []string{noPhone}, func(f *Facts) { f.Asked = surname; f.Person.Tier = 1 }, nil, surname},
		{"two fields by name", []string{noPhone}, func(f *Facts) { f.Asked = surname | phone; f.Person.Tier = 1 }, no("p0"), 0},
		{"what the caller and what the person withhold", []string{`forbid (principal, action, resource == Field::"surname");`, `forbid (principal, action, resource == Field::"nir") when { resource.tier > 0 };`},
			tier(1), nil, phone},
		{"nothing is left", []string{noPhone, `forbid (principal, action, resource == Field::"surname");`}, tier(1), no("p0"), 0},
		{"a class", []string{noHealth}, func(f *Facts) { f.Mandates[0].Fields |= diagnosis }, nil, all},
		{"somebody else's person", []string{own}, tier(1), no("p0"), 0},
		{"in a search nobody is known", []string{own}, search, nil, all},
		{"told after the justification", []string{own}, tier(2), []ecluse.Reason{ecluse.ReasonJustificationRequired}, 0},
		{"and then", []string{own}, func(f *Facts) { f.Person.Tier = 2; justified(f) }, no("p0"), 0},
		{"a territory", []string{territory}, nil, no("p0"), 0},
		{"the unknown stay unknown", []string{territory}, func(f *Facts) { f.Person.Found = false }, []ecluse.Reason{ecluse.ReasonPersonUnavailable}, 0},
		{"an organisation", []string{kind}, func(f *Facts) { f.Caller = Caller{Organisation: "O1", Kind: "course", Site: "S1"} }, no("p0"), 0},
		{"a program", []string{programs}, func(f *Facts) { f.Client.Asks = true; f.Caller.Channel = ecluse.ChannelAPI }, no("p0"), 0},
		{"one that cannot be evaluated", []string{broken}, nil, no("p0"), 0},
		{"all that concern the caller", []string{night, programs}, func(f *Facts) { at(19, 23)(f); f.Client.Asks = true; f.Caller.Channel = ecluse.ChannelAPI },
			[]ecluse.Reason{ecluse.ForbiddenBy("p0"), ecluse.ForbiddenBy("p1")}, 0},
		{"one that concerns the person", []string{own, territory}, tier(1), no("p0"), 0},
	} {
		f := facts()
		if c.change != nil {
			c.change(&f)
		}
		f.Forbids = forbids(t, c.policies...)
		d := Decide(f)
		if d.Allow != (c.reasons == nil) || !slices.Equal(d.Reasons, c.reasons) || d.Fields != c.fields {
			t.Errorf("%s: %+v", c.name, d)
		}
		if diff := cmp.Diff(d, Decide(f.Consulted())); diff != "" {
			t.Errorf("%s: asked before it is another decision:\n%s", c.name, diff)
		}
	}
}

func weakSession(f *Facts) { f.Strong = false }

// somePolicies are of every kind, some of which forbid the facts that drawFacts draws.
var somePolicies = []string{
	`forbid (principal, action, resource) when { context.hour < 7 };`,
	`forbid (principal, action, resource) when { context.program };`,
	`forbid (principal, action, resource == Field::"nir");`,
	`forbid (principal, action, resource in Class::"contact") when { resource.tier > 1 };`,
	`forbid (principal, action == Action::"disclose", resource in Class::"identity") when { resource.territory == "93-008" };`,
	`forbid (principal, action, resource) when { resource.tier == 3 };`,
	`forbid (principal, action == Action::"emergency", resource == Field::"phone");`,
	`forbid (principal, action in [Action::"search", Action::"link"], resource) unless { context.strong };`,
	`forbid (principal, action, resource) when { resource.tier * 9223372036854775807 > 1 };`,
}

func drawForbids(t *rapid.T, label string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(somePolicies), 0, 4, rapid.ID[string]).Draw(t, label)
}

func TestNoPolicyEverTurnsADenialIntoAnAllowanceNorWidensFields(t *testing.T) {
	compiled := compile(t)
	rapid.Check(t, func(rt *rapid.T) {
		f := drawFacts(rt)
		some := drawForbids(rt, "policies")
		f.Forbids = compiled(some)
		before := Decide(f)
		f.Forbids = compiled(append(some, rapid.SampledFrom(somePolicies).Draw(rt, "another")))
		after := Decide(f)
		if after.Allow && !before.Allow || !before.Fields.Contains(after.Fields) {
			rt.Fatalf("%+v, then %+v", before, after)
		}
		if diff := cmp.Diff(before.Limits, after.Limits); diff != "" || after.Allow && after.Review != before.Review {
			rt.Fatalf("it changes more than the answer:\n%s", diff)
		}
	})
}

func TestPoliciesAreNoOracle(t *testing.T) {
	compiled := compile(t)
	rapid.Check(t, func(rt *rapid.T) {
		f := drawFacts(rt)
		f.Forbids = compiled(drawForbids(rt, "policies"))
		unknown, outside, other := f, f, f
		unknown.Person.Found = false
		outside.Person = PersonFacts{Found: true, Territory: "2A-004", Tier: ecluse.Tier(rapid.IntRange(0, 3).Draw(rt, "its tier"))}
		outside.Mandates = slices.Clone(f.Mandates)
		for i, m := range outside.Mandates {
			outside.Mandates[i].Territory = slices.DeleteFunc(slices.Clone(m.Territory), func(s string) bool { return s == "*" })
		}
		unknown.Mandates = outside.Mandates
		if diff := cmp.Diff(Decide(unknown), Decide(outside)); diff != "" {
			rt.Fatalf("(-unknown +outside):\n%s", diff)
		}
		drawPerson(rt, &other)
		if diff := cmp.Diff(f.Consulted().forbidden, other.Consulted().forbidden); diff != "" || f.Consulted().withheld != other.Consulted().withheld {
			rt.Fatalf("what is told of the caller depends on the person:\n%s", diff)
		}
		d := Decide(f)
		if _, p := firstOf(d).Policy(); p != "" && f.Act == budget.Disclose && f.Person.Tier >= 2 && f.Consulted().forbidden == nil && (!f.MotiveKnown || f.Motive == "") {
			rt.Fatalf("told without a justification: %v", d.Reasons)
		}
	})
}

func firstOf(d Decision) ecluse.Reason {
	if d.Allow {
		return ""
	}
	return d.Reasons[0]
}

// compile remembers sets of policies.
func compile(t *testing.T) func([]string) *Forbids {
	known := map[string]*Forbids{}
	return func(policies []string) *Forbids {
		key := strings.Join(policies, "\n")
		if known[key] == nil {
			known[key] = forbids(t, policies...)
		}
		return known[key]
	}
}

func TestAReasonNamesItsPolicy(t *testing.T) {
	code, policy := ecluse.ForbiddenBy("night").Policy()
	if code != ecluse.ReasonForbiddenByPreset || policy != "night" {
		t.Error(code, policy)
	}
	if code, policy := ecluse.ReasonAgreementEnded.Policy(); code != ecluse.ReasonAgreementEnded || policy != "" {
		t.Error(code, policy)
	}
	f := forbids(t, somePolicies[0])
	if f.Message("p0", "fr") != "Non." || f.Message("p0", "en") != "No." || f.Message("p1", "fr") != "" || (*Forbids)(nil).Message("p0", "fr") != "" {
		t.Error("another message")
	}
}

// BenchmarkDecideWithPolicies is BenchmarkDecide with eight policies, none of which forbids.
func BenchmarkDecideWithPolicies(b *testing.B) {
	f := facts()
	f.Forbids = forbids(b,
		`forbid (principal, action, resource) when { context.hour < 7 || context.hour >= 20 };`,
		`forbid (principal, action, resource) when { context.weekday > 6 };`,
		`forbid (principal, action, resource) when { context.program && context.channel == Channel::"api" };`,
		`forbid (principal, action, resource == Field::"nir") when { resource.tier > 1 };`,
		`forbid (principal, action, resource in Class::"contact") when { resource.tier > 1 };`,
		`forbid (principal, action, resource in Class::"health") unless { context.purpose == Purpose::"emploi" };`,
		`forbid (principal, action, resource) when { principal.organisation_kind == "course" && !context.strong };`,
		`forbid (principal, action, resource) when { resource.territory like "97*" };`,
	)
	if d := Decide(f); !d.Allow {
		b.Fatal(d)
	}
	for b.Loop() {
		Decide(f)
	}
}
