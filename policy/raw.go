package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/gapura-mail/gapura/gateway"
)

// rawRule is a rule as written: texts with their places.
type rawRule struct {
	pos                           position
	bad                           bool // something is wrong with its keys
	name, at                      text
	cond, then, reply, route, tag *text
	onError                       *text
	lane, pool, priority, hold    *text
	add                           []field
	remove                        []text
}

type field struct{ name, value text }

var ruleKeys = []string{"name", "at", "if", "then", "reply", "add", "remove", "tag", "route", "lane", "pool", "priority", "hold", "on_error"}

// rules reads the file's rules.
func (f *file) rules() []*rawRule {
	body := f.parse()
	if body == nil {
		if len(*f.errs) == 0 || (*f.errs)[len(*f.errs)-1].File != f.name {
			f.problem(position{1, 1}, "the file has no rules", `a policy begins with "rules:"`)
		}
		return nil
	}
	if body.Type() == ast.SequenceType {
		f.problem(nodePos(body), "a policy file is a mapping, and this is a list", `put "rules:" before it`)
		return nil
	}
	entries, ok := f.mapping(body, "a policy file")
	if !ok {
		return nil
	}
	f.strict(entries, "a policy file", "rules")
	var rules []*rawRule
	for _, e := range entries {
		if e.key != "rules" {
			continue
		}
		items, _ := f.sequence(e.value, "rules")
		if len(items) > MaxRules {
			f.problem(nodePos(items[MaxRules]), fmt.Sprintf("there are more than %d rules", MaxRules), "")
			items = items[:MaxRules]
		}
		for _, n := range items {
			if r := f.rule(n); r != nil {
				rules = append(rules, r)
			}
		}
	}
	return rules
}

// rule reads the keys of one rule.
func (f *file) rule(n ast.Node) *rawRule {
	entries, ok := f.mapping(n, "a rule")
	if !ok {
		return nil
	}
	before := len(*f.errs)
	r := &rawRule{pos: nodePos(n)}
	r.name.f, r.at.f = f, f
	f.strict(entries, "a rule", ruleKeys...)
	for _, e := range entries {
		switch e.key {
		case "add":
			r.add = f.fields(e.value)
		case "remove":
			r.remove, _ = f.scalars(e.value, "remove")
		case "name", "at", "if", "then", "reply", "route", "tag", "on_error", "lane", "pool", "priority", "hold":
			if t, ok := f.scalar(e.value, e.key); ok {
				r.set(e.key, t)
			}
		}
	}
	for _, key := range ruleKeys[:2] {
		if !slices.ContainsFunc(entries, func(e entry) bool { return e.key == key }) {
			f.problem(r.pos, fmt.Sprintf("the rule has no %q", key), map[string]string{
				"name": "it appears in traces and replies", "at": "a stage: " + stageNames(),
			}[key])
		}
	}
	r.bad = len(*f.errs) > before
	return r
}

func (r *rawRule) set(key string, t text) {
	switch key {
	case "name":
		r.name = t
	case "at":
		r.at = t
	}
	optional := map[string]**text{
		"if": &r.cond, "then": &r.then, "reply": &r.reply, "route": &r.route, "tag": &r.tag, "on_error": &r.onError,
		"lane": &r.lane, "pool": &r.pool, "priority": &r.priority, "hold": &r.hold,
	}
	if p := optional[key]; p != nil {
		*p = &t
	}
}

// fields reads the mapping of add.
func (f *file) fields(n ast.Node) []field {
	entries, ok := f.mapping(n, "add")
	if !ok {
		return nil
	}
	fields := make([]field, 0, len(entries))
	for _, e := range entries {
		if v, ok := f.scalar(e.value, "the value of a field"); ok {
			fields = append(fields, field{text{f, e.key, e.pos, plain}, v})
		}
	}
	return fields
}

func stageNames() string {
	names := make([]string, len(gateway.Stages))
	for i, s := range gateway.Stages {
		names[i] = s.String()
	}
	return strings.Join(names, ", ")
}

func (raw *rawRule) stage() gateway.Stage {
	var names []string
	for _, s := range gateway.Stages {
		if raw.at.value == s.String() {
			return s
		}
		names = append(names, s.String())
	}
	if raw.at.value != "" {
		hint := meant(raw.at.value, names)
		if raw.at.value == "data" || raw.at.value == "body" {
			hint = "header is before the body has come, message is after"
		}
		if hint == "" {
			hint = "there are " + stageNames()
		}
		raw.at.f.problem(raw.at.pos, fmt.Sprintf("there is no stage %q", raw.at.value), hint)
	}
	return 0
}

func (raw *rawRule) action() gateway.Action {
	if raw.then == nil {
		return gateway.Continue
	}
	var names []string
	for a := gateway.Accept; a <= gateway.Discard; a++ {
		if raw.then.value == a.String() {
			return a
		}
		names = append(names, a.String())
	}
	hint := meant(raw.then.value, names)
	switch raw.then.value {
	case "continue":
		hint = `a rule without "then" lets the next ones decide`
	case "refuse", "deny", "block", "bounce":
		hint = `did you mean "reject"?`
	case "tempfail", "greylist":
		hint = `did you mean "defer"?`
	case "drop":
		hint = `did you mean "discard"?`
	case "quarantine", "junk":
		hint = `leave "then" out and mark it: add: {X-Spam-Flag: "YES"}`
	case "":
	default:
		if hint == "" {
			hint = "there are " + strings.Join(names, ", ")
		}
	}
	raw.then.f.problem(raw.then.pos, fmt.Sprintf("there is no decision %q", raw.then.value), hint)
	return gateway.Continue
}

func (raw *rawRule) lenient() bool {
	if raw.onError == nil {
		return false
	}
	switch raw.onError.value {
	case "continue":
		return true
	case "defer":
		return false
	}
	raw.onError.f.problem(raw.onError.pos, fmt.Sprintf("on_error cannot be %q", raw.onError.value), "continue or defer")
	return false
}

// checkRoute looks up the backend group of route.
func (raw *rawRule) checkRoute(stage gateway.Stage, routes []string) string {
	if raw.route == nil {
		return ""
	}
	t := *raw.route
	switch {
	case stage < gateway.StageRcpt:
		t.f.problem(t.pos, fmt.Sprintf("a route cannot be chosen at stage %s", stage), "recipients have routes: at: rcpt")
	case routes != nil && !slices.Contains(routes, t.value):
		hint := meant(t.value, routes)
		if hint == "" {
			hint = "a key under domains: in the configuration"
		}
		t.f.problem(t.pos, fmt.Sprintf("there is no route %q", t.value), hint)
	case t.value == "":
		t.f.problem(t.pos, "the route is empty", "")
	}
	return t.value
}
