package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/policy/expr"
)

// laneName is what a lane or a pool may be called.
var laneName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// maxHold bounds the reason for a hold, in characters.
const maxHold = 200

// queued tells whether the rule says how copies wait in the queue.
func (raw *rawRule) queued() bool {
	return raw.lane != nil || raw.pool != nil || raw.priority != nil || raw.hold != nil
}

// queueing reads lane, pool, priority and hold.
func (raw *rawRule) queueing(stage gateway.Stage, env Env) (q gateway.Queueing) {
	if !raw.queued() {
		return q
	}
	for _, t := range []*expr.Text{raw.lane, raw.pool, raw.priority, raw.hold} {
		if t != nil && stage < gateway.StageRcpt {
			t.File.Problem(t.Pos, fmt.Sprintf("a place in the queue cannot be chosen at stage %s", stage), "copies are for recipients: at: rcpt, or later")
			return q
		}
	}
	q.Lane = word(raw.lane, "lane", env.Lanes)
	q.Pool = word(raw.pool, "pool", env.Pools)
	if t := raw.priority; t != nil {
		n, err := strconv.Atoi(t.Value)
		if err != nil || n < -smtp.MaxPriority || n > smtp.MaxPriority {
			t.File.Problem(t.Pos, fmt.Sprintf("priority cannot be %q", t.Value), fmt.Sprintf("from -%d to %d, more is sooner", smtp.MaxPriority, smtp.MaxPriority))
		}
		q.Priority = n
	}
	if t := raw.hold; t != nil {
		q.Hold = strings.Map(expr.AsField, strings.TrimSpace(t.Value))
		if q.Hold == "true" { // no reason that tells anybody something
			q.Hold = "rule " + strings.Map(expr.AsField, raw.name.Value)
		}
		if n := len([]rune(q.Hold)); n == 0 || n > maxHold || q.Hold == "false" {
			t.File.Problem(t.Pos, fmt.Sprintf("hold is the reason that administrators see: up to %d characters", maxHold), `hold: "looks like a newsletter"`)
		}
	}
	return q
}

// word reads the name of a lane or a pool.
func word(t *expr.Text, what string, known []string) string {
	switch {
	case t == nil:
		return ""
	case !laneName.MatchString(t.Value):
		t.File.Problem(t.Pos, fmt.Sprintf("%q cannot be the name of a %s", t.Value, what), "letters a to z, digits, dots, hyphens and underscores")
	case known != nil && !slices.Contains(known, t.Value):
		hint := expr.Meant(t.Value, known)
		switch {
		case hint == "" && len(known) == 0:
			hint = "the configuration has none"
		case hint == "":
			hint = "there are " + strings.Join(known, ", ")
		}
		t.File.Problem(t.Pos, fmt.Sprintf("there is no %s %q", what, t.Value), hint)
	}
	return t.Value
}
