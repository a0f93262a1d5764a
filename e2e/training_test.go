//go:build e2e

package e2e

import (
	"slices"
	"testing"
	"time"

	"ecluse/internal/training"
	"ecluse/presets"

	"github.com/chromedp/chromedp"
)

// untrained is somebody of this world whose training is over and whom no journey has sent to the exam yet.
func (p *tab) untrained() identity {
	p.t.Helper()
	for _, state := range []string{"expired", "due"} {
		for _, i := range p.world.Lapsing {
			if i.Training != state || p.world.taken["exam "+i.Login] > 0 {
				continue
			}
			p.world.taken["exam "+i.Login]++
			if state == "due" {
				p.advance(13 * 24 * time.Hour)
			}
			return i
		}
	}
	p.t.Fatal("everybody in this world has passed")
	return identity{}
}

// anyPurpose chooses the first purpose where there are several.
func (p *tab) anyPurpose() {
	p.t.Helper()
	if !p.has("form.find") {
		p.press("main a[href*='purpose=']")
	}
}

// choice is a possible answer as it stands on the page.
type choice struct{ ID, Name, Text string }

// answer fills the exam in: with the right choices, or with wrong ones.
func (p *tab) answer(register string, well bool) {
	p.t.Helper()
	text, err := presets.FS.ReadFile(register + "/training.toml")
	if err != nil {
		p.t.Fatal(err)
	}
	course, err := training.Parse(register, text)
	if err != nil {
		p.t.Fatal(err)
	}
	var right []string
	for _, q := range course.Pool {
		for _, c := range q.Choices {
			if c.Right {
				right = append(right, c.FR, c.EN)
			}
		}
	}
	const read = `[...document.querySelectorAll(".exam .option input")].map(i => ({ID: i.id, Name: i.name, Text: i.labels[0].textContent}))`
	done := map[string]bool{}
	for _, c := range ask(p, chromedp.Evaluate[[]choice](read)) {
		if slices.Contains(right, c.Text) != well || !well && done[c.Name] {
			continue
		}
		done[c.Name] = true
		p.choose("#" + c.ID)
	}
}

func TestWhoseTrainingIsOverTakesTheExamAndOpensAFile(t *testing.T) {
	journeys(t, everyWay, func(t *testing.T, p *tab) {
		agent := p.untrained()
		training := "/training/" + agent.Register
		p.signIn(agent.Login)
		p.visit("/desk/" + agent.Register)
		p.anyPurpose()
		p.want("main .panel a[href='" + training + "']")
		p.inspect("desk-untrained")
		p.press("aside a.button")
		p.want(".signal.stop")
		p.inspect("refusal-training")
		p.press("a.button[href='" + training + "']")
		p.inspect("training")
		p.press("a.button[href$='/exam']")
		p.inspect("exam")
		p.press("form.exam button")
		p.want("#faults")
		p.inspect("exam-missing")
		p.answer(agent.Register, false)
		p.press("form.exam button")
		p.want(".signal.stop")
		p.inspect("exam-failed")
		p.press("a.button[href$='/exam']")
		p.answer(agent.Register, true)
		p.press("form.exam button")
		p.want(".signal.go")
		p.inspect("exam-passed")
		p.press("a.button[href^='/desk/']")
		p.anyPurpose()
		p.press("aside a.button")
		p.press("td.act button")
		p.want("article.case")
		p.visit("/training")
		p.want(".notice.done")
		p.inspect("training-valid")
	})
}

func TestTheAccountManagerSeesWhoseTrainingIsUpToDate(t *testing.T) {
	journeys(t, []way{inFrench}, func(t *testing.T, p *tab) {
		p.signIn(p.who("account_manager", 0))
		p.visit("/colleagues")
		p.read("Formation à jour")
		p.inspect("colleagues-training")
	})
}
