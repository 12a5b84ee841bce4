package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

type queueShow struct {
	ID      string `arg:"" help:"Id of the message."`
	Message bool   `help:"Print the message itself instead, as it is sent."`
}

// Help is printed below the flags.
func (*queueShow) Help() string {
	return `Shows envelope, attempts, the latest replies and the next attempt of a message; with
--message the message itself.

Examples:
  gapura queue show 01K2ZB0C9WVMD3F4S4Q3S5E7TN
  gapura queue show 01K2ZB0C9WVMD3F4S4Q3S5E7TN --message > message.eml`
}

// Run implements the command.
func (c *queueShow) Run(a *app) error {
	return a.withDatabase(func(cfg *config.Config, db *sqldb.DB) error {
		items := []*queue.Item{}
		err := a.listQueue(cfg, db, queue.Filter{ID: c.ID}, func(it *queue.Item) error {
			items = append(items, it)
			return nil
		})
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return errors.New("there is no such message in the queue: it has been delivered, returned or removed; the log tells")
		}
		if c.Message {
			return printMessage(a.ctx, cfg, items[0], a.stdout)
		}
		return a.print(items, func(w io.Writer) {
			for i, it := range items {
				if i > 0 {
					fmt.Fprintln(w)
				}
				showItem(w, it)
			}
		})
	})
}

// printMessage writes the octets of a message.
func printMessage(ctx context.Context, cfg *config.Config, it *queue.Item, w io.Writer) error {
	blobs, err := readBlobs(ctx, cfg)
	if err != nil {
		return err
	}
	defer blobs.Close()
	r, err := it.Open(ctx, blobs)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(w, r)
	return err
}

// showItem prints an item for people.
func showItem(w io.Writer, it *queue.Item) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	defer t.Flush()
	row := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	row("id", "%s", it.ID)
	row("state", "%s", it.State)
	if it.Hold != "" {
		row("held", "%s", it.Hold)
	}
	row("from", "%s", cmp.Or(it.From, "<>"))
	if it.User != "" {
		row("user", "%s", it.User)
	}
	row("route", "%s to %s", it.Route, it.Domain)
	row("lane", "%s, priority %d", it.Lane, it.Priority)
	if it.Pool != "" {
		row("pool", "%s", it.Pool)
	}
	row("size", "%d octets", it.Size)
	row("queued", "%s (%s ago)", stamp(it.Queued), age(it.Queued))
	if it.EnvelopeID != "" {
		row("envelope id", "%s", it.EnvelopeID)
	}
	row("attempts", "%d", it.Attempts)
	if it.Tried != nil {
		row("latest", "%s (%s ago)", stamp(*it.Tried), age(*it.Tried))
	}
	if it.Next != nil {
		row("next", "%s (%s)", stamp(*it.Next), until(*it.Next))
	}
	if it.Expires != nil {
		row("goes back", "%s (%s)", stamp(*it.Expires), until(*it.Expires))
	}
	for _, r := range it.Recipients {
		row("to", "%s", r.To)
		if r.Notify != "" {
			row("", "notify %s", r.Notify)
		}
		if r.Reply != "" {
			row("", "%s: %s", cmp.Or(r.MTA, "this gateway"), r.Reply)
		}
	}
}

// stamp writes a time.
func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 -0700") }
