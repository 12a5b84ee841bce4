package inbound

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/route"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// Backend is where the mail of one configured domain goes in session.
type Backend interface {
	// Verify asks whether it takes the recipient, and returns its reply.
	Verify(ctx context.Context, from smtp.ReversePath, p smtp.MailParams, to smtp.ForwardPath, rp smtp.RcptParams) (smtp.Reply, error)
	// Delivery begins a hand-over.
	Delivery() gateway.Delivery
}

// Options of a Handler.
type Options struct {
	Hostname string // in Received, and the authserv-id
	Relay    []netip.Prefix
	Hops     int // Received fields of a message; more are a loop
	Header   message.HeaderLimits
	Body     body.Options
	// RefuseEarly answers refusals of the stages connect, helo and mail at
	// once instead of at RCPT; the greeting then waits for look-ups.
	RefuseEarly bool
	// Routed takes recipients of strangers in our domains whose local part
	// holds a way on to somebody else, as in user%other.example@ours: a server
	// behind us might go it, and relay for everybody.
	Routed   bool
	Sealer   *mailauth.Signer // seals what is handed over (RFC 8617); nil: nothing is
	Pipeline *pipeline.Pipeline
	Routes   *route.Table
	Backends map[string]Backend // by key of Routes, those in session
	Queued   map[string]bool    // keys of Routes whose mail is queued
	// Local are keys of Routes whose mail is kept here: they share one
	// backend, which takes its copy in session beside that of any other.
	Local map[string]bool
	Log   *slog.Logger

	Submission  Submission
	Queue       Queue       // nil: there is none, and no way out
	Accounts    Accounts    // nil: nobody can log in
	Aliases     Aliases     // nil: there are none
	Quota       Quota       // nil: nothing is counted
	Suppression Suppression // nil: everybody may be written to
	// Sent is told whom a user has written to, who was accepted; nil: nobody.
	// It must not wait.
	Sent    func(user string, to []smtp.Address, messageID string)
	Signer  Signer  // nil: nothing is signed
	Rewrite Rewrite // nil: the sender of forwarded mail stays
	Returns Returns // nil: mail comes back to addresses like any other
}

// DefaultHops is the bound on Received fields (RFC 5321 section 6.3 asks for
// at least 100 only of servers without other loop detection).
const DefaultHops = 50

// Handler implements smtpd.Handler.
type Handler struct {
	opt  Options
	open open
}

// New returns a handler.
func New(opt Options) *Handler {
	if opt.Hops <= 0 {
		opt.Hops = DefaultHops
	}
	return &Handler{opt: opt, open: open{ended: make(chan struct{})}}
}

// Wait returns when no session is open. From then on Connect refuses: what the
// sessions use may be closed.
func (h *Handler) Wait() { h.open.wait() }

// Connect implements smtpd.Handler.
func (h *Handler) Connect(ctx context.Context, info smtpd.Info) (smtpd.Session, smtp.Reply, error) {
	if !h.open.begin() {
		return nil, reconfigured, nil
	}
	s := &session{h: h, id: newID()}
	s.client, s.info = info, s.snapshot(info)
	s.pipe = h.opt.Pipeline.Connect(ctx, s.info)
	sessions.WithLabelValues(info.Listener).Inc()
	return s, s.earlyRefusal(ctx), nil
}

// reconfigured is what a client hears that was still shaking hands when its
// part of the gateway was replaced.
var reconfigured = smtp.NewReply(421, smtp.EnhancedCode{4, 3, 2}, "The service has just been reconfigured; connect again")

// newID returns a trace id: a ULID, so that ids sort by time. All its other
// bits are random: ulid.Make counts up within a millisecond, under a lock that
// all connections share.
func newID() string {
	var id ulid.ULID
	if err := id.SetTime(ulid.Now()); err != nil {
		panic(err) // after the year 10889
	}
	binary.LittleEndian.PutUint16(id[6:], uint16(rand.Uint32()))
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	return id.String()
}

// session is one connection; smtpd calls it from one goroutine.
type session struct {
	h    *Handler
	id   string
	info *gateway.Session // a snapshot: replaced, never changed

	client smtpd.Info // what info was made of
	pipe   *pipeline.Session
}

func (s *session) snapshot(info smtpd.Info) *gateway.Session {
	return &gateway.Session{
		ID: s.id, Listener: info.Listener, Remote: info.Remote, Local: info.Local,
		Helo: info.Helo, Extended: info.Extended, TLS: info.TLS, User: info.User,
		Relay: s.relay(info.Remote), Started: info.Started,
	}
}

