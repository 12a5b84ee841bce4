package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/learned"
)

// spamUnlearn is `gapura spam unlearn`.
type spamUnlearn struct {
	Paths []string `arg:"" optional:"" help:"Messages, mboxes, Maildirs and folders of them; - for standard input."`
	Index []string `placeholder:"FILE" help:"An index: lines 'spam|ham path', paths relative to it; either class is taken back."`
	User  string   `placeholder:"ADDRESS" help:"Whose lessons they are; default: those for everybody, of administrators."`
	Since string   `placeholder:"TIME" xor:"all" help:"All lessons since this time: 2026-11-20, 2026-11-20T08:00:00Z, or 36h ago."`
	All   bool     `xor:"all" help:"All lessons of --user, what else his own mail is judged by, and his contacts: of an account that is no more."`
	spamJobs
}

// Help is printed below the flags.
func (*spamUnlearn) Help() string {
	return `Takes back what was taught: that these messages are spam, or ham; or with --since
all that one user, or without --user administrators, taught since then, by moves
into and out of Junk or by spam learn. Of an account that was abused, what it taught
others goes too. Lessons can be taken back for as long as they are kept (learn.keep);
what the filter knows of their senders is put right as well. A gateway that runs
takes it back at once, another when it starts. Exit code 1: there was nothing to
take back.

Examples:
  gapura spam unlearn newsletters.mbox
  gapura spam unlearn --user ana@example.org --since 2026-11-20
  gapura spam unlearn --user gone@example.org --all`
}

// unlearnReport is what is printed.
type unlearnReport struct {
	Ham     int `json:"ham"`
	Spam    int `json:"spam"`
	Unknown int `json:"unknown"` // messages that nobody taught, or too long ago
	Failed  int `json:"failed"`
}

// Run implements the command.
func (c *spamUnlearn) Run(a *app) error {
	since, err := c.check()
	if err != nil {
		return err
	}
	var report unlearnReport
	err = a.withLessons(c.User, false, func(store *learned.Store, user, hostname string) error {
		return c.undo(a, store, user, hostname, since, &report)
	})
	if err != nil {
		if report.Ham+report.Spam > 0 { // that stays
			err = errors.Join(a.print(&report, report.text), err)
		}
		return err
	}
	if err := a.print(&report, report.text); err != nil {
		return err
	}
	if report.Ham+report.Spam == 0 {
		return errNo
	}
	return failedSome(report.Failed)
}

// check tells what does not go together, and since when.
func (c *spamUnlearn) check() (since time.Time, err error) {
	named := len(c.Paths)+len(c.Index) > 0
	switch {
	case c.Since == "" && !c.All:
		return since, needSource(c.Index, c.Paths)
	case named:
		return since, usageError{errors.New("name messages, or take all with --since or --all, not both")}
	case c.All && c.User == "":
		return since, usageError{errors.New("--all is of one --user; --since takes back what administrators taught")}
	case c.All:
		return since, nil
	}
	if since, err = pastTime(c.Since, time.Now()); err != nil {
		return since, usageError{fmt.Errorf("--since: %w", err)}
	}
	return since, nil
}

// pastTime reads a time: RFC 3339, a date, which begins where this machine
// is, or how long ago it was.
func pastTime(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.ParseInLocation(time.DateOnly, s, time.Local)
	}
	switch {
	case err != nil:
		return t, fmt.Errorf("%q is no time; write 2026-11-20, 2026-11-20T08:00:00Z or 36h", s)
	case t.After(now):
		return t, fmt.Errorf("%s is still to come", s)
	}
	return t, nil
}

func (c *spamUnlearn) undo(a *app, store *learned.Store, user, hostname string, since time.Time, report *unlearnReport) error {
	var n learned.Undone
	var err error
	switch {
	case c.All:
		n, err = store.UndoUser(a.ctx, user)
	case c.Since != "":
		n, err = store.UndoSince(a.ctx, user, since)
	default:
		return c.undoAll(a, store, user, hostname, report)
	}
	report.Ham, report.Spam = n.Ham, n.Spam
	return err
}

// undoAll takes back what was taught of the messages that are named.
func (c *spamUnlearn) undoAll(a *app, store *learned.Store, user, hostname string, report *unlearnReport) error {
	src, err := a.spamSources(c.Index, c.Paths, "")
	if err != nil {
		return err
	}
	read := func(_ *spamMessage, raw []byte) (string, error) {
		return learned.KeyOf(spam.AsArrived(raw, hostname)), nil
	}
	count := func(_ *spamMessage, err error) {
		if err != nil {
			report.Failed++
		}
	}
	var all []string // taken back together, the latest first
	err = inBatches(a, "unlearn", c.count(), src, read, count, func(keys []string) error {
		all = append(all, keys...)
		return nil
	})
	n, undoing := store.UndoMessages(a.ctx, user, all...) // what was named before a mistake, too
	report.Ham, report.Spam, report.Unknown = n.Ham, n.Spam, len(all)-n.Ham-n.Spam
	return errors.Join(err, undoing)
}

// text prints the report for people.
func (r *unlearnReport) text(w io.Writer) {
	fmt.Fprintf(w, "took back %d ham and %d spam", r.Ham, r.Spam)
	if r.Unknown > 0 {
		fmt.Fprintf(w, "; %d were not taught, or too long ago", r.Unknown)
	}
	if r.Failed > 0 {
		fmt.Fprintf(w, "; %d failed", r.Failed)
	}
	fmt.Fprintln(w)
}
