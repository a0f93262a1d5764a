package policy

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"

	"ecluse"
	"ecluse/internal/budget"
	"ecluse/internal/tomlfile"
)

// Forbids are the policies of a register that forbid what the rules would allow, compiled once. They can only
// reduce: a `permit` is refused. nil forbids nothing. Safe for concurrent use.
type Forbids struct {
	list []forbid
	zone *time.Location
}

// forbid is one policy.
type forbid struct {
	id       string
	fr, en   string // what the agent is told
	policy   *cedar.Policy
	resource cedar.EntityUID // what its head names, or the record as a whole
	acts     []budget.Act    // that it concerns
	person   bool            // it looks at the person: asked when the rules on her have agreed
	fields   ecluse.FieldSet // that it withholds; 0 = everything
}

// Vocabulary is what policies may name of a register, and the place whose hours count.
type Vocabulary struct {
	Purposes []ecluse.Purpose
	Fields   map[string]ecluse.FieldSet
	Classes  map[ecluse.FieldClass]ecluse.FieldSet // fields of each class; all classes that exist
	Zone     *time.Location
}

const (
	maxForbids      = 64 // each costs a decision about a microsecond
	maxMessageRunes = 300
)

// cedarSchema says what policies see, for Cedar's own type checker.
const cedarSchema = `
entity Account { organisation: String, organisation_kind: String, site: String, stand_in: Bool };
entity Purpose, Channel;
entity Record { tier: Long, territory: String };
entity Class { tier: Long, territory: String };
entity Field in [Class] { tier: Long, territory: String };
type Context = { purpose: Purpose, channel: Channel, program: Bool, strong: Bool, hour: Long, weekday: Long };
action disclose, search, link, emergency appliesTo { principal: Account, resource: [Record, Class, Field], context: Context };
`

// actions are the acts as policies name them.
var actions = map[budget.Act]string{
	budget.Disclose: "disclose", budget.Search: "search", budget.MakeLink: "link", budget.Emergency: "emergency",
}

var channels = []ecluse.Channel{ecluse.ChannelPage, ecluse.ChannelAPI, ecluse.ChannelCaseload}

// unlessNamed are the acts that a policy concerns whose head names none. An emergency is never blocked by accident.
var unlessNamed = []budget.Act{budget.Disclose, budget.Search, budget.MakeLink}

// ParseForbids reads policies.cedar. path is for messages. The error joins one *tomlfile.Error for each thing that
// is wrong.
func ParseForbids(path string, text []byte, v Vocabulary) (*Forbids, error) {
	if len(text) > tomlfile.MaxBytes {
		return nil, &tomlfile.Error{File: path, Problem: "the file is larger than 256 KiB", Remedy: "it holds policies, no data"}
	}
	parsed, err := cedar.NewPolicyListFromBytes(path, text)
	if err != nil {
		return nil, unreadable(path, text, err)
	}
	validator, err := newValidator()
	if err != nil {
		return nil, err
	}
	r := &forbidReader{path: path, vocabulary: v, validator: validator, forbids: &Forbids{zone: v.Zone}}
	for _, p := range parsed {
		r.read(p)
	}
	if len(r.forbids.list) > maxForbids {
		r.bad(parsed[maxForbids], "there are more than 64 policies", "join some: each costs every decision time")
	}
	if err := errors.Join(r.errs...); err != nil {
		return nil, err
	}
	return r.forbids, nil
}

// Message is what a policy tells the agent in a language, "" if there is no such policy.
func (f *Forbids) Message(id, lang string) string {
	if f == nil {
		return ""
	}
	i := slices.IndexFunc(f.list, func(one forbid) bool { return one.id == id })
	switch {
	case i < 0:
		return ""
	case lang == "en":
		return f.list[i].en
	default:
		return f.list[i].fr
	}
}

// IDs lists the policies, as they stand in the file.
func (f *Forbids) IDs() []string {
	if f == nil {
		return nil
	}
	ids := make([]string, len(f.list))
	for i, one := range f.list {
		ids[i] = one.id
	}
	return ids
}

