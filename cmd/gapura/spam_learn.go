package main

import (
	"errors"
	"fmt"
	"io"
)

// spamLearn is `gapura spam learn`.
type spamLearn struct {
	Paths []string `arg:"" optional:"" help:"Messages, mboxes, Maildirs and folders of them; - for standard input."`
	Ham   bool     `xor:"class" help:"They are ham."`
	Spam  bool     `xor:"class" help:"They are spam."`
	Index []string `placeholder:"FILE" help:"An index: lines 'spam|ham path', paths relative to it."`
	Model string   `placeholder:"FILE" help:"Learn into this model, which is made where there is none, not into the installation's."`
	spamJobs
}

// Help is printed below the flags.
func (*spamLearn) Help() string {
	return `Teaches the filter of this installation what is spam and what is not, for all
recipients; with --model the model in a file instead. Each message counts at
once, when the gateway runs too.

Examples:
  gapura spam learn --spam ~/Maildir/.Junk
  gapura spam learn --ham newsletters.mbox invoice.eml
  gapura spam learn --index corpus/index --model our.model`
}

// learnReport is what is printed.
type learnReport struct {
	Ham    int `json:"ham"`
	Spam   int `json:"spam"`
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
	if c.Model == "" {
		return usageError{errors.New("--model is needed")}
	}
	m, err := readOrEmpty(c.Model)
	if err != nil {
		return err
	}
	var report learnReport
	readers := newSpamReaders()
	b := a.spamBar("learn", src.total)
	work := func(x spamMessage) (r featured) {
		r.err = readers.with(&x, func(in *spamReader) { r.v = in.v.Clone() })
		return r
	}
	err = inOrder(a.ctx, c.count(), src.messages, work, func(x spamMessage, r featured) error {
		b.add(x.part)
		if r.err != nil {
			a.noteFailed(b, x.path, r.err)
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
	if err := m.write(c.Model); err != nil {
		return err
	}
	if err := a.print(&report, report.text); err != nil {
		return err
	}
	return failedSome(report.Failed)
}

// add counts a message.
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
	if r.Failed > 0 {
		fmt.Fprintf(w, ", %d failed", r.Failed)
	}
	fmt.Fprintln(w)
}
