package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/gapura-mail/gapura/gateway/signing"
)

type dkimList struct {
	Domain string `arg:"" optional:"" help:"Keys of this domain only."`
}

// Help is printed below the flags.
func (*dkimList) Help() string {
	return `Private keys are never shown. States: new, to be published; active, signs;
retired, signs no more but must stay published; revoked.

Examples:
  gapura dkim list
  gapura dkim list example.org --json`
}

// Run runs `gapura dkim list`.
func (c *dkimList) Run(a *app) error {
	return a.withKeys(func(k *signing.Keys) error {
		list, err := k.List(a.ctx, c.Domain)
		if err != nil {
			return err
		}
		rows := newKeyRows(list)
		return a.print(rows, func(w io.Writer) {
			t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
			for _, r := range rows {
				of := r.Domain
				if r.User != "" {
					of = r.User + " at " + r.Domain
				}
				fmt.Fprintf(t, "%s\t%s\t%s %d\t%s\t%s\n", r.Selector, of, r.Algorithm, r.Bits, r.State, r.File)
			}
			t.Flush()
		})
	})
}

type dkimRemove struct {
	Domain   string `arg:"" help:"The key's domain."`
	Selector string `arg:"" help:"The key's selector."`
}

// Help is printed below the flags.
func (*dkimRemove) Help() string {
	return `Whatever its state, the key is gone at once and signs no more. To replace keys,
use gapura dkim rotate.

Example:
  gapura dkim remove example.org 20261122r`
}

// Run runs `gapura dkim remove`.
func (c *dkimRemove) Run(a *app) error {
	return a.withKeys(func(k *signing.Keys) error { return k.Remove(a.ctx, c.Domain, c.Selector) })
}
