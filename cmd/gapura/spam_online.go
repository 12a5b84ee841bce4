package main

import (
	"errors"
	"math/rand/v2"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

// spamOnline is `gapura spam online`.
type spamOnline struct {
	Index string  `arg:"" help:"The index: lines 'spam|ham path', paths relative to it."`
	Model string  `default:"empty" placeholder:"FILE" help:"What to begin with: empty, shipped, or a file."`
	Delay int     `default:"0" placeholder:"N" help:"Each message is learned when N more have been scored: people take their time."`
	Noise float64 `default:"0" placeholder:"SHARE" help:"Share of labels that are learned wrong, 0 to 1; those printed are right."`
	Seed  uint64  `default:"1" help:"Decides which labels are wrong."`
	spamJobs
}

// Help is printed below the flags.
func (*spamOnline) Help() string {
	return `Walks over an index: each message is scored, its label, score and path are
printed, then it is learned. Nothing is kept. What it prints goes to spam eval.

Examples:
  gapura spam online corpus/index | gapura spam eval -t 5
  gapura spam online --model shipped --delay 500 --noise 0.05 corpus/index`
}

// onlineLearner learns what it is given, late and with mistakes.
type onlineLearner struct {
	spamModel
	delay   int
	noise   float64
	rnd     *rand.Rand
	waiting []lesson
}

// lesson is a message that is to be learned.
type lesson struct {
	v    *model.Vector
	spam bool
}

// take takes up a message with its label, and learns one whose time has come.
func (l *onlineLearner) take(v *model.Vector, spam bool) {
	if l.rnd.Float64() < l.noise {
		spam = !spam
	}
	l.waiting = append(l.waiting, lesson{v, spam})
	if len(l.waiting) > l.delay {
		x := l.waiting[0]
		l.waiting[0] = lesson{}
		l.waiting = l.waiting[1:]
		l.learn(x.v, x.spam)
	}
}

// Run implements the command.
func (c *spamOnline) Run(a *app) error {
	if c.Delay < 0 || !(c.Noise >= 0 && c.Noise <= 1) {
		return usageError{errors.New("--delay is 0 or more, --noise within 0 and 1")}
	}
	m, err := openSpamModel(c.Model)
	if err != nil {
		return err
	}
	src, err := a.indexSource(c.Index)
	if err != nil {
		return err
	}
	l := onlineLearner{spamModel: m, delay: c.Delay, noise: c.Noise, rnd: rand.New(rand.NewPCG(c.Seed, 0))}
	readers, err := newSpamReaders()
	if err != nil {
		return err
	}
	failed := 0
	b := a.scoreBar("online", src.total)
	defer b.end()
	work := func(x spamMessage) (r featured) {
		r.err = readers.with(&x, func(in *spamReader) { r.v = in.v.Clone() })
		return r
	}
	done := func(x spamMessage, r featured) error {
		b.add(x.part)
		if r.err != nil {
			failed++
			a.noteFailed(b, &x, r.err)
			return nil
		}
		if err := a.printScore(&x, l.score(r.v), ""); err != nil {
			return err
		}
		l.take(r.v, x.spam())
		return nil
	}
	if err := inOrder(a.ctx, c.count(), src.messages, work, done); err != nil {
		return err
	}
	return failedSome(failed)
}

// featured is what was read of a message.
type featured struct {
	v   *model.Vector
	err error
}
