package gate_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/ledger"
	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/register"
	"ecluse/internal/scope"
	"ecluse/internal/signin"
	"ecluse/internal/store/storetest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A reading is one record as its reader got it: nothing here comes from the ledger.
type reading struct {
	at           time.Time
	who          string
	organisation string
	register     string
	person       ecluse.PersonID
	number       int // of nodetest
	version      ecluse.VersionID
	fields       []string // as the values came
}

// A glimpse is a person whom a search showed.
type glimpse struct {
	at                time.Time
	who, organisation string
	register          string
	person            ecluse.PersonID
	number            int
}

// history is all that the accounts of one world got, beside the world.
type history struct {
	*nodetest.World
	db        *sql.DB
	callers   map[string]signin.Caller
	readings  []reading
	glimpses  []glimpse
	failed    int // disclosures that were allowed and never arrived
	purged    time.Time
	membersOf map[string]string // account -> organisation at present
}

func (h *history) registerOf(who string) (*register.Register, error) {
	code := first
	if who == "sven" {
		code = "licences-sport"
	}
	return h.Registers.ByCode(context.Background(), code)
}

// caller is a session of an account that is not idle.
func (h *history) caller(who string) signin.Caller { return h.callers[who] }

// got writes down what a reader holds in hands.
func (h *history) got(who string, reg *register.Register, p ecluse.PersonID, number int, at time.Time, values register.Values) error {
	people, err := h.Registers.People(context.Background(), reg, []ecluse.PersonID{p})
	if err != nil {
		return err
	}
	r := reading{at: at, who: who, organisation: h.membersOf[who], register: reg.Code, person: p, number: number, version: people[0].Version}
	values.Each(func(f register.Field, _ string) { r.fields = append(r.fields, f.Name) })
	h.readings = append(h.readings, r)
	return nil
}

// now is the ledger's instant of what was done last.
func (h *history) lastAt() time.Time {
	head, err := h.Store.Head(context.Background())
	if err != nil {
		panic(err)
	}
	return head.At
}

