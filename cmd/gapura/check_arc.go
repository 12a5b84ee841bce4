package main

import (
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/gateway/mailauth"
)

type checkARC struct {
	dnsFlags
	timeFlag
	Message string `default:"-" placeholder:"FILE" help:"Message to check; - is standard input."`
}

// Help implements kong.HelpProvider.
func (checkARC) Help() string {
	return `Exit code 0: pass or none; 1: anything else.

Example:
  gapura check arc --json --message mail.eml`
}

func (c *checkARC) Run(a *app) error {
	r, err := c.open()
	if err != nil {
		return err
	}
	m, err := a.readMessageOr(c.Message, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	chain, err := mailauth.VerifyARC(a.ctx, m.header, m.body, r, mailauth.VerifyOptions{Now: c.now()})
	if err != nil {
		return err
	}
	if err := a.print(chain, func(w io.Writer) { printARC(w, chain) }); err != nil {
		return err
	}
	return verdict(chain.CV)
}

func printARC(w io.Writer, c mailauth.ARCChain) {
	fmt.Fprint(w, c.CV)
	if c.Reason != "" {
		fmt.Fprintf(w, ": %s", c.Reason)
	}
	fmt.Fprintln(w)
	for _, s := range c.Sets {
		fmt.Fprintf(w, "i=%d %s cv=%s: seal %s, message signature %s\n   %s\n", s.Instance, s.Domain, s.CV, s.Seal, s.Signature, s.Results)
	}
}
