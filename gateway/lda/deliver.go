package lda

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Delivery begins a delivery.
func (l *LDA) Delivery() gateway.Delivery { return delivery{l} }

type delivery struct{ l *LDA }

// Abort implements gateway.Delivery: nothing is left between calls.
func (delivery) Abort() {}

// parcel is the copy of one user.
type parcel struct {
	rcpt   int   // of the Copy
	also   []int // others of the Copy that lead to the same
	target Target
	user   *mailbox.User // nil: it goes elsewhere
	plan   plan
	reply  smtp.Reply // what became of it; zero: nothing yet
}

// plan is what is to be done with a copy.
type plan struct {
	stores []store
	before []send // redirects: nothing is promised before they are queued
	after  []send // answers and notices, which nobody is promised
	learn  []remembered
	reject string // reason; "" : it is taken
	quiet  bool   // of reject: the sender may be forged, and hears by a reply alone
}

// store is a message in a folder.
type store struct {
	folder string
	create bool
	flags  []string
	header []byte // as edited; nil: as it came
}

// remembered is something to be remembered.
type remembered struct {
	key   string
	until time.Time
}

// Commit implements gateway.Delivery. What was delivered by the same ID before
// is not again.
func (d delivery) Commit(ctx context.Context, c *gateway.Copy) ([]smtp.Reply, error) {
	l := d.l
	m, err := read(c)
	if err != nil {
		return nil, err
	}
	j := &job{l: l, m: m, now: time.Now(), replies: make([]smtp.Reply, len(c.Rcpts))}
	for i := range c.Rcpts {
		j.address(ctx, i)
	}
	for _, p := range j.parcels {
		j.decide(ctx, p)
	}
	j.before(ctx)
	j.store(ctx)
	j.after(ctx)
	j.answer(ctx)
	return j.replies, nil
}

// job is one Copy.
type job struct {
	l       *LDA
	m       *mail
	now     time.Time
	parcels []*parcel
	replies []smtp.Reply // zero: that of the parcels
}

// address makes a parcel for each user behind a recipient.
func (j *job) address(ctx context.Context, i int) {
	to := j.m.Rcpts[i].To.Address
	list, err := j.l.resolve(ctx, to)
	switch {
	case err != nil:
		j.replies[i] = j.failed(err, "to", to.Path())
	case len(list) == 0:
		j.replies[i] = noUser
	}
	for _, t := range list {
		if have := j.have(t); have != nil { // by another alias
			have.also = append(have.also, i)
			continue
		}
		p := &parcel{rcpt: i, target: t}
		j.parcels = append(j.parcels, p)
		if t.User == "" {
			continue
		}
		if p.user, err = j.l.Mailboxes.User(ctx, t.User); err != nil {
			p.reply = j.failed(err, "user", t.User)
		}
	}
}

// have returns the copy of somebody who gets the message already.
func (j *job) have(t Target) *parcel {
	for _, p := range j.parcels {
		if p.target.User == t.User && p.target.Address.Equal(t.Address) {
			return p
		}
	}
	return nil
}

// failed logs what went wrong, and returns what the client hears. A reply of
// some other part is that.
func (j *job) failed(err error, attrs ...any) smtp.Reply {
	j.l.Log.Error("not delivered", append([]any{"id", j.m.ID, "error", err.Error()}, attrs...)...)
	if r, ok := smtp.AsReply(err); ok && r.Temporary() {
		return r
	}
	if errors.Is(err, syscall.ENOSPC) {
		return noSpace
	}
	return localError
}

// decide makes the plan of a copy.
func (j *job) decide(ctx context.Context, p *parcel) {
	switch {
	case !p.reply.IsZero():
	case p.user == nil:
		p.plan.before = []send{j.forward(p)}
	default:
		if err := j.run(ctx, p); err != nil {
			p.reply = j.failed(err, "user", p.target.User)
		}
	}
}

