package main

import (
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/gateway/outbound/tlsrpt"
)

type checkTLSRPT struct {
	Record string `required:"" placeholder:"TEXT" help:"TXT record of _smtp._tls.DOMAIN."`
}

// Help is printed below the flags.
func (*checkTLSRPT) Help() string {
	return `Exit code 0: valid; 1: not (RFC 8460 section 3).

Example:
  gapura check tls-rpt --record "v=TLSRPTv1; rua=mailto:reports@example.org"`
}

// tlsrptRecordReport is the command's JSON.
type tlsrptRecordReport struct {
	Valid      bool              `json:"valid"`
	Version    string            `json:"version,omitempty"`
	RUA        []string          `json:"rua"`
	Extensions map[string]string `json:"extensions,omitempty"`
	Reason     string            `json:"reason"`
}

// Run runs `gapura check tls-rpt`.
func (c *checkTLSRPT) Run(a *app) error {
	rec, err := tlsrpt.ParseRecord(c.Record)
	r := tlsrptRecordReport{Valid: err == nil, RUA: append([]string{}, rec.RUA...), Extensions: map[string]string{}, Reason: reason(err)}
	for _, p := range rec.Extensions {
		r.Extensions[p.Name] = p.Value
	}
	if r.Valid {
		r.Version = "TLSRPTv1"
	}
	return a.answer(r, r.Valid, func(w io.Writer) {
		fmt.Fprintln(w, validity(err))
		for _, uri := range r.RUA {
			fmt.Fprintf(w, "  reports go to %s\n", uri)
		}
	})
}