// disclose opens person i for an account, as an emergency or for a purpose, all fields or some.
func (h *history) disclose(t *rapid.T, who string, i int) {
	reg, err := h.registerOf(who)
	if err != nil {
		t.Fatal(err)
	}
	p := h.Persons[h.external(who, i)]
	r := gate.Request{
		Caller: h.caller(who), Register: reg.Code, Handle: h.Gate.HandleOf(h.caller(who), reg, p), Purpose: reg.Schema.Purposes[rapid.IntRange(0, len(reg.Schema.Purposes)-1).Draw(t, "purpose")].ID,
		Motive: reg.Schema.Motives[0].ID, Text: reason, Channel: ecluse.ChannelAPI,
	}
	if rapid.IntRange(0, 4).Draw(t, "emergency") == 0 {
		r.Emergency = "danger"
	} else if rapid.Bool().Draw(t, "some") {
		purpose, _ := reg.Schema.Purpose(r.Purpose)
		names := reg.Schema.Names(purpose.Fields)
		r.Fields = names[:rapid.IntRange(1, len(names)).Draw(t, "fields")]
	}
	out, err := h.Gate.Disclose(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if out.Allowed {
		if err := h.got(who, reg, p, h.numberOf(p), out.At, out.Values); err != nil {
			t.Fatal(err)
		}
	}
}

// external is the identifier of person i in the register of an account.
func (h *history) external(who string, i int) string {
	if who == "sven" {
		return "S" + nodetest.External(1 + i%40)[1:]
	}
	return nodetest.External(i)
}

// page opens the first page of an account's own persons.
func (h *history) page(t *rapid.T, who string) {
	reg, err := h.registerOf(who)
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.Gate.Caseload(context.Background(), gate.CaseloadRequest{Caller: h.caller(who), Register: reg.Code, Purpose: reg.Schema.Purposes[0].ID})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range out.Rows {
		p, err := h.Gate.PersonOf(h.caller(who), reg, row.Handle)
		if err == nil {
			err = h.got(who, reg, p, h.numberOf(p), h.lastAt(), row.Values)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (h *history) numberOf(p ecluse.PersonID) int {
	for name, id := range h.Persons {
		if id == p {
			var i int
			_, _ = fmt.Sscanf(name[1:], "%d", &i)
			return i
		}
	}
	return 0
}

// look searches for person i.
func (h *history) look(t *rapid.T, who string, i int) {
	reg, err := h.registerOf(who)
	if err != nil {
		t.Fatal(err)
	}
	identity := i
	if who == "sven" {
		identity = nodetest.SportIdentity(1 + i%40)
	}
	value := func(name string) string {
		f, _ := reg.Schema.Field(name)
		return nodetest.Value(f, identity)
	}
	out, err := h.Gate.Search(context.Background(), gate.SearchRequest{
		Caller: h.caller(who), Register: reg.Code, Purpose: reg.Schema.Purposes[0].ID, Beyond: rapid.Bool().Draw(t, "beyond"),
		Query: register.Query{Surname: value("surname"), FirstName: value("first_name"), BirthDate: value("birth_date")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, hit := range out.Hits {
		p, err := h.Gate.PersonOf(h.caller(who), reg, hit.Handle)
		if err != nil {
			t.Fatal(err)
		}
		h.glimpses = append(h.glimpses, glimpse{h.lastAt(), who, h.membersOf[who], reg.Code, p, h.numberOf(p)})
	}
}

// spoiled opens person i while her record is unreadable: it is allowed and never arrives.
func (h *history) spoiled(t *rapid.T, who string, i int) {
	reg, err := h.registerOf(who)
	if err != nil {
		t.Fatal(err)
	}
	p := h.Persons[h.external(who, i)]
	var sealed []byte
	if err := h.db.QueryRow(`SELECT sealed FROM records WHERE person_id = $1 ORDER BY version DESC LIMIT 1`, int64(p)).Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(sealed)
	for k := 500; k < len(broken); k += 40 {
		broken[k] ^= 1
	}
	h.write(t, p, broken)
	defer h.write(t, p, sealed)
	head, err := h.Store.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Gate.Disclose(context.Background(), gate.Request{
		Caller: h.caller(who), Register: reg.Code, Handle: h.Gate.HandleOf(h.caller(who), reg, p), Purpose: reg.Schema.Purposes[0].ID,
		Motive: reg.Schema.Motives[0].ID, Text: reason, Channel: ecluse.ChannelAPI,
	})
	if err != nil && !errors.Is(err, register.ErrSealed) {
		t.Fatal(err)
	}
	_ = h.Store.Entries(context.Background(), head.N, 1<<62, func(e *ledger.Entry) error {
		if e.Kind == ledger.KindUndelivered {
			h.failed++
		}
		return nil
	})
}

func (h *history) write(t *rapid.T, p ecluse.PersonID, sealed []byte) {
	_, err := h.db.Exec(`UPDATE records SET sealed = $2 WHERE person_id = $1 AND version = (SELECT MAX(version) FROM records WHERE person_id = $1)`, int64(p), sealed)
	if err != nil {
		t.Fatal(err)
	}
}

func newHistory(t *testing.T, url string, sensitive bool) *history {
	h := &history{World: nodetest.New(t, url, nil), db: around(t, url), callers: map[string]signin.Caller{}, membersOf: map[string]string{
		"anne": "A", "bob": "A", "carl": "A", "dora": "B", "sven": "S",
	}}
	h.AddPersons(600)
	edit := strings.NewReplacer()
	if sensitive {
		edit = strings.NewReplacer("membership_sensitive = false", "membership_sensitive = true")
	}
	h.AddRegister(40, edit.Replace)
	h.adopt(t, "bob", "anne", "officer1") // anne asked for bob, who approved carl
	h.adopt(t, "carl", "officer2", "bob")
	h.signIn()
	return h
}

// adopt says of an account who asked for it and who approved it, as if they had.
func (h *history) adopt(t *testing.T, name, requester, approver string) {
	a := h.Accounts[name]
	a.RequestedBy, a.ApprovedBy = h.Accounts[requester].ID, h.Accounts[approver].ID
	tamper(t, h.db, `UPDATE accounts SET requested_by = $2, approved_by = $3, mac = $4 WHERE id = $1`, int64(a.ID), int64(a.RequestedBy), int64(a.ApprovedBy), h.AccountMAC(a))
	h.Accounts[name] = a
}

// trees are who was asked for or approved by whom, at any distance, as newHistory arranged it.
var trees = map[string][]string{"anne": {"bob", "carl"}, "bob": {"carl"}, "carl": nil, "dora": nil, "sven": nil}

func (h *history) signIn() {
	for _, who := range []string{"anne", "bob", "carl", "dora", "sven"} {
		h.callers[who] = h.SignIn(who)
	}
}

func TestScopeIsExactlyWhatTheReadersHold(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		runs(t, url, 80, 25)
		for _, sensitive := range []bool{false, true} {
			t.Run(fmt.Sprintf("membership sensitive %v", sensitive), func(t *testing.T) {
				h := newHistory(t, fresh(t, url), sensitive)
				h.observe(t)
				rapid.Check(t, func(t *rapid.T) {
					h.live(t)
					h.compare(t, h.draw(t), sensitive)
				})
				if len(h.readings) < 200 || h.failed == 0 || len(h.glimpses) == 0 {
					t.Errorf("%d readings, %d glimpses, %d failed: too little happened", len(h.readings), len(h.glimpses), h.failed)
				}
				h.purge(t)
				rapid.Check(t, func(t *rapid.T) { h.compare(t, h.draw(t), sensitive) })
				verified(t, h.World)
			})
		}
	})
}

// observe has the budgets of the first register observed for the first days.
func (h *history) observe(t *testing.T) {
	a, err := h.Directory.RequestObserve(t.Context(), h.Actor("officer1"), directory.ObserveChange{Register: h.Register.ID, RegisterCode: first, Days: 3})
	if err == nil {
		err = h.Directory.Decide(t.Context(), h.Actor("officer2"), a.ID, true)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// live lets the accounts do something.
func (h *history) live(t *rapid.T) {
	for range rapid.IntRange(1, 12).Draw(t, "acts") {
		who := rapid.SampledFrom([]string{"anne", "bob", "carl", "dora", "sven"}).Draw(t, "who")
		i := rapid.IntRange(1, nodetest.PersonCount).Draw(t, "person")
		switch rapid.IntRange(0, 9).Draw(t, "act") {
		case 0:
			h.look(t, who, i)
		case 1:
			h.page(t, who)
		case 2:
			h.spoiled(t, who, i)
		case 3:
			h.renew(t, i)
		case 4:
			h.move(t)
		default:
			h.disclose(t, who, i)
		}
		h.Clock.Advance(time.Duration(rapid.IntRange(0, 600).Draw(t, "minutes")) * time.Minute / 10)
	}
	h.Clock.Advance(time.Duration(rapid.IntRange(0, 12).Draw(t, "hours")) * time.Hour)
}

// renew imports a new version of person i.
func (h *history) renew(t *rapid.T, i int) {
	row := h.Row(i)
	for k, f := range h.Register.Schema.Fields {
		if f.Name == "situation" {
			row.Values[k] = fmt.Sprintf("situation %d", h.lastAt().UnixMicro())
		}
	}
	h.Import(h.Register, row)
}

// move takes dora from one organisation to the other.
func (h *history) move(t *rapid.T) {
	to, site := "A", "A1"
	if h.membersOf["dora"] == "A" {
		to, site = "B", "B1"
	}
	c := h.Change()
	c.Accounts = append(c.Accounts, nodetest.Account("dora", to, site, ecluse.RoleAgent))
	if err := h.TryApprove("officer1", "officer2", c); errors.Is(err, directory.ErrDualControl) {
		return // twenty approvals a day
	} else if err != nil {
		t.Fatal(err)
	}
	h.membersOf["dora"] = to
}

// draw makes a query.
func (h *history) draw(t *rapid.T) scope.Query {
	var q scope.Query
	if rapid.IntRange(0, 3).Draw(t, "of an organisation") == 0 {
		q.Organisation = h.organisation(rapid.SampledFrom([]string{"A", "B"}).Draw(t, "organisation"))
	} else {
		q.Account = h.Accounts[rapid.SampledFrom([]string{"anne", "bob", "carl", "dora", "sven"}).Draw(t, "account")].ID
		q.Tree = rapid.Bool().Draw(t, "tree")
	}
	instant := func(name string) time.Time {
		if len(h.readings) == 0 || rapid.Bool().Draw(t, name) {
			return time.Time{}
		}
		return h.readings[rapid.IntRange(0, len(h.readings)-1).Draw(t, name+" of")].at
	}
	q.From, q.To = instant("from"), instant("to")
	if !q.To.IsZero() && !q.From.Before(q.To) {
		q.To = time.Time{}
	}
	return q
}

func (h *history) compare(t *rapid.T, q scope.Query, sensitive bool) {
	by := directory.Actor{CLI: "cli:test@test"}
	got, err := h.Scope.Read(context.Background(), by, q)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h.recount(q, trees, sensitive), spoken(got)); diff != "" {
		t.Fatalf("%+v: what the readers hold, and the scope:\n%s", q, diff)
	}
	if complete := h.purged.IsZero() || !q.From.Before(h.purged); got.Complete != complete {
		t.Errorf("complete: %v", got.Complete)
	}
	names := map[string]bool{}
	for _, r := range got.Registers {
		for _, p := range r.People {
			if names[p.Pseudonym] {
				t.Error("two persons have one pseudonym")
			}
			names[p.Pseudonym] = true
		}
	}
}

// purge lets retention remove the first half of the history.
func (h *history) purge(t *testing.T) {
	middle := h.readings[len(h.readings)/2].at
	h.Clock.Advance(middle.Add(time.Duration(h.Config.Retention.Entries) * 24 * time.Hour).Sub(h.Clock.Now()))
	if _, err := h.Retain(t.Context(), node.RetentionOptions{By: "cli:test@test", AcceptClock: true}); err != nil {
		t.Fatal(err)
	}
	h.purged = middle
}
