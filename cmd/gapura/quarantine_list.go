package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/quarantine"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

type quarantineList struct {
	quarantineKeys
	Limit int `placeholder:"N" help:"List at most so many."`
}

// Help is printed below the flags.
func (*quarantineList) Help() string {
	return `Lists mail that is kept apart, the oldest first; without a key, all. A message has
one entry for each recipient whose copy is kept.

Examples:
  gapura quarantine list
  gapura quarantine list --to ana@example.org --since 24h
  gapura quarantine list --rule newsletters --json`
}

// Run implements the command.
func (c *quarantineList) Run(a *app) error {
	filters, err := c.filters()
	if err != nil {
		return err
	}
	some := filters[0] != queue.Filter{} && filters[0] != queue.Filter{All: true}
	return a.withDatabase(func(cfg *config.Config, db *sqldb.DB) error {
		list := &keptList{w: bufio.NewWriter(a.stdout), json: a.json, limit: c.Limit, some: some}
		defer list.w.Flush()
		for _, f := range filters {
			f.All = true
			if err := quarantine.List(a.ctx, db, cfg.Queue, f, list.add); err != nil && !errors.Is(err, errEnough) {
				return err
			}
		}
		return list.end()
	})
}

// keptList prints items as they come.
type keptList struct {
	w        *bufio.Writer
	json     bool
	limit, n int
	some     bool // not all were asked for
}

func (l *keptList) add(it *quarantine.Item) error {
	if l.limit > 0 && l.n >= l.limit {
		return errEnough
	}
	l.n++
	if !l.json {
		return l.row(it)
	}
	sep := ",\n  "
	if l.n == 1 {
		sep = "[\n  "
	}
	l.w.WriteString(sep)
	b, err := json.Marshal(it)
	if err != nil {
		return err
	}
	_, err = l.w.Write(b)
	return err
}

// row prints an item for people.
func (l *keptList) row(it *quarantine.Item) error {
	fmt.Fprintf(l.w, "%-26s  %6s old  %8s  %s\n    to %s\n", it.ID, age(it.Kept), octets(it.Size), cmp.Or(it.From, "<>"), it.To)
	if it.Author != "" || it.Subject != "" {
		fmt.Fprintf(l.w, "    %s: %s\n", it.Author, it.Subject)
	}
	_, err := fmt.Fprintln(l.w, "    "+keptBecause(it))
	return err
}

// keptBecause says on one line why an item is kept.
func keptBecause(it *quarantine.Item) string {
	why := "kept by " + cmp.Or(last(it.Rules), "the policy") + " at " + it.Stage
	switch {
	case it.Stage == "backend":
		why = "refused by the backend: " + it.Reason
	case it.Reason != "":
		why = "refused by " + cmp.Or(last(it.Rules), "the policy") + " at " + it.Stage + ": " + it.Reason
	}
	if s := it.Facts["spam.score"]; s != "" {
		why += " (spam score " + s + ")"
	}
	return why
}

func last(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

func (l *keptList) end() error {
	switch {
	case l.json && l.n == 0:
		fmt.Fprintln(l.w, "[]")
	case l.json:
		fmt.Fprintln(l.w, "\n]")
	case l.n == 0 && l.some:
		fmt.Fprintln(l.w, "No mail in quarantine fits.")
	case l.n == 0:
		fmt.Fprintln(l.w, "The quarantine is empty.")
	case l.n == 1:
		fmt.Fprintln(l.w, "1 entry")
	default:
		fmt.Fprintf(l.w, "%d entries\n", l.n)
	}
	return nil
}

type quarantineShow struct {
	ID      string `arg:"" help:"Id of the message."`
	Message bool   `help:"Print the message itself instead, as it came and is delivered."`
}

// Help is printed below the flags.
func (*quarantineShow) Help() string {
	return `Shows why a message is kept, its envelope, what the filters found, and its header;
with --message the message itself, which a terminal may take amiss.

Examples:
  gapura quarantine show 01K2ZB0C9WVMD3F4S4Q3S5E7TN
  gapura quarantine show 01K2ZB0C9WVMD3F4S4Q3S5E7TN --message > message.eml`
}

// Run implements the command.
func (c *quarantineShow) Run(a *app) error {
	return a.withDatabase(func(cfg *config.Config, db *sqldb.DB) error {
		items := []*quarantine.Item{}
		err := quarantine.List(a.ctx, db, cfg.Queue, queue.Filter{ID: c.ID}, func(it *quarantine.Item) error {
			items = append(items, it)
			return nil
		})
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return errors.New("there is no such message in quarantine: it was released or removed, or has expired; the log tells")
		}
		return c.show(a.ctx, a, cfg, items)
	})
}

func (c *quarantineShow) show(ctx context.Context, a *app, cfg *config.Config, items []*quarantine.Item) error {
	blobs, err := readBlobs(ctx, cfg)
	if err != nil {
		return err
	}
	defer blobs.Close()
	if c.Message {
		r, err := items[0].Open(ctx, blobs)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(a.stdout, r)
		return err
	}
	for _, it := range items {
		if err := it.Read(ctx, blobs); err != nil {
			return err
		}
	}
	return a.print(items, func(w io.Writer) {
		for i, it := range items {
			if i > 0 {
				fmt.Fprintln(w)
			}
			showKept(w, it)
		}
	})
}

// showKept prints an item for people.
func showKept(w io.Writer, it *quarantine.Item) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, name+"\t"+format+"\n", args...) }
	row("id", "%s", it.ID)
	row("from", "%s", cmp.Or(it.From, "<>"))
	row("to", "%s, on route %s", it.To, it.Route)
	if it.User != "" {
		row("user", "%s", it.User)
	}
	row("size", "%d octets", it.Size)
	row("kept", "%s (%s ago)", stamp(it.Kept), age(it.Kept))
	if it.Expires != nil {
		row("expires", "%s (%s)", stamp(*it.Expires), until(*it.Expires))
	}
	row("why", "%s", keptBecause(it))
	for _, r := range it.Rules {
		row("rule", "%s", r)
	}
	for _, name := range slices.Sorted(maps.Keys(it.Facts)) {
		row(name, "%s", it.Facts[name])
	}
	t.Flush()
	fmt.Fprintln(w)
	for _, line := range it.Header {
		fmt.Fprintln(w, line)
	}
}
