package main

import (
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/gateway/mailauth"
)

type checkDKIM struct {
	dnsFlags
	timeFlag
	Message string `default:"-" placeholder:"FILE" help:"Message to check; - is standard input."`
}

// checkedSignatures is how many signatures the command judges: more than the
// gateway does, to show all that an administrator may ask about.
const checkedSignatures = 50

// Help implements kong.HelpProvider.
func (checkDKIM) Help() string {
	return `Exit code 0: a signature passes, or there is none; 1: anything else.

Examples:
  gapura check dkim --message mail.eml
  gapura check dkim --json --zone keys.yaml --message - < mail.eml`
}

func (c *checkDKIM) Run(a *app) error {
	r, err := c.open()
	if err != nil {
		return err
	}
	m, err := a.readMessageOr(c.Message, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	report, err := mailauth.VerifyDKIM(a.ctx, m.header, m.body, r, mailauth.VerifyOptions{Now: c.now(), MaxSignatures: checkedSignatures})
	if err != nil {
		return err
	}
	if err := a.print(report, func(w io.Writer) { printDKIM(w, report) }); err != nil {
		return err
	}
	if len(report.Signatures) == 0 {
		return nil
	}
	for _, s := range report.Signatures {
		if s.Result == mailauth.Pass {
			return nil
		}
	}
	return errNo
}

func printDKIM(w io.Writer, r mailauth.DKIMReport) {
	if len(r.Signatures) == 0 {
		fmt.Fprintln(w, "none: the message has no DKIM signature")
	}
	for _, s := range r.Signatures {
		fmt.Fprintf(w, "%s: d=%s s=%s a=%s", s.Result, s.Domain, s.Selector, s.Algorithm)
		if s.KeyBits > 0 {
			fmt.Fprintf(w, " (%d bits)", s.KeyBits)
		}
		if s.Unsigned > 0 {
			fmt.Fprintf(w, ", the last %d octets of the body are not signed", s.Unsigned)
		}
		if s.Reason != "" {
			fmt.Fprintf(w, ": %s", s.Reason)
		}
		fmt.Fprintln(w)
	}
	if r.Ignored > 0 {
		fmt.Fprintf(w, "%d more were not judged\n", r.Ignored)
	}
}
