package post_test

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/notice"
	"ecluse/internal/post"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"

	"github.com/emersion/go-smtp"
)

func TestAnOpeningIsToldToWhomItConcernsAndToNobodyElse(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := world(t, url, nil)
		w.AddPersons(600)
		more := w.Change()
		more.Accounts = []directory.AccountChange{nodetest.Account("managerb", "B", "B1", ecluse.RoleAccountManager)}
		w.Approve(more)
		b := &bag{}
		p := office(t, w, b)
		once(t, p)
		b.take() // the request for managerb's account
		anne := w.SignIn("anne")
		open(t, w, anne, 1, "")
		open(t, w, anne, 41, "")
		once(t, p)
		carried(t, b, "tiers 0 and 1")
		open(t, w, anne, 81, "")
		once(t, p)
		carried(t, b, "tier 2", "manager review.outside")
		open(t, w, anne, 121, "")
		once(t, p)
		carried(t, b, "tier 3", "manager review.unexplained", "rssi review.unexplained")
		open(t, w, anne, 122, "danger")
		once(t, p)
		carried(t, b, "an emergency", "manager review.emergency", "rssi review.emergency")
		open(t, w, anne, 121, "")
		once(t, p)
		carried(t, b, "a known person reopened")
	})
}

func TestManyOpeningsOfAnHourAreOneMailAndEmergenciesAreNot(t *testing.T) {
	w := world(t, storetest.SQLite(t), nil)
	b := &bag{}
	p := office(t, w, b)
	leave(t, w, outside(w))
	once(t, p)
	carried(t, b, "the first", "manager review.outside")
	for range 3 {
		w.Clock.Advance(10 * time.Minute)
		leave(t, w, outside(w))
		once(t, p)
	}
	carried(t, b, "within the hour")
	leave(t, w, emergency(w))
	leave(t, w, emergency(w))
	once(t, p)
	carried(t, b, "emergencies", "manager review.emergency", "manager review.emergency", "rssi review.emergency", "rssi review.emergency")
	w.Clock.Advance(31 * time.Minute)
	once(t, p)
	if len(b.mails) != 1 || !strings.Contains(b.mails[0].Subject, "3 dossiers") || !strings.Contains(b.mails[0].Text, "3 dossiers") {
		t.Errorf("after the hour: %+v", b.mails)
	}
}

func TestNobodyCanFloodAManager(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := world(t, url, nil)
		b := &bag{}
		p := office(t, w, b)
		var flood []notice.Notice
		for range 300 {
			flood = append(flood, emergency(w))
		}
		leave(t, w, flood...)
		once(t, p)
		counts := map[string]int{}
		for _, m := range b.mails {
			counts[m.To]++
		}
		if counts[nodetest.Email("manager")] != post.PerHour || counts[nodetest.Email("rssi")] != post.PerHour {
			t.Errorf("%v mails, not %d each", counts, post.PerHour)
		}
		if db := around(t, url); states(t, db)[post.Sent] != 600 {
			t.Errorf("some are in no mail: %v", states(t, db))
		}
		b.take()
		w.Clock.Advance(30 * time.Minute)
		leave(t, w, emergency(w))
		once(t, p)
		carried(t, b, "beyond the bound")
		w.Clock.Advance(31 * time.Minute)
		once(t, p)
		carried(t, b, "an hour later", "manager review.emergency", "rssi review.emergency")
	})
}

