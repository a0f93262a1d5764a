package web

import (
	"time"

	"ecluse"
	"ecluse/internal/directory"
	"ecluse/internal/policy"
	mail "ecluse/internal/post"
	"ecluse/internal/register"
	"ecluse/internal/signin"
)

// samples are the data that every page is executed with at start, so that each branch of each
// template and each text it needs is known to work. They hold no words for readers.
func samples() map[string][]any {
	at := time.Date(2026, 1, 1, 9, 30, 0, 0, time.UTC)
	word := Label{FR: "x", EN: "x"}
	desk := deskHead{Register: word, Purpose: word, About: word, Reminder: word, Home: "/", Change: "/"}
	in := input{ID: "x", Name: "x", Label: "x", Hint: "x", Error: "x", MaxLength: 9, Autocomplete: "off", Inputmode: "numeric"}
	faults := []fault{{Field: "x", Message: "x"}}
	group := options{ID: "x", Name: "x", Legend: "x", Error: "x", Items: []option{{ID: "x-0", Value: "a", Label: "x", Checked: true}, {ID: "x-1", Value: "b", Label: "x"}}}
	asked := typed{Surname: "x", FirstName: "x", BirthDate: "x"}
	all := map[string][]any{
		"front":      {frontPage{Cases: frontCases, Steps: frontSteps, Groups: sampleGroups(word)}, frontPage{Tour: true}},
		"tour":       {tourPage{}, sampleTour(at)},
		"entry":      {entryPage{}, entryPage{Providers: []Provider{{ID: "x", Label: "x"}}}},
		"signin":     {signInPage{}, signInPage{Providers: []signin.ProviderLink{{ID: "x", Label: "x", URL: "/"}}, Groups: sampleGroups(word), Locked: true, Invitation: true}},
		"signedout":  {signedOutPage{}, signedOutPage{Federation: true}},
		"invitation": {invitationPage{}, invitationPage{Providers: []Provider{{ID: "x", Label: "x"}}}},
		"session":    {sessionPage{}},
		"desks":      {desksPage{}, desksPage{Registers: []deskChoice{{Label: word, About: word, Href: "/", Controllers: []string{"x"}}}}},
		"home":       {homePage{}, sampleHome()},
		"purpose":    {purposePage{Register: word}, purposePage{Register: word, About: word, Purposes: []deskChoice{{Label: word, Href: "/"}}}},
		"emergency":  {emergencyPage{Desk: desk, Typed: asked, Motives: group, Faults: faults, Duty: "x"}},
		"mentions":   {mentionsPage{Demo: true}, sampleMentions(word)},
		"me":         {mePage{}, sampleMe(word, at)},
	}
	all["desk"] = []any{deskPage{Desk: desk}, deskPage{
		Desk: desk, Until: at, Meter: sampleMeter(), Fields: []Label{word}, Samples: []sampleView{{Relation: "caseload"}, {Relation: "site"}, {Relation: "organisation"}, {Relation: "other"}, {Relation: "outside"}},
		Form: searchForm{Identifier: in, Surname: in, FirstName: in, BirthDate: in, ByIdentifier: true, ByIdentity: true, Faults: faults},
	}}
	for _, kind := range []string{"own", "single", "none", "ambiguous"} {
		page := searchPage{Desk: desk, Kind: kind, Typed: asked, Meter: sampleMeter(), Costs: true, Beyond: "/", Receipt: "x"}
		if kind == "own" || kind == "single" {
			for _, relation := range relations {
				page.Hits = append(page.Hits, hitView{Relation: relation, Exact: relation == "site", Ask: relation == "other", Differs: []Label{word, word}})
			}
		}
		for _, window := range []string{"day", "month", "minutes"} {
			page.Search = &meterItem{Code: ecluse.ReasonBudgetSearch, Window: window, Used: 1, Limit: 2}
			all["search"] = append(all["search"], page)
		}
	}
	for need := range 3 {
		all["person"] = append(all["person"], personPage{Desk: desk, Relation: relations[need+1], Need: need, Typed: typed{Identifier: "x"}, Purposes: group, Motives: group, TextErr: "x", Faults: faults})
	}
	all["case"] = sampleCases(desk, word, at)
	all["refusal"] = []any{refusalPage{Desk: desk, Reasons: reasonsWithText, Call: "manager", Phone: "x", Duty: "x", Help: register.Help{Name: word, Phone: "x", Email: "x"}, Rules: []string{"x"}, Receipt: "x", Urgent: "/"}, refusalPage{Desk: desk, Call: "duty", Raise: "yes", Entrust: "/", Mend: "/", Train: "/", Find: "/", Typed: asked, Motives: group}, refusalPage{Desk: desk, Call: "duty", Raise: "done"}}
	for _, reason := range reasonsWithText {
		all["refusal"] = append(all["refusal"], refusalPage{Desk: desk, Reasons: []ecluse.Reason{reason}, Call: "nobody"})
	}
	cell := fieldView{Label: word, Kind: "date", Value: "2004-05-17"}
	all["caseload"] = []any{caseloadPage{Desk: desk}, caseloadPage{Desk: desk, Columns: []Label{word, word}, Rows: []caseloadRow{{Action: "/", Cells: []fieldView{cell, cell}}}, Next: "/", First: "/", Withheld: 2, Meter: sampleMeter()}}
	all["raise"], all["raiseconfirm"] = sampleRaises(word, in, group, faults, at)
	all["link"], all["linkdone"] = sampleLinks(desk, in, group, faults, at)
	all["reviews"], all["review"] = sampleReviews(word, at)
	all["told"] = sampleTold(word, at)
	sampleFactors(all, in, faults, at)
	all["approvals"], all["approval"] = sampleApprovals(at)
	sampleSecurity(all, in, faults, at)
	sampleAccounts(all, in, group, faults, at)
	sampleExposure(all, word, group, at)
	samplePrograms(all, in, faults, at)
	sampleTraining(all, word, group, faults, at)
	for _, code := range problemCodes {
		all["problem"] = append(all["problem"], problemPage{Code: code, Phone: "x", Text: "x", Reasons: reasonsWithText})
	}
	all["problem"] = append(all["problem"], problemPage{Code: "internal", Reference: "x"})
	for _, code := range []string{"locked", "expired", "revoked"} {
		all["lock"] = append(all["lock"], lockPage{Code: code}, lockPage{Code: code, Kept: "kept"}, lockPage{Code: code, Kept: "lost"})
	}
	for _, code := range signin.Codes {
		all["signinerror"] = append(all["signinerror"], signInErrorPage{Code: code, Again: "/", Reference: "x"})
	}
	help := helpPage{Idle: 15, Phone: "x", Duty: "x"}
	for _, t := range helpTopics {
		help.Topics = append(help.Topics, helpTopic{Code: t.code, Mine: true})
	}
	all["help"] = []any{help}
	return all
}

