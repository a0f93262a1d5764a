package directory

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"ecluse"
	"ecluse/internal/ledger"
	"ecluse/internal/policy"
	"ecluse/internal/training"
)

// Domains of the MAC of a row, of what an exam is drawn from, and of the word that its form carries.
const (
	trainingDomain = "directory/trainings/v1"
	examSeedDomain = "directory/exam-seed/v1"
	examFormDomain = "directory/exam-form/v1"
)

// How exams are taken and certificates renewed.
const (
	ExamsADay       = 3 // in 24 h from the first of them
	TrainingDue     = 30 * 24 * time.Hour
	TrainingLongest = 366 * 24 * time.Hour // no certificate lasts longer
)

// What an account's training in a register is worth at an instant.
const (
	TrainingNone    = "none"    // never passed, or longer ago than certificates are kept
	TrainingValid   = "valid"   // the certificate runs
	TrainingEnding  = "due"     // it runs, and is to be renewed within TrainingDue
	TrainingExpired = "expired" // it ran
)

// Errors of exams, beside ErrNotFound: the account does not work with the register.
var (
	// ErrExam: the form is not that of the exam that this account takes next: it was sent before, it is
	// somebody else's, or the course was changed meanwhile.
	ErrExam = errors.New("this is not the exam that the account takes next")
	// ErrExamsADay: the account took ExamsADay exams within 24 h.
	ErrExamsADay = fmt.Errorf("an account takes at most %d exams a day", ExamsADay)
	// ErrCertificate: a change gives a certificate without an end, one that lasts longer than any may, or one to
	// an account that is there already.
	ErrCertificate = errors.New("only a new account brings a certificate, which ends within a year")
)

// Training is what an account has done of a register's training, and its certificate. It belongs to the account,
// which is its owner's for good (decision 0013): a new identity or a return keeps it, a colleague cannot have it.
// Answers and scores are kept nowhere.
type Training struct {
	Account  ecluse.AccountID
	Register ecluse.RegisterID
	Exams    int64     // taken in all; which questions the next one asks follows from it
	Tries    int64     // of those, since Since
	Since    time.Time // the first of those that ExamsADay counts, zero = none
	Ends     time.Time // of the certificate, excluded; zero = there is none
	Entry    ecluse.EntryNumber
	MAC      []byte
}

func (t Training) canonical() []byte {
	return row(int64(t.Account), int64(t.Register), t.Exams, t.Tries, t.Since, t.Ends, int64(t.Entry))
}

// State is what the training is worth at an instant.
func (t Training) State(at time.Time) string {
	switch {
	case t.Ends.IsZero():
		return TrainingNone
	case !at.Before(t.Ends):
		return TrainingExpired
	case !at.Before(t.Ends.Add(-TrainingDue)):
		return TrainingEnding
	}
	return TrainingValid
}

// Left is how many exams may be taken at an instant, and from when there will be more; zero while there are
// ExamsADay.
func (t Training) Left(at time.Time) (left int, more time.Time) {
	if next := t.Since.Add(24 * time.Hour); !t.Since.IsZero() && at.Before(next) {
		return max(0, ExamsADay-int(t.Tries)), next
	}
	return ExamsADay, time.Time{}
}

// taken is the training after one exam more: ErrExamsADay.
func (t Training) taken(at time.Time) (Training, error) {
	left, more := t.Left(at)
	if left == 0 {
		return t, ErrExamsADay
	}
	if more.IsZero() {
		t.Since, t.Tries = at, 0
	}
	t.Exams++
	t.Tries++
	return t, nil
}

// TrainingRows reads trainings.
type TrainingRows interface {
	// Trainings are those of an account.
	Trainings(ctx context.Context, a ecluse.AccountID) ([]Training, error)
	// TrainingsOf are those of an organisation's accounts.
	TrainingsOf(ctx context.Context, o ecluse.OrganisationID) ([]Training, error)
}

// TrainingTx is what an exam needs of its transaction. *store.Tx implements it.
type TrainingTx interface {
	Trainings(ctx context.Context, a ecluse.AccountID) ([]Training, error)
	// PutTrainings writes those of accounts and registers, new or changed.
	PutTrainings(ctx context.Context, list ...Training) error
}

func (d *Directory) validTrainings(list []Training) []Training {
	return slices.DeleteFunc(list, func(t Training) bool { return !d.valid(trainingDomain, int64(t.Account), t.MAC, t.canonical()) })
}

// signTraining is a training with its MAC.
func (d *Directory) signTraining(t Training) Training {
	t.MAC = d.keys.MAC(trainingDomain, t.canonical())
	return t
}

// trainingOf picks the training of an account in a register; one that was never begun, or whose row is dead, is none.
func trainingOf(list []Training, a ecluse.AccountID, reg ecluse.RegisterID) Training {
	for _, t := range list {
		if t.Account == a && t.Register == reg {
			return t
		}
	}
	return Training{Account: a, Register: reg}
}

// readTrainings reads the certificates of an account.
func (d *Directory) readTrainings(ctx context.Context, s *Standing) error {
	list, err := d.rows.Trainings(ctx, s.Account.ID)
	if err != nil {
		return fmt.Errorf("read the trainings of account %d: %w", s.Account.ID, err)
	}
	s.Trainings = d.validTrainings(list)
	return nil
}

