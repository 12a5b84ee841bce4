package lda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/report"
	"github.com/gapura-mail/gapura/gateway/sieve"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// retried is how long an attempt at a transaction may be repeated by the
// queue, so that what it has sent is remembered.
const retried = 7 * 24 * time.Hour

// send is mail that a delivery sends.
type send struct {
	action string // redirect, forward, vacation, notify
	to     smtp.Address
	header []byte      // of a redirect; nil: as it came
	mail   *sieve.Mail // that a script has written; nil: the message itself
	fcc    *sieve.FileInto
	once   remembered    // key "" : nothing
	memory *mailbox.User // who remembers; nil: nobody
}

// toWhom is for the log.
func (s send) toWhom() string {
	if s.mail == nil {
		return s.to.Path()
	}
	list := make([]string, len(s.mail.To))
	for i, a := range s.mail.To {
		list[i] = a.Path()
	}
	return strings.Join(list, " ")
}

// forward is what becomes of a copy for somebody elsewhere: an alias of ours
// that mail from the queue was for. Where the alias leads to a user here too,
// whose copy may have to be tried again, that user's memory keeps it from being
// sent again with it.
func (j *job) forward(p *parcel) send {
	s := send{action: "forward", to: p.target.Address}
	for _, o := range j.parcels {
		if o.user != nil && (o.rcpt == p.rcpt || slices.Contains(o.also, p.rcpt)) {
			s.memory = o.user
			s.once = remembered{memory("forward", j.m.ID+" "+s.to.String()), j.now.Add(retried)}
			break
		}
	}
	return s
}

// redirect adds a redirect to the plan. One that can go nowhere keeps the mail.
func (j *job) redirect(p *parcel, a sieve.Redirect, home store) {
	if route, _ := j.l.Route(a.To); route == "" {
		j.l.Log.Warn("a user's script redirects to where no mail goes; the mail is kept", "id", j.m.ID, "user", p.target.User, "to", a.To.Path())
		p.plan.add(home)
		return
	}
	p.plan.before = append(p.plan.before, send{
		action: "redirect", to: a.To, header: a.Header,
		once: remembered{memory("redirect", j.m.ID+" "+a.To.String()), j.now.Add(retried)}, memory: p.user,
	})
}

// before does what must be done before anything is promised: refusals, and mail
// that is passed on.
func (j *job) before(ctx context.Context) {
	for _, p := range j.parcels {
		if !p.reply.IsZero() {
			continue
		}
		if p.plan.reject != "" && j.heard(p) {
			p.reply = refusal(p.plan.reject)
			continue
		}
		for _, s := range p.plan.before {
			if err := j.passOn(ctx, p, s); err != nil {
				p.reply = j.failed(err, "user", p.target.User, "to", s.to.Path())
				break
			}
		}
	}
}

// heard tells whether the sender hears the reply about a parcel: it is the
// recipient's only one.
func (j *job) heard(p *parcel) bool {
	if !j.m.PerRcpt {
		return false
	}
	for _, o := range j.parcels {
		if o != p && (o.rcpt == p.rcpt || slices.Contains(o.also, p.rcpt)) {
			return false
		}
	}
	return true
}

// maxReason bounds the text of a refusal, in octets.
const maxReason = 2000

// refusal is the reply for a reject action (RFC 5429 section 2.1.1). A reply is
// ASCII: a reason that is not stays in the log.
func refusal(reason string) smtp.Reply {
	text := strings.TrimSpace(strings.ReplaceAll(reason, "\r\n", "\n"))
	if strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 }) || text == "" || len(text) > maxReason {
		text = "The recipient does not take this message"
	}
	return smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, text)
}

// passOn queues the message for somebody else, once.
func (j *job) passOn(ctx context.Context, p *parcel, s send) error {
	if s.once.key != "" {
		switch done, err := seen(ctx, s.memory, s.once.key); {
		case err != nil:
			return err
		case done:
			return nil
		}
	}
	route, _ := j.l.Route(s.to)
	if route == "" {
		return fmt.Errorf("lda: no route to %s", s.to.Path())
	}
	c := *j.m.Copy
	c.ID, c.PerRcpt, c.Facts, c.Queue = ulid.Make().String(), false, gateway.Facts{}, gateway.Queueing{}
	c.Params = smtp.MailParams{Body: c.Params.Body, SMTPUTF8: c.Params.SMTPUTF8, RequireTLS: c.Params.RequireTLS}
	c.Rcpts = []gateway.Recipient{{To: smtp.ForwardPath{Address: s.to}, Route: route}}
	if j.l.Rewrite != nil {
		c.From = j.l.Rewrite(c.From, j.m.Rcpts[p.rcpt].To.Domain)
	}
	c.Open, c.Size = j.m.with(nil, s.header)
	if err := j.l.Queue.Submit(ctx, &c, route); err != nil {
		return err
	}
	j.l.Metrics.send(s.action)
	j.l.Log.Info("passed on", "id", j.m.ID, "as", c.ID, "user", p.target.User, "to", s.to.Path())
	if s.once.key == "" {
		return nil
	}
	return keep(ctx, s.memory, s.once.key, s.once.until)
}

// after does what nobody was promised: where it fails it is not done.
func (j *job) after(ctx context.Context) {
	for _, p := range j.parcels {
		if !p.reply.IsZero() && !p.reply.Positive() {
			continue
		}
		if err := j.afterOf(ctx, p); err != nil {
			j.l.Log.Error("a user's script could not do all", "id", j.m.ID, "user", p.target.User, "error", err.Error())
		}
	}
}

