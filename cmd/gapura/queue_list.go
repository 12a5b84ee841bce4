package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

type queueList struct {
	queueKeys
	Summary bool `help:"Count them by destination instead."`
	Limit   int  `placeholder:"N" help:"List at most so many."`
}

// Help is printed below the flags.
func (*queueList) Help() string {
	return `Lists messages in the queue, the oldest first; without a key, all. A message has
one entry for each destination of its recipients. Active ones are being tried.

Examples:
  gapura queue list
  gapura queue list --domain example.com --reason greylist
  gapura queue list --summary --json`
}

// errEnough ends a list.
var errEnough = errors.New("enough")

// Run implements the command.
func (c *queueList) Run(a *app) error {
	return a.withDatabase(func(cfg *config.Config, db *sqldb.DB) error {
		if c.Summary {
			return c.summary(a, cfg, db)
		}
		out := bufio.NewWriter(a.stdout)
		defer out.Flush()
		filters := c.filters()
		list := &itemList{w: out, json: a.json, limit: c.Limit, some: filters[0] != queue.Filter{All: c.All}}
		for _, f := range filters {
			f.All = true
			if err := a.listQueue(cfg, db, f, list.add); err != nil && !errors.Is(err, errEnough) {
				return err
			}
		}
		return list.end()
	})
}

// listQueue calls f with what is in the queue; with what a gateway that was
// killed had not written into the database yet, too.
func (a *app) listQueue(cfg *config.Config, db *sqldb.DB, f queue.Filter, each func(*queue.Item) error) error {
	if err := queue.List(a.ctx, db, cfg.Queue, f, each); err != nil {
		return err
	}
	return a.listLog(cfg, db, f, each)
}

// listLog calls f with what is in the queue's log alone, unless a gateway runs,
// which has that in hand.
func (a *app) listLog(cfg *config.Config, db *sqldb.DB, f queue.Filter, each func(*queue.Item) error) error {
	if strings.HasPrefix(cfg.Storage.Objects, "s3:") {
		return nil // there is no log
	}
	path := controlPath(cfg)
	conn, err := dialControl(a.ctx, path)
	if err == nil {
		return conn.Close()
	}
	if err = controlError(a.ctx, path, err); !errors.Is(err, errNoGateway) || errors.Is(err, errNameTooLong) {
		return a.ctx.Err() // nobody knows
	}
	return queue.ListLog(a.ctx, db, blob.NotesOf(blob.Options{Dir: blobDir(cfg)}), cfg.Queue, f, each)
}

// itemList prints items as they come: there may be millions.
type itemList struct {
	w        *bufio.Writer
	json     bool
	limit, n int
	some     bool // not all were asked for
	oldest   time.Time
}