func sampleHome() homePage {
	page := homePage{Name: "x"}
	for _, d := range (&Site{}).doorways() {
		page.Others = append(page.Others, homeDoor{Code: d.code, Href: d.href})
		if d.waits != nil {
			page.Waiting = append(page.Waiting, homeDoor{d.code, d.href, 1}, homeDoor{d.code, d.href, 2})
		}
	}
	return page
}

func sampleGroups(word Label) []demoGroup {
	group := demoGroup{Register: word}
	for _, role := range ecluse.Roles {
		group.Roles = append(group.Roles, demoRole{Role: role, People: []DemoIdentity{{Role: role, Name: "x", Organisation: "x", Site: "x", Training: "expired", SignIn: "/"}}})
	}
	return []demoGroup{group}
}

func sampleMeter() meterBox {
	box := meterBox{High: true}
	for _, code := range []ecluse.Reason{
		ecluse.ReasonBudgetTotal, ecluse.ReasonBudgetNew, ecluse.ReasonBudgetOutside, ecluse.ReasonBudgetUnexplained,
		ecluse.ReasonBudgetSearch, ecluse.ReasonBudgetLinks, ecluse.ReasonEmergencyLimit,
	} {
		for _, window := range []string{"day", "month", "minutes"} {
			box.Items = append(box.Items, meterItem{Code: code, Used: 8, Limit: 10, Left: 2, Alert: 8, Window: window, High: true, Raised: machineTime{time.Unix(0, 0)}})
		}
	}
	return box
}

func sampleMentions(word Label) mentionsPage {
	page := mentionsPage{Suppliers: []Supplier{{Name: "x", Task: "x"}}, Hosting: "x"}
	page.Registers = []mentionedRegister{{Label: word, Rights: word, Controllers: []register.Controller{{Name: "x", DPO: "x", Roles: controllerRoles}, {Name: "x"}}}}
	return page
}