func (j *job) afterOf(ctx context.Context, p *parcel) (err error) {
	if p.plan.reject != "" {
		err = j.sendRefusal(ctx, p)
	}
	for _, s := range p.plan.after {
		err = errors.Join(err, j.answerMail(ctx, p, s))
	}
	for _, r := range p.plan.learn {
		err = errors.Join(err, keep(ctx, p.user, r.key, r.until))
	}
	return err
}

// answerMail sends what a script has written, once.
func (j *job) answerMail(ctx context.Context, p *parcel, s send) error {
	first, err := p.user.Once(ctx, s.once.key, s.once.until, false)
	if err != nil || !first {
		return err
	}
	id := ulid.Make().String()
	msg := s.mail.Bytes(j.now, "<"+strings.ToLower(id)+"@"+j.l.Hostname+">")
	if s.fcc != nil {
		if err := j.file(ctx, p, *s.fcc, msg); err != nil {
			return err
		}
	}
	if err := j.submit(ctx, id, s.mail.From, s.mail.To, msg); err != nil {
		return err
	}
	j.l.Metrics.send(s.action)
	return nil
}

// file stores a copy of what is sent (RFC 8580).
func (j *job) file(ctx context.Context, p *parcel, a sieve.FileInto, msg []byte) error {
	s, err := j.folder(ctx, p, a)
	if err != nil {
		return err
	}
	o, err := j.l.Mailboxes.Put(ctx, int64(len(msg)), bytes.NewReader(msg))
	if err != nil {
		return err
	}
	defer o.Discard()
	_, err = j.l.Mailboxes.Deliver(ctx, mailbox.Item{User: p.user, Folder: s.folder, Create: s.create, Object: o, Flags: s.flags, Date: j.now})
	return err
}

// submit queues mail that was written here, signed; each recipient by its own
// route.
func (j *job) submit(ctx context.Context, id string, from smtp.ReversePath, to []smtp.Address, msg []byte) error {
	if j.l.Sign != nil {
		signed, err := j.l.Sign(msg)
		if err != nil {
			return fmt.Errorf("lda: %s: sign: %w", id, err)
		}
		msg = signed
	}
	var errs error
	for i, a := range to {
		route, _ := j.l.Route(a)
		if route == "" {
			errs = errors.Join(errs, fmt.Errorf("lda: no route to %s", a.Path()))
			continue
		}
		c := &gateway.Copy{
			ID: id, From: from, Rcpts: []gateway.Recipient{{To: smtp.ForwardPath{Address: a}, Route: route}}, Size: int64(len(msg)),
			Open: func() io.ReadCloser { return io.NopCloser(bytes.NewReader(msg)) },
		}
		if i > 0 {
			c.ID = ulid.Make().String()
		}
		c.EightBit, c.UTF8Header = high(msg)
		if c.EightBit {
			c.Params.Body = smtp.Body8BitMIME
		}
		c.Params.SMTPUTF8 = c.UTF8Header || !a.IsASCII()
		if err := j.l.Queue.Submit(ctx, c, route); err != nil {
			errs = errors.Join(errs, err)
			continue
		}
		j.l.Log.Info("written", "id", j.m.ID, "as", c.ID, "from", from.Path(), "to", a.Path())
	}
	return errs
}

// high tells whether a message has octets above 127, and whether its header
// has.
func high(msg []byte) (all, header bool) {
	is := func(b []byte) bool { return bytes.ContainsFunc(b, func(r rune) bool { return r >= 0x80 }) }
	head, _, _ := bytes.Cut(msg, []byte("\r\n\r\n"))
	return is(msg), is(head)
}

// sendRefusal tells the sender by mail what a reply cannot (RFC 5429 section
// 2.1.2): not the null sender, and of ereject only one who is not forged.
func (j *job) sendRefusal(ctx context.Context, p *parcel) error {
	if j.m.From.IsNull() || p.plan.quiet && !j.genuine() {
		j.l.Log.Info("rejected, and the sender is not told", "id", j.m.ID, "user", p.target.User, "from", j.m.From.Path())
		return nil
	}
	if p.user != nil { // not twice for one transaction
		first, err := p.user.Once(ctx, memory("reject", j.m.ID), j.now.Add(retried), false)
		if err != nil || !first {
			return err
		}
	}
	id := ulid.Make().String()
	n := &report.Notice{
		ReportingMTA: j.l.Hostname, To: j.m.From.Address, ID: id, Date: j.now, EnvelopeID: j.m.Params.EnvelopeID,
		Recipients: []report.NoticeRecipient{{
			Original: j.m.Rcpts[p.rcpt].Params, Final: j.m.Rcpts[p.rcpt].To.Address, Action: report.Failed,
			Reply: refusal(p.plan.reject), Local: true, LogID: j.m.ID,
		}},
		Open: func() (io.ReadCloser, error) { return j.m.Open(), nil }, Size: j.m.Size,
		EightBit: j.m.EightBit, UTF8Header: j.m.UTF8Header, SMTPUTF8: j.m.Params.SMTPUTF8, Return: smtp.ReturnHeaders,
	}
	var b bytes.Buffer
	if _, err := n.WriteTo(&b); err != nil {
		return err
	}
	j.l.Metrics.send("reject")
	return j.submit(ctx, id, smtp.ReversePath{}, []smtp.Address{j.m.From.Address}, b.Bytes())
}

// genuine tells whether the sender is known to be who it says: a user of ours,
// or one whose domain vouches for it.
func (j *job) genuine() bool {
	return j.m.User != "" || j.m.Facts.String("spf.result") == "pass" || j.m.Facts.String("dmarc.result") == "pass"
}
