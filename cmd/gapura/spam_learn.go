package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/rule"
)

// spamLearn is `gapura spam learn`.
type spamLearn struct {
	Paths []string `arg:"" optional:"" help:"Messages, mboxes, Maildirs and folders of them; - for standard input."`
	Ham   bool     `xor:"class" help:"They are ham."`
	Spam  bool     `xor:"class" help:"They are spam."`
	Index []string `placeholder:"FILE" help:"An index: lines 'spam|ham path', paths relative to it."`
	Model string   `placeholder:"FILE" help:"Learn into this model, which is made where there is none, not into the installation's."`
	User  string   `placeholder:"ADDRESS" help:"Whose lessons they are; default: those of everybody."`
	spamJobs
}

// Help is printed below the flags.
func (*spamLearn) Help() string {
	return `Teaches the filter of this installation what is spam and what is not, for all
recipients, or with --user for one; with --model the model in a file instead. A
gateway that runs learns it at once, another when it starts. A message is learned once
(taught again it is known already); taught with the other class, the first lesson is
taken back; spam unlearn takes back what was a mistake altogether. A model in a file
keeps no lessons: it learns a message each time that it is taught.

Examples:
  gapura spam learn --spam ~/Maildir/.Junk
  gapura spam learn --ham newsletters.mbox invoice.eml
  gapura spam learn --index corpus/index --model our.model`
}

// learnReport is what is printed.
type learnReport struct {
	Ham    int `json:"ham"`
	Spam   int `json:"spam"`
	Known  int `json:"known"` // messages that were taught before, as the same
	Failed int `json:"failed"`
}

// Run implements the command.
func (c *spamLearn) Run(a *app) error {
	if err := needSource(c.Index, c.Paths); err != nil {
		return err
	}
	if len(c.Paths) > 0 && !c.Ham && !c.Spam {
		return usageError{errors.New("say what the messages are, --ham or --spam")}
	}
	label := map[bool]string{true: "spam", false: "ham"}[c.Spam]
	src, err := a.spamSources(c.Index, c.Paths, label)
	if err != nil {
		return err
	}
	var report learnReport
	if c.Model == "" {
		err = c.teach(a, src, &report)
	} else {
		err = c.learn(a, src, &report)
	}
	if err != nil {
		if c.Model == "" && report.Ham+report.Spam+report.Known > 0 { // that stays
			err = errors.Join(a.print(&report, report.text), err)
		}
		return err
	}
	if err := a.print(&report, report.text); err != nil {
		return err
	}
	return failedSome(report.Failed)
}

// learn learns into the model in a file.
func (c *spamLearn) learn(a *app, src spamSource, report *learnReport) error {
	if c.Model == "shipped" || c.Model == "empty" { // elsewhere they are no files
		return usageError{fmt.Errorf("--model: %s is not a file; to learn into one of that name write ./%s", c.Model, c.Model)}
	}
	m, err := readOrEmpty(c.Model)
	if err == nil {
		err = canWrite(c.Model)
	}
	if err != nil {
		return err
	}
	readers, err := newSpamReaders()
	if err != nil {
		return err
	}
	b := a.newBar("learn", src.total)
	work := func(x spamMessage) (r featured) {
		empty := false
		r.err = readers.with(&x, func(in *spamReader) { r.v, empty = in.v.Clone(), isEmpty(in.buf.Bytes()) })
		if r.err == nil && empty {
			r.err = errEmptyMessage
		}
		return r
	}
	err = inOrder(a.ctx, c.count(), src.messages, work, func(x spamMessage, r featured) error {
		b.add(x.part)
		if r.err != nil {
			a.noteFailed(b, &x, r.err)
		} else {
			m.learn(r.v, x.spam())
		}
		report.add(&x, r.err)
		return nil
	})
	b.end()
	if err != nil {
		return err
	}
	return m.write(c.Model)
}

// teach teaches the filter of the installation.
func (c *spamLearn) teach(a *app, src spamSource, report *learnReport) error {
	rules, err := rule.Load(nil, nil)
	if err != nil {
		return err
	}
	return a.withLessons(c.User, true, func(store *learned.Store, user, hostname string) error {
		read := func(x *spamMessage, raw []byte) (learned.Lesson, error) {
			lesson, err := newLesson(raw, hostname, rules)
			lesson.User, lesson.Spam, lesson.Source = user, x.spam(), learned.Admin
			return lesson, err
		}
		count := func(_ *spamMessage, err error) {
			if err != nil {
				report.Failed++
			}
		}
		return inBatches(a, "learn", c.count(), src, read, count, func(batch []learned.Lesson) error {
			n, err := store.Learn(a.ctx, batch...)
			report.Ham += n.Ham
			report.Spam += n.Spam
			report.Known += n.Known
			return err
		})
	})
}

// add counts a message that a model in a file has learned: it keeps no lessons,
// so that it knows none.
func (r *learnReport) add(x *spamMessage, err error) {
	switch {
	case err != nil:
		r.Failed++
	case x.spam():
		r.Spam++
	default:
		r.Ham++
	}
}

// text prints the report for people.
func (r *learnReport) text(w io.Writer) {
	fmt.Fprintf(w, "learned %d ham and %d spam", r.Ham, r.Spam)
	if r.Known > 0 {
		fmt.Fprintf(w, ", %d known already", r.Known)
	}
	if r.Failed > 0 {
		fmt.Fprintf(w, ", %d failed", r.Failed)
	}
	fmt.Fprintln(w)
}