func sampleMe(word Label, at time.Time) mePage {
	page := mePage{Name: "x", Structure: "x", Controller: "x", Roles: ecluse.Roles, Notice: "revoked", Raise: "/", Recover: true}
	page.Last = []signin.Connection{{At: at, Browser: "x", Network: "x"}}
	page.Open = []sessionView{{Connection: signin.Connection{At: at, Current: true}}, {Connection: signin.Connection{At: at}, Revoke: "/"}}
	for _, role := range ecluse.Roles {
		page.Rights = append(page.Rights,
			rightView{Role: role, Register: word, Purposes: []Label{word}, Fields: []Label{word}, Starts: machineTime{at}, Running: true, Meter: sampleMeter(), Raised: machineTime{at}, Course: sampleCourses(word, at)[0]},
			rightView{Role: role, Starts: machineTime{at}, Ends: machineTime{at}, Running: true}, rightView{Role: role})
	}
	return page
}

func sampleCases(desk deskHead, word Label, at time.Time) []any {
	var pages []any
	for i, relation := range relations {
		page := casePage{Desk: desk, Name: "x", Receipt: "x", At: machineTime{at}, Relation: relation, Emergency: i == 3, Meter: sampleMeter(), Reader: "x", Entrust: "/"}
		for class := ecluse.Identity; class <= ecluse.FreeText; class++ {
			page.Groups = append(page.Groups, fieldGroup{Class: class.String(), Fields: []fieldView{{Label: word, Kind: "nir", Value: "x"}, {Label: word}}})
		}
		page.Representatives = []fieldView{{Label: word, Kind: "phone", Value: "0100000000"}}
		page.Others = page.Representatives
		pages = append(pages, page)
	}
	return append(pages, casePage{Desk: desk}, casePage{Desk: desk, Relation: "other"})
}

func sampleFactors(all map[string][]any, in input, faults []fault, at time.Time) {
	all["secondfactor"] = []any{
		secondFactorPage{}, secondFactorPage{Waiting: true, Faults: faults},
		secondFactorPage{Next: "/", Key: true, Code: true, CodeForm: in, Minutes: 15, SignIn: "/"}, secondFactorPage{KeyAway: true},
	}
	page := factorsPage{KeysWork: true, Fresh: true, SignIn: "/", Prove: "/", Active: true, KeyName: in, CodeName: in, Faults: faults}
	for _, kind := range []string{directory.FactorKey, directory.FactorCode} {
		for _, state := range []string{directory.Active, directory.Waiting} {
			f := directory.Factor{Kind: kind, State: state, Name: "x", Created: at, UsedAt: at}
			page.List = append(page.List, factorView{f, "/"}, factorView{directory.Factor{Kind: kind, State: state}, "/"})
			all["factorend"] = append(all["factorend"], factorEndPage{Factor: f, Last: true, Action: "/"}, factorEndPage{Factor: f})
		}
	}
	all["factors"] = []any{factorsPage{}, factorsPage{Fresh: true}, factorsPage{Active: true}, page}
	for _, done := range []string{"added", "waiting", "ended"} {
		all["factors"] = append(all["factors"], factorsPage{Notice: done})
	}
	all["factorcode"] = []any{codePage{Name: "x", Picture: `d="M0 0h1v1h-1z"`, Size: 1, Secret: "x", CodeForm: in, Faults: faults}}
	all["recovery"] = []any{recoveryPage{}, recoveryPage{Name: "x", Email: in, Picks: options{ID: "x", Name: "x", Legend: "x", Items: []option{{ID: "x", Label: "x"}}}, Active: 1, Account: "x", Faults: faults, Notice: true}, recoveryPage{Name: "x", Nothing: true}}
}

func sampleReviews(word Label, at time.Time) (lists, single []any) {
	var list []reviewView
	for _, kind := range []string{policy.ReviewOutside, policy.ReviewUnexplained, policy.ReviewEmergency} {
		for _, state := range []string{"pending", "accepted", "contested", "settled"} {
			v := reviewView{Review: directory.Review{At: at, Kind: kind, AccountName: "x", State: state, Text: []byte("x"), DecidedAt: at}, Href: "/", Purpose: word, Motive: word}
			list = append(list, v)
			single = append(single, reviewPage{Item: v, Duty: "x"}, reviewPage{Item: v, Text: "x", Shown: true, May: true, About: "/"})
		}
	}
	var tabs []reviewTab
	for _, l := range directory.ReviewLists {
		tabs = append(tabs, reviewTab{List: l, Href: "/", Count: 1})
	}
	for i, l := range directory.ReviewLists {
		lists = append(lists, reviewsPage{Lists: tabs, List: l, Notice: reviewNotices[i]}, reviewsPage{Lists: tabs[:1], List: l, Items: list, From: 1, To: 2, Count: i},
			reviewsPage{List: l, Items: list, From: 26, To: 50, Count: 1000, Previous: "/", Next: "/"})
	}
	return lists, single
}

