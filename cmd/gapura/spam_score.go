package main

import "github.com/gapura-mail/gapura/filters/spam/model"

// spamScore is `gapura spam score`.
type spamScore struct {
	Paths []string `arg:"" optional:"" help:"Messages, mboxes, Maildirs and folders of them; - for standard input."`
	Index []string `placeholder:"FILE" help:"An index: lines 'spam|ham path', paths relative to it."`
	Model string   `default:"shipped" placeholder:"FILE" help:"The model: a file, shipped, or empty."`
	spamJobs
}

// Help is printed below the flags.
func (*spamScore) Help() string {
	return `Prints a line for each message, in their order: its label where an index gives
one, its score, its path. 0 is evens and 5 the threshold of spam; higher is
worse. Nothing is learned, and nothing is looked up in the DNS.
With --json each line is an object, with probability and class.

Examples:
  gapura spam score message.eml
  gapura spam score ~/Maildir/.Junk
  gapura spam score --index corpus/index --model our.model`
}

// Run implements the command.
func (c *spamScore) Run(a *app) error {
	if err := needSource(c.Index, c.Paths); err != nil {
		return err
	}
	m, err := openSpamModel(c.Model)
	if err != nil {
		return err
	}
	src, err := a.spamSources(c.Index, c.Paths, "")
	if err != nil {
		return err
	}
	readers, err := newSpamReaders()
	if err != nil {
		return err
	}
	failed := 0
	b := a.spamBar("score", src.total)
	defer b.end()
	type result struct {
		score model.Score
		err   error
	}
	work := func(x spamMessage) (r result) {
		r.err = readers.with(&x, func(in *spamReader) { r.score = m.score(in.v) })
		return r
	}
	done := func(x spamMessage, r result) error {
		b.add(x.part)
		if r.err != nil {
			failed++
			a.noteFailed(b, x.path, r.err)
			return nil
		}
		return a.printScore(&x, r.score)
	}
	if err := inOrder(a.ctx, c.count(), src.messages, work, done); err != nil {
		return err
	}
	return failedSome(failed)
}
