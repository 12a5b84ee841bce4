package main

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/plugins"
)

type pluginList struct{}

// Help is printed below the flags.
func (*pluginList) Help() string {
	return `Starts each plugin of the configuration by itself, and ends it again; a gateway
that runs is not disturbed. Exit code 1: one does not start.

Examples:
  gapura plugin list -c gapura.yaml
  gapura plugin list --json`
}

// Run implements the command.
func (*pluginList) Run(a *app) error {
	c, err := config.Load(a.config)
	if err != nil {
		return err
	}
	list := []plugins.Status{}
	ok := true
	for _, opt := range pluginOptions(c) {
		s := plugins.Probe(a.ctx, opt, slog.New(slog.DiscardHandler))
		ok = ok && s.Error == ""
		list = append(list, s)
	}
	if err := a.print(list, func(w io.Writer) { printPlugins(w, list) }); err != nil {
		return err
	}
	if !ok {
		return errNo
	}
	return nil
}

// pluginOptions returns the options of the configured plugins, in order. What
// they say of files counts from the configuration's folder.
func pluginOptions(c *config.Config) []plugins.Options {
	var list []plugins.Options
	for _, f := range c.Filters {
		if opt, ok := f.Options.(*plugins.Options); ok {
			list = append(list, withPluginDir(*opt, c.File))
		}
	}
	return list
}

func withPluginDir(opt plugins.Options, file string) plugins.Options {
	if !filepath.IsAbs(opt.Dir) {
		opt.Dir = filepath.Join(filepath.Dir(file), opt.Dir)
	}
	return opt
}

func printPlugins(w io.Writer, list []plugins.Status) {
	if len(list) == 0 {
		fmt.Fprintln(w, "no plugins are configured")
	}
	for _, s := range list {
		if s.Error != "" {
			fmt.Fprintf(w, "%s: %s: %s\n", s.Name, s.State, s.Error)
			continue
		}
		asked := s.Stages
		if s.Body {
			asked = append(asked, "message")
		}
		verified := "program not verified (no sha256)"
		if s.Verified {
			verified = "program verified"
		}
		fmt.Fprintf(w, "%s %s: starts in %s, %d facts, asked at %s, %s\n", s.Name, s.Version,
			s.StartTime.Round(100*time.Microsecond), s.Fields, strings.Join(asked, " "), verified)
	}
}
