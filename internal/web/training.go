package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/register"
	"ecluse/internal/training"
)

// pupils is what these pages ask of the directory.
type pupils interface {
	Exam(ctx context.Context, by directory.Actor, reg ecluse.RegisterID, c *training.Course) (directory.Exam, error)
	SitExam(ctx context.Context, by directory.Actor, reg ecluse.RegisterID, c *training.Course, form string, answers [][]int) (directory.Sitting, error)
}

// courseView is the training of a register and what the reader's certificate is worth.
type courseView struct {
	Register Label
	State    string // directory.Training…
	Ends     time.Time
	Href     string // of the training, "" = the register asks for none
}

// Lacks reports whether the reader opens nothing before she passes.
func (v courseView) Lacks() bool {
	return v.Href != "" && v.State != directory.TrainingValid && v.State != directory.TrainingEnding
}

// trainingsPage lets an agent of several registers choose one.
type trainingsPage struct{ Courses []courseView }

// trainingPage is a course to read, and the way to its exam.
type trainingPage struct {
	Course                  courseView
	Lessons                 []training.Lesson
	Questions, Pass, Months int
	Left                    int
	More                    machineTime // when there are more exams, zero = there is one now
	Exam, Desk              string
}

// examPage asks the questions of one exam.
type examPage struct {
	Course    courseView
	Questions []questionView
	Pass      int
	Form      string
	Action    string
	Back      string
	Faults    []fault
}

type questionView struct {
	options
	Several bool
}

// examResultPage says at once what was wrong, and why.
type examResultPage struct {
	Course        courseView
	Passed        bool
	Score, Pass   int
	Items         []answerView
	Left          int
	More          machineTime
	Exam, Lessons string
	Desk          string
}

// answerView is a question with what was answered and what is right.
type answerView struct {
	Text, Why     Label
	Right         bool
	Given, Wanted []Label
}

// courseOf is the training that a register asks of whoever opens its files, nil = none.
func courseOf(reg *register.Register) *training.Course {
	return reg.Definition.Training
}

// viewCourse says where the caller stands in the training of a register.
func (s *Site) viewCourse(reg *register.Register, t directory.Training) courseView {
	v := courseView{Register: reg.Schema.Label, State: t.State(s.now()), Ends: t.Ends}
	if courseOf(reg) != nil {
		v.Href = localPath("training", reg.Code)
	}
	return v
}

// trainings sends an agent with one training there and lets the others choose.
func (s *Site) trainings(q *query) (answer, error) {
	var page trainingsPage
	for _, id := range registersOfCaller(q.standing) {
		reg, err := s.rooms.Registers.ByID(q.Context(), id)
		if err != nil {
			return answer{}, err
		}
		if v := s.viewCourse(reg, q.standing.Training(id)); v.Href != "" {
			page.Courses = append(page.Courses, v)
		}
	}
	if len(page.Courses) == 1 {
		return redirect(page.Courses[0].Href)
	}
	return show("trainings", page)
}

// exam is the register of the address, its course and the caller's next exam. A register without a training
// answers as one that does not exist.
func (s *Site) exam(q *query) (*register.Register, *training.Course, directory.Exam, error) {
	p, err := s.place(q, "")
	if err != nil {
		return nil, nil, directory.Exam{}, err
	}
	c := courseOf(p.register)
	if c == nil {
		return nil, nil, directory.Exam{}, register.ErrUnknownRegister
	}
	e, err := s.rooms.Directory.Exam(q.Context(), q.actor(), p.register.ID, c)
	return p.register, c, e, err
}

// training shows the lessons.
func (s *Site) training(q *query) (answer, error) {
	reg, c, e, err := s.exam(q)
	if err != nil {
		return answer{}, err
	}
	page := trainingPage{
		Course: s.viewCourse(reg, e.Training), Lessons: c.Lessons, Questions: c.Questions, Pass: c.Pass, Months: c.Months,
		Exam: localPath("training", reg.Code, "exam"), Desk: localPath("desk", reg.Code),
	}
	page.Left, page.More = s.examsLeft(e.Training)
	return show("training", page)
}

// examsLeft is how many exams the caller may take now, and when there are more if there is none.
func (s *Site) examsLeft(t directory.Training) (int, machineTime) {
	left, more := t.Left(s.now())
	if left > 0 {
		more = time.Time{}
	}
	return left, machineTime{more}
}

