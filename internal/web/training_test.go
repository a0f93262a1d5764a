package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/gate"
	"ecluse/internal/training"
)

// fakePupil is the directory behind the pages of training: its exam is always the same.
type fakePupil struct {
	course directory.Training
	sat    int
}

func (f *fakePupil) Exam(_ context.Context, _ directory.Actor, _ ecluse.RegisterID, c *training.Course) (directory.Exam, error) {
	return directory.Exam{Exam: c.Draw(make([]byte, 32)), Form: "the-form", Training: f.course}, nil
}

func (f *fakePupil) SitExam(_ context.Context, _ directory.Actor, _ ecluse.RegisterID, c *training.Course, form string, given [][]int) (directory.Sitting, error) {
	if form != "the-form" {
		return directory.Sitting{}, directory.ErrExam
	}
	f.sat++
	e := c.Draw(make([]byte, 32))
	s := directory.Sitting{Exam: e, Result: e.Grade(given), Training: directory.Training{Tries: 1, Since: testNow}}
	if s.Passed {
		s.Training.Ends = testNow.AddDate(0, c.Months, 0)
	}
	return s, nil
}

const trainingML = "/training/mission-locale"

// filled are the answers to the fake's exam, so many of them wrong.
func filled(wrong int) string {
	form := url.Values{"form": {"the-form"}}
	for i, q := range parsed("mission-locale", 1).Definition.Training.Draw(make([]byte, 32)).Questions {
		for k, c := range q.Choices {
			if c.Right != (i < wrong) {
				form.Add(questionName(i), fmt.Sprint(k))
			}
		}
	}
	return form.Encode()
}

func untrained(f *fakeRooms) { f.standing.Trainings = nil }

func certified(until time.Time) func(*fakeRooms) {
	return func(f *fakeRooms) {
		f.standing.Trainings[0].Ends = until
		f.course = f.standing.Trainings[0]
	}
}

func spent(f *fakeRooms) {
	f.course = directory.Training{Tries: directory.ExamsADay, Since: testNow.Add(-time.Hour)}
}

func init() { status["exam-error"], status["refusal-training"] = 422, 403 }

func statesOfTraining() map[string]state {
	return map[string]state{
		"trainings": with(get("/training"), bothRegisters), "trainings-none": with(get("/training"), func(f *fakeRooms) { f.standing.Mandates = nil }),
		"training": get(trainingML), "training-due": with(get(trainingML), certified(testNow.AddDate(0, 0, 12))), "training-over": with(get(trainingML), certified(testNow.AddDate(0, 0, -3))),
		"training-spent": with(get(trainingML), spent), "exam": get(trainingML + "/exam"), "exam-error": post(trainingML+"/exam", "form=the-form&q1=0&q3=1"),
		"exam-failed": post(trainingML+"/exam", filled(3)), "exam-passed": post(trainingML+"/exam", filled(1)),
		"desk-untrained": with(get(deskML+"?purpose=emploi"), untrained), "desk-due": with(get(deskML+"?purpose=emploi"), certified(testNow.AddDate(0, 0, 12))),
		"refusal-training": with(post(deskML+"/search", typedMarie), noHit(ecluse.ReasonTraining)),
	}
}

