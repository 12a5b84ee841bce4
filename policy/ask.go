package policy

import (
	"strings"

	"cel.dev/cel-go/common/types"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/policy/expr"
)

// outcome is what asking a condition gave.
type outcome uint8

const (
	unasked outcome = iota
	no
	yes
	failed
)

// ask asks the rules of a stage about the activation's recipient.
func (p *Policy) ask(stage gateway.Stage, a *activation) gateway.Disposition {
	var d gateway.Disposition
	for _, r := range p.stages[stage] {
		var why string
		hit := a.seen[r.index]
		if hit == unasked || !r.shared {
			hit, why = r.holds(a)
			a.seen[r.index] = hit
			if hit == failed && r.shared {
				a.why[r.index] = why
			}
		} else if hit == failed {
			why = a.why[r.index]
		}
		switch {
		case hit == no:
			continue
		case hit == failed:
			d.Rules = append(d.Rules, r.trace+": "+why)
			if r.lenient {
				continue
			}
			d.Action = gateway.Defer
			d.Reply = smtp.NewReply(451, smtp.EnhancedCode{4, 3, 0}, "The policy of this site cannot judge this now (rule "+r.name+")")
			return d
		}
		if r.apply(&d, a); d.Action != gateway.Continue {
			return d
		}
	}
	return d
}

// holds evaluates the rule's condition; why says what failed.
func (r *rule) holds(a *activation) (hit outcome, why string) {
	if r.cond == nil {
		return yes, ""
	}
	out, _, err := r.cond.Prog.Eval(a)
	switch {
	case err != nil:
		return failed, reason(err)
	case out == types.True:
		return yes, ""
	case out == types.False:
		return no, ""
	}
	return failed, "the condition gave neither true nor false"
}

// maxReason bounds what a failed condition says in the trace.
const maxReason = 200

// reason returns an error as the trace shows it, on one line.
func reason(err error) string {
	return expr.Cut(strings.Map(expr.AsField, strings.ToValidUTF8(err.Error(), "?")), maxReason)
}

// apply adds what the rule does to the disposition.
func (r *rule) apply(d *gateway.Disposition, a *activation) {
	d.Rules = append(d.Rules, r.trace)
	d.Action = r.action
	if r.reply != nil {
		d.Reply = r.reply.render(a)
	}
	if r.route != "" {
		d.Route = r.route
	}
	d.Queue.Merge(r.queue)
	switch {
	case len(r.edits) == 0:
	case r.fixed != nil:
		d.Edits = append(d.Edits, r.fixed...)
	default:
		for _, e := range r.edits {
			d.Edits = append(d.Edits, e.render(a))
		}
	}
}
