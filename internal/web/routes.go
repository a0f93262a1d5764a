package web

import (
	"slices"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/exposure"
)

// Access says who may call a route. The zero value refuses everybody.
type Access struct {
	Public   bool          // anybody, signed in or not
	SignedIn bool          // anybody who is signed in
	Roles    []ecluse.Role // whoever holds one of these
}

// admits reports whether a signed-in caller with these roles may call the route.
func (a Access) admits(st directory.Standing) bool {
	return a.Public || a.SignedIn || slices.ContainsFunc(a.Roles, st.Has)
}

// Route is one route of the desk.
type Route struct {
	Method, Pattern string
	Access          Access
	handle          func(*query) (answer, error)
	// back is, for a form, the page to return to after a sign-in, with what was typed filled in.
	back func(*query) string
}

// Routes lists every route, for the role x route matrix.
func (s *Site) Routes() []Route { return s.routes }

var (
	everybody  = Access{Public: true}
	member     = Access{SignedIn: true}
	agents     = Access{Roles: []ecluse.Role{ecluse.RoleAgent}}
	raisers    = Access{Roles: []ecluse.Role{ecluse.RoleAgent, ecluse.RoleAccountManager}}
	reviewers  = Access{Roles: []ecluse.Role{ecluse.RoleAccountManager, ecluse.RoleSecurityOfficer}}
	overseers  = Access{Roles: exposure.Roles}
	recoverers = Access{Roles: []ecluse.Role{ecluse.RoleAccountManager, ecluse.RoleAccessOfficer}}
	keepers    = Access{Roles: []ecluse.Role{ecluse.RoleAccountManager, ecluse.RoleAccessOfficer, ecluse.RoleAdmin, ecluse.RoleSecurityOfficer}}
	approvers  = Access{Roles: []ecluse.Role{ecluse.RoleAccountManager, ecluse.RoleAccessOfficer, ecluse.RoleSecurityOfficer}}
	// deciders of one request: beside the approvers an agent, whom an account manager may ask to open a
	// replacement with them.
	deciders      = Access{Roles: []ecluse.Role{ecluse.RoleAgent, ecluse.RoleAccountManager, ecluse.RoleAccessOfficer, ecluse.RoleSecurityOfficer}}
	managersOnly  = Access{Roles: []ecluse.Role{ecluse.RoleAccountManager}}
	managers      = Access{Roles: []ecluse.Role{ecluse.RoleAccountManager, ecluse.RoleAccessOfficer, ecluse.RoleAdmin}}
	staff         = Access{Roles: []ecluse.Role{ecluse.RoleAccessOfficer, ecluse.RoleAdmin}}
	organisations = Access{Roles: []ecluse.Role{ecluse.RoleAgent, ecluse.RoleAccountManager}}
)

// The security desk: who stops accounts, who asks whose data left, who sees containments and lineages.
var (
	containers = Access{Roles: []ecluse.Role{ecluse.RoleAccessOfficer, ecluse.RoleSecurityOfficer}}
	scopers    = Access{Roles: []ecluse.Role{ecluse.RoleSecurityOfficer, ecluse.RoleDPO}}
	wardens    = Access{Roles: []ecluse.Role{ecluse.RoleAccessOfficer, ecluse.RoleSecurityOfficer, ecluse.RoleDPO}}
	relatives  = Access{Roles: []ecluse.Role{ecluse.RoleAccessOfficer, ecluse.RoleSecurityOfficer, ecluse.RoleDPO, ecluse.RoleAccountManager}}
)

// table is the whole site on one page: what everybody and the agents have, what those have who answer for
// others, and what everybody has for themselves.
func (s *Site) table() []Route {
	return slices.Concat(s.deskTable(), s.officeTable(), s.ownTable(), s.tourTable())
}

