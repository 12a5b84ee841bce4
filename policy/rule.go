package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/policy/expr"
)

// rule is one rule, ready to be asked.
type rule struct {
	name    string
	trace   string // file:line and name
	stage   gateway.Stage
	cond    *expr.Condition // nil: always
	perRcpt bool            // the condition, or a text, looks at the recipient
	shared  bool            // the condition does not
	action  gateway.Action
	reply   *reply
	edits   []edit
	fixed   []gateway.Edit // edits, where none has facts in it
	route   string
	queue   gateway.Queueing
	lenient bool // on_error: continue
	index   int
}

// ruleName is what a rule may be called; it is shown to clients.
var ruleName = regexp.MustCompile(`^[A-Za-z0-9]([ -~]{0,62}[!-~])?$`)

// compiler makes rules of what is written.
type compiler struct{ *expr.Compiler }

// build checks a rule and compiles it. It tells all that is wrong with it.
func (c *compiler) build(raw *rawRule, env Env) (*rule, bool) {
	f := raw.name.File
	before := f.Count()
	r := &rule{name: raw.name.Value, trace: f.Name() + ":" + strconv.Itoa(raw.pos.Line) + " " + raw.name.Value}
	if raw.name.Value != "" && !ruleName.MatchString(raw.name.Value) {
		f.Problem(raw.name.Pos, fmt.Sprintf("%.70q cannot be the name of a rule", raw.name.Value), "64 printable ASCII characters at most, a letter or digit first")
	}
	r.stage = raw.stage()
	r.action = raw.action()
	r.lenient = raw.lenient()
	if r.stage == 0 { // facts cannot be judged without it
		return nil, false
	}
	if raw.cond != nil {
		r.cond, _ = c.Compile(*raw.cond, r.stage)
	}
	c.buildReply(r, raw)
	r.edits, _ = c.edits(raw, r.stage)
	r.route = raw.checkRoute(r.stage, env.Routes)
	r.queue = raw.queueing(r.stage, env)
	if !raw.bad && raw.then == nil && raw.route == nil && raw.tag == nil && raw.add == nil && raw.remove == nil && !raw.queued() {
		f.Problem(raw.pos, "the rule does nothing", "then, add, remove, tag, route, lane, pool, priority or hold")
	}
	if r.action == gateway.Discard || r.action == gateway.Reject || r.action == gateway.Defer {
		if len(r.edits) > 0 || raw.route != nil || raw.queued() {
			f.Problem(raw.then.Pos, fmt.Sprintf("what is to %s needs no add, remove, tag, route or place in the queue", r.action), "")
		}
	}
	if r.action == gateway.Quarantine && raw.hold != nil {
		f.Problem(raw.hold.Pos, "what is in quarantine waits there, and needs no hold", "")
	}
	if f.Count() > before {
		return nil, false
	}
	r.prepare()
	return r, true
}

// buildReply reads the reply, or makes one.
func (c *compiler) buildReply(r *rule, raw *rawRule) {
	refuses := r.action == gateway.Reject || r.action == gateway.Defer
	switch {
	case raw.reply != nil && !refuses && (raw.then == nil || r.action != gateway.Continue):
		raw.reply.File.Problem(raw.reply.Pos, "a reply belongs to reject and defer", "")
	case raw.reply != nil && refuses:
		r.reply, _ = c.reply(*raw.reply, r.action, r.stage)
	case refuses:
		r.reply = defaultReply(r.action)
		text := "The policy of this site refuses this (rule " + r.name + ")"
		if r.action == gateway.Defer {
			text = "The policy of this site does not take this now (rule " + r.name + ")"
		}
		fixed := smtp.NewReply(r.reply.code, r.reply.enhanced, text)
		r.reply.fixed = &fixed
	}
}

// prepare works out what a rule needs to know while mail is judged.
func (r *rule) prepare() {
	rcpt := func(v *expr.Variable) bool { return v.Rcpt }
	r.shared = r.cond == nil || !slices.ContainsFunc(r.cond.Facts, rcpt)
	r.perRcpt = !r.shared || slices.ContainsFunc(r.texts(), rcpt)
	for _, e := range r.edits {
		if _, ok := e.value.Static(); !ok {
			return
		}
	}
	for _, e := range r.edits {
		r.fixed = append(r.fixed, e.render(nil))
	}
}

// texts returns the facts in the rule's texts.
func (r *rule) texts() []*expr.Variable {
	var facts []*expr.Variable
	for _, e := range r.edits {
		facts = append(facts, e.value.Facts...)
	}
	if r.reply != nil {
		facts = append(facts, r.reply.text.Facts...)
	}
	return facts
}
