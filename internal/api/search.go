package api

import (
	"maps"
	"net/http"
	"slices"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/register"
)

// searchQuestion asks for the person in front of the caller, by identifier or by identity.
type searchQuestion struct {
	Purpose ecluse.Purpose `json:"purpose"`
	// Beyond leaves the caller's own persons out and looks, exactly, in the whole mandate.
	Beyond bool `json:"beyond"`
	// Emergency is the motive of one: whom it concerns is found without a certificate of the training.
	Emergency string `json:"emergency"`
	Query     struct {
		Identifier string `json:"identifier"`
		Surname    string `json:"surname"`
		FirstName  string `json:"first_name"`
		BirthDate  string `json:"birth_date"`
	} `json:"query"`
}

type searchAnswer struct {
	Hits    []hitAnswer    `json:"hits"`
	Reasons []reason       `json:"reasons"` // why nobody is shown
	Receipt string         `json:"receipt"`
	Budgets []budgetAnswer `json:"budgets"`
}

type hitAnswer struct {
	Handle   string            `json:"handle"`
	Fields   map[string]string `json:"fields"` // what was typed
	Relation string            `json:"relation"`
	Exact    bool              `json:"exact"`
	Differs  []string          `json:"differs"`
}

func (a *API) search(c *call) (reply, error) {
	var q searchQuestion
	if err := c.decode(&q); err != nil {
		return reply{}, err
	}
	if err := q.check(); err != nil {
		return reply{}, err
	}
	outcome, err := a.rooms.Gate.Search(c.Context(), gate.SearchRequest{
		Caller: c.caller, Register: c.PathValue("register"), Purpose: q.Purpose, Beyond: q.Beyond, Emergency: q.Emergency, Channel: ecluse.ChannelAPI,
		Query: register.Query{Identifier: q.Query.Identifier, Surname: q.Query.Surname, FirstName: q.Query.FirstName, BirthDate: q.Query.BirthDate},
	})
	if err != nil {
		return reply{}, err
	}
	nobody := slices.Equal(outcome.Reasons, []ecluse.Reason{ecluse.ReasonPersonUnavailable})
	if !outcome.Allowed && !nobody {
		return reply{}, a.refused(c, statusOf(outcome.Reasons), outcome.Reasons, outcome.Receipt)
	}
	answer := searchAnswer{Hits: []hitAnswer{}, Reasons: a.words(c, outcome.Reasons), Receipt: outcome.Receipt, Budgets: newBudgets(outcome.Readings)}
	for _, h := range outcome.Hits {
		answer.Hits = append(answer.Hits, hitAnswer{h.Handle, q.typed(), h.Relation, h.Exact, append([]string{}, h.Differs...)})
	}
	return reply{status: http.StatusOK, body: answer}, nil
}

// typed is what the caller knew before: a hit tells no more.
func (q *searchQuestion) typed() map[string]string {
	typed := map[string]string{"identifier": q.Query.Identifier, "surname": q.Query.Surname, "first_name": q.Query.FirstName, "birth_date": q.Query.BirthDate}
	maps.DeleteFunc(typed, func(_, value string) bool { return value == "" })
	return typed
}

func (q *searchQuestion) check() error {
	if q.Purpose == "" {
		return badRequest("/purpose", "Say for which purpose.")
	}
	identity := q.Query.Surname + q.Query.FirstName + q.Query.BirthDate
	switch {
	case q.Query.Identifier == "" && identity == "":
		return badRequest("/query", "Give an identifier, or surname, first name and birth date.")
	case q.Query.Identifier != "" && identity != "":
		return badRequest("/query", "Give an identifier or an identity, not both.")
	}
	return firstError(
		word("/purpose", string(q.Purpose), maxWord), word("/query/identifier", q.Query.Identifier, maxWord),
		word("/query/surname", q.Query.Surname, maxWord), word("/query/first_name", q.Query.FirstName, maxWord),
		word("/query/birth_date", q.Query.BirthDate, maxWord), word("/emergency", q.Emergency, maxWord))
}
