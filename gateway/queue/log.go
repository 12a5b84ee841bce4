package queue

import (
	"log/slog"
	"time"
)

// report logs and counts what an attempt gave: a line for each recipient.
func (q *Queue) report(e *entry, v *verdict, took time.Duration) {
	age := time.Duration(v.now-max(e.msg.queued, e.freed)) * time.Millisecond
	if v.later {
		q.log.Debug("delivery waits", "id", e.msg.trace, "route", e.route, "destination", e.domain, "reason", v.rcpts[0].Reply.Text, "for", v.retry.Seconds())
		if len(v.rest) == len(v.rcpts) {
			return
		}
	}
	for i := range v.rcpts {
		x := &v.rcpts[i]
		q.metrics.outcome(x.Result, age)
		level := slog.LevelInfo
		if x.Result != Delivered {
			level = slog.LevelWarn
		}
		if !q.log.Enabled(q.ctx, level) {
			continue
		}
		attrs := make([]slog.Attr, 0, 14)
		attrs = append(attrs, slog.String("id", e.msg.trace), slog.String("result", x.Result.String()),
			slog.String("from", e.msg.from.Path()), slog.String("to", e.rcpts[i].to.Path()), slog.String("route", e.route))
		if x.MTA != "" {
			attrs = append(attrs, slog.String("mta", x.MTA))
		}
		if x.Addr != "" {
			attrs = append(attrs, slog.String("addr", x.Addr))
		}
		if x.TLS != "" {
			attrs = append(attrs, slog.String("tls", x.TLS))
		}
		attrs = append(attrs, slog.String("reply", x.Reply.Error()), slog.Int("attempt", e.attempts+1),
			slog.Float64("delay", age.Seconds()), slog.Float64("took", took.Seconds()))
		if x.expire {
			attrs = append(attrs, slog.Bool("expired", true))
		}
		if e.msg.user != "" {
			attrs = append(attrs, slog.String("user", e.msg.user))
		}
		q.log.LogAttrs(q.ctx, level, "delivery", attrs...)
	}
}

// reportAge logs who goes back without an attempt.
func (q *Queue) reportAge(e *entry, v *verdict) {
	for i := range v.rcpts {
		if x := &v.rcpts[i]; x.Result == Failed {
			q.metrics.outcome(Failed, 0)
			q.log.LogAttrs(q.ctx, slog.LevelWarn, "delivery", slog.String("id", e.msg.trace), slog.String("result", "failed"),
				slog.String("from", e.msg.from.Path()), slog.String("to", e.rcpts[i].to.Path()), slog.String("route", e.route),
				slog.String("reply", x.Reply.Error()), slog.Bool("expired", true),
				slog.Float64("delay", float64(v.now-e.msg.queued)/1000))
		}
	}
}