// store stores all copies that are to be, in one transaction; where one is
// above its quota, each for itself.
func (j *job) store(ctx context.Context) {
	puts := puts{j: j, objects: map[string]*mailbox.Object{}}
	defer puts.discard()
	var items []mailbox.Item
	var of []*parcel
	for _, p := range j.parcels {
		if !p.reply.IsZero() || len(p.plan.stores) == 0 {
			continue
		}
		mine, err := puts.items(ctx, p)
		if err != nil {
			p.reply = j.failed(err, "user", p.target.User)
			continue
		}
		items, of = append(items, mine...), append(of, p)
	}
	if len(items) == 0 {
		return
	}
	_, err := j.l.Mailboxes.Deliver(ctx, items...)
	if err == nil {
		for _, p := range of {
			p.reply = delivered
		}
		return
	}
	for _, p := range of {
		if len(of) > 1 {
			err = puts.deliver(ctx, p)
		}
		if noFolder(err) {
			j.l.Log.Warn("a folder cannot be made, or has gone; INBOX has the mail", "id", j.m.ID, "user", p.target.User, "folder", p.folders(), "error", err.Error())
			p.plan.toInbox()
			err = puts.deliver(ctx, p)
		}
		p.reply = j.stored(p, err)
	}
}

// noFolder tells whether nothing was stored for want of a folder, which trying
// again would not bring: the mail is kept instead (RFC 5228 section 2.10.6).
func noFolder(err error) bool {
	for _, e := range []error{mailbox.ErrNoFolder, mailbox.ErrLimit, mailbox.ErrName, mailbox.ErrInbox, mailbox.ErrRole, mailbox.ErrExists} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// deliver stores one copy.
func (x *puts) deliver(ctx context.Context, p *parcel) error {
	items, err := x.items(ctx, p)
	if err == nil {
		_, err = x.j.l.Mailboxes.Deliver(ctx, items...)
	}
	return err
}

// stored says what an attempt to store a copy means.
func (j *job) stored(p *parcel, err error) smtp.Reply {
	switch {
	case err == nil:
		return delivered
	case errors.Is(err, mailbox.ErrQuota):
		return j.l.full()
	case errors.Is(err, mailbox.ErrTooBig):
		return tooBig
	}
	return j.failed(err, "user", p.target.User)
}

// puts makes octets durable, each version of the message once.
type puts struct {
	j       *job
	objects map[string]*mailbox.Object // by what differs
}

// items makes the rows of one copy.
func (x *puts) items(ctx context.Context, p *parcel) ([]mailbox.Item, error) {
	prefix := x.j.m.prefix(p, x.j.l.opt.DeliveredTo && x.j.alone())
	items := make([]mailbox.Item, len(p.plan.stores))
	for i, s := range p.plan.stores {
		version := string(prefix) + "\x00" + string(s.header)
		o := x.objects[version]
		if o == nil {
			open, size := x.j.m.with(prefix, s.header)
			r := open()
			var err error
			o, err = x.j.l.Mailboxes.Put(ctx, size, r)
			r.Close()
			if err != nil {
				return nil, err
			}
			x.objects[version] = o
		}
		items[i] = mailbox.Item{
			User: p.user, Folder: s.folder, Create: s.create, Object: o, Flags: s.flags, Date: x.j.now,
			Key: fmt.Sprintf("%s %s %d", x.j.m.ID, strings.ToLower(p.target.Address.String()), i),
		}
	}
	return items, nil
}

// discard gives up what nobody got.
func (x *puts) discard() {
	for _, o := range x.objects {
		o.Discard()
	}
}

// alone tells whether the message is for one user here and for nobody else:
// then it may say so.
func (j *job) alone() bool { return len(j.parcels) == 1 && len(j.m.Rcpts) == 1 && j.m.PerRcpt }

// answer gives each recipient the reply of its parcels, and tells the log.
func (j *job) answer(ctx context.Context) {
	for _, p := range j.parcels {
		if p.reply.IsZero() {
			p.reply = delivered
		}
		j.tell(ctx, p)
		j.replies[p.rcpt] = worse(j.replies[p.rcpt], p.reply)
		for _, i := range p.also {
			j.replies[i] = worse(j.replies[i], p.reply)
		}
	}
}

// worse is the reply about a recipient with several users: some to be tried
// again, that, and who has it does not get it twice; else taken, if by any.
func worse(a, b smtp.Reply) smtp.Reply {
	switch {
	case a.IsZero() || b.Temporary():
		return b
	case a.Temporary() || a.Positive():
		return a
	}
	return b
}