func TestAnExamIsTakenOnlyWhenEveryQuestionIsAnswered(t *testing.T) {
	f := newFake(t)
	s := newSite(t, f)
	w := send(s, "POST", trainingML+"/exam", "form=the-form&q1=0&q3=1&q4=99&q5=x")
	body := w.Body.String()
	if w.Code != http.StatusUnprocessableEntity || f.sat != 0 || strings.Count(body, `class="error"`) != 6 || !strings.Contains(body, `href="#q2-0"`) || !strings.Contains(body, `id="q1-0" name="q1" value="0" checked`) {
		t.Errorf("%d, taken %d times", w.Code, f.sat)
	}
	if w := send(s, "POST", trainingML+"/exam", strings.Replace(filled(0), "the-form", "an-older-form", 1)); w.Code != http.StatusConflict || f.sat != 0 {
		t.Errorf("another exam's form: %d, taken %d times", w.Code, f.sat)
	}
	w = send(s, "POST", trainingML+"/exam", filled(2))
	if body := w.Body.String(); w.Code != http.StatusOK || f.sat != 1 || strings.Count(body, "À revoir") != 2 || !strings.Contains(body, "6 réponses justes sur 8") {
		t.Errorf("%d, taken %d times: %s", w.Code, f.sat, between(body, "<h1", "</h1>"))
	}
	if w = send(s, "POST", trainingML+"/exam", filled(0)); !strings.Contains(w.Body.String(), "21 mai 2027") {
		t.Error("the page does not say how long the certificate is valid")
	}
	f.course.Tries, f.course.Since = directory.ExamsADay, testNow
	if w := send(s, "GET", trainingML+"/exam", ""); w.Header().Get("Location") != trainingML {
		t.Errorf("a fourth exam is shown: %d", w.Code)
	}
	if w := send(s, "GET", "/training/licences-sport", ""); w.Code != http.StatusNotFound {
		t.Errorf("a register that is not the caller's: %d", w.Code)
	}
}

// The page of an exam does not tell which choice is right: not by order, name or mark.
func TestAnExamDoesNotTellItsAnswers(t *testing.T) {
	body := send(newSite(t, newFake(t)), "GET", trainingML+"/exam", "").Body.String()
	exam := parsed("mission-locale", 1).Definition.Training.Draw(make([]byte, 32))
	for i, q := range exam.Questions {
		if strings.Contains(body, q.Why.FR[:30]) {
			t.Errorf("question %d is explained", i+1)
		}
		for k := range q.Choices {
			if !strings.Contains(body, fmt.Sprintf(`id="q%d-%d" name="q%d" value="%d">`, i+1, k, i+1, k)) {
				t.Errorf("choice %d of question %d is not like the others", k, i+1)
			}
		}
	}
}

func TestASearchForAnEmergencyIsOfferedWhereTheTrainingIsMissing(t *testing.T) {
	f := newFake(t)
	noHit(ecluse.ReasonTraining)(f)
	s := newSite(t, f)
	body := send(s, "POST", deskML+"/search", typedMarie).Body.String()
	for _, part := range []string{`href="/training/mission-locale"`, `name="emergency" value="danger"`, `name="surname" value="Lefevre"`} {
		if !strings.Contains(body, part) {
			t.Errorf("the refusal does not hold %s", part)
		}
	}
	f.search = gate.SearchOutcome{Allowed: true, Hits: []gate.Hit{{Handle: "h1", Relation: "site", Exact: true}}}
	if w := send(s, "POST", deskML+"/search", typedMarie+"&emergency=danger"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), handleML+"/emergency") {
		t.Errorf("%d", w.Code)
	}
}

// An account manager sees whether a colleague's training is up to date: not how often she tried.
func TestTheTrainingOfColleaguesIsAStateAndADay(t *testing.T) {
	f := newFake(t)
	f.standing.Roles = []ecluse.Role{ecluse.RoleAccountManager}
	m := directory.Member{Account: directory.Account{ID: 11, GivenName: "Nadia", UsualName: "Ferrand"}, Now: directory.Active}
	m.Trainings = []directory.Training{{Account: 11, Register: 1, Exams: 4711, Tries: 3, Since: testNow, Ends: testNow.AddDate(0, 0, -3)}}
	f.team = []directory.Member{m}
	s := newSite(t, f)
	for _, path := range []string{"/colleagues", "/colleagues/a11"} {
		body := send(s, "GET", path, "").Body.String()
		if !strings.Contains(body, "18 novembre 2026") || strings.Contains(body, "4711") || strings.Contains(body, "essai") {
			t.Errorf("%s: %s", path, between(body, "<table", "</table>"))
		}
	}
}
