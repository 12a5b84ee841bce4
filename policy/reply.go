package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/policy/expr"
)

// maxReply bounds the text of a reply: with the code before it and the trace
// id behind it, a line still fits 512 octets (RFC 5321 section 4.5.3.1.5).
const maxReply = 400

// reply is what a refused client hears.
type reply struct {
	code     int
	enhanced smtp.EnhancedCode
	text     expr.Template
	fixed    *smtp.Reply // where the text has no facts
}

// replyForm splits a reply: both codes may be left out.
var replyForm = regexp.MustCompile(`^\s*(?:([0-9]{3})(?:[ \n]+|$))?(?:([0-9]+(?:\.[0-9]+)+)(?:[ \n]+|$))?`)

// reply reads "550 5.7.1 The text {fact}" for an action.
func (c *compiler) reply(t expr.Text, action gateway.Action, stage gateway.Stage) (*reply, bool) {
	r := defaultReply(action)
	runes := []rune(t.Value)
	m := replyForm.FindStringSubmatchIndex(t.Value)
	good := true
	fail := func(at int, msg, hint string) {
		t.File.Problem(t.At(at), msg, hint)
		good = false
	}
	if m[2] >= 0 {
		r.code, _ = strconv.Atoi(t.Value[m[2]:m[3]])
		if msg, hint := badCode(r.code, action); msg != "" {
			fail(m[2], msg, hint)
		}
	}
	if m[4] >= 0 {
		var ok bool
		if r.enhanced, ok = parseEnhanced(t.Value[m[4]:m[5]]); !ok || int(r.enhanced[0]) != r.code/100 {
			fail(m[4], fmt.Sprintf("%s is no enhanced code of a %d reply", t.Value[m[4]:m[5]], r.code),
				fmt.Sprintf("such as %d.7.1 (RFC 3463)", r.code/100))
		}
	}
	t.Value = strings.TrimRight(t.Value, " \n")
	start := min(m[1], len(t.Value))
	if q := t.Value[start:]; len(q) > 1 && q[0] == '"' && q[len(q)-1] == '"' {
		start++
		t.Value = t.Value[:len(t.Value)-1]
	}
	for i, x := range runes {
		if (x < ' ' || x > '~') && x != '\n' {
			fail(i, fmt.Sprintf("%q cannot be in a reply", x), "SMTP replies are ASCII")
			break
		}
	}
	var ok bool
	if r.text, ok = c.Template(t, start, stage); !ok || !good {
		return nil, false
	}
	return r, r.check(t)
}

// check bounds the text and prepares a reply without facts.
func (r *reply) check(t expr.Text) bool {
	s := r.text.Literal()
	switch {
	case strings.TrimSpace(s) == "" && len(r.text.Facts) == 0:
		t.File.Problem(t.Pos, "the reply has no text", "say why, and whom to ask")
		return false
	case len(s) > maxReply || strings.Count(s, "\n") > 4:
		t.File.Problem(t.Pos, fmt.Sprintf("the reply has more than %d characters or 5 lines", maxReply), "")
		return false
	}
	if s, ok := r.text.Static(); ok {
		fixed := smtp.NewReply(r.code, r.enhanced, s)
		r.fixed = &fixed
	}
	return true
}

// defaultReply has the codes of an action's reply: refused by local policy.
func defaultReply(action gateway.Action) *reply {
	if action == gateway.Defer {
		return &reply{code: 451, enhanced: smtp.EnhancedCode{4, 7, 1}}
	}
	return &reply{code: 550, enhanced: smtp.EnhancedCode{5, 7, 1}}
}

// badCode tells what is wrong with a code, "" : nothing.
func badCode(code int, action gateway.Action) (msg, hint string) {
	class := 5
	if action == gateway.Defer {
		class = 4
	}
	switch {
	case code/100 != class && code/100 == 9-class:
		other := gateway.Defer
		if class == 4 {
			other = gateway.Reject
		}
		return fmt.Sprintf("%s cannot reply %d", action, code), fmt.Sprintf("then: %s, or a code such as %d50", other, class)
	case code/100 != class || code%100 >= 60:
		return fmt.Sprintf("%s cannot reply %d", action, code), fmt.Sprintf("a code such as %d50", class)
	case code == 421:
		return "421 would end the connection", "use 450 or 451"
	}
	return "", ""
}

func parseEnhanced(s string) (e smtp.EnhancedCode, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return e, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n > 999 {
			return e, false
		}
		e[i] = uint16(n)
	}
	return e, true
}

// render makes the reply to one client.
func (r *reply) render(a *activation) smtp.Reply {
	if r.fixed != nil {
		return *r.fixed
	}
	return smtp.NewReply(r.code, r.enhanced, r.text.Render(a.value, asReply, maxReply))
}

// asReply lets nothing but printable ASCII into a reply.
func asReply(r rune) rune {
	if r < ' ' || r > '~' {
		return '?'
	}
	return r
}