func newValidator() (*validate.Validator, error) {
	var s schema.Schema
	if err := s.UnmarshalCedar([]byte(cedarSchema)); err != nil {
		return nil, fmt.Errorf("read the schema of policies: %w", err)
	}
	resolved, err := s.Resolve()
	if err != nil {
		return nil, fmt.Errorf("resolve the schema of policies: %w", err)
	}
	return validate.New(resolved), nil
}

// forbidReader collects policies and everything that is wrong with them.
type forbidReader struct {
	path       string
	vocabulary Vocabulary
	validator  *validate.Validator
	forbids    *Forbids
	errs       []error
}

func (r *forbidReader) bad(p *cedar.Policy, problem, remedy string) {
	at := p.Position()
	r.errs = append(r.errs, &tomlfile.Error{File: r.path, Line: at.Line, Column: at.Column, Problem: problem, Remedy: remedy})
}

func (r *forbidReader) read(p *cedar.Policy) {
	if p.Effect() != cedar.Forbid {
		r.bad(p, "a policy that permits", "write forbid: policies only take away from what agreements give")
		return
	}
	tree := (*ast.Policy)(p.AST())
	f := forbid{policy: p}
	r.annotations(&f)
	if r.head(&f, tree); len(r.errs) > 0 {
		return
	}
	if err := r.validator.Policy(f.id, tree); err != nil {
		r.bad(p, "policy "+f.id+": "+strings.ReplaceAll(err.Error(), "\n", ", "), "docs/presets.md lists what policies see")
		return
	}
	f.person = looksAt(tree, "resource")
	for _, e := range literals(tree) {
		if !r.vocabulary.knows(e) {
			r.bad(p, fmt.Sprintf("policy %s: a condition names %s", f.id, e), "it may name a Purpose of schema.toml and a Channel: page, api, caseload")
		}
	}
	switch {
	case looksAt(tree, "action"):
		r.bad(p, "policy "+f.id+" looks at the action in a condition", "name the actions in the head: action in [Action::\"disclose\"]")
	case f.person && slices.Contains(f.acts, budget.Search) && named(tree.Action):
		r.bad(p, "policy "+f.id+" looks at the person in a search", "take the search out: nobody is known before it")
	}
	r.forbids.list = append(r.forbids.list, f)
}

// annotations: the policy's name, and what the agent is told in two languages.
func (r *forbidReader) annotations(f *forbid) {
	for key, value := range f.policy.Annotations() {
		switch key {
		case "id":
			f.id = string(value)
		case "fr":
			f.fr = strings.TrimSpace(string(value))
		case "en":
			f.en = strings.TrimSpace(string(value))
		default:
			r.bad(f.policy, fmt.Sprintf("unknown annotation @%s", key), "there are @id, @fr and @en")
		}
	}
	if !tomlfile.IsCode(f.id) {
		r.bad(f.policy, fmt.Sprintf("%q is no name of a policy", f.id), `write @id("…") above it: `+tomlfile.CodeRunes)
	}
	if slices.Contains(r.forbids.IDs(), f.id) {
		r.bad(f.policy, fmt.Sprintf("the policy %s stands twice", f.id), "give each its own @id")
	}
	if !plain(f.fr) || !plain(f.en) {
		r.bad(f.policy, "what the agent is told is not complete", `write @fr("…") and @en("…") above it: one line of at most 300 characters each`)
	}
}

func plain(text string) bool {
	return text != "" && utf8.RuneCountInString(text) <= maxMessageRunes && strings.IndexFunc(text, unicode.IsControl) < 0
}

