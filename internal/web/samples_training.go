package web

import (
	"time"

	"ecluse/internal/directory"
	"ecluse/internal/training"
)

// sampleTraining are the samples of the pages of training.
func sampleTraining(all map[string][]any, word Label, group options, faults []fault, at time.Time) {
	several := questionView{group, true}
	several.Name, several.Hint = "y", "x"
	course := courseView{Register: word, State: directory.TrainingNone, Href: "/"}
	all["trainings"] = []any{trainingsPage{}, trainingsPage{Courses: sampleCourses(word, at)}}
	for _, left := range []int{0, 1, 2} {
		page := trainingPage{Course: course, Lessons: []training.Lesson{{Title: word, Text: word}}, Questions: 8, Pass: 7, Months: left + 1, Left: left, More: machineTime{at}, Exam: "/", Desk: "/"}
		all["training"] = append(all["training"], page)
		result := examResultPage{Course: course, Score: 2, Pass: 7, Left: left, More: machineTime{at}, Exam: "/", Lessons: "/", Desk: "/"}
		result.Items = []answerView{{Text: word, Why: word, Right: true, Given: []Label{word}}, {Text: word, Why: word, Given: []Label{word}, Wanted: []Label{word, word}}}
		passed := result
		passed.Passed = true
		all["examresult"] = append(all["examresult"], result, passed)
	}
	all["exam"] = []any{examPage{Course: course, Questions: []questionView{{group, false}, several}, Faults: faults, Back: "/", Action: "/", Form: "x"}}
	for _, v := range sampleCourses(word, at) {
		all["desk"] = append(all["desk"], deskPage{Desk: deskHead{Register: word, Purpose: word, Home: "/"}, Training: v})
	}
}

// sampleCourses are trainings in every state.
func sampleCourses(word Label, at time.Time) (list []courseView) {
	for _, state := range []string{directory.TrainingNone, directory.TrainingValid, directory.TrainingEnding, directory.TrainingExpired} {
		list = append(list, courseView{Register: word, State: state, Ends: at, Href: "/"})
	}
	return list
}
