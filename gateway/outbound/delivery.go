package outbound

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpc"
)

// delivery is one Deliver while it runs.
type delivery struct {
	t    *Transport
	j    *queue.Job
	out  []queue.Outcome
	todo []int // recipients whose outcome is open
	env  smtpc.Envelope
	msg  smtpc.Message
	pool *sourcePool
	why  *failure // of the hosts that were tried, what to tell

	tries    int // addresses
	sessions int // connections that were there and came to nothing

	// bound: it must not go by another way, whatever other hosts are like: the
	// TLS of one is not what it must be.
	bound    bool
	lenient  bool  // a bounce goes now where REQUIRETLS cannot be had
	optional *bool // what tlsOptional found
}

// What one attempt does at most, whatever the destination offers.
const (
	maxTries    = 10 // addresses that are connected to
	maxSessions = 2  // hosts that answer, and then refuse or break
)

// next is what to do after an address was tried.
type next uint8

const (
	nextAddress next = iota
	nextHost
	otherSource // the same address again
	stop        // every outcome is there, or nothing else is to be tried
)

var (
	failReload = ours(queue.Deferred, reasonEnded, false, 451, smtp.EnhancedCode{4, 3, 2}, "The configuration was changed; the next attempt goes by the new one")
	failNobody = deferred(reasonRoute, 451, smtp.EnhancedCode{4, 4, 4}, "There is no server to try")
)

// all gives every recipient without an outcome the same one.
func (d *delivery) all(f *failure) {
	for i := range d.out {
		d.set(i, f)
	}
}

func (d *delivery) set(i int, f *failure) {
	d.out[i] = f.Outcome
	d.t.deps.Metrics.recipient(f.Result, f.reason)
}

func (d *delivery) run(ctx context.Context) {
	d.prepare()
	w := d.t.routing.of(d.j.Destination, sender(d.j))
	d.pool = d.t.pools.of(d.j.Destination, d.j.Queue)
	p := d.t.plan(ctx, w, d.j.Destination)
	d.walk(ctx, p)
	// RFC 8689 section 5: no bounce is lost for REQUIRETLS.
	if d.bound && d.j.Params.RequireTLS && d.j.From.IsNull() && len(d.todo) > 0 && ctx.Err() == nil {
		d.lenient, d.sessions, d.tries = true, 0, 0
		d.walk(ctx, p)
	}
	if w.fallback != nil && len(d.todo) > 0 && ctx.Err() == nil && !d.bound && d.why.unreachable() {
		d.sessions, d.tries = 0, 0
		d.walk(ctx, d.t.plan(ctx, w.fallback, ""))
	}
	if d.why == nil {
		d.why = failNobody
	}
	for _, i := range d.todo {
		d.set(i, d.why)
	}
}

// prepare makes of the job what smtpc sends.
func (d *delivery) prepare() {
	j := d.j
	d.todo = make([]int, len(j.Rcpts))
	for i := range d.todo {
		d.todo[i] = i
	}
	d.env = smtpc.Envelope{From: j.From, Params: j.Params, Rcpts: make([]smtpc.Rcpt, 0, len(j.Rcpts))}
	d.msg = smtpc.Message{Size: j.Size, EightBit: j.EightBit, UTF8Header: j.UTF8Header, Open: d.open}
}

// open reads the message; what goes wrong shows when it is read.
func (d *delivery) open() io.ReadCloser {
	r, err := d.j.Open()
	if err != nil {
		return unreadable{err}
	}
	return r
}

type unreadable struct{ err error }

func (u unreadable) Read([]byte) (int, error) { return 0, u.err }
func (u unreadable) Close() error             { return nil }

// walk tries the hops of a plan.
func (d *delivery) walk(ctx context.Context, p *plan) {
	d.note(p.why, nil, netip.AddrPort{})
	for i, h := range p.hops {
		if i == d.t.opt.Hosts || d.host(ctx, h) == stop || len(d.todo) == 0 {
			return
		}
	}
}

// note keeps why a hop came to nothing.
func (d *delivery) note(f *failure, h *hop, to netip.AddrPort) {
	if f == nil {
		return
	}
	g := *f
	if h != nil {
		g.MTA = h.host
	}
	if to.IsValid() {
		g.Addr = to.Addr().String()
	}
	d.why = worse(d.why, &g)
}

