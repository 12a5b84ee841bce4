package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/specimen"
)

// spamTrain is `gapura spam train`.
type spamTrain struct {
	Index     []string `required:"" placeholder:"FILE" help:"An index: lines 'spam|ham path', oldest first, paths relative to it. May be given several times."`
	Out       string   `required:"" placeholder:"MODEL" help:"Where the model goes."`
	Name      string   `default:"" help:"What the model calls itself; default: the name of the file."`
	HeldOut   float64  `name:"held-out" default:"10" placeholder:"PERCENT" help:"How much of each index, from its end, measures a model learned from the rest; 0: nothing is measured."`
	Passes    int      `default:"0" placeholder:"N" help:"How often each message is learned; 0: what is best for most."`
	Specimens int      `default:"4000" placeholder:"N" help:"Learn N messages of Gapura's own making beside yours: newsletters, receipts, lures of today, which an organisation's own mail may have too few of."`
	HamLost   float64  `name:"ham-lost" default:"0.05" placeholder:"PERCENT" help:"Ham that the threshold may lose."`
	spamJobs

	kept   *keptVectors
	beside []model.Example // messages of our own making
}

// maxSpecimens bounds the messages of our own making: beyond it they repeat each
// other.
const maxSpecimens = 100_000

// Help is printed below the flags.
func (*spamTrain) Help() string {
	return `Makes a base model, which takes the place of the one that comes with Gapura: name
the file in the configuration as the option model of the filter spam. Take
thousands of messages of either class, from people of all kinds; what you have
of each class counts more than how much of it there is of the other.

First a model of the older messages is tried on the newest ones of each index,
and what it would have lost and missed is printed, in the terms of spam eval.
Then the model is made from all of them; cross-validated is how each quarter of
them, drawn by lot, scores by a model of the others.

Examples:
  gapura spam train --index mail/index --out our.model
  gapura spam train --index lists/index --index people/index --out our.model --held-out 20`
}

// trainReport is what is printed.
type trainReport struct {
	HeldOut []*evaluation `json:"held_out,omitempty"`
	Crossed []*evaluation `json:"cross_validated"`
	Ham     int           `json:"ham"`
	Spam    int           `json:"spam"`
	Out     string        `json:"out"`
	Size    int64         `json:"size"`
	Seconds float64       `json:"seconds"`
}

// Run implements the command.
func (c *spamTrain) Run(a *app) error {
	if c.HeldOut < 0 || c.HeldOut > 90 || c.HamLost <= 0 || c.HamLost > 50 {
		return usageError{errors.New("--held-out is a percentage, at most 90; --ham-lost one above 0, at most 50")}
	}
	if c.Passes < 0 || c.Specimens < 0 || c.Specimens > maxSpecimens {
		return usageError{fmt.Errorf("--passes is 0 or more, --specimens within 0 and %d", maxSpecimens)}
	}
	if err := canWrite(c.Out); err != nil {
		return err
	}
	began := time.Now()
	var err error
	if c.kept, err = keepVectors(c.Out); err != nil {
		return err
	}
	defer c.kept.close()
	sets, failed, err := c.read(a)
	if err != nil {
		return err
	}
	report := trainReport{Out: c.Out}
	if c.HeldOut > 0 {
		if report.HeldOut, err = c.measure(a, sets); err != nil {
			return err
		}
	}
	var all []model.Example
	for _, s := range sets {
		all = append(all, s...)
	}
	m, crossed, err := c.train(a, "learn all", all)
	if err != nil {
		return err
	}
	report.Crossed = c.crossed(crossed)
	if err := (&spamModel{base: m}).write(c.Out); err != nil {
		return err
	}
	info, err := os.Stat(c.Out)
	if err != nil {
		return err
	}
	report.Ham, report.Spam = m.About().Ham, m.About().Spam
	report.Size, report.Seconds = info.Size(), time.Since(began).Seconds()
	if err := a.print(&report, report.text); err != nil {
		return err
	}
	return failedSome(failed)
}

// read reads the messages of each index.
func (c *spamTrain) read(a *app) (sets [][]model.Example, failed int, err error) {
	readers, err := newSpamReaders()
	if err != nil {
		return nil, 0, err
	}
	work := func(x spamMessage) (r featured) {
		r.err = readers.with(&x, func(in *spamReader) { r.v = in.v.Clone() })
		return r
	}
	for _, name := range c.Index {
		src, err := a.indexSource(name)
		if err != nil {
			return nil, 0, err
		}
		b := a.newBar("read "+name, src.total)
		var set []model.Example
		err = inOrder(a.ctx, c.count(), src.messages, work, func(x spamMessage, r featured) error {
			b.add(x.part)
			if r.err != nil {
				failed++
				a.noteFailed(b, &x, r.err)
				return nil
			}
			read, err := c.kept.keep(r.v)
			set = append(set, model.Example{Read: read, Spam: x.spam(), Source: name})
			return err
		})
		b.end()
		if err != nil {
			return nil, 0, err
		}
		sets = append(sets, set)
	}
	return sets, failed, nil
}

