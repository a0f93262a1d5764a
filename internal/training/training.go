// Package training holds what the agents of a register learn before they open files, and the exam that they
// pass: Parse reads a preset's training.toml, Draw picks the questions of one exam, Grade says which answers are
// right. It is pure and holds no state; who passed, and how often somebody tried, is a fact of package directory.
package training

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"ecluse/internal/tomlfile"
)

// Bounds of a course. A certificate lasts at most as long as one is kept (MaxMonths), and an exam leaves more
// questions than it asks, so that the next one differs.
const (
	MaxMonths  = 12
	MinDraw    = 5
	MinChoices = 3
	MaxChoices = 4
)

// Label is a text in both languages.
type Label = tomlfile.Label

// Course is what the agents of one register learn and are asked. It never changes. Safe for concurrent use.
type Course struct {
	Months    int // how long a certificate lasts
	Pass      int // right answers that it takes, of Questions
	Questions int // of one exam
	Lessons   []Lesson
	Pool      []Question // what Questions are drawn from

	digest [sha256.Size]byte
}

// Lesson is a page to read. Its paragraphs are separated by an empty line.
type Lesson struct {
	Title Label `toml:"title"`
	Text  Label `toml:"text"`
}

// Question is one question of an exam.
type Question struct {
	ID      string   `toml:"id"`
	Text    Label    `toml:"text"`
	Choices []Choice `toml:"choices"`
	Why     Label    `toml:"why"` // what is right, and why: told once it was answered
}

// Choice is a possible answer.
type Choice struct {
	Label
	Right bool `toml:"right"`
}

// Several reports whether more than one choice is right, which the question then says.
func (q Question) Several() bool {
	right := 0
	for _, c := range q.Choices {
		if c.Right {
			right++
		}
	}
	return right > 1
}

// file is the layout of training.toml.
type file struct {
	Months    int        `toml:"valid_months"`
	Questions int        `toml:"questions_drawn"`
	Pass      int        `toml:"pass"`
	Lessons   []Lesson   `toml:"lessons"`
	Pool      []Question `toml:"questions"`
}

// Parse reads a training.toml. name is the file's name, for messages only. The error joins one *tomlfile.Error
// for each thing that is wrong.
func Parse(name string, data []byte) (*Course, error) {
	var f file
	c, err := tomlfile.Decode(name, data, &f)
	if err != nil {
		return nil, err
	}
	f.check(c)
	if err := c.Err(); err != nil {
		return nil, err
	}
	return &Course{Months: f.Months, Pass: f.Pass, Questions: f.Questions, Lessons: f.Lessons, Pool: f.Pool, digest: sha256.Sum256(data)}, nil
}

func (f file) check(c *tomlfile.Check) {
	if f.Months < 1 || f.Months > MaxMonths {
		c.Bad("valid_months", fmt.Sprintf("a certificate lasts %d months", f.Months), "use 1 to 12: certificates are kept for a year")
	}
	if f.Questions < MinDraw || f.Questions >= len(f.Pool) {
		c.Bad("questions_drawn", fmt.Sprintf("an exam asks %d of %d questions", f.Questions, len(f.Pool)),
			"ask at least 5, and fewer than there are: the next exam should differ")
	}
	if f.Pass*2 <= f.Questions || f.Pass > f.Questions {
		c.Bad("pass", fmt.Sprintf("%d right answers of %d are enough", f.Pass, f.Questions), "ask for more than half, and for no more than are asked")
	}
	if len(f.Lessons) == 0 {
		c.Bad("lessons", "there is nothing to learn", "add [[lessons]]: nobody can answer what nobody told them")
	}
	for i, l := range f.Lessons {
		c.Label(fmt.Sprintf("lessons[%d].title", i), l.Title)
		c.Label(fmt.Sprintf("lessons[%d].text", i), l.Text)
	}
	for i, q := range f.Pool {
		path := fmt.Sprintf("questions[%d]", i)
		c.Code(path+".id", q.ID)
		if slices.ContainsFunc(f.Pool[:i], func(o Question) bool { return o.ID == q.ID }) {
			c.Bad(path+".id", fmt.Sprintf("%q stands twice", q.ID), "give each question its own")
		}
		q.check(c, path)
	}
}