// host tries the addresses of a hop.
func (d *delivery) host(ctx context.Context, h *hop) next {
	if len(h.addrs) == 0 {
		d.note(h.why, h, netip.AddrPort{})
		return nextHost
	}
	p, why := d.policy(h)
	if why != nil {
		d.note(why, h, netip.AddrPort{})
		return nextHost
	}
	for _, a := range h.addrs {
		if d.tries == maxTries {
			return stop
		}
		if n := d.from(ctx, visit{h: h, tls: p, to: netip.AddrPortFrom(a, h.port)}); n != nextAddress {
			return n
		}
	}
	return nextHost
}

// from tries an address from one source, and from another where the machine
// does not have that one.
func (d *delivery) from(ctx context.Context, x visit) next {
	for {
		v := x
		if !d.allowed(&v) {
			return nextAddress
		}
		if n := d.address(ctx, &v); n != otherSource {
			d.tries++
			return n
		}
	}
}

// visit is one try at an address.
type visit struct {
	h     *hop
	tls   *tlsPolicy
	to    netip.AddrPort
	from  *source
	limit int // connections to the site
}

func (v *visit) site() siteKey { return siteKey{v.h.site, v.from.addr} }

// path is what an address may be dead for: others may reach it.
func (v *visit) path() recentKey { return recentKey{v.to, v.from.addr} }

// allowed finds a source for the visit, and asks whether a message may be sent
// from it now.
func (d *delivery) allowed(v *visit) bool {
	from, why := d.t.choose(d.pool, v.to, v.h.site)
	if why != chosen {
		d.note(sourceFailure(why), v.h, v.to)
		return false
	}
	v.from = from
	if why, left := d.t.deps.State.dead.get(v.path()); why != nil {
		d.t.deps.State.warmup.giveBack(from)
		f := *why
		f.Retry = left
		d.note(&f, v.h, v.to)
		return false
	}
	limit, wait, said := d.t.deps.State.sites.admit(v.site(), &v.h.shape)
	if wait > 0 {
		d.t.deps.State.warmup.giveBack(from)
		text := "The destination gets no more messages in this time"
		if said != "" {
			text = "The destination has asked us to slow down: " + said
		}
		d.note(waiting(reasonShape, max(wait, 10*time.Millisecond), text), v.h, v.to)
		return false
	}
	v.limit = limit
	return true
}

// AllListed is what is said of mail that waits until a source is off the block
// lists.
const AllListed = "The addresses that mail leaves from are on block lists"

// sourceFailure is for mail that cannot leave from any source of its pool.
func sourceFailure(why choice) *failure {
	switch why {
	case allGone:
		return noSource()
	case allUsed:
		tomorrow := day(time.Now()).AddDate(0, 0, 1)
		return waiting(reasonShape, min(time.Until(tomorrow)+time.Second, time.Hour), "The addresses that mail leaves from are being warmed up, and may send no more today")
	case allShut:
		return waiting(reasonShape, 10*time.Minute, AllListed)
	}
	return deferred(reasonRoute, 451, smtp.EnhancedCode{4, 4, 4}, "The pool has no address of the kind that the next server has")
}

// address sends over a connection to one address. A kept connection that
// turns out to be dead is replaced.
func (d *delivery) address(ctx context.Context, v *visit) next {
	for fresh := false; ; {
		c, err := d.connect(ctx, v, fresh)
		if ofTLS(err) && v.tls.demanded && ctx.Err() == nil && d.lax(v.h) {
			v.tls = v.h.lax
			continue
		}
		if err != nil {
			d.t.deps.State.warmup.giveBack(v.from)
			return d.unconnected(ctx, err, v)
		}
		res, err := c.Send(ctx, d.envelope(), &d.msg)
		if err == nil {
			d.t.deps.State.pool.put(c)
			done, n := d.settle(c, v, res)
			if !done {
				continue // too many recipients for one transaction
			}
			return n
		}
		d.t.deps.State.pool.drop(c, "broken")
		n := d.broken(ctx, c, v, res, err, fresh)
		if n == nextAddress {
			fresh = true
			continue
		}
		return n
	}
}

