package directory_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store/storetest"
)

var operator = directory.Actor{CLI: "cli:root@host"}

func TestWhatACommandAskedForTakesTwoOfficers(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		w.AddSecondRegister(2)
		a, err := w.Directory.Submit(t.Context(), operator, newcomer(w, "nina"))
		if err != nil {
			t.Fatal(err)
		}
		var refused *directory.RefusedError
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), a.ID, true); !errors.As(err, &refused) || !slices.Contains(refused.Reasons, ecluse.ReasonDualControl) {
			t.Errorf("one officer and a command suffice: %v", err)
		}
		weak := w.Actor("officer1")
		weak.Strong = false
		for what, c := range map[string]struct {
			by   directory.Actor
			want error
		}{
			"an agent": {w.Actor("anne"), directory.ErrDualControl}, "a manager": {w.Actor("manager"), directory.ErrDualControl},
			"a weak session": {weak, directory.ErrWeak}, "another body's officer": {w.Actor("sofficer1"), directory.ErrNotFound},
		} {
			if err := w.Directory.TakeUp(t.Context(), c.by, a.ID); !errors.Is(err, c.want) {
				t.Errorf("%s takes it up: %v", what, err)
			}
		}
		if err := w.Directory.TakeUp(t.Context(), w.Actor("officer1"), a.ID); err != nil {
			t.Fatal(err)
		}
		for _, who := range []string{"officer1", "officer2"} {
			if err := w.Directory.TakeUp(t.Context(), w.Actor(who), a.ID); !errors.Is(err, directory.ErrDecided) {
				t.Errorf("%s takes it up again: %v", who, err)
			}
		}
		if err := w.Directory.Decide(t.Context(), w.Actor("officer1"), a.ID, true); !errors.Is(err, directory.ErrDualControl) || known(w, "nina") {
			t.Errorf("who took it up approves: %v", err)
		}
		decided(t, w, "officer2", a.ID)
		if !known(w, "nina") {
			t.Error("it has no effect")
		}
		unwanted, err := w.Directory.Submit(t.Context(), operator, newcomer(w, "olga"))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Directory.Decide(t.Context(), w.Actor("officer2"), unwanted.ID, false); err != nil {
			t.Errorf("nobody can refuse it: %v", err)
		}
		verified(t, w)
	})
}

func TestOfSeveralWhoTakeUpARequestOneDoes(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		w := nodetest.New(t, url, nil)
		a, err := w.Directory.Submit(t.Context(), operator, newcomer(w, "nina"))
		if err != nil {
			t.Fatal(err)
		}
		var took atomic.Int64
		var wg sync.WaitGroup
		for _, who := range []string{"officer1", "officer2", "admin", "officer1"} {
			wg.Go(func() {
				switch err := w.Directory.TakeUp(context.Background(), w.Actor(who), a.ID); {
				case err == nil:
					took.Add(1)
				case !errors.Is(err, directory.ErrDecided):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took.Load() != 1 {
			t.Errorf("%d took it up", took.Load())
		}
	})
}

func TestACommandEndsTheObservationOfEveryBody(t *testing.T) {
	w := nodetest.New(t, storetest.SQLite(t), nil)
	a, err := w.Directory.SubmitObserve(t.Context(), operator, w.Change().Controller, directory.ObserveChange{Register: w.Register.ID, RegisterCode: w.Register.Code, Days: 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Directory.TakeUp(t.Context(), w.Actor("admin"), a.ID); err != nil {
		t.Fatal(err)
	}
	decided(t, w, "officer1", a.ID)
	observed := func() bool {
		s := standing(t, w, w.Accounts["anne"].ID)
		return len(s.Observations) == 1 && s.Observations[0].Runs(w.Clock.Now())
	}
	if !observed() {
		t.Fatal("it is not observed")
	}
	if err := w.Directory.Enforce(t.Context(), operator, w.Register.ID); err != nil || observed() {
		t.Errorf("it goes on: %v", err)
	}
	if err := w.Directory.Enforce(t.Context(), operator, w.Register.ID); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("it is ended twice: %v", err)
	}
	if _, err := w.Directory.Submit(t.Context(), w.Actor("officer1"), newcomer(w, "nina")); !errors.Is(err, directory.ErrDualControl) {
		t.Errorf("an account submits as a command does: %v", err)
	}
}
