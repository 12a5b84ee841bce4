package main

import (
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

type checkAddress struct {
	Address string `arg:"" optional:"" help:"The address; without it standard input is read, as it is."`
}

// Help is printed below the flags.
func (*checkAddress) Help() string {
	return `Exit code 0: the address is valid in SMTP; 1: it is not.

  gapura check address '"a b"@example.org'
Example:
  printf %s 'someone@example.org' | gapura check address --json`
}

// maxAddressInput bounds what is read: longer is no address.
const maxAddressInput = 64 << 10

type addressReport struct {
	SMTPValid   bool   `json:"smtp_valid"`
	HeaderValid bool   `json:"header_valid"`
	Reason      string `json:"reason"`
}

func (r addressReport) text(w io.Writer) {
	word := map[bool]string{true: "valid", false: "not valid"}
	fmt.Fprintf(w, "SMTP: %s; header: %s", word[r.SMTPValid], word[r.HeaderValid])
	if r.Reason != "" {
		fmt.Fprintf(w, " (%s)", r.Reason)
	}
	fmt.Fprintln(w)
}

// Run runs `gapura check address`.
func (c *checkAddress) Run(a *app) error {
	raw := []byte(c.Address)
	if c.Address == "" {
		var err error
		if raw, err = io.ReadAll(io.LimitReader(a.stdin, maxAddressInput)); err != nil {
			return err
		}
	}
	var r addressReport
	r.SMTPValid, r.HeaderValid, r.Reason = smtp.CheckAddress(raw)
	if err := a.print(r, r.text); err != nil {
		return err
	}
	if !r.SMTPValid {
		return errNo
	}
	return nil
}
