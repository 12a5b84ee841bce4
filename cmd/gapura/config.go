package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/cert"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/proxy"
	"github.com/gapura-mail/gapura/policy"
)

// configCmd is `gapura config`.
type configCmd struct {
	Reference configReference `cmd:"" help:"Print every option with its default."`
	Schema    configSchema    `cmd:"" help:"Print a JSON Schema of the configuration."`
	Check     configCheck     `cmd:"" help:"Check a configuration file and the policy it names."`
}

// configCheck is `gapura config check`.
type configCheck struct {
	File string `arg:"" optional:"" help:"The file; default: that of --config."`
}

// Help is the long help.
func (*configCheck) Help() string {
	return `Tells every mistake with its place and a hint, and what is no mistake but seldom
meant; it changes nothing. Filters and policy are made as for the gateway, plugins
are started; no listener is opened and no backend is asked.
Exit code 1: the gateway would not start.

Example:
  gapura config check /etc/gapura/gapura.yaml`
}

// Run implements the command.
func (c *configCheck) Run(a *app) error {
	file := c.File
	if file == "" {
		file = a.config
	}
	report := configReport{File: file, Errors: []config.Error{}, Warnings: []config.Error{}}
	cfg, err := config.Load(file)
	if err == nil {
		report.Warnings = append(report.Warnings, cfg.Warnings()...)
		var policy *policy.Policy
		if policy, err = checkConfig(cfg); err == nil {
			report.Warnings = append(report.Warnings, policyWarnings(cfg, policy)...)
			report.Warnings = append(report.Warnings, certWarnings(cfg, time.Now())...)
			report.Warnings = append(report.Warnings, keyWarnings(cfg)...)
			report.Warnings = append(report.Warnings, a.checkLocal(cfg)...)
		}
	}
	report.OK = err == nil
	if err != nil {
		report.Errors = errorsOf(file, err)
	}
	if a.json || report.OK {
		if err := a.print(report, report.text); err != nil {
			return err
		}
		if !report.OK {
			return errNo
		}
		return nil
	}
	return err
}

// configReport is what config check prints.
type configReport struct {
	OK       bool           `json:"ok"`
	File     string         `json:"file"`
	Errors   []config.Error `json:"errors"`
	Warnings []config.Error `json:"warnings"`
}

func (r configReport) text(w io.Writer) {
	for _, x := range r.Warnings {
		fmt.Fprintln(w, "warning: "+x.Error())
	}
	fmt.Fprintf(w, "%s: ok\n", r.File)
}

// checkConfig makes everything that the configuration asks for, but opens no
// listener and connects to nothing. It returns the policy.
func checkConfig(cfg *config.Config) (*policy.Policy, error) {
	if err := checkFiles(cfg); err != nil {
		return nil, err
	}
	s := &server{log: slog.New(slog.DiscardHandler)}
	j, err := newJudge(cfg, dns.Zone{}, body.Options{}, s)
	if err != nil {
		return nil, err
	}
	defer j.close()
	if cfg.TLS.Mode == cert.ModeFiles {
		if _, err := openCerts(cfg, s.log); err != nil {
			return nil, err
		}
	}
	if _, err := newSealer(cfg, s.signatureFault); err != nil {
		return nil, err
	}
	g := &generation{cfg: cfg, groups: map[string]*proxy.Group{}}
	defer g.close()
	_, err = g.openRoutes(s)
	return j.policy, err
}

// checkFiles reads the files that some sections name, so that all mistakes are
// told at once and with their places.
func checkFiles(cfg *config.Config) error {
	var list config.Errors
	check := func(section, pkg string, errs []error) {
		for _, err := range errs {
			if err == nil {
				continue
			}
			key, text := section, strings.TrimPrefix(err.Error(), pkg+": ")
			for word := range strings.FieldsSeq(text) {
				name, ok := strings.CutSuffix(word, ":")
				if !ok {
					break
				}
				key += "." + name
			}
			var es config.Errors
			errors.As(cfg.Mistake(key, "", "%s", text), &es)
			list = append(list, es...)
		}
	}
	check("accounts", "account", cfg.Accounts.CheckFiles())
	check("outbound", "outbound", cfg.Outbound.CheckFiles())
	check("signing", "signing", cfg.Signing.CheckFiles())
	if len(list) > 0 {
		return list
	}
	return nil
}

// errorsOf returns the single errors of a list.
func errorsOf(file string, err error) []config.Error {
	var list config.Errors
	var problems policy.Errors
	switch {
	case errors.As(err, &list):
		return list
	case errors.As(err, &problems):
		for _, p := range problems {
			list = append(list, config.Error(p))
		}
		return list
	}
	return []config.Error{{File: file, Msg: err.Error()}}
}

// configReference is `gapura config reference`.
type configReference struct{}

// Help is the long help.
func (*configReference) Help() string {
	return `Prints every option with its meaning and default. What is printed is a
configuration file; behind # without a space are options that not everyone has.

Examples:
  gapura config reference | less
  gapura config reference > gapura.yaml`
}

// Run implements the command.
func (*configReference) Run(a *app) error {
	config.Reference(a.stdout)
	return nil
}

// configSchema is `gapura config schema`.
type configSchema struct{}

// Help is the long help.
func (*configSchema) Help() string {
	return `Prints a JSON Schema of the configuration, by which editors complete and check.

Example:
  gapura config schema > gapura.schema.json`
}

// Run implements the command.
func (*configSchema) Run(a *app) error {
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	return e.Encode(config.Schema())
}