// envelope is for the recipients whose outcome is open.
func (d *delivery) envelope() *smtpc.Envelope {
	d.env.Rcpts = d.env.Rcpts[:0]
	for _, i := range d.todo {
		r := &d.j.Rcpts[i]
		d.env.Rcpts = append(d.env.Rcpts, smtpc.Rcpt{To: r.To, Params: r.Params})
	}
	return &d.env
}

// unconnected notes why there is no connection.
func (d *delivery) unconnected(ctx context.Context, err error, v *visit) next {
	if f := busyFailure(err); f != nil {
		d.note(f, v.h, v.to)
		return stop // it is we who do not want more connections
	}
	f := sessionFailure(ctx, err)
	f.obey(d.act(v, f.Outcome))
	if f.reason == reasonTLS && v.tls != v.h.tls { // other mail may well go there
		f.Destination = false
	}
	d.note(f, v.h, v.to)
	switch {
	case ctx.Err() != nil:
		return stop
	case v.from.addr.IsValid() && ofSource(err):
		d.t.deps.Log.Warn("this machine does not have an address that mail is to leave from", "source", v.from.String())
		d.t.deps.State.dead.add(recentKey{from: v.from.addr}, deadTime, f)
		return otherSource
	case f.reason == reasonConnect:
		d.t.deps.State.dead.add(v.path(), deadTime, f)
		return nextAddress
	}
	if f.reason == reasonTLS { // the next host may have the right certificate
		d.bound = true
		return nextHost
	}
	if d.sessions++; d.sessions == maxSessions {
		return stop
	}
	return nextHost
}

// busyRetry is when a message comes back that found no free connection.
const busyRetry = time.Second

// waiting is for mail that we do not want to send yet.
func waiting(reason string, d time.Duration, text string) *failure {
	f := deferred(reason, 451, smtp.EnhancedCode{4, 4, 5}, text)
	f.Untried, f.Retry = true, d
	return f
}

// busyFailure is for connections that we do not want to open.
func busyFailure(err error) *failure {
	switch {
	case errors.Is(err, errBusy):
		return waiting(reasonShape, busyRetry, "As many connections to the destination are in use as may be")
	case errors.Is(err, errFull):
		f := waiting(reasonShape, busyRetry, "As many connections are in use as may be")
		f.Destination = false
		return f
	case errors.Is(err, errClosed):
		return failReload
	}
	return nil
}

// act does what a refusal asks for, as far as it is known; nil: it is not.
func (d *delivery) act(v *visit, o queue.Outcome) *action {
	if o.Local {
		return nil
	}
	a := means(d.t.answers, v.h.host, o.Reply)
	if a == nil {
		return nil
	}
	if d.t.deps.State.sites.obey(v.site(), a, &v.h.shape, o.Reply.Error()) {
		d.t.deps.Metrics.slowed(a.name)
		d.t.deps.Log.Info("the destination is slowed down", "site", v.h.site, "host", v.h.host, "source", v.from.String(), "rule", a.name,
			"pause", a.pause.String(), "reply", o.Reply.Error())
	}
	return a
}

// settle keeps the outcomes of a transaction that came to an end. done is
// false when the rest of the recipients goes in another one.
func (d *delivery) settle(c *conn, v *visit, res smtpc.Result) (done bool, n next) {
	if whole := res.Rcpts[0]; res.Step == smtpc.StepMail && whole.Temporary() || res.Step == smtpc.StepCheck && !anyOf(res.Rcpts, smtp.Reply.IsZero) {
		// The next host may be more willing.
		f := d.verdict(c, v, res.Step, whole)
		d.note(f, v.h, v.to)
		if d.sessions++; d.sessions == maxSessions || f.known {
			return true, stop
		}
		return true, nextHost
	}
	progress := anyOf(res.Rcpts, smtp.Reply.Positive)
	rest := d.todo[:0]
	for k, i := range d.todo {
		r := res.Rcpts[k]
		if progress && (tooMany(r) || r.Code == 552 && r.Enhanced == (smtp.EnhancedCode{})) {
			rest = append(rest, i)
			continue
		}
		d.decide(i, c, v, stepOf(res.Step, progress, r), r)
	}
	d.todo = rest
	return len(rest) == 0, stop
}