// head reads whom, which acts and what of a record a policy concerns.
func (r *forbidReader) head(f *forbid, tree *ast.Policy) {
	if _, all := tree.Principal.(ast.ScopeTypeAll); !all {
		r.bad(f.policy, "the head of a policy names a principal", "write principal alone: accounts come and go, their attributes are for conditions")
	}
	switch scope := tree.Action.(type) {
	case ast.ScopeTypeAll:
		f.acts = unlessNamed
	case ast.ScopeTypeEq:
		r.act(f, scope.Entity)
	case ast.ScopeTypeInSet:
		for _, e := range scope.Entities {
			r.act(f, e)
		}
	default:
		r.bad(f.policy, "the head of a policy names its action otherwise than is understood", `write action, action == Action::"…" or action in [Action::"…"]`)
	}
	f.resource = cedar.NewEntityUID("Record", "")
	switch scope := tree.Resource.(type) {
	case ast.ScopeTypeAll:
	case ast.ScopeTypeEq:
		r.withholds(f, "Field", scope.Entity)
	case ast.ScopeTypeIn:
		r.withholds(f, "Class", scope.Entity)
	default:
		r.bad(f.policy, "the head of a policy names its resource otherwise than is understood", wholeOrPart)
	}
}

const wholeOrPart = `write resource, resource == Field::"…" or resource in Class::"…"`

func (r *forbidReader) act(f *forbid, e cedar.EntityUID) {
	for act, name := range actions {
		if e == cedar.NewEntityUID("Action", cedar.String(name)) {
			f.acts = append(f.acts, act)
			return
		}
	}
	r.bad(f.policy, fmt.Sprintf("there is no action %s", e), "there are disclose, search, link and emergency")
}

// withholds: a field or a class in the head.
func (r *forbidReader) withholds(f *forbid, kind cedar.EntityType, e cedar.EntityUID) {
	f.resource = e
	name := string(e.ID)
	if e.Type != kind {
		r.bad(f.policy, fmt.Sprintf("the head of a policy names %s", e), wholeOrPart)
		return
	}
	if kind == "Field" {
		f.fields = r.vocabulary.Fields[name]
	} else if class, err := ecluse.ParseFieldClass(name); err == nil {
		f.fields = r.vocabulary.Classes[class]
	}
	if f.fields == 0 {
		r.bad(f.policy, fmt.Sprintf("the register has no %s", e), "name a field of schema.toml, or a class that one of them has")
	}
}

// named reports whether a head names its actions.
func named(scope ast.IsActionScopeNode) bool {
	_, all := scope.(ast.ScopeTypeAll)
	return !all
}

// looksAt reports whether a condition of a policy uses a variable.
func looksAt(p *ast.Policy, variable string) (found bool) {
	inspect(p, func(n ast.IsNode) {
		if v, ok := n.(ast.NodeTypeVariable); ok && string(v.Name) == variable {
			found = true
		}
	})
	return found
}

// literals are the entities that a policy's conditions name. Cedar's type checker does not compare them with the
// values of an enum; one that is misspelt would never forbid anything.
func literals(p *ast.Policy) (list []cedar.EntityUID) {
	inspect(p, func(n ast.IsNode) {
		if v, ok := n.(ast.NodeValue); ok {
			if e, ok := v.Value.(cedar.EntityUID); ok {
				list = append(list, e)
			}
		}
	})
	return list
}

func (v Vocabulary) knows(e cedar.EntityUID) bool {
	switch e.Type {
	case "Purpose":
		return slices.Contains(v.Purposes, ecluse.Purpose(e.ID))
	case "Channel":
		return slices.Contains(channels, ecluse.Channel(e.ID))
	}
	return false
}

// inspect visits every node of a policy's conditions.
func inspect(p *ast.Policy, visit func(ast.IsNode)) {
	for _, c := range p.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			visit(n)
			return true
		})
	}
}

var parserPlace = regexp.MustCompile(`at <input>:(\d+):(\d+)`)

// unreadable puts an error of Cedar's parser into our form.
func unreadable(path string, text []byte, err error) error {
	problem := &tomlfile.Error{File: path, Problem: strings.TrimPrefix(err.Error(), "parser error: "), Remedy: "correct the Cedar of this line"}
	if place := parserPlace.FindStringSubmatch(problem.Problem); place != nil {
		problem.Line, _ = strconv.Atoi(place[1])
		problem.Column, _ = strconv.Atoi(place[2])
	}
	problem.Line = min(problem.Line, 1+bytes.Count(text, []byte("\n")))
	return problem
}
