package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/quota"
)

// quotaCmd is `gapura quota`.
type quotaCmd struct {
	List    quotaList    `cmd:"" help:"List who has sent mail within a day, or is held."`
	Show    quotaShow    `cmd:"" help:"Show how much one has sent, and may."`
	Hold    quotaHold    `cmd:"" help:"Hold a user or client: its mail waits in the queue, or is refused."`
	Release quotaRelease `cmd:"" help:"End that, and let the mail go."`
	Reset   quotaReset   `cmd:"" help:"Forget what one has sent: it may send as much again."`
}

// quotaRow is a sender as it is printed.
type quotaRow struct {
	Subject string      `json:"subject"`
	Hour    quotaSent   `json:"hour"`
	Day     quotaSent   `json:"day"`
	Limits  quotaLimits `json:"limits"`
	Held    string      `json:"held,omitempty"`
	Since   string      `json:"held_since,omitempty"`
}

type quotaSent struct {
	Messages   int64 `json:"messages"`
	Recipients int64 `json:"recipients"`
	New        int64 `json:"new_recipients"`
	Refusals   int64 `json:"refusals"`
}

// quotaLimits are limits; 0 is none.
type quotaLimits struct {
	MessagesHour   int `json:"messages_hour"`
	MessagesDay    int `json:"messages_day"`
	RecipientsHour int `json:"recipients_hour"`
	RecipientsDay  int `json:"recipients_day"`
	NewDay         int `json:"new_day"`
}

func quotaRowOf(s quota.Status) quotaRow {
	return quotaRow{s.Subject, quotaSent(s.Hour), quotaSent(s.Day), quotaLimits(s.Limits), s.Held, reportDate(s.Since.UTC())}
}

type quotaList struct {
	Held bool `help:"Only who is held."`
}

// Help is printed below the flags.
func (*quotaList) Help() string {
	return `Examples:
  gapura quota list
  gapura quota list --held --json`
}

// Run implements the command.
func (c *quotaList) Run(a *app) error {
	rows := []quotaRow{}
	return a.withQuota(func(q *quota.Admin) error {
		err := q.List(a.ctx, c.Held, func(s quota.Status) error {
			rows = append(rows, quotaRowOf(s))
			return nil
		})
		if err != nil {
			return err
		}
		return a.print(rows, func(w io.Writer) {
			tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
			fmt.Fprintln(tab, "sender\tmessages/hour\tmessages/day\trecipients/hour\trecipients/day\tnew/day\theld")
			for _, r := range rows {
				fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Subject, of(r.Hour.Messages, r.Limits.MessagesHour), of(r.Day.Messages, r.Limits.MessagesDay),
					of(r.Hour.Recipients, r.Limits.RecipientsHour), of(r.Day.Recipients, r.Limits.RecipientsDay), of(r.Day.New, r.Limits.NewDay), r.Held)
			}
			tab.Flush()
		})
	})
}

// of is "12 of 500".
func of(n int64, limit int) string {
	if limit <= 0 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%d of %d", n, limit)
}

type quotaShow struct {
	Subject string `arg:"" help:"A user, a domain, or the address of a relaying client."`
}

// Help is printed below the flags.
func (*quotaShow) Help() string {
	return `Examples:
  gapura quota show ana@example.org
  gapura quota show example.org --json
  gapura quota show 192.0.2.1`
}

// Run implements the command.
func (c *quotaShow) Run(a *app) error {
	return a.withQuota(func(q *quota.Admin) error {
		s, err := q.Show(a.ctx, c.Subject)
		if err != nil {
			return err
		}
		r := quotaRowOf(s)
		return a.print(r, func(w io.Writer) {
			fmt.Fprintf(w, "%s\n  messages    %s this hour, %s today\n  recipients  %s this hour, %s today\n", r.Subject,
				of(r.Hour.Messages, r.Limits.MessagesHour), of(r.Day.Messages, r.Limits.MessagesDay), of(r.Hour.Recipients, r.Limits.RecipientsHour), of(r.Day.Recipients, r.Limits.RecipientsDay))
			if quota.IsUser(r.Subject) {
				fmt.Fprintf(w, "  new         %s today\n", of(r.Day.New, r.Limits.NewDay))
			}
			fmt.Fprintf(w, "  refused     %d this hour\n", r.Hour.Refusals)
			if r.Held != "" {
				fmt.Fprintf(w, "  HELD since %s: %s\n", s.Since.Format(time.RFC3339), r.Held)
			}
		})
	})
}

type quotaHold struct {
	Subject string `arg:"" help:"A user, or the address of a relaying client."`
	Reason  string `help:"Why." default:"held by an administrator" placeholder:"TEXT"`
}

// Help is printed below the flags.
func (*quotaHold) Help() string {
	return `What the user has in the queue is held too.

Example:
  gapura quota hold ana@example.org --reason 'password in the wrong hands'`
}

// Run implements the command.
func (c *quotaHold) Run(a *app) error {
	name, err := quota.Normal(c.Subject)
	if err != nil {
		return usageError{err}
	}
	if err := a.withQuota(func(q *quota.Admin) error { return q.Hold(a.ctx, name, c.Reason) }); err != nil {
		return err
	}
	if !quota.IsUser(name) {
		return a.done(name, "held", nil)
	}
	n, err := a.actOn(queue.Change{Action: queue.Hold, Filter: queue.Filter{User: name}, Reason: quota.HoldReason(name, c.Reason)}, func(int) {})
	return a.done(name, fmt.Sprintf("held, with %d messages in the queue", n), err)
}

type quotaRelease struct {
	Subject  string `arg:"" help:"The user or client."`
	KeepMail bool   `help:"Leave its held mail in the queue held: to be looked at, or removed."`
}

// Help is printed below the flags.
func (*quotaRelease) Help() string {
	return `Lets a held user or client send again, and the mail go that was held for it; to
throw that away instead, "queue remove" it first.

Example:
  gapura quota release ana@example.org`
}

// Run implements the command.
func (c *quotaRelease) Run(a *app) error {
	name, err := quota.Normal(c.Subject)
	if err != nil {
		return usageError{err}
	}
	if err := a.withQuota(func(q *quota.Admin) error { return q.Release(a.ctx, name) }); err != nil {
		if errors.Is(err, quota.ErrNotHeld) {
			return fmt.Errorf("%s is not held", name)
		}
		return err
	}
	if c.KeepMail {
		return a.done(name, "released; its mail stays held", nil)
	}
	n, err := a.actOn(queue.Change{Action: queue.Release, Filter: queue.Filter{State: queue.Held, Reason: quota.HoldReason(name, "")}}, func(int) {})
	return a.done(name, fmt.Sprintf("released, with %d messages in the queue", n), err)
}

type quotaReset struct {
	Subject string `arg:"" help:"A user, a domain, or the address of a relaying client."`
}

// Help is printed below the flags.
func (*quotaReset) Help() string {
	return `Example:
  gapura quota reset ana@example.org`
}

// Run implements the command.
func (c *quotaReset) Run(a *app) error {
	return a.withQuota(func(q *quota.Admin) error {
		return a.done(c.Subject, "counted from nothing", q.Reset(a.ctx, c.Subject))
	})
}
