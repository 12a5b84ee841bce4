package bounce

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/report"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/suppress"
)

// maxNoted bounds the recipients of one report that are noted: who got a
// message of ours knows its return address, and could report anything.
const maxNoted = 20

// readBounce reads what came back to a return address of sender. rcpt is who
// it is about where the address says so, else zero.
func (b *Bounces) readBounce(ctx context.Context, sender, rcpt smtp.Address, h *message.Header, body io.Reader) {
	d, err := report.ReadDSN(h, body)
	if err != nil {
		b.unread("bounce", err)
		return
	}
	if !rcpt.IsZero() && len(d.Recipients) > 0 {
		d.Recipients = d.Recipients[:1]
		d.Recipients[0].Address = rcpt.String()
	}
	for i := range d.Recipients[:min(len(d.Recipients), maxNoted)] {
		r := &d.Recipients[i]
		b.deps.Metrics.count(string(d.Kind), string(r.Reason))
		b.deps.Log.Info("returned", "kind", string(d.Kind), "sender", sender.String(), "recipient", r.Address, "status", r.Status.String(), "reason", string(r.Reason), "hard", r.Hard, "text", r.Text)
		if rcpt.IsZero() && !b.wasSent(ctx, sender.Domain, r.Address) {
			continue
		}
		if d.Kind == report.Bounce && r.Hard || d.Kind == report.Complaint && !rcpt.IsZero() {
			b.note(ctx, suppress.Event{Sender: sender.Domain, Address: r.Address, Complaint: d.Kind == report.Complaint, Source: "dsn", Detail: detail(r), About: about(d)})
		}
	}
}

// wasSent tells whether somebody whom only the report names got mail of a
// domain lately. Who once had mail of ours can write to its return address for
// days, and name anybody.
func (b *Bounces) wasSent(ctx context.Context, domain, address string) bool {
	if b.deps.Suppress.WasSent(ctx, domain, address) {
		return true
	}
	b.deps.Metrics.count("refused", "not sent")
	b.deps.Log.Info("not noted: no mail was sent there lately", "sender", domain, "recipient", address)
	return false
}

// detail is what the list tells about a bounce.
func detail(r *report.DSNRecipient) string {
	s := r.Status.String()
	if r.Text != "" && !strings.Contains(r.Text, s) {
		return s + " " + r.Text
	}
	return r.Text
}

// about tells reports on different messages apart.
func about(d *report.DSN) string {
	if d.EnvelopeID != "" {
		return d.EnvelopeID
	}
	return d.Original.MessageID
}

// readFeedback reads what came to a feedback address.
func (b *Bounces) readFeedback(ctx context.Context, h *message.Header, body io.Reader) {
	f, err := report.ReadFeedback(h, body)
	if err != nil {
		b.unread("complaint", err)
		return
	}
	sender, rcpt, signed := b.author(f)
	b.deps.Metrics.count(string(report.Complaint), f.Type)
	who := f.Complainers()
	if !rcpt.IsZero() {
		who = []string{rcpt.String()}
	}
	b.deps.Log.Info("complaint", "type", f.Type, "from", f.UserAgent, "sender", sender, "recipients", who, "signed", signed, "message", f.Original.MessageID)
	switch f.Type {
	case "abuse", "fraud", "opt-out", "opt-out-list", "unsubscribe", "virus":
	default: // not-spam says the contrary; auth-failure is about forgers
		return
	}
	if !b.deps.Ours(domainOf(sender)) || b.opt.FeedbackSigned && !signed {
		return
	}
	for _, a := range who[:min(len(who), maxNoted)] {
		if rcpt.IsZero() && !b.wasSent(ctx, domainOf(sender), a) {
			continue
		}
		b.note(ctx, suppress.Event{Sender: domainOf(sender), Address: a, Complaint: true, Source: "arf", Detail: f.Type + " " + f.UserAgent, About: f.Original.MessageID})
	}
}

// author finds who sent what the complaint is about, and to whom where the
// return address says so.
func (b *Bounces) author(f *report.Feedback) (sender string, rcpt smtp.Address, signed bool) {
	for _, s := range []string{f.MailFrom, f.Original.Return} {
		a, err := smtp.ParseMailbox(s, smtp.UTF8|smtp.Underscore)
		if err != nil {
			continue
		}
		if from, to, err := b.deps.Signer.VerifyVERP(a); err == nil {
			return from.String(), to, true
		}
		if from, err := b.deps.Signer.Verify(a); err == nil {
			return from.String(), smtp.Address{}, true
		}
		if sender == "" {
			sender = a.String()
		}
	}
	if sender == "" {
		sender = f.Original.From
	}
	return sender, smtp.Address{}, false
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// note tells the suppression list; what it cannot take is logged.
func (b *Bounces) note(ctx context.Context, v suppress.Event) {
	added, err := b.deps.Suppress.Note(ctx, v)
	switch {
	case errors.Is(err, suppress.ErrAddress), errors.Is(err, suppress.ErrDomain): // a pipe, an X.400 name
		b.deps.Log.Debug("not noted", "recipient", v.Address, "error", err.Error())
	case err != nil:
		b.deps.Log.Error("not noted", "recipient", v.Address, "error", err.Error())
	case added:
		b.deps.Log.Info("suppressed", "recipient", v.Address, "sender", v.Sender, "source", v.Source, "text", v.Detail)
	}
}

// unread logs what cannot be read: a person's answer, for instance.
func (b *Bounces) unread(kind string, err error) {
	b.deps.Metrics.count(kind, "unread")
	if !errors.Is(err, report.ErrNoDSN) && !errors.Is(err, report.ErrNoFeedback) {
		b.deps.Log.Error("what came back cannot be read", "kind", kind, "error", err.Error())
	}
}
