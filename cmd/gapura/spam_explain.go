package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/model"
)

// spamExplain is `gapura spam explain`.
type spamExplain struct {
	File    string `arg:"" default:"-" help:"Message; - for standard input."`
	Model   string `default:"shipped" placeholder:"FILE" help:"The model: a file, shipped, or empty."`
	Reasons int    `short:"n" default:"20" help:"How many reasons to print."`
}

// Help is printed below the flags.
func (*spamExplain) Help() string {
	return `Prints score, probability and class of a message, and what made them: each
reason with its weight, positive for spam, the weightiest first. Nothing is
looked up in the DNS; gapura explain asks all filters, and the policy.

Examples:
  gapura spam explain message.eml
  gapura spam explain -n 50 --model our.model message.eml`
}

// spamExplanation is what it prints.
type spamExplanation struct {
	scoredMessage
	Views   []viewScore  `json:"views"`
	Reasons []reasonLine `json:"reasons"`
	reasons []model.Reason
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
	m, err := openSpamModel(c.Model)
	if err != nil {
		return err
	}
	src, err := a.pathSource(c.File, "")
	if err != nil {
		return err
	}
	readers, err := newSpamReaders()
	if err != nil {
		return err
	}
	for x, err := range src.messages {
		if err != nil {
			return err
		}
		var e spamExplanation
		if err := readers.with(&x, func(r *spamReader) { e = m.explanation(x.path, r, c.Reasons) }); err != nil {
			return fmt.Errorf("%s: %w", x.path, err)
		}
		if err := a.print(&e, e.text); err != nil {
			return err
		}
	}
	return nil
}

// explanation explains what was read of a message.
func (m *spamModel) explanation(path string, r *spamReader, n int) spamExplanation {
	s := m.score(r.v)
	e := spamExplanation{scoredMessage: scoredMessage{Score: s.Score, Probability: s.Probability, Class: s.Class, Path: path}}
	for v, odds := range s.Views {
		e.Views = append(e.Views, viewScore{model.View(v).String(), odds})
	}
	e.reasons = spam.Explain(m.base, &r.m, s, r.hits, n, m.layers...)
	for _, x := range e.reasons {
		e.Reasons = append(e.Reasons, reasonLine{x.Weight, x.Text})
	}
	return e
}

// text prints the explanation for people.
func (e *spamExplanation) text(w io.Writer) {
	fmt.Fprintf(w, "%s: %s, score %.2f (spam from %g on), probability %.4f\n", e.Path, e.Class, e.Score, float64(model.SpamScore), e.Probability)
	printReasons(w, e.reasons)
	fmt.Fprint(w, "views  ")
	for i, v := range e.Views {
		if i > 0 {
			fmt.Fprint(w, ", ")
		}
		fmt.Fprintf(w, "%s %+.2f", v.View, v.LogOdds)
	}
	fmt.Fprintln(w)
}
