package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

// spamScore is `gapura spam score`.
type spamScore struct {
	Paths []string `arg:"" optional:"" help:"Messages, mboxes, Maildirs and folders of them; - for standard input."`
	Index []string `placeholder:"FILE" help:"An index: lines 'spam|ham path', paths relative to it."`
	Model string   `placeholder:"FILE" xor:"by" help:"A bare model: a file, shipped, or empty; default: what this installation has learned."`
	User  string   `placeholder:"ADDRESS" xor:"by" help:"For whom: his lessons and contacts count as well."`
	spamJobs
}

// Help is printed below the flags.
func (*spamScore) Help() string {
	return `Prints a line for each message, in their order: its label where an index gives
one, its score, its path. 0 is evens and 5 the threshold of spam; higher is
worse. Nothing is learned, and nothing is looked up in the DNS.
With --json each line is an object, with probability and class.

Where there is a configuration, its model and rules count, and what was learned
here, as in spam explain; with --model, or without a configuration, the model
alone. A line on standard error says which.

Examples:
  gapura spam score message.eml
  gapura spam score --user ana@example.org ~/Maildir/.Junk
  gapura spam score --index corpus/index --model our.model`
}

// Run implements the command.
func (c *spamScore) Run(a *app) error {
	if err := needSource(c.Index, c.Paths); err != nil {
		return err
	}
	j, err := a.openSpamJudge(c.Model, c.User)
	if err != nil {
		return err
	}
	return errors.Join(c.score(a, j), j.close())
}

// score prints the score of each message.
func (c *spamScore) score(a *app, j *spamJudge) error {
	src, err := a.spamSources(c.Index, c.Paths, "")
	if err != nil {
		return err
	}
	n, failed := 0, 0
	b := a.scoreBar("score", src.total)
	defer b.end()
	type result struct {
		score model.Score
		err   error
	}
	work := func(x spamMessage) (r result) {
		r.score, r.err = j.score(a.ctx, &x)
		return r
	}
	by := ""
	if j.installation != nil {
		by = j.by
	}
	done := func(x spamMessage, r result) error {
		b.add(x.part)
		n++
		if r.err != nil {
			failed++
			a.noteFailed(b, &x, r.err)
			return nil
		}
		return a.printScore(&x, r.score, by)
	}
	if err := inOrder(a.ctx, c.count(), src.messages, work, done); err != nil {
		return err
	}
	if n == 0 {
		b.note(a.stderr, "gapura: there is no message in what was named")
	}
	if c.Model == "" {
		b.note(a.stderr, "gapura: scores are by %s", j.by)
	}
	return failedSome(failed)
}

// spamJudge is who scores and explains messages: a bare model, or the
// installation.
type spamJudge struct {
	by           string // for people
	bare         spamModel
	readers      *spamReaders
	installation *installation // nil: the bare model
}

// openSpamJudge opens the model of --model; "" : the installation, where there
// is one, judging for a user.
func (a *app) openSpamJudge(name, user string) (j *spamJudge, err error) {
	j = &spamJudge{}
	if name == "" {
		var none noInstallation
		switch j.installation, err = a.openInstallation(user); {
		case err == nil:
			j.by = j.installation.by
			return j, nil
		case !errors.As(err, &none):
			return nil, err
		case user != "":
			return nil, fmt.Errorf("%w; what was learned for %s is asked of an installation: name its configuration with -c", err, user)
		}
		name, j.by = "shipped", "the shipped model alone: "+none.Error()
	}
	if j.by == "" {
		j.by = "the bare model " + name
	}
	var reading sync.WaitGroup // the rules meanwhile
	var failed error
	reading.Go(func() { j.readers, failed = newSpamReaders() })
	j.bare, err = openSpamModel(name)
	reading.Wait()
	return j, cmp.Or(err, failed)
}

func (j *spamJudge) close() error {
	if j.installation == nil {
		return nil
	}
	return j.installation.close()
}

// score scores a message.
func (j *spamJudge) score(ctx context.Context, x *spamMessage) (s model.Score, err error) {
	if j.installation == nil {
		err = j.readers.with(x, func(r *spamReader) { s = j.bare.score(r.v) })
		return s, err
	}
	var buf bytes.Buffer
	raw, err := x.read(&buf)
	if err != nil {
		return s, err
	}
	o, err := j.installation.opinion(ctx, raw, 0)
	return o.Score, err
}
