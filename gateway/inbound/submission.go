package inbound

import (
	"context"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/route"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

var (
	notYours       = smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "You may not send from this address")
	fromNotYours   = smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "You may not send with this address in From")
	senderNotYours = smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "You may not send with this address in Sender")
	fromMissing    = smtp.NewReply(550, smtp.EnhancedCode{5, 6, 0}, "The message has no From field")
	fromMalformed  = smtp.NewReply(550, smtp.EnhancedCode{5, 6, 0}, "The From field of the message cannot be understood")
	fromMany       = smtp.NewReply(550, smtp.EnhancedCode{5, 6, 0}, "The From field of the message has too many addresses")
	nullSender     = smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "Mail without a sender is for reports and automatic replies alone")
)

// maxAuthors bounds the addresses in From of a message that a user sends.
const maxAuthors = 10

// sender is who submits the transaction.
func (t *transaction) sender() Sender {
	return Sender{User: t.s.info.User, IP: t.s.info.Remote.Addr().Unmap(), From: t.from, OverQuota: t.overQuota}
}

// mayBegin tells whether our own client may send from the address: a zero
// Reply where it may.
func (t *transaction) mayBegin(ctx context.Context) (smtp.Reply, error) {
	if !t.from.IsNull() { // what <> is for shows in the header
		if r, err := t.owns(ctx, t.from.Address, notYours); err != nil || !r.IsZero() {
			return r, err
		}
	}
	if q := t.s.h.opt.Quota; q != nil {
		return refused(q.Mail(ctx, t.sender()))
	}
	return smtp.Reply{}, nil
}

// owns returns refusal where the user, if any, may not use an address.
func (t *transaction) owns(ctx context.Context, a smtp.Address, refusal smtp.Reply) (smtp.Reply, error) {
	user := t.s.info.User
	if user == "" || t.s.h.opt.Accounts == nil { // a network's machines write as they will
		return smtp.Reply{}, nil
	}
	ok, err := t.s.h.opt.Accounts.MaySend(ctx, user, a)
	if err != nil || ok {
		return smtp.Reply{}, err
	}
	if a.IsASCII() {
		refusal.Text += ": " + a.String()
	}
	return refusal, nil
}

// refused returns what a hook said where it refuses.
func refused(r smtp.Reply, err error) (smtp.Reply, error) {
	if err != nil || r.IsZero() || r.Positive() {
		return smtp.Reply{}, err
	}
	return r, nil
}

// mayReceive tells whether our own client may send to a recipient.
func (t *transaction) mayReceive(ctx context.Context, key string, to smtp.ForwardPath) (smtp.Reply, error) {
	o := &t.s.h.opt
	if key == route.Outbound {
		if o.Submission.CheckRecipients && cannotExist(to.Domain) {
			return t.refusal(noSuchDomain, to), nil
		}
		if o.Suppression != nil {
			r, err := refused(o.Suppression.Suppressed(ctx, t.sender(), to.Address))
			if err != nil || !r.IsZero() {
				return t.refusedBy("suppression", r, to), err
			}
		}
	}
	if o.Quota != nil {
		r, err := refused(o.Quota.Rcpt(ctx, t.sender(), len(t.goals), to.Address))
		if err != nil || !r.IsZero() {
			t.overQuota = true
			return t.refusedBy("quota", r, to), err
		}
	}
	return smtp.Reply{}, nil
}

// refusedBy logs what a hook refused.
func (t *transaction) refusedBy(who string, r smtp.Reply, to smtp.ForwardPath) smtp.Reply {
	if r.IsZero() {
		return r
	}
	refusals.WithLabelValues(who, action(r).String()).Inc()
	t.s.h.opt.Log.Info("refused", "id", t.id, "session", t.s.id, "user", t.s.info.User, "ip", t.s.ip(),
		"from", t.from.Path(), "to", to.Path(), "by", who, "reply", r.Error())
	return r
}

