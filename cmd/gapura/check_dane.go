package main

import (
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/outbound/dane"
)

type checkDANE struct {
	timeFlag
	Input string `default:"-" placeholder:"FILE" help:"JSON: {tlsa: [[usage, selector, matching type, hex], ..], chain_pem, name, no_name_checks, at}; - is standard input."`
}

// Help is printed below the flags.
func (*checkDANE) Help() string {
	return `Checks a server's certificates, its own first, as mail to it would (RFC 7672).
name is the TLSA base domain, at the time (RFC 3339, now where it is left out). The
depth is that of the certificate that matched. Where every record is unusable, mail
is encrypted without knowing to whom. Names count with usage 2 (DANE-TA); with
no_name_checks true they do not, with false they do with usage 3 (DANE-EE) too, as
they never do for mail. Exit code 0: authenticated; 1: not.

Example:
  jq -n --rawfile pem chain.pem '{tlsa: [[3, 1, 1, "5fa3c0"]], chain_pem: $pem, name: "mx.example.org"}' > dane.json
  gapura check dane --input dane.json`
}

// daneInput is the JSON of --input.
type daneInput struct {
	TLSA         []tlsaJSON `json:"tlsa"`
	ChainPEM     string     `json:"chain_pem"`
	Name         string     `json:"name"`
	NoNameChecks *bool      `json:"no_name_checks"`
	At           time.Time  `json:"at"`
}

// tlsaJSON is a TLSA record as [usage, selector, matching type, hex].
type tlsaJSON struct {
	dns.TLSA
	err error // of the hexadecimal data
}

// UnmarshalJSON reads the list.
func (t *tlsaJSON) UnmarshalJSON(b []byte) error {
	var data string
	var list []json.RawMessage
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	to := []any{&t.Usage, &t.Selector, &t.MatchingType, &data}
	if len(list) != len(to) {
		return fmt.Errorf("a TLSA record is [usage, selector, matching type, hex], not %s", b)
	}
	for i := range list {
		if err := json.Unmarshal(list[i], to[i]); err != nil {
			return err
		}
	}
	t.Data, t.err = hex.DecodeString(strings.Join(strings.Fields(data), ""))
	return nil
}

// daneReport is the command's JSON.
type daneReport struct {
	OK       bool     `json:"ok"`
	Depth    int      `json:"depth"`    // -1: none
	Unusable bool     `json:"unusable"` // there are records, but none is usable
	Result   string   `json:"result"`   // RFC 8460's word, "" : ok
	Reason   string   `json:"reason"`
	Skipped  []string `json:"skipped,omitempty"` // records that are unusable, and why
}

// check judges the input.
func (in *daneInput) check(now time.Time) daneReport {
	c := dane.Check{Now: in.At}
	if c.Now.IsZero() {
		c.Now = now
	}
	if in.NoNameChecks == nil || !*in.NoNameChecks {
		name, _ := dns.Normal(in.Name)
		c.Names, c.EENames = []string{name}, in.NoNameChecks != nil
	}
	r := daneReport{Depth: -1, Unusable: len(in.TLSA) > 0}
	for _, t := range in.TLSA {
		err := t.err
		if err == nil {
			err = dane.Usability(t.TLSA)
		}
		if err != nil {
			r.Skipped = append(r.Skipped, fmt.Sprintf("%d %d %d: %v", t.Usage, t.Selector, t.MatchingType, err))
			continue
		}
		r.Unusable = false
		c.Records = append(c.Records, t.TLSA)
	}
	depth, err := c.Verify(pemChain(in.ChainPEM))
	if err == nil {
		r.OK, r.Depth = true, depth
		return r
	}
	r.Reason = strings.TrimPrefix(err.Error(), "dane: ")
	if e, ok := err.(interface{ TLSResult() string }); ok {
		r.Result = e.TLSResult()
	}
	return r
}

// pemChain returns the certificates in PEM text.
func pemChain(text string) (chain [][]byte) {
	rest := []byte(text)
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return chain
		}
		if strings.HasSuffix(b.Type, "CERTIFICATE") {
			chain = append(chain, b.Bytes)
		}
	}
}

func (r daneReport) text(w io.Writer) {
	if r.OK {
		fmt.Fprintf(w, "ok: the certificate at depth %d matches\n", r.Depth)
	} else {
		fmt.Fprintf(w, "not authenticated (%s): %s\n", r.Result, r.Reason)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(w, "  unusable: %s\n", s)
	}
}

// Run runs `gapura check dane`.
func (c *checkDANE) Run(a *app) error {
	f, err := a.openMessage(c.Input)
	if err != nil {
		return err
	}
	defer f.Close()
	var in daneInput
	if err := readInput(f, c.Input, &in); err != nil {
		return err
	}
	r := in.check(c.now())
	if err := a.print(r, r.text); err != nil {
		return err
	}
	if !r.OK {
		return errNo
	}
	return nil
}
