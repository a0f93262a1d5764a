package web

import (
	"context"

	"ecluse"
	mail "ecluse/internal/post"
)

// Post is what the pages ask of the post; *post.Office is one.
type Post interface {
	// Told are the newest notices of an account.
	Told(ctx context.Context, a ecluse.AccountID) ([]mail.Delivery, error)
}

// toldPage is what the caller was told of lately, for whoever missed a mail or gets none.
type toldPage struct {
	Items []toldView
}

// toldView is one notice. It says no more than the mail did.
type toldView struct {
	What  Label
	At    machineTime
	Href  string // "" = nowhere
	State string // mail.Sent …
}

// told shows it.
func (s *Site) told(q *query) (answer, error) {
	list, err := s.rooms.Post.Told(q.Context(), q.caller.Account)
	if err != nil {
		return answer{}, err
	}
	page := toldPage{}
	for _, d := range list {
		k := d.Notice.Kind
		v := toldView{What: Label{FR: mail.Line("fr", k), EN: mail.Line("en", k)}, At: machineTime{d.Notice.At}, State: d.State}
		if path := mail.Path(k); s.opens(path, q.standing) {
			v.Href = path
		}
		page.Items = append(page.Items, v)
	}
	return show("told", page)
}