// checkAuthor judges the header of a message that a user sends: whom it names
// as its author.
func (t *transaction) checkAuthor(ctx context.Context, h *message.Header) (smtp.Reply, error) {
	if t.s.info.User == "" {
		return smtp.Reply{}, nil
	}
	if t.from.IsNull() && !isNotification(h) {
		return nullSender, nil
	}
	from := h.All("From")
	if len(from) == 0 && (t.from.IsNull() || !t.s.h.opt.Submission.Fixups) {
		return fromMissing, nil
	}
	boxes, r := authors(from)
	if !r.IsZero() {
		if t.s.h.opt.Submission.CheckFrom == CheckFromAny {
			t.others, _ = message.AuthorDomains(h)
			return smtp.Reply{}, nil
		}
		return r, nil
	}
	// RFC 5322 section 3.6.2: several authors, and who sends.
	t.addSender = len(boxes) > 1 && h.Count("Sender") == 0 && !t.from.IsNull()
	var refusal smtp.Reply
	for _, b := range boxes {
		if b.Address.Equal(t.from.Address) { // which was checked at MAIL
			continue
		}
		r, err := t.owns(ctx, b.Address, fromNotYours)
		if err != nil {
			return r, err
		}
		if !r.IsZero() {
			refusal = r
			t.disown(b.Address.Domain)
		}
	}
	switch check := t.s.h.opt.Submission.CheckFrom; {
	case check == CheckFromAny:
		return smtp.Reply{}, nil
	case check != CheckFromSender:
		if !refusal.IsZero() {
			return refusal, nil
		}
		return t.ownsSender(ctx, h)
	case !refusal.IsZero():
		return t.checkSender(ctx, h, refusal)
	}
	return smtp.Reply{}, nil
}

// disown notes a domain in From where the user has nothing of its own: its
// keys do not sign.
func (t *transaction) disown(domain string) {
	_, own, _ := strings.Cut(t.s.info.User, "@")
	if !smtp.EqualDomain(domain, own) && !smtp.EqualDomain(domain, t.from.Domain) {
		t.others = append(t.others, domain)
	}
}

// ownsSender tells whether Sender, which some clients show, names nobody but
// the user.
func (t *transaction) ownsSender(ctx context.Context, h *message.Header) (smtp.Reply, error) {
	boxes, r := authors(h.All("Sender"))
	if !r.IsZero() {
		return senderNotYours, nil
	}
	for _, b := range boxes {
		if r, err := t.owns(ctx, b.Address, senderNotYours); err != nil || !r.IsZero() {
			return r, err
		}
	}
	return smtp.Reply{}, nil
}

// authorRefused is checkAuthor where an error is a refusal for now.
func (t *transaction) authorRefused(ctx context.Context, h *message.Header) smtp.Reply {
	r, err := t.checkAuthor(ctx, h)
	if err != nil {
		t.s.h.opt.Log.Error("author not looked up", "id", t.id, "error", err.Error())
		return localError
	}
	return r
}

// authors returns the mailboxes of all From fields.
func authors(from []message.Field) (boxes []message.Mailbox, r smtp.Reply) {
	for _, f := range from {
		more, err := message.ParseAddressList(f.Value())
		if err != nil || len(more) == 0 {
			return nil, fromMalformed
		}
		if boxes = append(boxes, more...); len(boxes) > maxAuthors {
			return nil, fromMany
		}
	}
	return boxes, smtp.Reply{}
}

// checkSender judges a message with somebody else's address in From: a user
// must be named in Sender (RFC 5322 section 3.6.2), which is added where it is
// missing (RFC 6409 section 8.1). refusal is the reply where none is.
func (t *transaction) checkSender(ctx context.Context, h *message.Header, refusal smtp.Reply) (smtp.Reply, error) {
	switch fields := h.All("Sender"); {
	case len(fields) > 1:
		return refusal, nil
	case len(fields) == 1:
		boxes, r := authors(fields)
		if !r.IsZero() || len(boxes) != 1 {
			return refusal, nil
		}
		return t.owns(ctx, boxes[0].Address, refusal)
	case t.from.IsNull() || !t.s.h.opt.Submission.Fixups:
		return refusal, nil
	}
	t.addSender = true
	return smtp.Reply{}, nil
}

// isNotification tells whether a message is one that has no sender by its
// nature: a report (RFC 6522, RFC 8098) or an automatic answer (RFC 3834).
func isNotification(h *message.Header) bool {
	typ, _ := h.Get("Content-Type")
	auto, _ := h.Get("Auto-Submitted")
	auto, _, _ = strings.Cut(auto, ";")
	auto = strings.TrimSpace(auto)
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(typ)), "multipart/report") ||
		auto != "" && !strings.EqualFold(auto, "no")
}