func TestANoticeExistsIfAndOnlyIfItsActDoes(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		refuse := false
		hooks := &store.Hooks{BeforeCommit: func(context.Context) error {
			if refuse {
				return errors.New("no")
			}
			return nil
		}}
		w := world(t, url, hooks)
		anne := w.SignIn("anne")
		found, err := w.Gate.Search(t.Context(), gate.SearchRequest{Caller: anne, Register: "mission-locale", Purpose: "emploi", Query: identity(w, 121)})
		if err != nil || len(found.Hits) != 1 {
			t.Fatal(found, err)
		}
		r := gate.Request{
			Caller: anne, Register: "mission-locale", Handle: found.Hits[0].Handle, Purpose: "emploi", Motive: w.Register.Schema.Motives[0].ID, Text: theText,
		}
		refuse = true
		if out, err := w.Gate.Disclose(t.Context(), r); err == nil || out.Allowed {
			t.Fatalf("disclosed without a commit: %+v", out)
		}
		refuse = false
		if fresh, err := w.Store.FreshNotices(t.Context(), 10); err != nil || len(fresh) != 0 {
			t.Fatalf("%d notices of what did not happen, %v", len(fresh), err)
		}
		if out, err := w.Gate.Disclose(t.Context(), r); err != nil || !out.Allowed {
			t.Fatal(out.Reasons, err)
		}
		fresh, err := w.Store.FreshNotices(t.Context(), 10)
		if err != nil || len(fresh) != 1 || fresh[0].Kind != notice.ReviewUnexplained || !fresh[0].At.Equal(w.Clock.Now()) {
			t.Fatalf("what happened has left %+v, %v", fresh, err)
		}
	})
}

func TestTwoNodesNeverSendTheSame(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := world(t, url, nil)
		b := &bag{}
		var list []notice.Notice
		for _, name := range []string{"anne", "bob", "carl", "dora", "manager", "officer1", "officer2", "rssi", "dpo", "admin"} {
			for range 10 {
				list = append(list, notice.Notice{Kind: notice.FactorAdded, To: w.Accounts[name].ID})
			}
		}
		leave(t, w, list...)
		var nodes sync.WaitGroup
		for range 4 {
			p := office(t, w, b)
			nodes.Go(func() {
				for range 30 {
					if err := p.Once(context.Background()); err != nil {
						continue // busy or crossed by another node: it looks again, as Run does
					}
				}
			})
		}
		nodes.Wait()
		once(t, office(t, w, b))
		if got := b.take(); len(got) != len(list) {
			t.Errorf("%d notices, %d mails", len(list), len(got))
		}
	})
}

func TestWhatADyingNodeClaimedIsSentByAnother(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := world(t, url, nil)
		b := &bag{}
		p := office(t, w, b)
		b.failing(post.ErrServer)
		leave(t, w, emergency(w))
		once(t, p) // addressed
		w.Clock.Advance(2 * time.Minute)
		manager := w.Accounts["manager"].ID
		now := w.Clock.Now()
		due, err := w.Store.ClaimDue(t.Context(), manager, now, now.Add(2*time.Minute)) // and this node is killed here
		if err != nil || len(due) != 1 {
			t.Fatal(due, err)
		}
		b.failing(nil)
		other := office(t, w, b)
		once(t, other)
		carried(t, b, "while the claim holds", "rssi review.emergency")
		w.Clock.Advance(2*time.Minute + time.Second)
		once(t, other)
		carried(t, b, "once the claim lapsed", "manager review.emergency")
		// The first node wakes up after all: what it does now changes nothing.
		if mine, err := w.Store.Hold(t.Context(), manager, []int64{due[0].Notice.ID}, now.Add(2*time.Minute), w.Clock.Now().Add(time.Hour)); err != nil || mine {
			t.Errorf("a lapsed claim is prolonged: %v, %v", mine, err)
		}
		if err := w.Store.Settle(t.Context(), manager, []int64{due[0].Notice.ID}, now.Add(2*time.Minute), post.Outcome{State: post.Failed}); err != nil {
			t.Fatal(err)
		}
		if got := states(t, around(t, url)); got[post.Sent] != 2 || got[post.Failed] != 0 {
			t.Errorf("the states are %v", got)
		}
	})
}

// stalling is a courier that takes so long for its first mail that another node looks meanwhile.
type stalling struct {
	bag   *bag
	stall func()
	once  sync.Once
}