func (l *itemList) add(it *queue.Item) error {
	if l.limit > 0 && l.n >= l.limit {
		return errEnough
	}
	l.n++
	if l.oldest.IsZero() || it.Queued.Before(l.oldest) {
		l.oldest = it.Queued
	}
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

// row prints an item for people: two lines, and one for each kind of reply.
func (l *itemList) row(it *queue.Item) error {
	fmt.Fprintf(l.w, "%-26s  %-7s  %6s old  %8s  %s", it.ID, it.State, age(it.Queued), octets(it.Size), cmp.Or(it.From, "<>"))
	if it.User != "" && it.User != it.From {
		fmt.Fprintf(l.w, " (%s)", it.User)
	}
	fmt.Fprintln(l.w)
	var to []string
	for _, r := range it.Recipients {
		to = append(to, r.To)
	}
	fmt.Fprintf(l.w, "    to %s", shortList(to, 5))
	switch {
	case it.Attempts == 1:
		fmt.Fprint(l.w, ", tried once")
	case it.Attempts > 1:
		fmt.Fprintf(l.w, ", tried %d times", it.Attempts)
	}
	if it.Next != nil && it.State == queue.Waiting {
		fmt.Fprintf(l.w, ", next %s", until(*it.Next))
	}
	fmt.Fprintln(l.w)
	if it.Hold != "" {
		fmt.Fprintln(l.w, "    held: "+it.Hold)
	}
	var said []string
	for _, r := range it.Recipients {
		if r.Reply != "" && !slices.Contains(said, r.Reply) {
			said = append(said, r.Reply)
			fmt.Fprintln(l.w, "    "+strings.TrimSpace(r.MTA+" "+r.Reply))
		}
	}
	return nil
}

func (l *itemList) end() error {
	switch {
	case l.json && l.n == 0:
		fmt.Fprintln(l.w, "[]")
	case l.json:
		fmt.Fprintln(l.w, "\n]")
	case l.n == 0 && l.some:
		fmt.Fprintln(l.w, "No message in the queue fits.")
	case l.n == 0:
		fmt.Fprintln(l.w, "The queue is empty.")
	default:
		entries := "entries"
		if l.n == 1 {
			entries = "entry"
		}
		fmt.Fprintf(l.w, "%d %s, the oldest %s old\n", l.n, entries, age(l.oldest))
	}
	return nil
}

func shortList(list []string, most int) string {
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// summary counts by destination, the most first.
func (c *queueList) summary(a *app, cfg *config.Config, db *sqldb.DB) error {
	groups, err := c.groups(a, cfg, db)
	if err != nil {
		return err
	}
	count := func(g queue.Group) int64 { return g.Active + g.Waiting + g.Held }
	slices.SortFunc(groups, func(a, b queue.Group) int {
		return cmp.Or(cmp.Compare(count(b), count(a)), cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Route, b.Route))
	})
	if c.Limit > 0 {
		groups = groups[:min(len(groups), c.Limit)]
	}
	return a.print(groups, func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "DOMAIN\tROUTE\tACTIVE\tWAITING\tHELD\tOLDEST")
		var active, waiting, held int64
		for _, g := range groups {
			fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%s\n", g.Domain, g.Route, g.Active, g.Waiting, g.Held, age(g.Oldest))
			active, waiting, held = active+g.Active, waiting+g.Waiting, held+g.Held
		}
		fmt.Fprintf(t, "total\t\t%d\t%d\t%d\t\n", active, waiting, held)
		t.Flush()
	})
}

// groups counts what fits: by the database where all does, else message by
// message.
func (c *queueList) groups(a *app, cfg *config.Config, db *sqldb.DB) (groups []queue.Group, err error) {
	add := func(it *queue.Item) error {
		i := slices.IndexFunc(groups, func(g queue.Group) bool { return g.Domain == it.Domain && g.Route == it.Route })
		if i < 0 {
			i = len(groups)
			groups = append(groups, queue.Group{Domain: it.Domain, Route: it.Route, Oldest: it.Queued})
		}
		switch it.State {
		case queue.Held:
			groups[i].Held++
		case queue.Waiting:
			groups[i].Waiting++
		default:
			groups[i].Active++
		}
		if it.Queued.Before(groups[i].Oldest) {
			groups[i].Oldest = it.Queued
		}
		return nil
	}
	filters := c.filters()
	if filters[0] == (queue.Filter{All: c.All}) {
		if groups, err = queue.Summary(a.ctx, db); err != nil {
			return nil, err
		}
		return groups, a.listLog(cfg, db, queue.Filter{All: true}, add)
	}
	groups = []queue.Group{}
	for _, f := range filters {
		f.All = true
		if err := a.listQueue(cfg, db, f, add); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// age says how long ago a time was, in one unit.
func age(t time.Time) string { return short(time.Since(t)) }

// until says when a time comes.
func until(t time.Time) string {
	d := time.Until(t)
	if d <= 0 {
		return "now"
	}
	return "in " + short(d)
}

func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(max(d, 0)/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d/time.Hour))
	}
	return fmt.Sprintf("%dd", int(d/(24*time.Hour)))
}

// octets writes a size.
func octets(n int64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
