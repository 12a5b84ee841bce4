package main

import (
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/gateway"
)

// spamRules is `gapura spam rules`.
type spamRules struct {
	Files []string `arg:"" optional:"" name:"file" help:"Your own rule files, behind the shipped rules; one of a shipped rule's name replaces it."`
	Test  bool     `xor:"do" help:"Try every rule on its own messages."`
	Facts bool     `xor:"do" help:"List what conditions may speak of."`
}

// Help is printed below the flags.
func (*spamRules) Help() string {
	return `Lists the readable signals that the spam filter looks for: name, weight (above 0
speaks for spam) and condition. Mistakes in your files are told with their places.
Exit code of --test 0: every rule finds its messages under hits and leaves those
under misses alone; 1: some rule does not.

Examples:
  gapura spam rules
  gapura spam rules --test local-rules.yaml
  gapura spam rules --facts | grep links`
}

// Run implements the command.
func (c *spamRules) Run(a *app) error {
	fields, err := policyFields()
	if err != nil {
		return err
	}
	s, err := rule.Load(c.Files, fields)
	switch {
	case err != nil:
		return err
	case c.Test:
		return c.test(a, s)
	case c.Facts:
		return c.facts(a, fields)
	}
	rules := s.Rules()
	return a.print(rules, func(w io.Writer) {
		for _, r := range rules {
			fmt.Fprintf(w, "%s  %+.1f  (%s, %s)\n    %s\n    %s\n", r.Name, r.Weight, r.Group, r.Place, r.Describe, r.When)
		}
	})
}

// rulesReport is the JSON of --test.
type rulesReport struct {
	OK       bool           `json:"ok"`
	Rules    int            `json:"rules"`
	Failures []rule.Failure `json:"failures"`
}

func (*spamRules) test(a *app, s *rule.Set) error {
	report := rulesReport{Rules: s.Len(), Failures: s.Test()}
	if report.OK = len(report.Failures) == 0; report.OK {
		report.Failures = []rule.Failure{}
	}
	err := a.print(report, func(w io.Writer) {
		for _, f := range report.Failures {
			fmt.Fprintf(w, "%s: %s: %s\n", f.Place, f.Rule, f.Text)
		}
		fmt.Fprintf(w, "%d rules, %d failures\n", report.Rules, len(report.Failures))
	})
	if err == nil && !report.OK {
		err = errNo
	}
	return err
}

// ruleFact is the JSON of one of --facts.
type ruleFact struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Doc  string `json:"doc"`
}

func (*spamRules) facts(a *app, others []gateway.Field) error {
	own, err := rule.Facts()
	if err != nil {
		return err
	}
	var facts []ruleFact
	for _, f := range append(own, others...) {
		facts = append(facts, ruleFact{f.Name, f.Type.String(), f.Doc})
	}
	return a.print(facts, func(w io.Writer) {
		for _, f := range facts {
			fmt.Fprintf(w, "%s (%s)\n    %s\n", f.Name, f.Type, f.Doc)
		}
	})
}