func (s *stalling) Carry(ctx context.Context, m post.Mail) error {
	s.once.Do(s.stall)
	return s.bag.Carry(ctx, m)
}

func TestAClaimThatLapsedWhileSendingIsNotSentTwice(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := world(t, url, nil)
		b := &bag{}
		other := office(t, w, b)
		slow := office(t, w, &stalling{bag: b, stall: func() {
			w.Clock.Advance(3 * time.Minute)
			once(t, other)
		}})
		for range 3 {
			leave(t, w, notice.Notice{Kind: notice.FactorAdded, To: w.Accounts["anne"].ID})
		}
		once(t, slow)
		// The mail that was under way goes twice: nobody could know. The other two do not.
		if got := b.take(); len(got) != 4 {
			t.Errorf("three notices are %d mails", len(got))
		}
	})
}

func TestAMailIsTriedAgainEverMoreRarelyAndGivenUp(t *testing.T) {
	w := world(t, storetest.SQLite(t), nil)
	counted := map[string]int{}
	b := &bag{}
	p := office(t, w, b)
	p.Count = func(state string) { counted[state]++ }
	b.failing(errTest)
	leave(t, w, notice.Notice{Kind: notice.FactorAdded, To: w.Accounts["anne"].ID})
	began := w.Clock.Now()
	for counted[post.Failed] == 0 {
		once(t, p)
		w.Clock.Advance(30 * time.Second)
		if w.Clock.Now().Sub(began) > 2*post.GiveUp {
			t.Fatal("it is never given up")
		}
	}
	if after := w.Clock.Now().Sub(began); after < post.GiveUp || after > post.GiveUp+2*time.Hour {
		t.Errorf("it is given up after %v", after)
	}
	if counted["retried"] < 70 || counted["retried"] > 85 { // 1, 2, 4 … 32 minutes, then each hour of three days
		t.Errorf("%d tries", counted["retried"])
	}
	b.failing(nil)
	w.Clock.Advance(24 * time.Hour)
	once(t, p)
	carried(t, b, "what was given up")
}

func TestAServerThatIsGoneIsLeftAloneAndCostsNoTry(t *testing.T) {
	w := world(t, storetest.SQLite(t), nil)
	b := &bag{}
	p := office(t, w, b)
	b.failing(post.ErrServer)
	for _, name := range []string{"anne", "bob", "carl"} {
		leave(t, w, notice.Notice{Kind: notice.FactorAdded, To: w.Accounts[name].ID})
	}
	for range 20 { // ten minutes
		once(t, p)
		w.Clock.Advance(30 * time.Second)
	}
	b.failing(nil)
	w.Clock.Advance(2 * time.Minute)
	once(t, p)
	carried(t, b, "once it answers", "anne factor.added", "bob factor.added", "carl factor.added")
	list, err := p.Told(t.Context(), w.Accounts["bob"].ID)
	if err != nil || len(list) != 1 || list[0].Tries != 0 || list[0].State != post.Sent || !list[0].SentAt.Equal(w.Clock.Now()) {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestASilentMailServerDelaysNoDisclosure(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := world(t, url, nil)
		w.AddPersons(600)
		anne := w.SignIn("anne")
		open(t, w, anne, 81, "")
		p := office(t, w, post.SMTP{Server: mute(t), From: "a@b.example", TLS: "none", Name: "x"})
		ctx, cancel := context.WithCancel(t.Context())
		var post sync.WaitGroup
		post.Go(func() { _ = p.Once(ctx) })
		defer post.Wait()
		defer cancel()
		began := time.Now()
		for _, i := range []int{82, 83, 121, 122} {
			open(t, w, anne, i, "")
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("four disclosures take %v", took)
		}
	})
}

