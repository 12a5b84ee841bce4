package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/policy/expr"
)

// rawRule is a rule as written: texts with their places.
type rawRule struct {
	pos                           expr.Position
	bad                           bool // something is wrong with its keys
	name, at                      expr.Text
	cond, then, reply, route, tag *expr.Text
	onError                       *expr.Text
	lane, pool, priority, hold    *expr.Text
	add                           []field
	remove                        []expr.Text
}

type field struct{ name, value expr.Text }

var ruleKeys = []string{"name", "at", "if", "then", "reply", "add", "remove", "tag", "route", "lane", "pool", "priority", "hold", "on_error"}

// readFile reads the file's rules.
func readFile(f *expr.File) []*rawRule {
	var rules []*rawRule
	for _, n := range f.Rules("a policy", MaxRules) {
		if r := readRule(f, n); r != nil {
			rules = append(rules, r)
		}
	}
	return rules
}

// readRule reads the keys of one rule.
func readRule(f *expr.File, n ast.Node) *rawRule {
	entries, ok := f.Mapping(n, "a rule")
	if !ok {
		return nil
	}
	before := f.Count()
	r := &rawRule{pos: expr.NodePos(n)}
	r.name.File, r.at.File = f, f
	f.Strict(entries, "a rule", ruleKeys...)
	for _, e := range entries {
		switch e.Key {
		case "add":
			r.add = readFields(f, e.Value)
		case "remove":
			r.remove, _ = f.Scalars(e.Value, "remove")
		case "name", "at", "if", "then", "reply", "route", "tag", "on_error", "lane", "pool", "priority", "hold":
			if t, ok := f.Scalar(e.Value, e.Key); ok {
				r.set(e.Key, t)
			}
		}
	}
	for _, key := range ruleKeys[:2] {
		if !slices.ContainsFunc(entries, func(e expr.Entry) bool { return e.Key == key }) {
			f.Problem(r.pos, fmt.Sprintf("the rule has no %q", key), map[string]string{
				"name": "it appears in traces and replies", "at": "a stage: " + stageNames(),
			}[key])
		}
	}
	r.bad = f.Count() > before
	return r
}

func (r *rawRule) set(key string, t expr.Text) {
	switch key {
	case "name":
		r.name = t
	case "at":
		r.at = t
	}
	optional := map[string]**expr.Text{
		"if": &r.cond, "then": &r.then, "reply": &r.reply, "route": &r.route, "tag": &r.tag, "on_error": &r.onError,
		"lane": &r.lane, "pool": &r.pool, "priority": &r.priority, "hold": &r.hold,
	}
	if p := optional[key]; p != nil {
		*p = &t
	}
}

// readFields reads the mapping of add.
func readFields(f *expr.File, n ast.Node) []field {
	entries, ok := f.Mapping(n, "add")
	if !ok {
		return nil
	}
	fields := make([]field, 0, len(entries))
	for _, e := range entries {
		if v, ok := f.Scalar(e.Value, "the value of a field"); ok {
			fields = append(fields, field{expr.Plain(f, e.Key, e.Pos), v})
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
		if raw.at.Value == s.String() {
			return s
		}
		names = append(names, s.String())
	}
	if raw.at.Value != "" {
		hint := expr.Meant(raw.at.Value, names)
		if raw.at.Value == "data" || raw.at.Value == "body" {
			hint = "header is before the body has come, message is after"
		}
		if hint == "" {
			hint = "there are " + stageNames()
		}
		raw.at.File.Problem(raw.at.Pos, fmt.Sprintf("there is no stage %q", raw.at.Value), hint)
	}
	return 0
}

func (raw *rawRule) action() gateway.Action {
	if raw.then == nil {
		return gateway.Continue
	}
	var names []string
	for a := gateway.Accept; a <= gateway.Quarantine; a++ {
		if raw.then.Value == a.String() {
			return a
		}
		names = append(names, a.String())
	}
	hint := expr.Meant(raw.then.Value, names)
	switch raw.then.Value {
	case "continue":
		hint = `a rule without "then" lets the next ones decide`
	case "refuse", "deny", "block", "bounce":
		hint = `did you mean "reject"?`
	case "tempfail", "greylist":
		hint = `did you mean "defer"?`
	case "drop":
		hint = `did you mean "discard"?`
	case "junk":
		hint = `leave "then" out and mark it: add: {X-Spam-Flag: "YES"}; or did you mean "quarantine"?`
	case "":
	default:
		if hint == "" {
			hint = "there are " + strings.Join(names, ", ")
		}
	}
	raw.then.File.Problem(raw.then.Pos, fmt.Sprintf("there is no decision %q", raw.then.Value), hint)
	return gateway.Continue
}

func (raw *rawRule) lenient() bool {
	if raw.onError == nil {
		return false
	}
	switch raw.onError.Value {
	case "continue":
		return true
	case "defer":
		return false
	}
	raw.onError.File.Problem(raw.onError.Pos, fmt.Sprintf("on_error cannot be %q", raw.onError.Value), "continue or defer")
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
		t.File.Problem(t.Pos, fmt.Sprintf("a route cannot be chosen at stage %s", stage), "recipients have routes: at: rcpt")
	case routes != nil && !slices.Contains(routes, t.Value):
		hint := expr.Meant(t.Value, routes)
		if hint == "" {
			hint = "a key under domains: in the configuration"
		}
		t.File.Problem(t.Pos, fmt.Sprintf("there is no route %q", t.Value), hint)
	case t.Value == "":
		t.File.Problem(t.Pos, "the route is empty", "")
	}
	return t.Value
}
