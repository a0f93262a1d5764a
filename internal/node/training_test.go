package node_test

import (
	"testing"
	"time"

	"ecluse/internal/node"
	"ecluse/internal/node/nodetest"
	"ecluse/internal/store"
	"ecluse/internal/store/storetest"
)

// A certificate that runs is never removed; one that ended goes when its year is over.
func TestRetentionRemovesCertificatesAYearAfterTheirEnd(t *testing.T) {
	w := nodetest.NewTraining(t, storetest.SQLite(t), nil)
	anne, course := w.Accounts["anne"].ID, w.Register.Definition.Training
	exam, err := w.Directory.Exam(t.Context(), w.Actor("anne"), w.Register.ID, course)
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
	if s, err := w.Directory.SitExam(t.Context(), w.Actor("anne"), w.Register.ID, course, exam.Form, answers); err != nil || !s.Passed {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		rows  int
	}{{170 * day, 1}, {200 * day, 1}, {190 * day, 0}} {
		w.Clock.Advance(c.after)
		r, err := w.Retain(t.Context(), node.RetentionOptions{AcceptClock: true, By: "cli:root@test"})
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.Store.Trainings(t.Context(), anne)
		if err != nil || len(list) != c.rows || int(r.Removed[store.PurgedTrainings]) != 1-c.rows {
			t.Errorf("after %v more: %d rows, %d removed (%v)", c.after, len(list), r.Removed[store.PurgedTrainings], err)
		}
	}
}
