package web

import "time"

// sampleTour is the page of the tour in the middle of an attack.
func sampleTour(at time.Time) tourPage {
	page := tourPage{Seen: Seen{Begun: true, Running: true, Victim: "x", Persons: 2, Opened: 3}}
	for n, code := range tourEvents {
		page.Lines = append(page.Lines, tourLine{At: machineTime{at}, Code: code, About: "x", Times: n % 3, Bad: n == 1})
	}
	for _, step := range tourSteps {
		page.Steps = append(page.Steps, tourStep{Code: step.code, Who: DemoIdentity{Name: "x", SignIn: "/"}, Attack: step.code == "thief"})
	}
	return page
}