// specimens are messages of our own making.
func (c *spamTrain) specimens(a *app) ([]model.Example, error) {
	if c.Specimens == 0 || c.beside != nil {
		return c.beside, nil
	}
	made, err := specimen.New(specimen.Train, 1)
	if err != nil {
		return nil, err
	}
	readers, err := newSpamReaders()
	if err != nil {
		return nil, err
	}
	set := make([]model.Example, 0, c.Specimens)
	r := readers.Get().(*spamReader)
	for i := range c.Specimens {
		if a.ctx.Err() != nil {
			return nil, a.ctx.Err()
		}
		x, err := made.Message(i)
		if err != nil {
			return nil, err
		}
		if err := r.take(x.Raw); err != nil {
			return nil, err
		}
		read, err := c.kept.keep(r.v)
		if err != nil {
			return nil, err
		}
		set = append(set, model.Example{Read: read, Spam: x.Class == specimen.Lure, Beside: true})
	}
	c.beside = set
	return set, nil
}

// train makes a model.
func (c *spamTrain) train(a *app, what string, set []model.Example) (*model.Model, *model.Report, error) {
	ham := 0
	for _, e := range set {
		if !e.Spam {
			ham++
		}
	}
	if ham == 0 || ham == len(set) {
		return nil, nil, fmt.Errorf("there are %d ham and %d spam to learn from; it takes both", ham, len(set)-ham)
	}
	name := c.Name
	if name == "" {
		name = c.Out
	}
	beside, err := c.specimens(a)
	if err != nil {
		return nil, nil, err
	}
	set = append(set[:len(set):len(set)], beside...)
	b := a.newBar(what, 1)
	defer b.end()
	return model.Train(a.ctx, set, model.TrainOptions{
		Name: name, Passes: c.Passes, HamLost: c.HamLost / 100, Jobs: c.count(),
		Progress: func(done, all int) {
			if done%100 == 0 {
				b.set(int64(done), int64(all))
			}
		},
	})
}

// crossed is what each part of the messages scored by a model of the others.
func (c *spamTrain) crossed(r *model.Report) (out []*evaluation) {
	var eval spamEval
	if len(r.Sources) > 1 {
		for _, name := range slices.Sorted(maps.Keys(r.Sources)) {
			if e, err := eval.evaluate(name, r.Sources[name]); err == nil {
				out = append(out, e)
			}
		}
	}
	if e, err := eval.evaluate("all", &r.All); err == nil {
		out = append(out, e)
	}
	return out
}

// measure tries a model of the older messages on the newer ones of each index.
func (c *spamTrain) measure(a *app, sets [][]model.Example) ([]*evaluation, error) {
	var older []model.Example
	newer := make([][]model.Example, len(sets))
	for i, s := range sets {
		k := len(s) - int(float64(len(s))*c.HeldOut/100)
		older, newer[i] = append(older, s[:k]...), s[k:]
	}
	m, _, err := c.train(a, "learn the older", older)
	if err != nil {
		return nil, fmt.Errorf("held out: %w", err)
	}
	threshold := float64(model.SpamScore)
	eval := spamEval{Threshold: &threshold}
	var out []*evaluation
	total := &model.Measure{}
	var room model.Vector
	for i, s := range newer {
		one := &model.Measure{}
		for _, e := range s {
			v, err := e.In(&room)
			if err != nil {
				return nil, err
			}
			score := m.Score(v).Score
			one.Add(e.Spam, score)
			total.Add(e.Spam, score)
		}
		if e, err := eval.evaluate(c.Index[i], one); err == nil { // one class alone tells nothing
			out = append(out, e)
		}
	}
	if len(sets) > 1 || len(out) == 0 {
		e, err := eval.evaluate("all", total)
		if err != nil {
			return nil, fmt.Errorf("held out: %w; another --held-out, or 0, helps", err)
		}
		out = append(out, e)
	}
	return out, a.ctx.Err()
}

// text prints the report for people.
func (r *trainReport) text(w io.Writer) {
	for _, e := range r.HeldOut {
		fmt.Fprint(w, "held out: ")
		e.text(w)
	}
	for _, e := range r.Crossed {
		fmt.Fprint(w, "cross-validated: ")
		e.text(w)
	}
	fmt.Fprintf(w, "%s: learned from %d ham and %d spam, %.1f MiB, %.1f s\n", r.Out, r.Ham, r.Spam, float64(r.Size)/(1<<20), r.Seconds)
}