func sampleApprovals(at time.Time) (lists, single []any) {
	page := approvalPage{}
	for _, kind := range diffKinds {
		section := diffSection{Kind: kind, Added: 1, Changed: 1, Ended: 1, More: 3}
		for _, op := range diffOps {
			section.Rows = append(section.Rows, diffRow{Op: op, Name: "x", Cells: []diffCell{{"x", "x", "x", op != "new"}}, Links: []diffLinks{{From: "x", Persons: 1}, {Persons: 2}}})
		}
		page.Sections = append(page.Sections, section)
	}
	for _, code := range diffWarnings {
		page.Warnings = append(page.Warnings, diffWarning{Code: code, Detail: "x"})
	}
	var list []approvalView
	for _, state := range []string{"pending", "approved", "refused", "expired"} {
		for _, kind := range approvalKinds {
			v := approvalView{Approval: directory.Approval{Kind: kind, RequestedAt: at, Expires: at, State: state, DecidedAt: at}, Requester: "x", Command: "x", Href: "/", Own: state == "pending"}
			page.Item, list = v, append(list, v)
			page.Decider = map[bool]string{true: "x"}[state == "approved"]
			page.Just, page.Receipt = state == "approved" || state == "refused", "x"
			single = append(single, page)
		}
	}
	for _, decision := range []string{"approve", "refuse"} {
		for total := range 3 {
			single = append(single, approvalPage{Item: list[0], Decision: decision, Total: total})
		}
	}
	for _, decision := range []string{"", "approve", "refuse"} {
		single = append(single, approvalPage{Item: list[1], Decision: decision, Observe: &observeView{Register: Label{FR: "x", EN: "x"}, Days: 1 + len(decision)}})
	}
	return []any{approvalsPage{}, approvalsPage{Waiting: list, Done: list}}, single
}

