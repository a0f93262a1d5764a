package gate

import (
	"ecluse"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// HandleOf makes a handle as a search would, even for a person whom no search shows.
func (g *Gate) HandleOf(c signin.Caller, reg *register.Register, p ecluse.PersonID) string {
	h, err := g.handle(c, reg, p)
	if err != nil {
		panic(err)
	}
	return h
}

// PersonOf opens a handle as the gate does.
func (g *Gate) PersonOf(c signin.Caller, reg *register.Register, handle string) (ecluse.PersonID, error) {
	return g.openHandle(c, reg, handle)
}

// CursorOf makes a cursor as a caseload page would.
func (g *Gate) CursorOf(c signin.Caller, reg *register.Register, p ecluse.PersonID) string {
	h, err := g.token("cursor", c, reg, p)
	if err != nil {
		panic(err)
	}
	return h
}