func (s *Site) deskTable() []Route {
	return []Route{
		{"GET", "/{$}", everybody, s.front, nil},
		{"GET", "/mentions", everybody, s.mentions, nil},
		{"GET", "/aide", everybody, s.help, nil},
		{"GET", "/robots.txt", everybody, s.robots, nil},
		{"GET", "/favicon.ico", everybody, s.favicon, nil},
		{"POST", "/preferences", everybody, s.setPreferences, nil},

		{"GET", "/invitation/{token}", everybody, s.invitation, nil},
		{"POST", "/invitation/{token}", everybody, s.acceptInvitation, nil},

		{"GET", "/desk", agents, s.desks, nil},
		{"GET", "/desk/{register}", agents, s.desk, nil},
		{"GET", "/desk/{register}/search", agents, s.backToDesk, nil},
		{"POST", "/desk/{register}/search", agents, s.search, toDesk},
		{"GET", "/desk/{register}/persons", agents, s.caseload, nil},
		{"GET", "/desk/{register}/persons/{handle}", agents, s.person, nil},
		{"POST", "/desk/{register}/persons/{handle}", agents, s.open, toPerson},
		{"GET", "/desk/{register}/persons/{handle}/reason", agents, s.person, nil},
		{"POST", "/desk/{register}/persons/{handle}/reason", agents, s.person, toPerson},
		{"GET", "/desk/{register}/persons/{handle}/emergency", agents, s.emergency, nil},
		{"POST", "/desk/{register}/persons/{handle}/emergency", agents, s.emergency, toEmergency},
		{"POST", "/desk/{register}/persons/{handle}/emergency/open", agents, s.openEmergency, toEmergency},
		{"GET", "/desk/{register}/persons/{handle}/link", agents, s.link, nil},
		{"POST", "/desk/{register}/persons/{handle}/link", agents, s.makeLink, toLink},
		{"GET", "/desk/{register}/persons/{handle}/link/done", agents, s.linkDone, nil},

		{"GET", "/training", agents, s.trainings, nil},
		{"GET", "/training/{register}", agents, s.training, nil},
		{"GET", "/training/{register}/exam", agents, s.askExam, nil},
		{"POST", "/training/{register}/exam", agents, s.takeExam, toExam},

		{"GET", "/raises", raisers, s.raises, nil},
		{"POST", "/raises/confirm", raisers, s.confirmRaise, toRaises},
		{"POST", "/raises", raisers, s.raise, toRaises},

		{"GET", "/reviews", reviewers, s.reviews, nil},
		{"GET", "/reviews/{id}", reviewers, s.review, nil},
		{"POST", "/reviews/{id}/text", reviewers, s.reviewText, toReview},
		{"POST", "/reviews/{id}/decision", reviewers, s.decideReview, toReview},
	}
}

func (s *Site) officeTable() []Route {
	return []Route{
		{"GET", "/approvals", approvers, s.approvals, nil},
		{"GET", "/approvals/{id}", deciders, s.approval, nil},
		{"POST", "/approvals/{id}/take-up", staff, s.takeUp, toApproval},
		{"POST", "/approvals/{id}/confirm", deciders, s.confirmApproval, toApproval},
		{"POST", "/approvals/{id}/decision", deciders, s.decideApproval, toApproval},

		{"GET", "/colleagues", managers, s.colleagues, nil},
		{"GET", "/colleagues/find", staff, s.findColleague, nil},
		{"GET", "/colleagues/new", managers, s.newAccount, nil},
		{"POST", "/colleagues", managers, s.requestAccount, toNewAccount},
		{"GET", "/colleagues/{id}", managers, s.colleague, nil},
		{"GET", "/colleagues/{id}/change", managers, s.changeAccount, nil},
		{"POST", "/colleagues/{id}/change", managers, s.requestChange, toChange},
		{"GET", "/colleagues/{id}/relink", managers, s.confirmRelink, nil},
		{"POST", "/colleagues/{id}/relink", managers, s.relinkColleague, toColleague},
		{"GET", "/colleagues/{id}/end", managers, s.confirmEnd, nil},
		{"POST", "/colleagues/{id}/end", managers, s.endColleague, toColleague},
		{"POST", "/colleagues/{id}/invite", managers, s.inviteColleague, toColleague},
		{"GET", "/replacements", organisations, s.replacements, nil},
		{"POST", "/replacements", managersOnly, s.requestReplacement, toReplacements},
		{"GET", "/orphans", staff, s.orphans, nil},

		{"GET", "/recovery", recoverers, s.recovery, nil},
		{"POST", "/recovery/confirm", recoverers, s.confirmRecovery, toRecovery},
		{"POST", "/recovery", recoverers, s.requestRecovery, toRecovery},

		{"GET", "/programs", keepers, s.clients, nil},
		{"POST", "/programs", keepers, s.requestClient, toClients},
		{"GET", "/programs/{id}/key", keepers, s.clientKey, nil},
		{"POST", "/programs/{id}/key", keepers, s.requestKey, toClientKey},
		{"GET", "/programs/{id}/keys/{key}/end", keepers, s.confirmKeyEnd, nil},
		{"POST", "/programs/{id}/keys/{key}/end", keepers, s.endKey, toKeyEnd},

		{"GET", "/me/programs", agents, s.programs, nil},
		{"GET", "/me/programs/{id}", agents, s.agree, nil},
		{"POST", "/me/programs/{id}", agents, s.delegate, toProgram},
		{"POST", "/me/programs/{id}/end", agents, s.endDelegation, toPrograms},

		{"GET", "/security", wardens, s.security, nil},
		{"POST", "/security/find", wardens, s.findAccount, toSecurity},
		{"GET", "/security/accounts/{id}", relatives, s.lineage, nil},
		{"GET", "/security/accounts/{id}/scope", scopers, s.scopeForm, nil},
		{"POST", "/security/accounts/{id}/scope", scopers, s.readScope, toScope},
		{"GET", "/security/organisations/{organisation}/scope", scopers, s.scopeForm, nil},
		{"POST", "/security/organisations/{organisation}/scope", scopers, s.readScope, toScope},
		{"GET", "/security/accounts/{id}/contain", containers, s.containForm, nil},
		{"POST", "/security/accounts/{id}/contain/preview", containers, s.previewContainment, toContain},
		{"POST", "/security/accounts/{id}/contain/ask", containers, s.askContainment, toContain},
		{"POST", "/security/accounts/{id}/contain", containers, s.contain, toContain},
		{"GET", "/containments/{id}", wardens, s.containment, nil},
		{"GET", "/containments/{id}/undo", containers, s.askUncontain, nil},
		{"POST", "/containments/{id}/undo", containers, s.uncontain, toContainment},

		{"GET", "/exposure", overseers, s.exposure, nil},
	}
}