func sampleAccounts(all map[string][]any, in input, group options, faults []fault, at time.Time) {
	for _, kind := range []string{directory.KindAccount, directory.KindStandIn, directory.KindStandInConfirm} {
		for _, op := range []string{"open", "change", "wake", "relink", "replace", "stay"} {
			for _, why := range append(directory.RequestReasons, "replacement") {
				shown := directory.AccountSummary{Op: op, Reason: why, Email: "x", Organisation: "x", Site: "x", Former: 1, Domain: true}
				item := approvalView{Approval: directory.Approval{Kind: kind, RequestedAt: at, Expires: at, State: "pending"}, Requester: "x", Href: "/"}
				all["approval"] = append(all["approval"], approvalPage{Item: item, Account: &shown}, approvalPage{Item: item, Account: &shown, Decision: "approve", Total: 1})
				all["colleagues"] = append(all["colleagues"], colleaguesPage{Organisation: "x", Waiting: []requestView{{shown, kind, "x", at}}})
				all["replacements"] = append(all["replacements"], replacementsPage{Waiting: []replacementView{{shown, "x", at, "/"}, {shown, "x", at, ""}}})
			}
		}
	}
	behind := backgroundView{
		Background: directory.Background{Requester: directory.Account{ID: 1}, Browser: "x", Network: "x", NewDevice: true, NewNetwork: true, Asked24h: 2, Waiting: 1, Concerns: directory.Organisation{ID: 1}, Headcount: 2, Accounts: 1, Asks: 1},
		Lineage:    []string{"x", "x"}, Day: 1, Month: 2, Known: true,
		Domains: []domainView{{DomainUse: directory.DomainUse{Domain: "x", New: true}, Ways: []wayView{{Name: "x", Accounts: 1}, {Name: "x", Accounts: 2, Email: true, SIRET: true}}}, {}},
	}
	other := backgroundView{Background: directory.Background{Requester: directory.Account{ID: 1}, Network: "x", Asked24h: 1, Waiting: 2, Concerns: directory.Organisation{ID: 1}, Headcount: 1, Accounts: 2, Asks: 2}}
	command := approvalView{Approval: directory.Approval{Kind: directory.KindImport, RequestedAt: at, Expires: at, State: "pending"}, Command: "x", Href: "/"}
	all["approval"] = append(all["approval"], approvalPage{Item: command, Behind: &behind, TakeUp: "/"}, approvalPage{Item: command, Behind: &other, Progress: &progressView{1, 3, 2}}, approvalPage{Item: command, Progress: &progressView{3, 3, 0}}, approvalPage{Item: command, Behind: &backgroundView{}})
	page := colleaguesPage{Organisation: "x", Email: in, Faults: faults}
	for _, state := range memberStates {
		m := directory.Member{Account: directory.Account{GivenName: "x", UsualName: "x", Ends: at, StandInEnds: at, ActiveAt: at}, Now: state, Site: "x", Roles: ecluse.Roles, LastMonth: at}
		page.Groups = append(page.Groups, colleagueGroup{state, []memberView{{m, "/", sampleCourses(Label{FR: "x", EN: "x"}, at)}, {directory.Member{Now: state}, "/", nil}}})
		all["colleague"] = append(all["colleague"], colleaguePage{Item: m, Courses: sampleCourses(Label{FR: "x", EN: "x"}, at), Organisation: "x", Change: "/", Relink: "/", End: "/", Invite: "/"}, colleaguePage{Item: directory.Member{Now: state, Own: true}})
		for _, act := range []string{"end", "relink"} {
			all["colleagueact"] = append(all["colleagueact"], colleagueActPage{m, act, "/", "/"})
		}
		all["accountform"] = append(all["accountform"], accountFormPage{Item: &m, Email: in, Given: in, Usual: in, Sites: group, Roles: group, Reasons: group, Ends: in, Faults: faults}, accountFormPage{Organisation: &in})
	}
	for _, notice := range colleagueNotices {
		all["colleagues"] = append(all["colleagues"], colleaguesPage{Notice: notice, Email: in}, page)
	}
	all["replacements"] = append(all["replacements"], replacementsPage{Manages: true, Email: in, Given: in, Usual: in, Sites: group, Faults: faults, Notice: true})
	all["orphans"] = []any{orphansPage{}}
	for _, why := range directory.OrphanReasons {
		all["orphans"] = append(all["orphans"], orphansPage{Groups: []orphanGroup{{why, []orphanView{{directory.Orphan{Why: why, Organisation: "x", Role: ecluse.RoleAgent, Links: 1, Since: at}, "/"}, {directory.Orphan{Links: 2, Since: at}, "/"}}}}})
	}
}

func sampleRaises(word Label, in input, group options, faults []fault, at time.Time) (forms, confirms []any) {
	form := raisePage{Register: word, Code: "x", Colleagues: group, Email: in, Reasons: group, Raised: []raisedView{{Name: "x", Until: machineTime{at}}}, Faults: faults, Notice: true}
	forms = []any{raisePage{None: true}, raisePage{Choices: []deskChoice{{Label: word, Href: "/"}}}, form}
	for _, reason := range directory.RaiseReasons {
		confirms = append(confirms, raiseConfirmPage{Register: word, Code: "x", Name: "x", Colleague: "x", Reason: reason, Until: machineTime{at}, Back: "/"})
	}
	return forms, confirms
}

func sampleLinks(desk deskHead, in input, group options, faults []fault, at time.Time) (forms, done []any) {
	forms = []any{linkPage{Desk: desk, Purposes: group, Kinds: group, Receiver: in, Site: in, Ends: in, Sites: []directory.Organisation{{Code: "x", Name: "x"}}, Faults: faults}, linkPage{Desk: desk, Purpose: "x", Receiver: in, Site: in, Ends: in}}
	for _, kind := range directory.MadeByAgents {
		done = append(done, linkDonePage{Desk: desk, Kind: kind, Receipt: "x", Ends: at, Again: "/"})
	}
	return forms, done
}

func sampleTold(word Label, at time.Time) []any {
	page := toldPage{}
	for i, state := range []string{mail.Waiting, mail.Sent, mail.Failed, mail.Dropped, mail.Shown} {
		page.Items = append(page.Items, toldView{What: word, At: machineTime{at}, Href: []string{"/", ""}[i%2], State: state})
	}
	return []any{toldPage{}, page}
}
