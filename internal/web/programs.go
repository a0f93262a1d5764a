package web

import (
	"context"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

// delegator is what these pages ask of the directory.
type delegator interface {
	Programs(ctx context.Context, by directory.Actor) ([]directory.DelegatedProgram, error)
	Delegate(ctx context.Context, by directory.Actor, client ecluse.AccountID) (directory.Delegation, error)
	EndDelegation(ctx context.Context, by directory.Actor, client ecluse.AccountID) error
}

// programsPage lists the programs that act for the caller, or could.
type programsPage struct {
	List   []programView
	Notice string // agreed, ended
}

// programView is one program. Agreed is zero where the caller has not agreed, or no more.
type programView struct {
	Name   string
	Agreed machineTime // since
	Until  machineTime
	Page   string // that asks whether it may
	End    string // POST
}

// agreePage says what an agreement means before it is given.
type agreePage struct {
	Program programView
	Days    int
	Until   machineTime
}

// programs shows the list.
func (s *Site) programs(q *query) (answer, error) {
	list, err := s.ownPrograms(q)
	if err != nil {
		return answer{}, err
	}
	page := programsPage{List: list}
	if done := q.URL.Query().Get("done"); done == "agreed" || done == "ended" {
		page.Notice = done
	}
	return show("programs", page)
}

func (s *Site) ownPrograms(q *query) ([]programView, error) {
	all, err := s.rooms.Directory.Programs(q.Context(), q.actor())
	if err != nil {
		return nil, err
	}
	var list []programView
	for _, p := range all {
		page := localPath("me", "programs", s.rooms.Names.Name("program", int64(p.Account.ID)))
		v := programView{Name: p.Account.Name(), Page: page, End: page + "/end"}
		if p.Runs(s.now()) {
			v.Agreed, v.Until = machineTime{p.Delegation.Created}, machineTime{p.Delegation.Ends}
		}
		list = append(list, v)
	}
	return list, nil
}

// agree asks whether a program may act for the caller.
func (s *Site) agree(q *query) (answer, error) {
	list, err := s.ownPrograms(q)
	if err != nil {
		return answer{}, err
	}
	for _, v := range list {
		if v.Page == q.URL.Path {
			days := int(directory.DelegationLife / (24 * time.Hour))
			return show("agree", agreePage{Program: v, Days: days, Until: machineTime{s.now().Add(directory.DelegationLife)}})
		}
	}
	return answer{}, directory.ErrNotFound
}

// delegate agrees.
func (s *Site) delegate(q *query) (answer, error) {
	id, err := s.number("program", q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if _, err := s.rooms.Directory.Delegate(q.Context(), q.actor(), ecluse.AccountID(id)); err != nil {
		return answer{}, err
	}
	return redirect("/me/programs?done=agreed")
}

// endDelegation takes it back.
func (s *Site) endDelegation(q *query) (answer, error) {
	id, err := s.number("program", q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	if err := s.rooms.Directory.EndDelegation(q.Context(), q.actor(), ecluse.AccountID(id)); err != nil {
		return answer{}, err
	}
	return redirect("/me/programs?done=ended")
}

func toPrograms(*query) string  { return "/me/programs" }
func toProgram(q *query) string { return localPath("me", "programs", q.PathValue("id")) }
