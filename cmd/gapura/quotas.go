package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/inbound"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/quota"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// quotas are the limits of senders, as inbound asks.
type quotas struct{ *quota.Quota }

var _ inbound.Quota = quotas{}

func quotaSender(s inbound.Sender) quota.Sender {
	return quota.Sender{User: s.User, IP: s.IP, Again: s.OverQuota}
}

// Mail implements inbound.Quota.
func (q quotas) Mail(ctx context.Context, s inbound.Sender) (smtp.Reply, error) {
	return q.Quota.Mail(ctx, quotaSender(s))
}

// Rcpt implements inbound.Quota.
func (q quotas) Rcpt(ctx context.Context, s inbound.Sender, n int, to smtp.Address) (smtp.Reply, error) {
	return q.Quota.Rcpt(ctx, quotaSender(s), n, to)
}

// Take implements inbound.Quota.
func (q quotas) Take(ctx context.Context, s inbound.Sender, to []smtp.Address, _ int64) (inbound.Grant, error) {
	g, err := q.Quota.Take(ctx, quotaSender(s), to)
	return inbound.Grant(g), err
}

// quotaAlert holds what a held user has in the queue, and writes to the
// administrator.
func (s *server) quotaAlert(ctx context.Context, a quota.Alert) {
	gen := s.gen.Load()
	if gen == nil {
		return
	}
	if a.Held && quota.IsUser(a.Subject) {
		c := queue.Change{Action: queue.Hold, Filter: queue.Filter{User: a.Subject}, Reason: quota.HoldReason(a.Subject, a.Text)}
		if n, err := s.stores.queue.Act(ctx, c, nil); err != nil {
			s.log.Error("queued mail of a held user goes on", "user", a.Subject, "error", err.Error())
		} else {
			s.log.Warn("queued mail of a held user is held", "user", a.Subject, "messages", n)
		}
	}
	to := gen.cfg.Quota.Hold.Alert
	if to == "" {
		return
	}
	m := mailer{s.keys, s.stores.queue, gen.leads, false}
	if err := m.Send(ctx, "postmaster@"+gen.cfg.Hostname, to, alertMessage(gen.cfg.Hostname, to, a, time.Now())); err != nil {
		s.log.Error("alert not sent", "to", to, "error", err.Error())
	}
}

// syncQuota answers commands about quotas.
func (s *server) syncQuota(w http.ResponseWriter, r *http.Request) {
	if err := s.quota.Sync(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

// alertMessage writes the message to the administrator.
func alertMessage(host, to string, a quota.Alert, now time.Time) []byte {
	subject, do := "Sending limit reached: "+a.Subject, "gapura quota show "+a.Subject
	if a.Held {
		subject, do = "Sending is held: "+a.Subject, "gapura quota show "+a.Subject+"\r\n  gapura queue list --user "+a.Subject+"\r\n  gapura quota release "+a.Subject
	}
	var b []byte
	for _, f := range [][2]string{
		{"Date", now.Format(time.RFC1123Z)},
		{"From", "Gapura <postmaster@" + host + ">"},
		{"To", "<" + to + ">"},
		{"Subject", message.EncodeText(subject)},
		{"Message-ID", "<" + ulid.Make().String() + "@" + host + ">"},
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
	} {
		b = message.AppendFolded(b, f[0]+": "+f[1])
	}
	return fmt.Appendf(b, "\r\n%s at %s:\r\n\r\n  %s\r\n\r\nWhat to do:\r\n\r\n  %s\r\n", a.Subject, host, message.CleanValue(a.Text), do)
}

// withQuota calls f with the counters of the configuration. A gateway that runs
// writes its own before, and has learned of what f changed when this returns.
func (a *app) withQuota(f func(q *quota.Admin) error) error {
	return a.withDatabase(func(cfg *config.Config, db *sqldb.DB) error {
		q, err := quota.NewAdmin(a.ctx, cfg.Quota, db)
		if err != nil {
			return err
		}
		_ = tellGateway(a.ctx, cfg, "/quota", nil) // else what it counted is there in a second
		err = f(q)
		_ = tellGateway(a.ctx, cfg, "/quota", nil) // else it knows within seconds
		if errors.Is(err, quota.ErrSubject) {
			return usageError{err}
		}
		return err
	})
}
