package main

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ecluse/internal/training"
	"ecluse/presets"
)

var (
	fieldsetIn = regexp.MustCompile(`(?s)<fieldset.*?</fieldset>`)
	choiceIn   = regexp.MustCompile(`name="(q\d+)" value="(\d+)"[^>]*><label[^>]*>(.*?)</label>`)
)

// train has whoever sits at a desk read the training of a preset's register and pass its exam, as people do.
func (d *desk) train(register string) {
	d.t.Helper()
	right := rightAnswers(d.t, register)
	path := "/training/" + register
	if p := d.get(path); p.status != http.StatusOK || !strings.Contains(p.body, path+"/exam") {
		d.t.Fatalf("the training: %d", p.status)
	}
	f := formWith(d.t, d.get(path+"/exam").body, `name="q1"`)
	for _, question := range fieldsetIn.FindAllString(d.get(path+"/exam").body, -1) {
		for _, m := range choiceIn.FindAllStringSubmatch(question, -1) {
			if slices.Contains(right, html.UnescapeString(m[3])) {
				f.fields.Add(m[1], m[2])
			}
		}
	}
	if p := d.post(f.action, f.fields); p.status != http.StatusOK || !strings.Contains(p.body, `class="signal go"`) {
		d.t.Fatalf("the exam: %d %.1500s", p.status, p.body)
	}
}

// rightAnswers are the right choices of every question, in both languages.
func rightAnswers(t testing.TB, register string) (right []string) {
	t.Helper()
	text, err := presets.FS.ReadFile(register + "/training.toml")
	if err != nil {
		t.Fatal(err)
	}
	course, err := training.Parse(register, text)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range course.Pool {
		for _, c := range q.Choices {
			if c.Right {
				right = append(right, c.FR, c.EN)
			}
		}
	}
	return right
}

// useWithoutTraining: an agent who comes in for the first time is led to the training, and opens nothing before.
func (i *installation) useWithoutTraining(agent *desk) {
	i.t.Helper()
	home := agent.get("/desk/mission-locale?purpose=emploi")
	if !strings.Contains(home.body, `href="/training/mission-locale"`) {
		i.t.Errorf("the desk does not lead to the training: %d", home.status)
	}
	p := agent.post("/desk/mission-locale/search", url.Values{"purpose": {"emploi"}, "surname": {"Durand"}, "first_name": {"Anaïs"}, "birth_date": {"17/05/2004"}})
	if p.status != http.StatusForbidden || !strings.Contains(p.body, `href="/training/mission-locale"`) {
		i.t.Errorf("a search without the training: %d", p.status)
	}
	agent.train("mission-locale")
}