func TestAnEmergencyGoesBeforeAllThatWaits(t *testing.T) {
	w := world(t, storetest.SQLite(t), nil)
	b := &bag{}
	p := office(t, w, b)
	b.failing(post.ErrServer)
	var list []notice.Notice
	for _, name := range []string{"anne", "bob", "carl", "dora", "officer1", "officer2", "dpo"} {
		list = append(list, notice.Notice{Kind: notice.FactorAdded, To: w.Accounts[name].ID})
	}
	leave(t, w, list...)
	once(t, p)
	w.Clock.Advance(2 * time.Hour)
	leave(t, w, emergency(w), notice.Notice{Kind: notice.ContainmentConcerned, To: w.Accounts["admin"].ID})
	b.failing(nil)
	once(t, p)
	for i, m := range b.mails[:2] {
		if m.Kinds[0] != notice.ReviewEmergency {
			t.Errorf("mail %d is %s", i, m.Kinds[0])
		}
	}
	if len(b.mails) != len(list)+3 {
		t.Errorf("%d mails", len(b.mails))
	}
}

func TestWithoutMailNoticesAreShownInTheProgramOnly(t *testing.T) {
	url := storetest.SQLite(t)
	w := world(t, url, nil)
	leave(t, w, emergency(w))
	once(t, office(t, w, nil))
	list, err := office(t, w, nil).Told(t.Context(), w.Accounts["manager"].ID)
	if err != nil || len(list) != 1 || list[0].State != post.Shown || list[0].Notice.Kind != notice.ReviewEmergency {
		t.Fatalf("%+v, %v", list, err)
	}
	b := &bag{}
	once(t, office(t, w, b)) // mail is configured later
	carried(t, b, "what was shown before")
}

func TestWhoMayNotActIsNotToldAndWhoIsConcernedIs(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := world(t, url, nil)
		more := w.Change()
		for _, name := range []string{"manager2", "manager3", "manager4"} {
			more.Accounts = append(more.Accounts, nodetest.Account(name, "A", "A1", ecluse.RoleAccountManager))
		}
		w.Approve(more)
		b := &bag{}
		p := office(t, w, b)
		once(t, p)
		b.take()
		w.SetState("manager", directory.Suspended)
		tell(t, around(t, url), `UPDATE grants SET created = created + 1 WHERE account_id = $1`, int64(w.Accounts["manager2"].ID))
		n := emergency(w)
		n.By = w.Accounts["manager4"].ID // who is a manager and acted herself
		leave(t, w, n)
		once(t, p)
		carried(t, b, "one suspended, one with a dead grant, one who acted", "manager3 review.emergency", "rssi review.emergency")
		leave(t, w, notice.Notice{Kind: notice.ContainmentConcerned, To: w.Accounts["manager"].ID})
		once(t, p)
		if len(b.mails) != 1 || b.mails[0].To != nodetest.Email("manager") {
			t.Fatalf("whose account is suspended is not told: %+v", b.mails)
		}
		contact, err := w.Directory.ContactOf(t.Context(), w.Accounts["manager"].Controller)
		if err != nil || contact == "" || !strings.Contains(b.mails[0].Text, contact) {
			t.Errorf("the mail does not say whom to appeal to (%q): %s", contact, b.mails[0].Text)
		}
		b.take()
		// An address changed around the program gets nothing.
		tell(t, around(t, url), `UPDATE accounts SET email = $2 WHERE id = $1`, int64(w.Accounts["manager3"].ID), "thief@thief.example")
		leave(t, w, notice.Notice{Kind: notice.FactorAdded, To: w.Accounts["manager3"].ID}, emergency(w))
		once(t, p)
		carried(t, b, "an account written around the program", "manager4 review.emergency", "rssi review.emergency")
		if got := states(t, around(t, url)); got[post.Dropped] != 1 {
			t.Errorf("the states are %v", got)
		}
	})
}

