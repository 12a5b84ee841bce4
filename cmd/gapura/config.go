package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/proxy"
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
	return `Tells every mistake with its place and a hint, and changes nothing.

Example:
  gapura config check /etc/gapura/gapura.yaml`
}

// Run implements the command.
func (c *configCheck) Run(a *app) error {
	file := c.File
	if file == "" {
		file = a.config
	}
	err := checkConfig(file)
	if err == nil {
		return a.print(map[string]any{"ok": true, "file": file}, func(w io.Writer) { fmt.Fprintf(w, "%s: ok\n", file) })
	}
	if a.json {
		if err := a.print(map[string]any{"ok": false, "file": file, "errors": errorsOf(err)}, nil); err != nil {
			return err
		}
		return errNo
	}
	return err
}

// checkConfig makes everything that the configuration asks for, but opens no
// listener and connects to nothing.
func checkConfig(file string) error {
	cfg, err := config.Load(file)
	if err != nil {
		return err
	}
	s := &server{log: slog.New(slog.DiscardHandler)}
	j, err := newJudge(cfg, dns.Zone{}, body.Options{}, s)
	if err != nil {
		return err
	}
	defer j.close()
	if _, err := newSealer(cfg); err != nil {
		return err
	}
	g := &generation{cfg: cfg, groups: map[string]*proxy.Group{}}
	defer g.close()
	_, _, err = g.openRoutes(s)
	return err
}

// errorsOf returns the single errors of a list.
func errorsOf(err error) any {
	if list, ok := err.(config.Errors); ok {
		return list
	}
	return []string{err.Error()}
}

// configReference is `gapura config reference`.
type configReference struct{}

// Help is the long help.
func (*configReference) Help() string {
	return `Prints every option with its meaning and default, as a configuration file.

Example:
  gapura config reference | less`
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
