package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/policy"
)

// policyCmd is `gapura policy`.
type policyCmd struct {
	Default policyDefault `cmd:"" help:"Print the built-in policy, where your own may begin."`
	Check   policyCheck   `cmd:"" help:"Check policy files: every mistake with its place."`
	Facts   policyFacts   `cmd:"" help:"List the facts that conditions may use."`
}

type policyDefault struct{}

// Help is printed below the flags.
func (*policyDefault) Help() string {
	return `The policy that is used where the configuration names none, with the reason for
every rule: a file to begin your own from.

Example:
  gapura policy default > policy/main.yaml`
}

// Run prints the built-in policy.
func (*policyDefault) Run(a *app) error {
	src := policy.Default()
	return a.print(struct {
		Name string `json:"name"`
		Text string `json:"text"`
	}{src.Name, string(src.Data)}, func(w io.Writer) { w.Write(src.Data) })
}

type policyCheck struct {
	Files []string `arg:"" optional:"" name:"file" help:"Policy files, in order; without any those of the configuration."`
}

// Help is printed below the flags.
func (*policyCheck) Help() string {
	return `The names of routes are checked where the configuration file is there.
Exit code 0: nothing is wrong; 1: something is.

Example:
  gapura policy check policy/main.yaml policy/local.yaml`
}

// policyReport is the JSON of policy check.
type policyReport struct {
	OK       bool             `json:"ok"`
	Rules    int              `json:"rules"`
	Stages   []string         `json:"stages"`
	Facts    []string         `json:"facts"` // that rules look at
	Problems []policy.Problem `json:"problems"`
}

// Run checks the files.
func (c *policyCheck) Run(a *app) error {
	files, routes, err := c.configured(a)
	if err != nil {
		return err
	}
	fields, err := policyFields()
	if err != nil {
		return err
	}
	p, err := policy.Load(files, policy.Env{Fields: fields, Routes: routes})
	var problems policy.Errors
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	report := policyReport{OK: err == nil, Stages: []string{}, Facts: []string{}, Problems: problems}
	if report.OK {
		report.Problems = []policy.Problem{}
		report.Rules, report.Facts = p.Len(), p.Used()
		for _, s := range p.Stages() {
			report.Stages = append(report.Stages, s.String())
		}
	}
	if a.json {
		err = a.print(report, nil)
	} else if report.OK {
		at := ""
		if len(report.Stages) > 0 {
			at = ", at " + strings.Join(report.Stages, ", ")
		}
		fmt.Fprintf(a.stdout, "%d rules%s: nothing is wrong\n", report.Rules, at)
	} else {
		return err
	}
	if err == nil && !report.OK {
		err = errNo
	}
	return err
}

// configured returns the files to check, and the routes that there are; none
// are known without a configuration file.
func (c *policyCheck) configured(a *app) (files, routes []string, err error) {
	cfg, err := config.Load(a.config)
	switch {
	case errors.Is(err, os.ErrNotExist) && len(c.Files) > 0:
		return c.Files, nil, nil
	case err != nil:
		return nil, nil, err
	}
	routes = []string{}
	for _, d := range cfg.Domains {
		routes = append(routes, d.Name)
	}
	slices.Sort(routes)
	if len(c.Files) > 0 {
		return c.Files, routes, nil
	}
	return cfg.Policy, routes, nil
}

type policyFacts struct {
	Match string `arg:"" optional:"" help:"Only facts whose name begins so: dmarc."`
}

// Help is printed below the flags.
func (*policyFacts) Help() string {
	return `Facts of all built-in filters and of the session, with their types and the stage
from which on they are known. Exit code 1: there is none of that name.

Examples:
  gapura policy facts dmarc
  gapura policy facts --json`
}

// policyFact is the JSON of one fact.
type policyFact struct {
	Name      string `json:"name"`
	Type      string `json:"type"`
	Stage     string `json:"stage"` // from which on it is known
	Recipient bool   `json:"recipient"`
	Doc       string `json:"doc"`
}

// Run prints the facts.
func (c *policyFacts) Run(a *app) error {
	fields, err := policyFields()
	if err != nil {
		return err
	}
	facts := []policyFact{}
	for _, f := range policy.Fields(fields) {
		if strings.HasPrefix(f.Name, c.Match) {
			stage := f.Stage
			if f.Rcpt {
				stage = max(stage, gateway.StageRcpt)
			}
			facts = append(facts, policyFact{f.Name, f.Type.String(), stage.String(), f.Rcpt, f.Doc})
		}
	}
	if len(facts) == 0 && !a.json {
		return errNo
	}
	return a.print(facts, func(w io.Writer) {
		for _, f := range facts {
			fmt.Fprintf(w, "%s (%s, from %s on)\n    %s\n", f.Name, f.Type, f.Stage, f.Doc)
		}
	})
}
