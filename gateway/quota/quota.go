package quota

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// maxSenders is how many senders are kept in memory.
	maxSenders = 50_000
	// maxUserName bounds a subject, in octets.
	maxUserName = smtp.MaxPath
)

// Alert tells that a sender has reached a limit or is held.
type Alert struct {
	Subject string
	Held    bool
	Text    string
}

// Deps are what a Quota needs.
type Deps struct {
	DB      *sqldb.DB
	Log     *slog.Logger // nil: none
	Metrics *Metrics     // may be nil
	// Alert is called when a sender is held, and when one reaches a limit, at
	// most once a day; from one goroutine, which nothing waits for. May be nil.
	Alert func(ctx context.Context, a Alert)
}

// Sender is who sends.
type Sender struct {
	User string // "" : a relaying client
	IP   netip.Addr
	// Again: something of the same message was refused before. For holding its
	// sender a message counts once, however many recipients it has.
	Again bool
}

// Quota counts and bounds. Its methods may be called by many at once.
type Quota struct {
	deps  Deps
	opt   atomic.Pointer[Options]
	known *knownRecipients

	mu      sync.Mutex
	senders map[string]*sender

	flush  *flusher
	orders orders
}

// sender is one sender in memory.
type sender struct {
	subject string
	mu      sync.Mutex
	usage   *usage // nil: not read yet
	saving  bool   // what it has sent is being written
	gone    bool   // another stands in its place
}