func (q Question) check(c *tomlfile.Check, path string) {
	c.Label(path+".text", q.Text)
	c.Label(path+".why", q.Why)
	if len(q.Choices) < MinChoices || len(q.Choices) > MaxChoices {
		c.Bad(path+".choices", fmt.Sprintf("question %q has %d choices", q.ID, len(q.Choices)), "give it 3 or 4")
	}
	right := 0
	for i, choice := range q.Choices {
		at := fmt.Sprintf("%s.choices[%d]", path, i)
		c.Label(at, choice.Label)
		same := func(o Choice) bool { return strings.EqualFold(o.FR, choice.FR) || strings.EqualFold(o.EN, choice.EN) }
		if slices.ContainsFunc(q.Choices[:i], same) {
			c.Bad(at, fmt.Sprintf("question %q has the same choice twice", q.ID), "give each its own words")
		}
		if choice.Right {
			right++
		}
	}
	if right == 0 || right == len(q.Choices) {
		c.Bad(path+".choices", fmt.Sprintf("of question %q no choice, or every choice, is right", q.ID), "say right = true of those that are, and leave one that is not")
	}
}

// Digest names the course as it was read: an exam of another one is not graded by it.
func (c *Course) Digest() []byte { return c.digest[:] }

// Exam is the questions of one exam with their choices, in the order in which they are asked.
type Exam struct {
	Questions []Question

	pass int
}

// Draw picks the questions of one exam and the order of everything. The same course and seed give the same exam;
// who does not know the seed cannot foresee it. A seed has at least 16 bytes.
func (c *Course) Draw(seed []byte) Exam {
	next := stream(seed)
	order := shuffled(len(c.Pool), next)
	e := Exam{pass: c.Pass}
	for _, i := range order[:c.Questions] {
		q := c.Pool[i]
		choices := q.Choices
		q.Choices = nil
		for _, k := range shuffled(len(choices), next) {
			q.Choices = append(q.Choices, choices[k])
		}
		e.Questions = append(e.Questions, q)
	}
	return e
}

// Result is what came of an exam.
type Result struct {
	Right  []bool // of each question, in the order of the exam
	Score  int
	Passed bool
}

// Grade compares answers, one set of positions of choices a question, with what is right: a question counts if
// exactly the right choices are named. Whatever is missing is wrong.
func (e Exam) Grade(answers [][]int) Result {
	r := Result{Right: make([]bool, len(e.Questions))}
	for i, q := range e.Questions {
		if i < len(answers) && q.answered(answers[i]) {
			r.Right[i] = true
			r.Score++
		}
	}
	r.Passed = len(e.Questions) > 0 && r.Score >= e.pass
	return r
}

func (q Question) answered(picked []int) bool {
	for i, c := range q.Choices {
		if c.Right != slices.Contains(picked, i) {
			return false
		}
	}
	return !slices.ContainsFunc(picked, func(i int) bool { return i < 0 || i >= len(q.Choices) })
}

// stream is a deterministic sequence of numbers from a seed: SHA-256 in counter mode.
func stream(seed []byte) func() uint64 {
	var count uint64
	return func() uint64 {
		block := sha256.Sum256(binary.BigEndian.AppendUint64(slices.Clone(seed), count))
		count++
		return binary.BigEndian.Uint64(block[:])
	}
}

// shuffled are the numbers below n in an order of the stream (Fisher and Yates; the bias of the remainder is
// below one in 2^50).
func shuffled(n int, next func() uint64) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := n - 1; i > 0; i-- {
		k := int(next() % uint64(i+1))
		order[i], order[k] = order[k], order[i]
	}
	return order
}
