package inbound

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// ip returns the client's address for the log.
func (s *session) ip() string {
	if a := s.info.Remote.Addr(); a.IsValid() {
		return a.Unmap().String()
	}
	return "local"
}

// who returns the attributes that every line about a transaction has.
func (t *transaction) who() []slog.Attr {
	attrs := append(t.s.who(t.id), slog.String("from", t.from.Path()))
	if user := t.s.info.User; user != "" {
		attrs = append(attrs, slog.String("user", user))
	}
	return attrs
}

func (s *session) who(id string) []slog.Attr {
	return []slog.Attr{
		slog.String("id", id), slog.String("session", s.id),
		slog.String("ip", s.ip()), slog.String("helo", s.info.Helo),
	}
}

// facts returns what was found, as one group.
func facts(f gateway.Facts) slog.Attr {
	var attrs []any
	for _, x := range f.All() {
		attrs = append(attrs, slog.Any(x.Name, x.Value))
	}
	return slog.Group("facts", attrs...)
}

// logRefusal tells why a session, a sender or a recipient was refused; t is
// nil before MAIL.
func (s *session) logRefusal(id string, r pipeline.Ruling, t *transaction, to string) {
	refusals.WithLabelValues(r.Stage.String(), r.Action.String()).Inc()
	log := s.h.opt.Log
	if !log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	attrs := s.who(id)
	if t != nil {
		attrs = append(t.who(), slog.String("to", to))
		if t.pipe != nil {
			attrs = append(attrs, facts(t.pipe.Facts()))
		}
	}
	attrs = append(attrs, slog.String("stage", r.Stage.String()), slog.String("disposition", r.Action.String()),
		slog.String("reply", r.Reply.Error()), slog.Any("rules", r.Rules))
	log.LogAttrs(context.Background(), slog.LevelInfo, "refused", attrs...)
}

// logCopy tells what became of one recipient's copy: reply is about it alone,
// zero where it was not tried, and said is what the client hears.
func (t *transaction) logCopy(a *arriving, result pipeline.Result, i int, reply, said smtp.Reply) {
	r := result.Rulings[i]
	if reply.IsZero() {
		reply = said
	}
	outcome := outcomeOf(r, reply, said)
	if outcome == "dropped" && t.kept[i] {
		outcome = "quarantined"
	}
	messages.WithLabelValues(outcome).Inc()
	if r.Refused() {
		refusals.WithLabelValues(r.Stage.String(), r.Action.String()).Inc()
	}
	log := t.s.h.opt.Log
	if !log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	rcpt := t.pipe.Rcpts()[i]
	attrs := append(t.who(), slog.String("to", rcpt.To.Path()), slog.String("route", rcpt.Route), slog.Int64("size", a.size),
		slog.String("outcome", outcome), slog.String("reply", reply.Error()),
		slog.Float64("took", time.Since(t.started).Seconds()))
	if said.Code != reply.Code {
		attrs = append(attrs, slog.Int("client", said.Code))
	}
	if len(r.Rules) > 0 {
		attrs = append(attrs, slog.Any("rules", r.Rules))
	}
	if outcome != "accepted" {
		attrs = append(attrs, facts(result.Facts))
	}
	log.LogAttrs(context.Background(), slog.LevelInfo, "message", attrs...)
}

// outcomeOf names what became of a copy.
func outcomeOf(r pipeline.Ruling, reply, said smtp.Reply) string {
	switch {
	case reply.Positive() && r.Action == gateway.Discard:
		return "discarded"
	case reply.Positive() && r.Action == gateway.Quarantine:
		return "quarantined"
	case reply.Positive():
		return "accepted"
	case reply.Temporary() || said.Temporary(): // the client comes back
		return "deferred"
	case said.Positive(): // for others; nobody hears of this one
		return "dropped"
	}
	return "refused"
}

// logMessage tells of a message that was refused before it was judged.
func (t *transaction) logMessage(a *arriving, reply smtp.Reply) {
	outcome := outcomeOf(pipeline.Ruling{}, reply, reply)
	messages.WithLabelValues(outcome).Inc()
	t.s.h.opt.Log.LogAttrs(context.Background(), slog.LevelInfo, "message",
		append(t.who(), slog.Int64("size", a.size), slog.String("outcome", outcome), slog.String("reply", reply.Error()))...)
}

// aborted tells of a message that did not come whole, or was not judged to the
// end, and returns why.
func (t *transaction) aborted(a *arriving, what string, err error) error {
	messages.WithLabelValues("aborted").Inc()
	t.s.h.opt.Log.LogAttrs(context.Background(), slog.LevelInfo, "message",
		append(t.who(), slog.Int64("size", a.size), slog.String("outcome", "aborted"), slog.String("error", err.Error()))...)
	return fmt.Errorf("inbound: %s: %s: %w", t.id, what, err)
}