func TestAnInvitationBringsItsLinkWhileItIsWorthSomething(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := world(t, url, nil)
		a := nodetest.Account("newcomer", "A", "A1", ecluse.RoleAgent)
		a.IDP, a.Sub, a.State = "", "", ""
		more := w.Change()
		more.Accounts = []directory.AccountChange{a}
		w.Approve(more)
		b := &bag{}
		p := office(t, w, b)
		once(t, p)
		b.take()
		invited := notice.Notice{Kind: notice.AccountInvitation, To: w.Accounts["newcomer"].ID, Organisation: w.Accounts["newcomer"].Organisation}
		leave(t, w, invited)
		once(t, p)
		if len(b.mails) != 1 {
			t.Fatalf("%d mails", len(b.mails))
		}
		text := b.mails[0].Text
		_, rest, found := strings.Cut(text, "https://ecluse.example/invitation/")
		token, _, _ := strings.Cut(rest, "\n")
		if !found || len(token) < 20 || !strings.Contains(text, "ML A") || strings.Contains(text, "newcomer") {
			t.Fatalf("the mail says %q", text)
		}
		b.take()
		if _, err := w.Directory.Bind(t.Context(), token, directory.Identity{IDP: "test/idp", Sub: "x", Email: a.Email}); err != nil {
			t.Fatalf("the link does not work: %v", err)
		}
		leave(t, w, invited)
		once(t, p)
		carried(t, b, "an invitation that was used")
		for _, table := range []string{"notices", "deliveries"} {
			for column, value := range rowsOf(t, around(t, url), table) {
				if strings.Contains(value, token) || strings.Contains(value, "@") {
					t.Errorf("%s.%s holds %q", table, column, value)
				}
			}
		}
	})
}

func TestAMailSaysNothingOfAPersonAndNamesNoAgent(t *testing.T) {
	w := world(t, storetest.SQLite(t), nil)
	w.AddPersons(600)
	s := newServer(t)
	p := office(t, w, s.courier())
	anne := w.SignIn("anne")
	open(t, w, anne, 81, "")
	open(t, w, anne, 121, "")
	open(t, w, anne, 122, "danger")
	once(t, p)
	letters := s.take()
	if len(letters) != 5 {
		t.Fatalf("%d letters", len(letters))
	}
	for _, l := range letters {
		raw := strings.ToLower(body(t, l) + subject(t, l)) // the rest of the head is in TestNoNameAddsAHeaderOrARecipient
		for _, marker := range []string{"zq", "anne", "danger", "p121", "p122", "cried"} {
			if strings.Contains(raw, marker) {
				t.Errorf("a mail holds %q:\n%s", marker, l.raw)
			}
		}
		if !strings.Contains(body(t, l), "https://ecluse.example/reviews") {
			t.Errorf("a mail leads nowhere:\n%s", body(t, l))
		}
	}
}

