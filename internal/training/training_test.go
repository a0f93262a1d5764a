package training

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ecluse/internal/tomlfile"
)

// course is a good file with some questions, of each of which the first choice is right.
func course(questions int) string {
	var b strings.Builder
	b.WriteString("valid_months = 6\nquestions_drawn = 5\npass = 4\n\n[[lessons]]\n[lessons.title]\nfr = \"Leçon\"\nen = \"Lesson\"\n[lessons.text]\nfr = \"À lire.\"\nen = \"To read.\"\n")
	for i := range questions {
		fmt.Fprintf(&b, "\n[[questions]]\nid = \"q%d\"\nchoices = [\n  { fr = \"oui %d\", en = \"yes %d\", right = true },\n  { fr = \"non\", en = \"no\" },\n  { fr = \"jamais\", en = \"never\" },\n]\n[questions.text]\nfr = \"Alors ?\"\nen = \"So?\"\n[questions.why]\nfr = \"Parce que.\"\nen = \"Because.\"\n", i, i, i)
	}
	return b.String()
}

func parsed(t *testing.T, questions int) *Course {
	t.Helper()
	c, err := Parse("training.toml", []byte(course(questions)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseSaysWhereAndWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		from, to, where, what string
	}{
		"validity":       {"valid_months = 6", "valid_months = 13", "training.toml:1:1", "13 months"},
		"too few drawn":  {"questions_drawn = 5", "questions_drawn = 4", "training.toml:2:1", "asks 4 of 8"},
		"all drawn":      {"questions_drawn = 5", "questions_drawn = 8", "training.toml:2:1", "asks 8 of 8"},
		"half is enough": {"pass = 4", "pass = 2", "training.toml:3:1", "2 right answers of 5"},
		"unknown key":    {"pass = 4", "pass = 4\nmark = 3", "training.toml:4:1", `unknown key "mark"`},
		"not TOML":       {"pass = 4", "pass = ", "training.toml:3:", "expected"},
		"no lesson text": {"fr = \"À lire.\"", "fr = \" \"", "training.toml:9:", "not complete"},
		"same id":        {`id = "q1"`, `id = "q0"`, "training.toml:28:1", `"q0" stands twice`},
		"odd id":         {`id = "q0"`, `id = "Q 0"`, "training.toml:14:1", `"Q 0" is not a code`},
		"none right":     {`{ fr = "oui 0", en = "yes 0", right = true }`, `{ fr = "oui 0", en = "yes 0" }`, "training.toml:15:1", "no choice, or every choice"},
		"same choice":    {`{ fr = "oui 0", en = "yes 0", right = true }`, `{ fr = "Non", en = "yes 0", right = true }`, "training.toml:17:", "same choice twice"},
		"two choices":    {"right = true },\n  { fr = \"non\", en = \"no\" },", "right = true },", "training.toml:15:1", "has 2 choices"},
		"no explanation": {"fr = \"Parce que.\"", "fr = \"\"", "training.toml:23:", "not complete"},
	} {
		text := strings.Replace(course(8), c.from, c.to, 1)
		if text == course(8) {
			t.Fatalf("%s: nothing was changed", name)
		}
		_, err := Parse("training.toml", []byte(text))
		var e *tomlfile.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.Contains(err.Error(), c.where) || !strings.Contains(err.Error(), c.what) || e.Remedy == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADrawIsOfItsSeedAndDiffersFromTheNext(t *testing.T) {
	c := parsed(t, 12)
	seen := map[string]bool{}
	asked := map[string]int{}
	firsts := map[int]int{}
	for i := range 300 {
		seed := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 16)
		e := c.Draw(seed)
		if len(e.Questions) != c.Questions {
			t.Fatalf("%d questions", len(e.Questions))
		}
		ids := idsOf(e)
		if !slices.Equal(ids, idsOf(c.Draw(seed))) {
			t.Fatal("the same seed gave another exam")
		}
		seen[strings.Join(ids, " ")] = true
		for k, id := range ids {
			if slices.Contains(ids[:k], id) {
				t.Fatalf("%s is asked twice", id)
			}
			asked[id]++
		}
		firsts[slices.IndexFunc(e.Questions[0].Choices, func(c Choice) bool { return c.Right })]++
	}
	if len(seen) < 290 || len(asked) != 12 || len(firsts) != 3 {
		t.Errorf("%d different exams of 300, %d questions asked, the right choice at %v", len(seen), len(asked), firsts)
	}
	for id, n := range asked {
		if n < 80 || n > 170 { // 125 on average
			t.Errorf("%s was asked %d times", id, n)
		}
	}
}

func idsOf(e Exam) (list []string) {
	for _, q := range e.Questions {
		list = append(list, q.ID)
	}
	return list
}

// right are the right answers of an exam.
func right(e Exam) [][]int {
	answers := make([][]int, len(e.Questions))
	for i, q := range e.Questions {
		for k, c := range q.Choices {
			if c.Right {
				answers[i] = append(answers[i], k)
			}
		}
	}
	return answers
}

func TestOnlyExactlyTheRightChoicesCount(t *testing.T) {
	e := parsed(t, 8).Draw(make([]byte, 32))
	if r := e.Grade(right(e)); !r.Passed || r.Score != 5 {
		t.Errorf("all right: %+v", r)
	}
	for name, answers := range map[string][][]int{
		"none":           nil,
		"empty":          make([][]int, 5),
		"every choice":   {{0, 1, 2}, {0, 1, 2}, {0, 1, 2}, {0, 1, 2}, {0, 1, 2}},
		"out of range":   {{-1}, {3}, {99}, {4}, {5}},
		"right and more": append(right(e)[:3:3], []int{0, 1, 2}, append(right(e)[4], 7)),
	} {
		if r := e.Grade(answers); r.Passed || r.Score > 3 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	one := right(e)
	one[2] = nil
	if r := e.Grade(one); !r.Passed || r.Score != 4 || r.Right[2] {
		t.Errorf("one wrong: %+v", r)
	}
	one[0] = nil
	if r := e.Grade(one); r.Passed {
		t.Errorf("two wrong: %+v", r)
	}
	if (Exam{}).Grade(nil).Passed {
		t.Error("an exam of nothing was passed")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(course(8)))
	f.Add([]byte("[[questions]]\nchoices = [{}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("training.toml", data)
		if err == nil && !c.Draw(make([]byte, 16)).Grade(right(c.Draw(make([]byte, 16)))).Passed {
			t.Fatal("a course that nobody can pass was accepted")
		}
	})
}
