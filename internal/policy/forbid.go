package policy

import (
	"iter"
	"slices"

	"github.com/cedar-policy/cedar-go"

	"ecluse"
	"ecluse/internal/budget"
)

// Consulted is f with what the register's policies say of the caller. A decision asks them itself; whoever takes
// several decisions on one caller asks them once, before.
func (f Facts) Consulted() Facts {
	if f.consulted {
		return f
	}
	f.consulted = true
	if f.Forbids == nil {
		return f
	}
	f.question = f.ask()
	f.forbidden, f.withheld = f.forbids(f.question, false, f.asks(f.covered(Territory.any)))
	return f
}

// forbiddenPerson are the policies on the person that forbid, asked when every rule on her has agreed; it adds
// what they withhold to what those on the caller do.
func (f *Facts) forbiddenPerson() []ecluse.Reason {
	if f.Forbids == nil {
		return nil
	}
	if !slices.ContainsFunc(f.Forbids.list, func(p forbid) bool { return p.person }) {
		return nil
	}
	reasons, withheld := f.forbids(f.question.of(f.Person), true, f.fields(covering(f.Person.Territory)))
	f.withheld |= withheld
	return reasons
}

// forbids asks the policies on the caller, or those on the person. may is what could leave without them. A policy
// on a field forbids if the field was asked for by name, or if nothing would be left; else it withholds the field.
func (f *Facts) forbids(q *question, person bool, may ecluse.FieldSet) (reasons []ecluse.Reason, withheld ecluse.FieldSet) {
	var parts []*forbid
	for i := range f.Forbids.list {
		p := &f.Forbids.list[i]
		if p.person != person || !slices.Contains(p.acts, f.Act) || !q.matches(p) {
			continue
		}
		if p.fields == 0 {
			reasons = append(reasons, ecluse.ForbiddenBy(p.id))
			continue
		}
		parts = append(parts, p)
		withheld |= p.fields
	}
	if f.Asked&withheld == 0 && may&^withheld != 0 {
		return reasons, withheld
	}
	for _, p := range parts {
		if p.fields&may != 0 {
			reasons = append(reasons, ecluse.ForbiddenBy(p.id))
		}
	}
	return reasons, withheld
}

// question is a request as policies see it. It holds nothing of Facts, which need not outlive a decision.
type question struct {
	action  cedar.EntityUID
	account cedar.Entity
	context cedar.Record
	person  cedar.Record // attributes of whatever the resource is
}

var account = cedar.NewEntityUID("Account", "")

// ask makes the question of a caller, before anything is known of a person.
func (f *Facts) ask() *question {
	at := f.At.In(f.Forbids.zone)
	return &question{
		action: cedar.NewEntityUID("Action", cedar.String(actions[f.Act])),
		account: cedar.Entity{UID: account, Attributes: cedar.NewRecord(cedar.RecordMap{
			"organisation": cedar.String(f.Caller.Organisation), "organisation_kind": cedar.String(f.Caller.Kind),
			"site": cedar.String(f.Caller.Site), "stand_in": cedar.Boolean(f.StandIn),
		})},
		context: cedar.NewRecord(cedar.RecordMap{
			"purpose": cedar.NewEntityUID("Purpose", cedar.String(f.Purpose)), "channel": cedar.NewEntityUID("Channel", cedar.String(f.Caller.Channel)),
			"program": cedar.Boolean(f.Client.Asks), "strong": cedar.Boolean(f.Strong),
			"hour": cedar.Long(at.Hour()), "weekday": cedar.Long((int(at.Weekday())+6)%7 + 1),
		}),
	}
}

// of is the question with what is known of the person.
func (q *question) of(p PersonFacts) *question {
	again := *q
	again.person = cedar.NewRecord(cedar.RecordMap{"tier": cedar.Long(p.Tier), "territory": cedar.String(p.Territory)})
	return &again
}

// Get gives policies the account, and the resource that one of them asks about.
func (q *question) Get(uid cedar.EntityUID) (cedar.Entity, bool) {
	if uid == account {
		return q.account, true
	}
	return cedar.Entity{UID: uid, Attributes: q.person}, uid.Type == "Record" || uid.Type == "Class" || uid.Type == "Field"
}

// matches reports whether a policy forbids. One that cannot be evaluated does.
func (q *question) matches(p *forbid) bool {
	_, why := cedar.Authorize(single{p.policy}, q, cedar.Request{Principal: account, Action: q.action, Resource: p.resource, Context: q.context})
	return len(why.Reasons) > 0 || len(why.Errors) > 0
}

// single is one policy as Cedar takes them.
type single struct{ policy *cedar.Policy }

func (s single) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) { yield("", s.policy) }
}

// Asked by the rules.

// fields that may leave: those covered, without what policies withhold. Empty unless all that is asked is allowed.
func (f *Facts) fields(will func(Territory) bool) ecluse.FieldSet {
	return f.asks(f.covered(will) &^ f.withheld)
}

// asks is what of the allowed fields is asked for: all, or what was named; nothing unless all of that is allowed.
func (f *Facts) asks(allowed ecluse.FieldSet) ecluse.FieldSet {
	switch {
	case f.Asked == 0:
		return allowed
	case allowed.Contains(f.Asked):
		return f.Asked
	default:
		return 0
	}
}

// covered are the fields that the purpose (or the emergency) and the running mandates allow whose territory will do.
func (f *Facts) covered(will func(Territory) bool) ecluse.FieldSet {
	var mandated ecluse.FieldSet
	for i := range f.Mandates {
		m := &f.Mandates[i]
		if f.concerns(m) && m.Runs(f.At) && will(m.Territory) {
			mandated |= m.Fields
		}
	}
	if f.Act == budget.Emergency {
		return f.EmergencyFields & mandated
	}
	return f.PurposeFields & mandated
}
