package inbound

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// spamMark is what the header of a copy tells of the spam filter; a zero one
// where that was not asked.
type spamMark struct {
	ran    bool   // or should have: fields of these names that came are forged
	score  string // "" : it failed
	status string
}

// Fields that are ours where the spam filter was asked.
const (
	spamScore  = "X-Spam-Score"
	spamStatus = "X-Spam-Status"
)

// spamMarkOf makes the mark of one recipient's copy: some have taught the
// filter what others have not.
func spamMarkOf(all, own gateway.Facts) (m spamMark) {
	get := func(name string) any {
		if v, ok := own.Get(name); ok {
			return v
		}
		v, _ := all.Get(name)
		return v
	}
	score, ok := get("spam.score").(float64)
	if !ok {
		m.ran = all.String("spam.error") != ""
		return m
	}
	threshold, _ := get("spam.threshold").(float64)
	probability, _ := get("spam.probability").(float64)
	class, _ := get("spam.class").(string)
	verdict := "No"
	if class == "spam" {
		verdict = "Yes"
	}
	m.ran, m.score = true, strconv.FormatFloat(score, 'f', 2, 64)
	m.status = fmt.Sprintf("%s, score=%s required=%.2f probability=%.4f class=%s", verdict, m.score, threshold, probability, class)
	if list, ok := get("spam.evidence").([]string); ok {
		m.status += " evidence=" + cmp.Or(strings.Join(list, ","), "none")
	}
	return m
}

// wanted is the mark of a copy that is delivered only if somebody says that it is
// wanted: what it scored stays in the status, and nothing files it as junk.
func (m spamMark) wanted() spamMark {
	if rest, ok := strings.CutPrefix(m.status, "Yes,"); ok {
		m.status = "No, quarantined," + rest
		m.score = "0.00"
	}
	return m
}

// put replaces the fields in a header.
func (m spamMark) put(e *message.Edit) {
	if !m.ran {
		return
	}
	e.Remove(spamScore)
	e.Remove(spamStatus)
	if m.score == "" {
		return
	}
	edit(e, gateway.Edit{Kind: gateway.AddField, Name: spamScore, Value: m.score})
	edit(e, gateway.Edit{Kind: gateway.AddField, Name: spamStatus, Value: m.status})
}

// factsFor are the facts about a message with the score that is the
// recipient's own.
func factsFor(all gateway.Facts, rcpt gateway.Recipient) gateway.Facts {
	if v, ok := rcpt.Facts.Get("spam.score"); ok {
		return all.With(gateway.Fact{Name: "spam.score", Value: v})
	}
	return all
}

// sent tells whom a user of ours has written to.
func (t *transaction) sent(a *arriving, replies []smtp.Reply) {
	tell := t.s.h.opt.Sent
	// What a program answers is to whoever has written, spammers too.
	if tell == nil || t.s.info.User == "" || t.from.IsNull() || isNotification(a.header) {
		return
	}
	var to []smtp.Address
	for i, r := range t.pipe.Rcpts() {
		if i < len(replies) && replies[i].Positive() && len(to) < maxSent {
			to = append(to, r.To.Address)
		}
	}
	if len(to) > 0 {
		id, there := a.header.Get("Message-ID")
		if !there { // fix has made one
			id = "<" + strings.ToLower(t.id) + "@" + t.s.h.opt.Hostname + ">"
		}
		tell(t.s.info.User, to, strings.TrimSpace(id))
	}
}

// maxSent bounds the recipients of one message that are told of.
const maxSent = 50
