package directory_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/ledger"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
	"ecluse/internal/training"
)

// answers are the right ones of an exam, or for so many questions none.
func answers(e training.Exam, wrong int) [][]int {
	all := make([][]int, len(e.Questions))
	for i, q := range e.Questions {
		for k, c := range q.Choices {
			if c.Right && i >= wrong {
				all[i] = append(all[i], k)
			}
		}
	}
	return all
}

func exam(t testing.TB, w *nodetest.World, who string) directory.Exam {
	t.Helper()
	e, err := w.Directory.Exam(t.Context(), w.Actor(who), w.Register.ID, w.Register.Definition.Training)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func sit(t testing.TB, w *nodetest.World, who, form string, given [][]int) (directory.Sitting, error) {
	t.Helper()
	return w.Directory.SitExam(t.Context(), w.Actor(who), w.Register.ID, w.Register.Definition.Training, form, given)
}

func trained(t testing.TB, w *nodetest.World, who string) bool {
	t.Helper()
	s, err := w.Directory.Standing(t.Context(), w.Accounts[who].ID)
	if err != nil {
		t.Fatal(err)
	}
	return s.Trained(w.Register.ID, w.Clock.Now())
}

func pass(t testing.TB, w *nodetest.World, who string) {
	t.Helper()
	e := exam(t, w, who)
	if s, err := sit(t, w, who, e.Form, answers(e.Exam, 0)); err != nil || !s.Passed {
		t.Fatalf("%s did not pass: %v", who, err)
	}
}

func TestACertificateIsObtainedByItsOwnerAndEnds(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.NewTraining(t, url, nil)
		if trained(t, w, "anne") {
			t.Fatal("an account has a certificate that it never obtained")
		}
		e := exam(t, w, "anne")
		failed, err := sit(t, w, "anne", e.Form, answers(e.Exam, 2))
		if err != nil || failed.Passed || failed.Score != 6 || slices.Index(failed.Right, true) != 2 || trained(t, w, "anne") {
			t.Fatalf("two wrong of eight: %v %+v", err, failed.Result)
		}
		next := exam(t, w, "anne")
		if next.Form == e.Form || next.Training.Exams != 1 {
			t.Error("the same exam is asked again")
		}
		passed, err := sit(t, w, "anne", next.Form, answers(next.Exam, 1))
		if err != nil || !passed.Passed || !trained(t, w, "anne") {
			t.Fatalf("one wrong of eight: %v %+v", err, passed.Result)
		}
		if want := w.Clock.Now().AddDate(0, 6, 0); !passed.Training.Ends.Equal(want) {
			t.Errorf("it ends %v, want %v", passed.Training.Ends, want)
		}
		if trained(t, w, "bob") {
			t.Error("a colleague has it too")
		}
		w.Reopen()
		w.Clock.Advance(passed.Training.Ends.Sub(w.Clock.Now()) - time.Second)
		if !trained(t, w, "anne") {
			t.Error("it ends early, or not for good")
		}
		w.Clock.Advance(time.Second)
		if trained(t, w, "anne") {
			t.Error("it never ends")
		}
		verified(t, w)
	})
}

// The attacks on the exam itself: each form is good for its account, once.
func TestAnExamIsOnlyTheNextOneOfItsAccountAndCourse(t *testing.T) {
	w := nodetest.NewTraining(t, storetest.SQLite(t), nil)
	e := exam(t, w, "anne")
	right := answers(e.Exam, 0)
	other, err := training.Parse("other", slices.Concat(w.Register.Definition.File("training.toml"), []byte("# changed\n")))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, who, form string, c *training.Course) {
		t.Helper()
		_, err := w.Directory.SitExam(t.Context(), w.Actor(who), w.Register.ID, c, form, right)
		if !errors.Is(err, directory.ErrExam) || trained(t, w, who) {
			t.Errorf("%s: %v", what, err)
		}
	}
	course := w.Register.Definition.Training
	refused("answers without an exam", "anne", "", course)
	refused("a made-up form", "anne", strings.Repeat("A", len(e.Form)), course)
	refused("another account's exam", "bob", e.Form, course)
	refused("the exam of another version of the course", "anne", e.Form, other)
	if got := exam(t, w, "anne"); got.Training.Exams != 0 {
		t.Errorf("%d exams were counted", got.Training.Exams)
	}
	if _, err := sit(t, w, "anne", e.Form, answers(e.Exam, 8)); err != nil {
		t.Fatal(err)
	}
	refused("the same form again, now with the right answers", "anne", e.Form, course)
	for _, who := range []string{"manager", "officer1"} {
		_, err := w.Directory.Exam(t.Context(), w.Actor(who), w.Register.ID, course)
		if !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s, who opens no files: %v", who, err)
		}
	}
	if _, err := w.Directory.Exam(t.Context(), w.Actor("anne"), w.Register.ID+99, course); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("a register that is not hers: %v", err)
	}
}

