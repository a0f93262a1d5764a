package drill

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Table is what the scenarios came to.
type Table struct {
	Seed       uint64       `json:"seed"`
	Rows       []Row        `json:"scenarios"`
	Unanswered []Unanswered `json:"not_answered_yet"`
}

// Row is one scenario. What is null was not measured, because there is nothing yet that could be.
type Row struct {
	Name         string         `json:"name"`
	Preset       string         `json:"preset"`
	RegisterSize int            `json:"register_size"`
	Wanted       int            `json:"wanted"` // persons, at the size of the real register
	Obtained     Obtained       `json:"obtained"`
	Share        float64        `json:"share"`   // of the register
	Bound        int            `json:"bound"`   // promised before the attack, for its length
	Created      int            `json:"created"` // accounts that a thief made alone
	Refusals     map[string]int `json:"refusals"`
	// RefusedAfterH is when something was first refused that is not refused to every agent now and then, in
	// hours of the instance's clock since the attack began; null: nothing was.
	RefusedAfterH *float64 `json:"refused_after_h"`
	FirstAlertS   *float64 `json:"first_alert_s"` // null: there is no detector yet
	ContainedS    *float64 `json:"contained_s"`   // the recommended act, from the officer's request to its answer; null: nothing to contain
	ServedAfter   int      `json:"served_after"`  // records after containment
	Scope         *Scope   `json:"scope"`         // null: nothing was opened through an account
	Attributed    *string  `json:"attributed"`    // null: there is no trace yet
	Odds          *float64 `json:"odds"`
	Normal        Normal   `json:"normal"`
	LedgerOK      bool     `json:"ledger_ok"`
	Note          string   `json:"note,omitempty"`
	Source        string   `json:"source"`
}

// Obtained is what the thieves had in the end, counted from bodies of answers.
type Obtained struct {
	Persons int            `json:"persons"`
	Records int            `json:"records"`
	Media   int            `json:"media"`
	Fields  map[string]int `json:"fields"` // persons by field
}

// Scope compares what the product says that left with what did: precision and recall of persons, and of
// persons by field, the worse of both.
type Scope struct {
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
}

// worse keeps the worse of two comparisons.
func (s *Scope) worse(other Scope) {
	s.Precision, s.Recall = min(s.Precision, other.Precision), min(s.Recall, other.Recall)
}

// Normal is what the agents at work met.
type Normal struct {
	Agents  int `json:"agents"`  // of the attacked register, who follow persons, those stolen left out
	Worked  int `json:"worked"`  // of them, that had their turn at least once
	Acts    int `json:"acts"`    // sign-ins, pages of the caseload, searches, openings
	Refused int `json:"refused"` // of the acts
	StepUps int `json:"step_ups"`

	Refusals map[string]int `json:"refusals"` // of those refused, by code
	Share    float64        `json:"share"`    // refused or stepped up, of the acts
}

// Unanswered is a published case that is not answered yet.
type Unanswered struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Broken are the promises that a row breaks.
func (r Row) Broken() (list []string) {
	for _, c := range []struct {
		broken bool
		what   string
	}{
		{r.Obtained.Persons > r.Bound, fmt.Sprintf("%d persons obtained, %d promised at most", r.Obtained.Persons, r.Bound)},
		{r.Created > 0, fmt.Sprintf("%d accounts were made by one", r.Created)},
		{r.ServedAfter > 0, fmt.Sprintf("%d records served after containment", r.ServedAfter)},
		{r.Scope != nil && (r.Scope.Precision < 1 || r.Scope.Recall < 1), "the scope is not exact"},
		{!r.LedgerOK, "the ledger does not verify"},
	} {
		if c.broken {
			list = append(list, c.what)
		}
	}
	return list
}

// Held says whether every row keeps its promises.
func (t Table) Held() bool {
	return !slices.ContainsFunc(t.Rows, func(r Row) bool { return len(r.Broken()) > 0 })
}

// WriteJSON writes the table for programs.
func (t Table) WriteJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(t)
}

// columns of the table for people.
const columns = 13

// WriteMarkdown writes the table for people.
func (t Table) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| scenario | wanted | obtained | of the register | promised at most | refusals | first refused after | contained in | served after " +
		"| scope precision, recall | normal acts refused, step-ups | agents at work | ledger |\n")
	b.WriteString("|" + strings.Repeat("---|", columns) + "\n")
	for _, r := range t.Rows {
		fmt.Fprintf(&b, "| `%s` | %s | %d persons, %d records | %.2f %% of %s | %d | %s | %s | %s | %d | %s | %s, %d of %s (%.2f %%) | %d of %d | %s |\n",
			r.Name, thousands(r.Wanted), r.Obtained.Persons, r.Obtained.Records, 100*r.Share, thousands(r.RegisterSize), r.Bound, frequent(r.Refusals),
			unit(r.RefusedAfterH, "%.0f h"), unit(r.ContainedS, "%.2f s"), r.ServedAfter, r.Scope.text(),
			r.Normal.refused(), r.Normal.StepUps, thousands(r.Normal.Acts), 100*r.Normal.Share, r.Normal.Worked, r.Normal.Agents, verified(r.LedgerOK))
	}
	for _, u := range t.Unanswered {
		fmt.Fprintf(&b, "| `%s` | not answered yet: %s |%s\n", u.Name, u.Why, strings.Repeat(" |", columns-2))
	}
	for _, r := range t.Rows {
		for _, broken := range r.Broken() {
			fmt.Fprintf(&b, "\n**%s: %s**\n", r.Name, broken)
		}
		if r.Note != "" {
			fmt.Fprintf(&b, "\n`%s`: %s\n", r.Name, r.Note)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// listed is how many codes of refusals the table for people names; JSON has them all.
const listed = 4

// frequent are the most frequent refusals.
func frequent(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	var list []string
	for i, n := range names {
		if i == listed {
			list = append(list, fmt.Sprintf("%d more codes", len(names)-listed))
			break
		}
		list = append(list, fmt.Sprintf("%s %d", n, counts[n]))
	}
	return strings.Join(list, ", ")
}

// refused is how often agents were refused something, and why.
func (n Normal) refused() string {
	if len(n.Refusals) == 0 {
		return fmt.Sprint(n.Refused)
	}
	return fmt.Sprintf("%d (%s)", n.Refused, frequent(n.Refusals))
}

func unit(n *float64, format string) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprintf(format, *n)
}

func (s *Scope) text() string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f, %.3f", s.Precision, s.Recall)
}

func verified(ok bool) string {
	if ok {
		return "verifies"
	}
	return "BROKEN"
}
