package sieve

import (
	"fmt"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// maxVacationAddresses bounds :addresses.
const maxVacationAddresses = 256

// vacationSpecs is RFC 5230 with RFC 6131 and RFC 8580.
func vacationSpecs() []spec {
	text := func(name string) []param { return []param{{aString, name, false}} }
	number := []param{{aNumber, "number", true}}
	return []spec{{
		name: "vacation", ext: "vacation", tags: append([]tagSpec{
			{name: "days", group: "of :days and :seconds", param: number},
			{name: "seconds", ext: "vacation-seconds", group: "of :days and :seconds", param: number},
			{name: "subject", param: text("subject")},
			{name: "from", param: text("from")},
			{name: "addresses", param: []param{{aStrings, "addresses", false}}},
			{name: "mime"},
			{name: "handle", param: text("handle")},
		}, fccTags()...), pos: []param{{aString, "reason", false}}, command: compileVacation,
	}}
}

type vacationCommand struct {
	Pos
	reason                *str
	subject, from, handle *str
	addresses             []*str
	period                time.Duration
	mime                  bool
	fcc                   *fileIntoCommand
}

func compileVacation(c *compiler, n *node, a *args) command {
	v := &vacationCommand{
		Pos: n.Pos, reason: a.pos[0].strs[0], subject: a.str("subject"), from: a.str("from"), handle: a.str("handle"),
		addresses: a.tags["addresses"].strs, period: c.opt.VacationDefault, mime: a.has("mime"),
	}
	if t := a.tags["days"]; t.given {
		v.period = time.Duration(min(t.num, 10_000)) * 24 * time.Hour
		v.period = max(v.period, c.opt.VacationMin, 24*time.Hour)
	}
	if t := a.tags["seconds"]; t.given {
		v.period = time.Duration(min(t.num, 10_000*24*3600)) * time.Second
		v.period = max(v.period, c.opt.VacationMin)
		if t.num == 0 && c.opt.VacationMin < 0 { // RFC 6131 section 2: always reply
			v.period = 0
		}
	}
	v.period = min(v.period, c.opt.VacationMax)
	if v.from != nil && !c.outAddress(v.from, "address of :from") {
		return nil
	}
	var ok bool
	if v.fcc, ok = c.fcc(n, a); !ok {
		return nil
	}
	return v
}

func (v *vacationCommand) exec(r *run) error {
	text, err := v.reason.eval(r)
	if err != nil {
		return r.at(v.Pos, err)
	}
	own, err := v.own(r)
	if err != nil {
		return r.at(v.Pos, err)
	}
	a := Vacation{Period: v.period}
	p := pending{Pos: v.Pos, name: "vacation"}
	us, why := r.noReply(own)
	p.withheld = why
	if err := v.compose(r, &a, text, us); err != nil {
		return r.at(v.Pos, err)
	}
	if v.fcc != nil {
		if a.Fcc, err = v.fcc.action(r); err != nil {
			return err
		}
	}
	p.action = a
	return r.add(p)
}

// own returns the user's addresses, those of :addresses among them.
func (v *vacationCommand) own(r *run) ([]smtp.Address, error) {
	own := append([]smtp.Address{}, r.env.Addresses...)
	if !r.env.Envelope.To.IsZero() {
		own = append(own, r.env.Envelope.To)
	}
	if r.suite != nil && r.suite.originalRecipient() {
		own = append(own, r.env.Envelope.OriginalTo)
	}
	texts, err := evalAll(r, v.addresses)
	if err != nil {
		return nil, err
	}
	if len(texts) > maxVacationAddresses {
		return nil, r.limit(v.Pos, "more than %d addresses", maxVacationAddresses)
	}
	for _, t := range texts {
		if m, err := parseOutAddress(t); err == nil {
			own = append(own, m.Address)
		}
	}
	return own, r.spend(len(texts) * step)
}

// recipientFields are those in which an address of the user's must be.
var recipientFields = []string{"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"}

// noReply says why the message gets no automatic reply (RFC 5230 section 4.6,
// RFC 3834 section 2), or else which of the user's addresses it came to.
func (r *run) noReply(own []smtp.Address) (us smtp.Address, why string) {
	from := r.env.Envelope.From.Address
	h := r.env.Message.Header
	switch {
	case from.IsZero():
		return us, "the message has no sender"
	case systemAddress(from):
		return us, "the sender is no person: " + from.String()
	}
	for _, o := range own {
		if sameAddress(o, from) {
			return us, "the message is from the user"
		}
	}
	for _, f := range h.Fields() {
		if why = automatic(f); why != "" {
			return us, why
		}
	}
	if r.anyRecipient() {
		return r.self(), ""
	}
	for _, o := range own {
		if r.addressed(o) {
			return o, ""
		}
	}
	return us, "the message is not addressed to the user"
}

// addressed tells whether the address is in a field of recipients.
func (r *run) addressed(a smtp.Address) bool {
	if r.recipients == nil {
		r.recipients = map[string]bool{}
		for _, name := range recipientFields {
			for _, v := range rawValues(r.env.Message.Header, name) {
				list, _ := message.ParseAddressList(v)
				for _, m := range list {
					r.recipients[addressKey(m.Address)] = true
				}
			}
		}
	}
	return r.recipients[addressKey(a)]
}

func addressKey(a smtp.Address) string {
	domain, err := smtp.ASCIIDomain(a.Domain)
	if err != nil {
		domain = strings.ToLower(a.Domain)
	}
	return strings.ToLower(a.Local) + "@" + domain
}

// systemAddress tells whether an address is that of a program or list (RFC
// 5230 section 4.6).
func systemAddress(a smtp.Address) bool {
	l := strings.ToLower(a.Local)
	switch l {
	case "mailer-daemon", "listserv", "majordomo", "listproc", "owner", "noreply", "no-reply", "donotreply", "do-not-reply", "postmaster":
		return true
	}
	return strings.HasPrefix(l, "owner-") || strings.HasSuffix(l, "-owner") || strings.HasSuffix(l, "-request") ||
		strings.HasPrefix(l, "bounce-") || strings.HasSuffix(l, "-bounces") || strings.Contains(l, "-bounces+")
}

// automatic says why a field shows that no person waits for a reply.
func automatic(f message.Field) string {
	name := strings.ToLower(f.Name)
	switch {
	case strings.HasPrefix(name, "list-"):
		return "the message is from a mailing list"
	case name == "auto-submitted":
		v, _, _ := strings.Cut(f.Value(), ";")
		v, _, _ = strings.Cut(v, "(")
		if !strings.EqualFold(strings.TrimSpace(v), "no") {
			return "the message was sent automatically"
		}
	case name == "precedence":
		switch strings.ToLower(strings.TrimSpace(f.Value())) {
		case "bulk", "junk", "list":
			return "the message is bulk mail"
		}
	case name == "x-auto-response-suppress":
		for v := range strings.SplitSeq(strings.ToLower(f.Value()), ",") {
			switch strings.TrimSpace(v) {
			case "all", "oof", "autoreply":
				return "the sender wants no automatic reply"
			}
		}
	}
	return ""
}

// compose makes the reply. us is the address that the message came to.
func (v *vacationCommand) compose(r *run, a *Vacation, text string, us smtp.Address) error {
	var err error
	eval := func(s *str) (out string) {
		if s != nil && err == nil {
			out, err = s.eval(r)
		}
		return out
	}
	subject, from, handle := eval(v.subject), eval(v.from), eval(v.handle)
	if err != nil {
		return err
	}
	switch to := r.env.Envelope.From.Address; {
	case v.handle != nil:
		a.Key = hashKey("vacation", "handle", handle, addressKey(to))
	default:
		a.Key = hashKey("vacation", "text", subject, from, fmt.Sprint(v.mime), text, addressKey(to))
	}
	sender := message.Mailbox{Address: us}
	if from != "" {
		m, err := parseOutAddress(from)
		if err != nil {
			return r.fail(v.from.Pos, err, "the address of :from '%s' is invalid", cut(from, 100))
		}
		sender = m
	}
	a.Reply = r.reply(v, sender, subject, text)
	return nil
}

// reply builds the message (RFC 5230 section 5).
func (r *run) reply(v *vacationCommand, from message.Mailbox, subject, text string) Mail {
	if v.subject == nil {
		subject = r.defaultSubject()
	} else {
		subject = message.DecodeText(subject)
	}
	to := r.env.Envelope.From.Address
	var f fields
	f.add("From", mailbox(from))
	f.add("To", r.correspondent())
	f.text("Subject", ellipsis(subject))
	r.references(&f)
	f.add("Auto-Submitted", "auto-replied (vacation)")
	f.add("Precedence", "bulk")
	f.add("X-Auto-Response-Suppress", "All")
	m := Mail{To: []smtp.Address{to}}
	if v.mime {
		var head []byte
		head, m.Body = mimeReason(text)
		f.add("MIME-Version", "1.0")
		m.Header = append(f.b, head...)
		return m
	}
	m.Body = f.textBody(text)
	m.Header = f.b
	return m
}

// mimeReason splits a reason that is a MIME entity; only the fields of its
// content are taken.
func mimeReason(text string) (header, body []byte) {
	raw := []byte(crlf(text))
	head, body := message.Split(raw)
	h, err := message.ParseHeader(head, message.HeaderLimits{})
	if err != nil {
		return nil, raw
	}
	for _, f := range h.Fields() {
		if strings.HasPrefix(strings.ToLower(f.Name), "content-") {
			header = append(header, f.Raw...)
		}
	}
	return header, body
}

func (r *run) defaultSubject() string {
	if r.suite != nil {
		return r.suite.vacationSubject(r)
	}
	if s := r.subject(); s != "" {
		return "Auto: " + s
	}
	return "Automated reply"
}

// correspondent is To of a reply: with the display name where the message has
// one for its envelope sender.
func (r *run) correspondent() string {
	to := r.env.Envelope.From.Address
	for _, name := range []string{"Sender", "Resent-From", "From"} {
		for _, v := range rawValues(r.env.Message.Header, name) {
			list, _ := message.ParseAddressList(v)
			for _, m := range list {
				if sameAddress(m.Address, to) || r.suite != nil && r.suite.ignoreEnvelope() {
					m.Group = ""
					return mailbox(m)
				}
			}
		}
	}
	return to.Path()
}

// anyRecipient tells whether it does not matter whom the message is addressed
// to.
func (r *run) anyRecipient() bool { return r.suite != nil && r.suite.anyRecipient() }
