package inbound

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// keepable tells whether a refused copy may be kept in quarantine where the
// client hears of others alone. One of ours is told instead; and malware that was
// refused is nothing that anybody wants.
func (t *transaction) keepable(facts gateway.Facts) bool {
	return t.s.h.opt.Queue != nil && !t.s.info.Submitted() && facts.String("antivirus.result") != "infected"
}

// mixed tells whether some are not refused.
func mixed(result pipeline.Result) bool {
	return slices.ContainsFunc(result.Rulings, func(r pipeline.Ruling) bool { return !r.Refused() })
}

// keeps tells whether copies that filters or policy refuse are kept in quarantine,
// where some copy is not refused in the end.
func (t *transaction) keeps(result pipeline.Result) bool {
	return mixed(result) && !t.separate() && t.keepable(result.Facts)
}

// marks are the fields by which a copy would be filed as junk: who releases it
// says that it is none. Where our spam filter was asked, the last two are its own.
var marks = []string{"X-Spam-Flag", "X-Spam-Level", "X-Spam", spamStatus, spamScore}

// setApart has a copy go into quarantine, by way of the queue. spare: only where
// others are taken.
func (c *copyOf) setApart(spare bool) {
	c.queued, c.local, c.apart, c.spare = true, false, true, spare
	c.route = "" // each recipient has his own
	c.spam = c.spam.wanted()
	off := marks
	if c.spam.ran {
		off = marks[:3]
	}
	c.edits = slices.DeleteFunc(slices.Clone(c.edits), func(x gateway.Edit) bool {
		return slices.ContainsFunc(off, func(name string) bool { return strings.EqualFold(x.Name, name) })
	})
	for _, name := range off {
		c.edits = append(c.edits, gateway.Edit{Kind: gateway.RemoveField, Name: name})
	}
}

// why says why a recipient's copy is kept; refusal is what the client does not
// hear, zero where a rule wants it kept.
func (t *transaction) why(a *arriving, r pipeline.Ruling, facts gateway.Facts, refusal smtp.Reply) *gateway.Kept {
	k := &gateway.Kept{Rule: strings.Join(r.Rules, "\n"), Stage: r.Stage.String(), Author: shown(a, "From"), Subject: shown(a, "Subject")}
	if !refusal.IsZero() {
		k.Reason = refusal.Error()
	}
	for _, f := range facts.All() {
		if v := value(f.Value); v != "" && !strings.HasPrefix(f.Name, "headers.") && !strings.HasPrefix(f.Name, "message.") {
			k.Facts = append(k.Facts, gateway.KeptFact{Name: f.Name, Value: v})
		}
	}
	return k
}

// shown returns a field's text.
func shown(a *arriving, name string) string {
	v, _ := a.header.Get(name)
	return strings.TrimSpace(message.DecodeText(v))
}

// value writes a fact, "" for one that says nothing.
func value(v any) string {
	switch v := v.(type) {
	case nil:
	case string:
		return v
	case []string:
		return strings.Join(v, ", ")
	case bool:
		if v {
			return "true"
		}
	case int64:
		if v != 0 {
			return fmt.Sprint(v)
		}
	case float64:
		if v != 0 {
			return fmt.Sprintf("%.4g", v)
		}
	}
	return ""
}

// unasked takes off what a sender wanted of a copy that is delivered now: it is
// not known when this one will be.
func unasked(p smtp.MailParams) smtp.MailParams {
	p.HoldFor, p.HoldUntil, p.DeliverBy = 0, time.Time{}, smtp.DeliverBy{}
	return p
}

// spares takes from a copy in session those recipients whom its backend has
// refused while the client hears that the message was taken, to be kept. Where each
// recipient has a reply of his own, an alias has one for all of its targets.
func (h *handover) spares(c *copyOf) *copyOf {
	if !h.t.keepable(c.facts) {
		return nil
	}
	_, rest := c.split(c.got, func(k int, r smtp.Reply) bool {
		return r.Permanent() && (!h.t.separate() || h.replies[k].Positive())
	})
	if len(rest.to) == 0 {
		return nil
	}
	for i := range rest.to {
		k := h.t.why(h.a, h.result.Rulings[rest.of[i]], c.facts, rest.got[i])
		k.Rule, k.Stage = "", "backend"
		rest.why = append(rest.why, k)
	}
	rest.setApart(true)
	return rest
}

// keep puts refused copies into quarantine if the client hears that the message
// was taken, since it hears of them nothing; session are the copies that backends
// were given.
func (h *handover) keep(session []*copyOf) {
	if !h.t.separate() && (!anyReply(h.replies, smtp.Reply.Positive) || anyReply(h.replies, smtp.Reply.Temporary)) {
		return
	}
	var late []*copyOf
	for _, c := range session {
		if x := h.spares(c); x != nil {
			late = append(late, x)
		}
	}
	h.begin(late)
	for _, l := range h.commit(true) {
		if l.err != nil { // then the client must come again
			l.c.note(h.replies, l.got)
			continue
		}
		for _, i := range l.c.of {
			h.t.kept[i] = true
		}
	}
}