// stepOf tells what a refusal was to: of a message that others got, only RCPT.
func stepOf(s smtpc.Step, accepted bool, r smtp.Reply) smtpc.Step {
	if s == smtpc.StepDone && accepted && !r.Positive() {
		return smtpc.StepRcpt
	}
	return s
}

func anyOf(list []smtp.Reply, f func(smtp.Reply) bool) bool {
	for _, r := range list {
		if f(r) {
			return true
		}
	}
	return false
}

// tooMany tells whether a recipient was refused only because of those before
// it (RFC 5321 section 4.5.3.1.10). A 552 that does not say of what there is too
// much may mean it too: one that stands alone will not.
func tooMany(r smtp.Reply) bool {
	return (r.Code == 452 || r.Code == 552) &&
		(r.Enhanced[1] == 5 && r.Enhanced[2] == 3 || strings.Contains(strings.ToLower(r.Text), "too many recipients"))
}

// broken keeps what a broken connection has told, and says whether the others
// may be tried elsewhere.
func (d *delivery) broken(ctx context.Context, c *conn, v *visit, res smtpc.Result, err error, fresh bool) next {
	rest := d.todo[:0]
	for k, i := range d.todo {
		if r := res.Rcpts[k]; !r.IsZero() {
			d.decide(i, c, v, smtpc.StepRcpt, r) // a broken message has no reply
		} else {
			rest = append(rest, i)
		}
	}
	d.todo = rest
	var e *smtpc.Error
	ambiguous := errors.As(err, &e) && e.Ambiguous && e.Reply.IsZero()
	if c.reused && !fresh && !ambiguous && !e.Source && ctx.Err() == nil {
		return nextAddress // the same one again
	}
	f := sessionFailure(ctx, err)
	f.TLS = c.tls
	f.obey(d.act(v, f.Outcome))
	if ambiguous {
		f = &failure{Outcome: f.Outcome, reason: reasonLost}
		f.Destination = false
		f.Reply = smtp.NewReply(451, smtp.EnhancedCode{4, 4, 2}, "The connection was lost after the message had been sent, so it may have arrived: it will be sent again")
		d.t.deps.Log.Warn("possible duplicate: no reply to a message that was sent whole", "id", d.j.ID, "host", v.h.host, "address", c.addr,
			"recipients", len(d.todo), "error", err.Error())
	}
	if ambiguous {
		d.why = nil // this is to be told, and decides what is done now
	}
	d.note(f, v.h, v.to)
	if d.sessions++; ambiguous || f.known || f.reason == reasonSource || ctx.Err() != nil || d.sessions == maxSessions {
		return stop
	}
	return nextHost
}

// decide sets a recipient's outcome by the reply of a next hop.
func (d *delivery) decide(i int, c *conn, v *visit, step smtpc.Step, r smtp.Reply) {
	if own := c.Extensions().CheckRcpt(d.j.Rcpts[i].To); !own.IsZero() && own == r {
		step = smtpc.StepCheck // nobody was asked
	}
	f := d.verdict(c, v, step, r)
	d.set(i, f)
}

// verdict reads a reply that is about the message.
func (d *delivery) verdict(c *conn, v *visit, step smtpc.Step, r smtp.Reply) *failure {
	if step == smtpc.StepRcpt && r.Code == 552 && tooMany(r) { // it stands for 452
		r.Code, r.Enhanced = 452, smtp.EnhancedCode{4, 5, 3}
	}
	f := &failure{Outcome: queue.Outcome{Reply: derive(r, step), MTA: v.h.host, Addr: c.addr, TLS: c.tls}, reason: reasonReply}
	switch {
	case r.Positive():
		f.Result = queue.Delivered
		f.Relayed, f.Untimed = !c.Extensions().DSN, !c.Extensions().DeliverBy
	case r.Permanent():
		f.Result = queue.Failed
	default:
		f.Result = queue.Deferred
	}
	if !r.Positive() && step != smtpc.StepCheck {
		f.obey(d.act(v, f.Outcome))
	}
	if v.h.smart != nil && (r.Code == 530 || r.Code == 534 || r.Code == 535 || r.Code == 538) {
		// It is our login that it minds, not the mail.
		f.Result, f.reason, f.Destination = queue.Deferred, reasonAuth, true
	}
	if step == smtpc.StepCheck {
		f.Local, f.reason = true, reasonCheck
	}
	return f
}