func TestExamsCannotBeTriedWithoutEnd(t *testing.T) {
	w := nodetest.NewTraining(t, storetest.SQLite(t), nil)
	for range directory.ExamsADay {
		e := exam(t, w, "anne")
		if _, err := sit(t, w, "anne", e.Form, nil); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(time.Hour)
	}
	e := exam(t, w, "anne")
	if left, more := e.Training.Left(w.Clock.Now()); left != 0 || !more.Equal(nodetest.Start.Add(24*time.Hour)) && more.Sub(w.Clock.Now()) > 21*time.Hour {
		t.Errorf("%d left, more at %v", left, more)
	}
	if _, err := sit(t, w, "anne", e.Form, answers(e.Exam, 0)); !errors.Is(err, directory.ErrExamsADay) || trained(t, w, "anne") {
		t.Fatalf("a fourth exam within a day, with the right answers: %v", err)
	}
	w.Reopen() // counted durably
	if _, err := sit(t, w, "anne", e.Form, answers(e.Exam, 0)); !errors.Is(err, directory.ErrExamsADay) {
		t.Fatalf("after a restart: %v", err)
	}
	w.Clock.Advance(21 * time.Hour)
	pass(t, w, "anne")
	if again := exam(t, w, "anne"); again.Form == e.Form {
		t.Error("the exam that was passed is asked again")
	}
}

// Whoever posts one form many times at once gets one grading.
func TestOneFormSentManyTimesAtOnceCountsOnce(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.NewTraining(t, url, nil)
		e := exam(t, w, "anne")
		var all sync.WaitGroup
		errs := make(chan error, 12)
		for i := range cap(errs) {
			all.Go(func() {
				given := make([][]int, len(e.Questions)) // a search for the right ones
				for k := range given {
					given[k] = []int{(i + k) % 3}
				}
				_, err := w.Directory.SitExam(t.Context(), w.Actor("anne"), w.Register.ID, w.Register.Definition.Training, e.Form, given)
				errs <- err
			})
		}
		all.Wait()
		close(errs)
		taken := 0
		for err := range errs {
			if err == nil {
				taken++
			} else if !errors.Is(err, directory.ErrExam) && !errors.Is(err, ledger.ErrBusy) {
				t.Error(err)
			}
		}
		if got := exam(t, w, "anne").Training; taken != 1 || got.Exams != 1 || got.Tries != 1 {
			t.Errorf("%d were graded: %+v", taken, got)
		}
		verified(t, w)
	})
}

func TestACertificateWrittenAroundTheProgramIsNone(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.NewTraining(t, url, nil)
		pass(t, w, "anne")
		e := exam(t, w, "bob")
		if _, err := sit(t, w, "bob", e.Form, nil); err != nil {
			t.Fatal(err)
		}
		db := around(t, url)
		anne, bob, carl := int64(w.Accounts["anne"].ID), int64(w.Accounts["bob"].ID), int64(w.Accounts["carl"].ID)
		tamper(t, db, `UPDATE trainings SET ends = (SELECT ends FROM trainings WHERE account_id = $1) WHERE account_id = $2`, anne, bob)
		tamper(t, db, `INSERT INTO trainings (account_id, register_id, exams, tries, since, ends, entry, mac)
			SELECT $2, register_id, exams, tries, since, ends, entry, mac FROM trainings WHERE account_id = $1`, anne, carl)
		tamper(t, db, `UPDATE trainings SET ends = ends + 1 WHERE account_id = $1`, anne)
		w.Reopen()
		for _, who := range []string{"anne", "bob", "carl"} {
			if trained(t, w, who) {
				t.Errorf("%s has a certificate that the program did not write", who)
			}
		}
	})
}

func TestOnlyANewAccountBringsACertificateAndTheApproverSeesIt(t *testing.T) {
	w := nodetest.NewTraining(t, storetest.SQLite(t), nil)
	until := w.Clock.Now().AddDate(0, 4, 0).Truncate(24 * time.Hour)
	change := newcomer(w, "nina")
	change.Accounts[0].Trained = []directory.TrainedChange{{Register: w.Register.ID, Until: until}}
	a, err := w.Directory.Request(t.Context(), w.Actor("officer1"), change)
	if err != nil {
		t.Fatal(err)
	}
	diff, err := a.Diff()
	if err != nil || len(diff.Accounts) != 1 || !strings.Contains(diff.Accounts[0].Text(), "trained: mission-locale "+until.Format(time.DateOnly)) {
		t.Errorf("the approver sees %+v (%v)", diff.Accounts, err)
	}
	if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), a.ID, true); err != nil {
		t.Fatal(err)
	}
	s, err := w.Directory.ByIdentity(t.Context(), "test/idp", "sub-nina")
	if err != nil {
		t.Fatal(err)
	}
	w.Accounts["nina"] = s
	if !trained(t, w, "nina") {
		t.Error("nina has no certificate")
	}
	known := w.Change()
	known.Accounts = []directory.AccountChange{nodetest.Account("anne", "A", "A2", ecluse.RoleAgent)}
	known.Accounts[0].Trained = change.Accounts[0].Trained
	if _, err := w.Directory.Request(t.Context(), w.Actor("officer1"), known); !errors.Is(err, directory.ErrCertificate) {
		t.Errorf("a certificate for an account that is there: %v", err)
	}
	for what, until := range map[string]time.Time{"without an end": {}, "for two years": w.Clock.Now().AddDate(2, 0, 0)} {
		long := newcomer(w, "olga")
		long.Accounts[0].Trained = []directory.TrainedChange{{Register: w.Register.ID, Until: until}}
		if _, err := w.Directory.Request(t.Context(), w.Actor("officer1"), long); !errors.Is(err, directory.ErrCertificate) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
