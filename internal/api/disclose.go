package api

import (
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"ecluse"
	"ecluse/internal/gate"
	"ecluse/internal/register"
)

// discloseQuestion is the body of a disclosure. Emergency is one of the four motives; it takes the
// place of purpose and justification.
type discloseQuestion struct {
	Purpose       ecluse.Purpose `json:"purpose"`
	Fields        []string       `json:"fields"`
	Justification justification  `json:"justification"`
	Emergency     string         `json:"emergency"`
}

type discloseAnswer struct {
	Decision string         `json:"decision"`
	Values   values         `json:"values"`
	Receipt  string         `json:"receipt"`
	Relation string         `json:"relation,omitzero"` // caseload, site, organisation, other; only where it may be told
	Budgets  []budgetAnswer `json:"budgets"`
}

// values writes revealed values as one object in schema order; an absent value is null.
type values struct{ revealed }

// revealed is register.Values, and what tests put in its place.
type revealed interface {
	Each(yield func(f register.Field, value string))
}

// MarshalJSONTo writes each value straight to the answer.
func (v values) MarshalJSONTo(e *jsontext.Encoder) (err error) {
	write := func(token jsontext.Token) {
		if err == nil {
			err = e.WriteToken(token)
		}
	}
	write(jsontext.BeginObject)
	v.Each(func(f register.Field, value string) {
		write(jsontext.String(f.Name))
		if value == "" {
			write(jsontext.Null)
		} else {
			write(jsontext.String(value))
		}
	})
	write(jsontext.EndObject)
	return err
}

func (a *API) disclose(c *call) (reply, error) {
	var q discloseQuestion
	if err := c.decode(&q); err != nil {
		return reply{}, err
	}
	if err := q.check(); err != nil {
		return reply{}, err
	}
	outcome, err := a.rooms.Gate.Disclose(c.Context(), gate.Request{
		Caller: c.caller, Register: c.PathValue("register"), Handle: c.PathValue("handle"), Purpose: q.Purpose, Fields: q.Fields,
		Motive: q.Justification.Motive, Text: q.Justification.Text, Emergency: q.Emergency, Channel: ecluse.ChannelAPI,
	})
	if err != nil {
		return reply{}, err
	}
	if !outcome.Allowed {
		return reply{}, a.refused(c, statusOf(outcome.Reasons), outcome.Reasons, outcome.Receipt)
	}
	return reply{status: http.StatusOK, body: discloseAnswer{"allow", values{outcome.Values}, outcome.Receipt, outcome.Relation, newBudgets(outcome.Readings)}}, nil
}

// check is what the shape of a request demands; who may see what is the gate's business.
func (q *discloseQuestion) check() error {
	if q.Purpose == "" && q.Emergency == "" {
		return badRequest("/purpose", "Say for which purpose, or which emergency.")
	}
	if len(q.Fields) > maxFieldNames {
		return badRequest("/fields", "Too many fields.")
	}
	if q.Fields != nil && len(q.Fields) == 0 {
		return badRequest("/fields", "Name fields, or leave the member out for all that is allowed.")
	}
	for i, name := range q.Fields {
		if slices.Contains(q.Fields[:i], name) {
			return badRequest("/fields/"+strconv.Itoa(i), "This field is there twice.")
		}
		if err := word("/fields/"+strconv.Itoa(i), name, maxWord); err != nil {
			return err
		}
	}
	return firstError(
		word("/purpose", string(q.Purpose), maxWord), word("/emergency", q.Emergency, maxWord),
		word("/justification/motive", q.Justification.Motive, maxWord), word("/justification/text", q.Justification.Text, maxText))
}

// word checks the length of a text in runes.
func word(pointer, text string, limit int) error {
	if utf8.RuneCountInString(text) > limit {
		return badRequest(pointer, "At most "+strconv.Itoa(limit)+" characters.")
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