// Trained reports whether the account may open files of a register that asks for a training. A program takes no
// exam: whoever it acts for has to have passed (Standing of that account).
func (s Standing) Trained(reg ecluse.RegisterID, at time.Time) bool {
	return s.Account.Kind == KindClient || at.Before(s.Training(reg).Ends)
}

// Training is the account's certificate in a register, as of the standing's revision. How many exams were taken
// may be more by now (Exam).
func (s Standing) Training(reg ecluse.RegisterID) Training {
	return trainingOf(s.Trainings, s.Account.ID, reg)
}

// Exam is an exam that an account may take.
type Exam struct {
	training.Exam
	Form     string // names this exam; it goes with the answers
	Training Training
}

// Exam draws the exam that the actor's account takes next in a register. Nothing is written: until it is taken,
// the same one is drawn each time, so that nobody looks for easier questions. ErrNotFound, ErrInactive, ErrWeak.
func (d *Directory) Exam(ctx context.Context, by Actor, reg ecluse.RegisterID, c *training.Course) (Exam, error) {
	_, have, err := d.pupil(ctx, by, reg)
	if err != nil {
		return Exam{}, fmt.Errorf("draw an exam: %w", err)
	}
	return d.draw(have, c), nil
}

// pupil is who takes exams of a register: an agent with a mandate on it, running or not.
func (d *Directory) pupil(ctx context.Context, by Actor, reg ecluse.RegisterID) (Standing, Training, error) {
	s, err := d.actor(ctx, by, assured)
	if err != nil {
		return s, Training{}, err
	}
	works := slices.ContainsFunc(s.Mandates, func(m policy.Mandate) bool { return m.Register == reg })
	if !works || s.Account.Kind == KindClient {
		return s, Training{}, ErrNotFound
	}
	list, err := d.rows.Trainings(ctx, by.Account)
	if err != nil {
		return s, Training{}, fmt.Errorf("read the trainings of account %d: %w", by.Account, err)
	}
	return s, trainingOf(d.validTrainings(list), by.Account, reg), nil
}

// draw is the next exam of a training. Its questions follow from who takes which exam of which course, under a
// key: nobody can foresee them, nor choose them, and no table has to keep them.
func (d *Directory) draw(t Training, c *training.Course) Exam {
	which := row(int64(t.Account), int64(t.Register), t.Exams, string(c.Digest()))
	return Exam{
		Exam: c.Draw(d.keys.MAC(examSeedDomain, which)), Training: t,
		Form: base64.RawURLEncoding.EncodeToString(d.keys.MAC(examFormDomain, which)),
	}
}

// Sitting is an exam that was taken.
type Sitting struct {
	training.Exam
	training.Result
	Training Training // after it
}

// SitExam grades the answers to the exam that Exam drew, and writes down that it was taken, whatever came of it:
// a form counts once. Who passes has the certificate in the same transaction. Errors: ErrExam, ErrExamsADay,
// ErrNotFound, ErrInactive, ErrWeak.
func (d *Directory) SitExam(ctx context.Context, by Actor, reg ecluse.RegisterID, c *training.Course, form string, answers [][]int) (s Sitting, err error) {
	_, err = d.ledger.AppendFresh(ctx, func() ([]ledger.Candidate, error) {
		standing, have, err := d.pupil(ctx, by, reg)
		if err != nil {
			return nil, err
		}
		exam := d.draw(have, c)
		if !hmac.Equal([]byte(form), []byte(exam.Form)) {
			return nil, ErrExam
		}
		s = Sitting{Exam: exam.Exam, Result: exam.Grade(answers)}
		candidate := ledger.Candidate{
			Kind: ledger.KindDirectory, Register: reg, Account: by.Account, Organisation: standing.Account.Organisation, Session: by.Session,
			Detail: ledger.Detail{What: "training failed", By: by.CLI}, Revision: standing.Rev,
			Effect: func(ctx context.Context, tx ledger.Tx, e *ledger.Entry) (err error) {
				s.Training, err = d.sit(ctx, tx, e, have, s.Passed, c.Months)
				return err
			},
		}
		if s.Passed {
			candidate.Detail.What, candidate.NewRevision = "training passed", true
		}
		return []ledger.Candidate{candidate}, nil
	})
	if err != nil {
		return Sitting{}, fmt.Errorf("take an exam: %w", err)
	}
	return s, nil
}

// sit writes an exam down under the lock, unless another one was taken since have was read: ledger.ErrStale.
func (d *Directory) sit(ctx context.Context, tx ledger.Tx, e *ledger.Entry, have Training, passed bool, months int) (Training, error) {
	list, err := tx.(TrainingTx).Trainings(ctx, have.Account)
	if err != nil {
		return have, fmt.Errorf("read the trainings of account %d: %w", have.Account, err)
	}
	if trainingOf(d.validTrainings(list), have.Account, have.Register).Exams != have.Exams {
		return have, ledger.ErrStale
	}
	t, err := have.taken(e.At)
	if err != nil {
		return have, err
	}
	if passed {
		t.Ends = e.At.AddDate(0, months, 0)
	}
	t.Entry = e.N
	t = d.signTraining(t)
	return t, tx.(TrainingTx).PutTrainings(ctx, t)
}
