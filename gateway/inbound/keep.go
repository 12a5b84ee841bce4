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
// client hears of others alone. Who hears of each recipient, or is one of ours,
// is told instead; and malware that was refused is nothing that anybody wants.
func (t *transaction) keepable(facts gateway.Facts) bool {
	return t.s.h.opt.Queue != nil && !t.separate() && !t.s.info.Submitted() && facts.String("antivirus.result") != "infected"
}

// mixed tells whether some are not refused.
func mixed(result pipeline.Result) bool {
	return slices.ContainsFunc(result.Rulings, func(r pipeline.Ruling) bool { return !r.Refused() })
}

// unmark takes off what would file a copy as junk: who releases it says that it
// is none.
var unmark = gateway.Edit{Kind: gateway.RemoveField, Name: "X-Spam-Flag"}

// setApart has a copy go into quarantine, by way of the queue. spare: only where
// others are taken.
func (c *copyOf) setApart(spare bool) {
	c.queued, c.local, c.apart, c.spare = true, false, true, spare
	c.route = "" // each recipient has his own
	c.edits = slices.DeleteFunc(slices.Clone(c.edits), func(x gateway.Edit) bool { return strings.EqualFold(x.Name, unmark.Name) })
	c.edits = append(c.edits, unmark)
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
// refused, to be kept where others are taken.
func (h *handover) spares(c *copyOf) *copyOf {
	refused := smtp.Reply.Permanent
	if !anyReply(c.got, refused) || !h.t.keepable(c.facts) {
		return nil
	}
	_, rest := c.split(c.got, refused)
	for i := range rest.to {
		k := h.t.why(h.a, h.result.Rulings[rest.of[i]], c.facts, rest.got[i])
		k.Rule, k.Stage = "", "backend"
		rest.why = append(rest.why, k)
	}
	rest.setApart(true)
	return rest
}

// keep puts refused copies into quarantine if the client hears that the message
// was taken, since it hears of them nothing.
func (h *handover) keep(late []*copyOf) {
	if !anyReply(h.replies, smtp.Reply.Positive) || anyReply(h.replies, smtp.Reply.Temporary) {
		return
	}
	h.begin(late)
	spare := h.commit(true)
	for _, l := range spare {
		if l.err != nil { // then the client must come again
			l.c.note(h.replies, l.got)
			continue
		}
		for _, i := range l.c.of {
			h.t.kept[i] = true
		}
	}
}