// relay tells whether the client's network may relay.
func (s *session) relay(remote netip.AddrPort) bool {
	ip := remote.Addr().Unmap()
	return slices.ContainsFunc(s.h.opt.Relay, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Helo implements smtpd.Session.
func (s *session) Helo(ctx context.Context, info smtpd.Info) (smtp.Reply, error) {
	s.client, s.info = info, s.snapshot(info)
	s.pipe.Helo(s.info)
	return s.earlyRefusal(ctx), nil
}

// earlyRefusal decides about the session by itself, where refusals do not
// wait for RCPT.
func (s *session) earlyRefusal(ctx context.Context) smtp.Reply {
	if !s.h.opt.RefuseEarly {
		return smtp.Reply{}
	}
	ruling := s.pipe.Early(ctx)
	if !ruling.Refused() {
		return smtp.Reply{}
	}
	s.logRefusal(s.id, ruling, nil, "")
	return withID(ruling.Reply, s.id)
}

// Mail implements smtpd.Session.
func (s *session) Mail(ctx context.Context, from smtp.ReversePath, p smtp.MailParams) (smtpd.Transaction, smtp.Reply, error) {
	t, err := s.begin(ctx, from, p, time.Now())
	if err != nil {
		return nil, smtp.Reply{}, err
	}
	return t, smtp.Reply{}, nil
}

// begin begins a transaction.
func (s *session) begin(ctx context.Context, from smtp.ReversePath, p smtp.MailParams, now time.Time) (*transaction, error) {
	if b := s.h.opt.Body.Budget; b != nil && !b.Room(max(p.Size, minRoom)) {
		messages.WithLabelValues("no-room").Inc()
		s.h.opt.Log.Warn("no room", "session", s.id, "ip", s.ip(), "size", p.Size, "memory", b.Memory(), "spool", b.Spool())
		return nil, withID(noRoom, s.id)
	}
	t := &transaction{s: s, id: newID(), from: from, params: s.trusted(p), started: now}
	if s.info.Submitted() {
		if r, err := t.mayBegin(ctx); err != nil || !r.IsZero() {
			return nil, t.refuseMail(r, err)
		}
	}
	t.pipe = s.pipe.Mail(gateway.Transaction{ID: t.id, Session: s.info, From: from, Params: t.params, Now: t.started})
	if s.h.opt.RefuseEarly {
		if ruling := t.pipe.Early(ctx); ruling.Refused() {
			t.pipe.Close()
			s.logRefusal(t.id, ruling, t, "")
			return nil, withID(ruling.Reply, t.id)
		}
	}
	return t, nil
}

// trusted returns the parameters of MAIL as far as the client is believed.
func (s *session) trusted(p smtp.MailParams) smtp.MailParams {
	if p.Auth != nil && !s.info.Relay { // RFC 4954 section 5
		p.Auth = &smtp.Address{}
	}
	if !s.info.Submitted() { // strangers do not overtake our own
		p.Priority = min(p.Priority, 0)
		p.HoldFor, p.HoldUntil = 0, time.Time{}
	}
	return p
}

// refuseMail logs a refusal of MAIL and returns what the client hears.
func (t *transaction) refuseMail(r smtp.Reply, err error) error {
	if err != nil {
		is := false
		if r, is = smtp.AsReply(err); !is {
			t.s.h.opt.Log.Error("sender not looked up", "id", t.id, "error", err.Error())
			r = localError
		}
	}
	t.s.logRefusal(t.id, pipeline.Ruling{Stage: gateway.StageMail, Disposition: gateway.Disposition{Action: action(r), Reply: r}}, t, "")
	return withID(r, t.id)
}

// minRoom is what must be left of memory or spool before a message of unknown
// size is taken.
const minRoom = 1 << 20

var noRoom = smtp.NewReply(452, smtp.EnhancedCode{4, 3, 1}, "Too much mail at the moment; try again later")

// TraceID implements smtpd.Traced.
func (s *session) TraceID() string { return s.id }

// TraceID implements smtpd.Traced.
func (t *transaction) TraceID() string { return t.id }

// Close implements smtpd.Session.
func (s *session) Close() {
	s.pipe.Close()
	s.h.open.end()
}

// withID puts the trace id behind a reply's text: an admin finds it with it.
func withID(r smtp.Reply, id string) smtp.Reply {
	if strings.Contains(r.Text, id) { // our queue's
		return r
	}
	if r.Positive() {
		r.Text += " (" + id + ")"
	} else {
		r.Text += " (see " + id + ")"
	}
	return r
}
