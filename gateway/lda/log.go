package lda

import (
	"context"
	"log/slog"
	"strings"
)

// tell writes the line of a copy, which the administrator finds by its ID.
func (j *job) tell(ctx context.Context, p *parcel) {
	outcome := p.outcome()
	j.l.Metrics.copied(outcome)
	if !j.l.Log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	attrs := []slog.Attr{
		slog.String("id", j.m.ID), slog.String("from", j.m.From.Path()), slog.String("to", j.m.Rcpts[p.rcpt].To.Path()),
		slog.String("user", p.target.User), slog.String("outcome", outcome), slog.String("reply", p.reply.Error()),
	}
	if folders := p.folders(); folders != "" {
		attrs = append(attrs, slog.String("folder", folders))
	}
	var sent []string
	for _, s := range append(p.plan.before, p.plan.after...) {
		sent = append(sent, s.action+" "+s.toWhom())
	}
	if len(sent) > 0 {
		attrs = append(attrs, slog.Any("sent", sent))
	}
	if p.plan.reject != "" {
		attrs = append(attrs, slog.String("reason", p.plan.reject))
	}
	j.l.Log.LogAttrs(ctx, slog.LevelInfo, "delivery", attrs...)
}

// outcome names what became of a copy.
func (p *parcel) outcome() string {
	switch {
	case p.plan.reject != "":
		return "rejected"
	case p.reply.Enhanced[1] == 2 && !p.reply.Positive():
		return "full"
	case !p.reply.Positive():
		return "failed"
	case len(p.plan.stores) > 0:
		return "stored"
	case len(p.plan.before) > 0:
		return "redirected"
	}
	return "discarded"
}

func (p *parcel) folders() string {
	names := make([]string, len(p.plan.stores))
	for i, s := range p.plan.stores {
		names[i] = s.folder
	}
	return strings.Join(names, ", ")
}