func TestNoNameAddsAHeaderOrARecipient(t *testing.T) {
	const evil = "ML\r\nBcc: thief@thief.example\r\n\r\nhttps://thief.example/ <b>"
	w := world(t, storetest.SQLite(t), nil)
	url := w.Config.Database.URL
	db, c := around(t, url), directory.Controller{}
	if err := db.QueryRow("SELECT id, code, name FROM controllers WHERE id = $1", int64(w.Accounts["anne"].Controller)).Scan(&c.ID, &c.Code, &c.Name); err != nil {
		t.Fatal(err)
	}
	// As an officer may have written them, by mistake or not.
	tell(t, db, `UPDATE controllers SET dpo = $1, mac = $2 WHERE id = $3`, evil, w.Keys.ControllerMAC(int64(c.ID), c.Code, c.Name, evil), int64(c.ID))
	change := w.Change()
	change.Organisations = []directory.OrganisationChange{{Code: "A", Kind: "association", Name: evil, Territory: "93", State: directory.Active}}
	w.Approve(change)
	s := newServer(t)
	words, err := post.NewWords("en", "Essai\r\nBcc: thief@thief.example", "https://ecluse.example", evil, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	p := post.New(post.Options{Rows: w.Store, Directory: w.Directory, Courier: s.courier(), Words: words, Now: w.Clock.Now})
	for _, k := range notice.Kinds() {
		a := w.Accounts["anne"]
		if k != notice.AccountInvitation {
			leave(t, w, notice.Notice{Kind: k, Controller: a.Controller, Organisation: a.Organisation, To: a.ID})
		}
	}
	once(t, p)
	letters := s.take()
	if len(letters) < len(notice.Kinds())-1 {
		t.Fatalf("%d letters", len(letters))
	}
	allowed := []string{"Mime-Version", "From", "To", "Subject", "Date", "Message-Id", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding"}
	for _, l := range letters {
		if len(l.to) != 1 || strings.Contains(l.to[0], "thief") || l.from != "ecluse@body.example" {
			t.Errorf("from %q to %q", l.from, l.to)
		}
		for name, values := range l.header(t) {
			if !slices.Contains(allowed, name) || len(values) != 1 {
				t.Errorf("header %s: %q", name, values)
			}
		}
		if strings.Contains(body(t, l), "https://thief") || strings.Contains(subject(t, l), "\n") {
			t.Errorf("subject %q, body:\n%s", subject(t, l), body(t, l))
		}
	}
}

func TestAnAddressThatTheServerRefusesIsNotTriedAgain(t *testing.T) {
	url := storetest.SQLite(t)
	w := world(t, url, nil)
	s := newServer(t)
	s.refuse = func(to string) error {
		if strings.HasPrefix(to, "anne") {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user " + to}
		}
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "later " + to}
	}
	var said strings.Builder
	p := office(t, w, s.courier())
	p.Log = logTo(&said)
	leave(t, w, notice.Notice{Kind: notice.FactorAdded, To: w.Accounts["anne"].ID}, notice.Notice{Kind: notice.FactorAdded, To: w.Accounts["bob"].ID})
	once(t, p)
	if got := states(t, around(t, url)); got[post.Failed] != 1 || got[post.Waiting] != 1 {
		t.Errorf("the states are %v", got)
	}
	if strings.Contains(said.String(), "@") || strings.Contains(said.String(), "no such user") {
		t.Errorf("the log names an address: %s", said.String())
	}
	s.refuse = nil
	w.Clock.Advance(time.Minute)
	once(t, p)
	if letters := s.take(); len(letters) != 1 || letters[0].to[0] != nodetest.Email("bob") {
		t.Errorf("%d letters", len(letters))
	}
}

func TestACourierSaysWhetherTheServerOrTheMailIsToBlame(t *testing.T) {
	m := post.Mail{At: nodetest.Start, To: "a@b.example", Subject: "s", Text: "t"}
	for name, c := range map[string]post.SMTP{
		"nobody listens":   {Server: dead(t), From: "a@b.example", TLS: "none", Name: "x"},
		"no STARTTLS":      {Server: newServer(t).address, From: "a@b.example", TLS: "starttls", Name: "x"},
		"no TLS":           {Server: newServer(t).address, From: "a@b.example", TLS: "tls", Name: "x"},
		"no sign-in":       {Server: newServer(t).address, From: "a@b.example", TLS: "none", Name: "x", User: "u", PasswordFile: secret(t)},
		"no password file": {Server: newServer(t).address, From: "a@b.example", TLS: "none", Name: "x", User: "u", PasswordFile: "/nowhere"},
	} {
		if err := c.Carry(t.Context(), m); !errors.Is(err, post.ErrServer) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error holds the password", name)
		}
	}
}

func subject(t testing.TB, l letter) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(l.header(t).Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func body(t testing.TB, l letter) string {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(string(l.raw)))
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
		t.Fatalf("encoded as %s", m.Header.Get("Content-Transfer-Encoding"))
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}