func (s *Site) ownTable() []Route {
	return []Route{
		{"GET", "/home", member, s.home, nil},
		{"GET", "/me", member, s.me, nil},
		{"GET", "/me/notices", member, s.told, nil},
		{"POST", "/me/sessions/{key}/revoke", member, s.revokeSession, toMe},
		{"POST", "/me/sessions/others/revoke", member, s.revokeOthers, toMe},
		{"GET", "/session", everybody, s.sessionState, nil},

		{"GET", "/second-factor", member, s.secondFactor, nil},
		{"POST", "/second-factor", member, s.proveCode, toSecondFactor},
		{"POST", "/second-factor/ask", member, s.askKey, toSecondFactor},
		{"POST", "/second-factor/key", member, s.proveKey, toSecondFactor},
		{"GET", "/me/factors", member, s.factors, nil},
		{"POST", "/me/factors/code", member, s.beginCode, toFactors},
		{"POST", "/me/factors/code/finish", member, s.finishCode, toFactors},
		{"POST", "/me/factors/key/ask", member, s.beginKey, toFactors},
		{"POST", "/me/factors/key", member, s.finishKey, toFactors},
		{"GET", "/me/factors/{id}/end", member, s.confirmFactorEnd, nil},
		{"POST", "/me/factors/{id}/end", member, s.endFactor, toFactorEnd},
	}
}

// Where a form leads back to.
func toDesk(q *query) string { return deskPath(q.PathValue("register"), "", q.field("purpose")) }
func toPerson(q *query) string {
	return personPath(q.PathValue("register"), q.PathValue("handle"), "reason", q.field("purpose"))
}
func toEmergency(q *query) string {
	return personPath(q.PathValue("register"), q.PathValue("handle"), "emergency", q.field("purpose"))
}
func toLink(q *query) string {
	return personPath(q.PathValue("register"), q.PathValue("handle"), "link", q.field("purpose"))
}
func toRaises(*query) string   { return "/raises" }
func toSecurity(*query) string { return "/security" }
func toScope(q *query) string  { return q.URL.Path }
func toContain(q *query) string {
	return localPath("security", "accounts", q.PathValue("id"), "contain")
}
func toContainment(q *query) string {
	return localPath("containments", q.PathValue("id"), "undo")
}
func toReview(q *query) string   { return localPath("reviews", q.PathValue("id")) }
func toApproval(q *query) string { return localPath("approvals", q.PathValue("id")) }
func toMe(*query) string         { return "/me" }
