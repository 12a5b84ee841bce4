package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/model"
)

// spamExplain is `gapura spam explain`.
type spamExplain struct {
	File    string `arg:"" default:"-" help:"Message; - for standard input."`
	Model   string `placeholder:"FILE" xor:"by" help:"A bare model: a file, shipped, or empty; default: what this installation has learned."`
	User    string `placeholder:"ADDRESS" xor:"by" help:"For whom: his lessons and contacts count as well."`
	Reasons int    `short:"n" default:"20" help:"How many reasons to print."`
}

// Help is printed below the flags.
func (*spamExplain) Help() string {
	return `Prints score, probability and class of a message, and what made the score: each
reason with its weight, positive for spam, the weightiest first.

Where there is a configuration, its model, rules and threshold count, and what
was learned here: of senders, for everybody, and with --user for one; of a message
that the gateway has delivered, what its header says of how it came. With --model,
or without a configuration, the model speaks alone; the last lines say which.
Nothing is looked up in the DNS; gapura explain asks all filters, and the policy.

Examples:
  gapura spam explain message.eml
  gapura -c /etc/gapura/gapura.yaml spam explain --user ana@example.org message.eml
  gapura spam explain -n 50 --model our.model message.eml`
}

// spamExplanation is what it prints.
type spamExplanation struct {
	scoredMessage
	Threshold float64      `json:"threshold"`
	Views     []viewScore  `json:"views"`
	Reasons   []reasonLine `json:"reasons"`
	Came      string       `json:"came,omitempty"` // X-Spam-Status of then
	reasons   []model.Reason
}

type viewScore struct {
	View    string  `json:"view"`
	LogOdds float64 `json:"log_odds"`
}

type reasonLine struct {
	Weight float64 `json:"weight"`
	Text   string  `json:"text"`
}

// Run implements the command.
func (c *spamExplain) Run(a *app) error {
	if c.Reasons < 0 {
		return usageError{errors.New("--reasons is 0 or more")}
	}
	j, err := a.openSpamJudge(c.Model, c.User)
	if err != nil {
		return err
	}
	return errors.Join(c.explain(a, j), j.close())
}

// explain explains each message of the file.
func (c *spamExplain) explain(a *app, j *spamJudge) error {
	src, err := a.pathSource(c.File, "")
	if err != nil {
		return err
	}
	any := false
	for x, err := range src.messages {
		if err != nil {
			return err
		}
		any = true
		e, err := j.explain(a.ctx, &x, c.Reasons)
		if err != nil {
			return fmt.Errorf("%s: %w", x.path, err)
		}
		if err := a.print(e, e.text); err != nil {
			return err
		}
	}
	if !any {
		return fmt.Errorf("%s: there is no message in it", c.File)
	}
	return nil
}

// explain explains a message.
func (j *spamJudge) explain(ctx context.Context, x *spamMessage, n int) (e *spamExplanation, err error) {
	if j.installation == nil {
		err = j.readers.with(x, func(r *spamReader) {
			s := j.bare.score(r.v)
			e = newSpamExplanation(s, spam.Explain(j.bare.base, &r.m, r.v, s, r.hits, n, j.bare.layers...))
			e.Threshold = model.SpamScore
		})
	} else {
		var buf bytes.Buffer
		raw, rerr := x.read(&buf)
		if rerr != nil {
			return nil, rerr
		}
		var o spam.Opinion
		if o, err = j.installation.opinion(ctx, raw, n); err == nil {
			e = newSpamExplanation(o.Score, o.Reasons)
			e.Threshold, e.Came = o.Threshold, o.Came
		}
	}
	if err != nil {
		return nil, err
	}
	e.Path, e.By = x.path, j.by
	return e, nil
}

func newSpamExplanation(s model.Score, reasons []model.Reason) *spamExplanation {
	e := &spamExplanation{scoredMessage: scoredMessage{Score: s.Score, Probability: s.Probability, Class: s.Class}, reasons: reasons}
	for v, odds := range s.Views {
		e.Views = append(e.Views, viewScore{model.View(v).String(), odds})
	}
	for _, x := range reasons {
		e.Reasons = append(e.Reasons, reasonLine{x.Weight, x.Text})
	}
	return e
}

// text prints the explanation for people.
func (e *spamExplanation) text(w io.Writer) {
	fmt.Fprintf(w, "%s: %s, score %.2f (spam from %g on), probability %.4f\n", e.Path, e.Class, e.Score, math.Round(e.Threshold*100)/100, e.Probability)
	printReasons(w, e.reasons)
	fmt.Fprint(w, "views  ")
	for i, v := range e.Views {
		if i > 0 {
			fmt.Fprint(w, ", ")
		}
		fmt.Fprintf(w, "%s %+.2f", v.View, v.LogOdds)
	}
	fmt.Fprintf(w, "\nby     %s\n", e.By)
	if e.Came != "" {
		fmt.Fprintf(w, "came   %s\n", e.Came)
	}
}