// Open opens the counters.
func Open(ctx context.Context, opt Options, deps Deps) (*Quota, error) {
	if err := opt.Check(); err != nil {
		return nil, fmt.Errorf("quota: %w", err)
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	q := &Quota{deps: deps, senders: map[string]*sender{}, known: newKnown()}
	q.opt.Store(&opt)
	if err := deps.DB.Migrate(ctx, "quota", migrations); err != nil {
		return nil, fmt.Errorf("quota: %w", err)
	}
	if err := q.orders.begin(ctx, deps.DB); err != nil {
		return nil, err
	}
	q.flush = newFlusher(q)
	return q, nil
}

// Reconfigure takes new options; they must have passed Check.
func (q *Quota) Reconfigure(opt Options) { q.opt.Store(&opt) }

// Close writes what was counted.
func (q *Quota) Close() error { return q.flush.close() }

// subjects returns whom a message of the sender counts for: the first is who
// acts, and may be held.
func (s Sender) subjects() []string {
	if s.User == "" {
		if !s.IP.IsValid() {
			return nil
		}
		return []string{clientOf(s.IP)}
	}
	user, err := Normal(s.User)
	if err != nil { // a name without a domain
		return []string{clip(s.User, maxUserName)}
	}
	list := []string{user}
	if kindOf(user) == kindUser {
		list = append(list, user[lastAt(user)+1:])
	}
	return list
}

func lastAt(s string) int {
	i := len(s) - 1
	for i > 0 && s[i] != '@' {
		i--
	}
	return i
}

// Mail is asked before a message; a refusal is the client's reply.
func (q *Quota) Mail(ctx context.Context, s Sender) (smtp.Reply, error) {
	subjects := s.subjects()
	if len(subjects) == 0 {
		return smtp.Reply{}, nil
	}
	held, err := q.held(ctx, subjects[0])
	if err != nil {
		return smtp.Reply{}, err
	}
	if held != nil && q.opt.Load().Hold.Mail == MailRefuse {
		q.deps.Metrics.count("refused")
		return heldReply(held), nil
	}
	return q.ask(ctx, s, subjects, counts{messages: 1})
}

// Rcpt is asked before a recipient of a message that has n already.
func (q *Quota) Rcpt(ctx context.Context, s Sender, n int, to smtp.Address) (smtp.Reply, error) {
	subjects := s.subjects()
	if len(subjects) == 0 {
		return smtp.Reply{}, nil
	}
	d := counts{messages: 1, recipients: int64(n) + 1}
	if q.opt.Load().limits(subjects[0]).NewDay > 0 {
		known, err := q.knows(ctx, subjects[0], hashOf(to))
		if err != nil {
			return smtp.Reply{}, err
		}
		if !known {
			d.fresh = 1
		}
	}
	return q.ask(ctx, s, subjects, d)
}

// ask tells whether so much more may be sent.
func (q *Quota) ask(ctx context.Context, s Sender, subjects []string, d counts) (smtp.Reply, error) {
	opt := q.opt.Load()
	for i, subject := range subjects {
		l := opt.limits(subject)
		if l == (Limits{}) {
			continue
		}
		x, err := q.sender(ctx, subject)
		if err != nil {
			return smtp.Reply{}, err
		}
		now := time.Now().Unix()
		over, _ := x.usage.check(now, l, only(i, d))
		x.mu.Unlock()
		if over != nil {
			over.left = max(0, over.left-(over.more-1)) // the message has taken the others
			return q.refuse(ctx, opt, s.Again, subject, over)
		}
	}
	return smtp.Reply{}, nil
}

// only leaves new recipients to who acts.
func only(i int, d counts) counts {
	if i > 0 {
		d.fresh = 0
	}
	return d
}

// Grant is the consent to one message.
type Grant struct {
	Text  string     // what is left, when little is; "" : nothing
	Hold  string     // why the message waits for an administrator, "" : it does not
	Reply smtp.Reply // the refusal; zero: none
	Undo  func()     // counts the message back
}

// Take counts a message that is about to be accepted.
func (q *Quota) Take(ctx context.Context, s Sender, to []smtp.Address) (Grant, error) {
	subjects := s.subjects()
	if len(subjects) == 0 {
		return Grant{}, nil
	}
	opt := q.opt.Load()
	held, err := q.held(ctx, subjects[0])
	if err != nil {
		return Grant{}, err
	}
	d := counts{messages: 1, recipients: int64(len(to))}
	var fresh []int64
	if opt.limits(subjects[0]).NewDay > 0 {
		if fresh, err = q.unknown(ctx, subjects[0], to); err != nil {
			return Grant{}, err
		}
		d.fresh = int64(len(fresh))
	}
	g, err := q.take(ctx, opt, s, subjects, d)
	if err != nil || !g.Reply.IsZero() {
		return g, err
	}
	q.remember(subjects[0], fresh)
	if held != nil {
		g.Hold = HoldReason(subjects[0], held.reason)
		q.deps.Metrics.count("held")
	}
	return g, nil
}

// take counts for all subjects, or for none.
func (q *Quota) take(ctx context.Context, opt *Options, s Sender, subjects []string, d counts) (g Grant, err error) {
	var taken []*sender
	now := time.Now().Unix()
	back := func(list []*sender) {
		for i, x := range list {
			x.mu.Lock()
			minus := only(i, d)
			x.usage.add(now, counts{-minus.messages, -minus.recipients, -minus.fresh, 0})
			x.mu.Unlock()
			q.flush.want(x)
		}
	}
	least := reach{limit: 1, left: 1}
	for i, subject := range subjects {
		x, err := q.sender(ctx, subject)
		if err != nil {
			back(taken)
			return g, err
		}
		more := only(i, d)
		over, few := x.usage.check(now, opt.limits(subject), more)
		if over == nil {
			x.usage.add(now, more)
		}
		x.mu.Unlock()
		if over != nil {
			back(taken)
			g.Reply, err = q.refuse(ctx, opt, s.Again, subject, over)
			return g, err
		}
		taken = append(taken, x)
		if few.limit > 0 && few.left*least.limit < least.left*few.limit {
			least = few
		}
		q.flush.want(x)
	}
	if least.what != "" && least.left*100 <= least.limit*int64(opt.Tell) {
		g.Text = fmt.Sprintf("%d of %d %s left", least.left, least.limit, least.what)
	}
	g.Undo = sync.OnceFunc(func() { back(taken) })
	return g, nil
}

// refuse answers that a limit is reached, counts it, and holds who goes on.
func (q *Quota) refuse(ctx context.Context, opt *Options, again bool, subject string, r *reach) (smtp.Reply, error) {
	q.deps.Metrics.count("refused")
	whose := ""
	if kindOf(subject) == kindDomain {
		whose = " of your domain"
	}
	when := time.Unix(r.again, 0).UTC()
	format := "15:04 UTC"
	if time.Until(when) > 12*time.Hour {
		format = "2 January 15:04 UTC"
	}
	text := fmt.Sprintf("Sending limit%s reached: %d %s; %d left, again from %s", whose, r.limit, r.what, r.left, when.Format(format))
	if again {
		return smtp.NewReply(452, smtp.EnhancedCode{4, 7, 1}, text), nil
	}
	if err := q.complain(ctx, opt, subject, text); err != nil {
		return smtp.Reply{}, err
	}
	return smtp.NewReply(452, smtp.EnhancedCode{4, 7, 1}, text), nil
}

// complain counts a refusal, and holds the sender where there are too many. A
// domain is not held: one of its users may have used up what is all others'.
func (q *Quota) complain(ctx context.Context, opt *Options, subject, text string) error {
	x, err := q.sender(ctx, subject)
	if err != nil {
		return err
	}
	now := time.Now().Unix()
	x.usage.add(now, counts{refusals: 1})
	refusals := x.usage.hour.sum(now).refusals
	alert := now-x.usage.told >= int64(day/time.Second)
	if alert {
		x.usage.told = now
	}
	x.mu.Unlock()
	q.flush.want(x)
	if opt.Hold.Refusals > 0 && kindOf(subject) != kindDomain && refusals >= int64(opt.Hold.Refusals) {
		return q.hold(ctx, subject, fmt.Sprintf("%d refusals within an hour; %s", refusals, text))
	}
	if alert {
		q.flush.alert(Alert{Subject: subject, Text: text})
	}
	return nil
}

// sender returns a sender, locked, with what it has sent.
func (q *Quota) sender(ctx context.Context, subject string) (*sender, error) {
	if err := q.follow(ctx); err != nil {
		return nil, err
	}
	q.mu.Lock()
	x := q.senders[subject]
	if x == nil {
		if len(q.senders) >= maxSenders {
			q.evict()
		}
		x = &sender{subject: subject}
		q.senders[subject] = x
	}
	q.mu.Unlock()
	x.mu.Lock()
	if x.gone { // while we waited
		x.mu.Unlock()
		return q.sender(ctx, subject)
	}
	if x.usage == nil {
		u, err := q.read(ctx, subject)
		if err != nil {
			x.mu.Unlock()
			return nil, err
		}
		x.usage = u
	}
	return x, nil
}

// evict forgets some senders who have nothing to be written.
func (q *Quota) evict() {
	n := maxSenders / 50
	for name, x := range q.senders {
		if !x.mu.TryLock() {
			continue
		}
		idle := x.usage == nil || !x.saving && !x.usage.dirty()
		x.gone = idle
		x.mu.Unlock()
		if idle {
			delete(q.senders, name)
			if n--; n == 0 {
				return
			}
		}
	}
}

func (u *usage) dirty() bool {
	for _, w := range []*window{&u.hour, &u.day} {
		for i := range w.slots {
			if w.slots[i].dirty {
				return true
			}
		}
	}
	return false
}

func heldReply(h *heldSender) smtp.Reply {
	return smtp.NewReply(450, smtp.EnhancedCode{4, 7, 1}, "Sending is stopped for this account since "+h.since.UTC().Format("2 January 15:04 UTC")+": it looks as if somebody misused it; ask your administrator")
}

// clip cuts s to n octets.
func clip(s string, n int) string { return s[:min(len(s), n)] }