// askExam shows the questions. What was answered before the session locked is filled in again.
func (s *Site) askExam(q *query) (answer, error) {
	reg, c, e, err := s.exam(q)
	if err != nil {
		return answer{}, err
	}
	if left, _ := s.examsLeft(e.Training); left == 0 {
		return redirect(localPath("training", reg.Code))
	}
	given := make([][]int, len(e.Questions))
	if kept, ok := s.rooms.Sessions.Draft(q.w, q.Request, q.caller, q.URL.RequestURI()); ok {
		given = readAnswers(e, kept)
	}
	return show("exam", s.viewExam(q, reg, c, e, given))
}

func (s *Site) viewExam(q *query, reg *register.Register, c *training.Course, e directory.Exam, given [][]int) examPage {
	page := examPage{
		Course: s.viewCourse(reg, e.Training), Pass: c.Pass, Form: e.Form,
		Action: localPath("training", reg.Code, "exam"), Back: localPath("training", reg.Code),
	}
	for i, question := range e.Questions {
		name := questionName(i)
		v := questionView{options{ID: name + "-0", Name: name, Legend: q.t("training.question", "n", i+1) + " " + question.Text.In(q.lang)}, question.Several()}
		if v.Several {
			v.Hint = q.t("training.several")
		}
		for k, one := range question.Choices {
			v.Items = append(v.Items, option{
				ID: name + "-" + strconv.Itoa(k), Value: strconv.Itoa(k), Label: one.In(q.lang), Checked: slices.Contains(given[i], k),
			})
		}
		page.Questions = append(page.Questions, v)
	}
	return page
}

func questionName(i int) string { return "q" + strconv.Itoa(i+1) }

// readAnswers are the choices that were made, one set a question. What is none of them is left out.
func readAnswers(e directory.Exam, form map[string][]string) [][]int {
	given := make([][]int, len(e.Questions))
	for i, question := range e.Questions {
		for _, v := range form[questionName(i)] {
			if k, err := strconv.Atoi(v); err == nil && k >= 0 && k < len(question.Choices) && !slices.Contains(given[i], k) {
				given[i] = append(given[i], k)
			}
		}
	}
	return given
}

// takeExam grades an exam. One with a question left out is shown again: it was not taken.
func (s *Site) takeExam(q *query) (answer, error) {
	reg, c, e, err := s.exam(q)
	if err != nil {
		return answer{}, err
	}
	given := readAnswers(e, q.PostForm)
	if q.field("form") == e.Form {
		page := s.viewExam(q, reg, c, e, given)
		for i := range page.Questions {
			if len(given[i]) == 0 {
				page.Questions[i].Error = q.t("training.unanswered")
				page.Faults = append(page.Faults, fault{Field: page.Questions[i].ID, Message: q.t("training.unanswered_n", "n", i+1)})
			}
		}
		if len(page.Faults) > 0 {
			return answer{status: http.StatusUnprocessableEntity, page: "exam", data: page, failed: true, back: page.Action}, nil
		}
	}
	sitting, err := s.rooms.Directory.SitExam(q.Context(), q.actor(), reg.ID, c, q.field("form"), given)
	if errors.Is(err, directory.ErrExamsADay) {
		return redirect(localPath("training", reg.Code))
	}
	if err != nil {
		return answer{}, err
	}
	a, err := show("examresult", s.viewResult(reg, c, sitting, given))
	a.back = localPath("training", reg.Code)
	return a, err
}

func (s *Site) viewResult(reg *register.Register, c *training.Course, sitting directory.Sitting, given [][]int) examResultPage {
	page := examResultPage{
		Course: s.viewCourse(reg, sitting.Training), Passed: sitting.Passed, Score: sitting.Score, Pass: c.Pass,
		Exam: localPath("training", reg.Code, "exam"), Lessons: localPath("training", reg.Code), Desk: localPath("desk", reg.Code),
	}
	page.Left, page.More = s.examsLeft(sitting.Training)
	for i, question := range sitting.Questions {
		v := answerView{Text: question.Text, Why: question.Why, Right: sitting.Right[i]}
		for k, one := range question.Choices {
			if slices.Contains(given[i], k) {
				v.Given = append(v.Given, one.Label)
			}
			if one.Right {
				v.Wanted = append(v.Wanted, one.Label)
			}
		}
		page.Items = append(page.Items, v)
	}
	return page
}

func toExam(q *query) string { return localPath("training", q.PathValue("register"), "exam") }

// paragraphs are the parts of a text that empty lines separate.
func paragraphs(text string) []string {
	var list []string
	for part := range strings.SplitSeq(text, "\n\n") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
