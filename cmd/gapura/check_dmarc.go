package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/mailauth"
)

type checkDMARC struct {
	Input   string `placeholder:"FILE" xor:"from" required:"" help:"JSON: {header_from: [..], spf: {result, domain}, dkim: [{result, domain}]}; - is standard input."`
	Message string `placeholder:"FILE" xor:"from" required:"" help:"Message to check, its DKIM signatures included; - is standard input."`
	clientFlags
	dnsFlags
	timeFlag
}

// Help is printed below the flags.
func (*checkDMARC) Help() string {
	return `Exit code 0: pass or none; 1: anything else.

  gapura check dmarc --message mail.eml --ip 192.0.2.1 --mail-from someone@example.org
Example:
  echo '{"header_from": ["a@example.org"], "spf": {"result": "pass", "domain": "example.org"}}' | gapura check dmarc --input -`
}

// dmarcReport is the command's JSON.
type dmarcReport struct {
	Result       mailauth.Result      `json:"result"`
	Domain       string               `json:"domain"`
	Policy       mailauth.DMARCPolicy `json:"policy"`
	PolicyDomain string               `json:"policy_domain"`
	OrgDomain    string               `json:"org_domain"`
	Disposition  mailauth.DMARCPolicy `json:"disposition"`
	SPFAligned   bool                 `json:"spf_aligned"`
	DKIMAligned  bool                 `json:"dkim_aligned"`
	Testing      bool                 `json:"testing"`
	Record       string               `json:"record,omitempty"`
	Reason       string               `json:"reason,omitempty"`
}

func newDMARCReport(r mailauth.DMARCResult) dmarcReport {
	out := dmarcReport{
		Result: r.Result, Domain: r.Domain, Policy: r.Policy, PolicyDomain: r.PolicyDomain, OrgDomain: r.OrgDomain,
		Disposition: r.Disposition, SPFAligned: r.SPFAligned, DKIMAligned: r.DKIMAligned, Testing: r.Record.Testing, Reason: r.Reason,
	}
	if r.PolicyDomain != "" {
		out.Record = r.Record.String()
	}
	return out
}

func (r dmarcReport) text(w io.Writer) {
	from := ""
	if r.Domain != "" {
		from = " header.from=" + r.Domain
	}
	fmt.Fprintf(w, "dmarc=%s%s disposition=%s\n", r.Result, from, r.Disposition)
	if r.Record != "" {
		fmt.Fprintf(w, "  _dmarc.%s: %s\n", r.PolicyDomain, r.Record)
	}
	if r.OrgDomain != "" {
		fmt.Fprintf(w, "  organizational domain %s, policy %s, aligned: spf %v, dkim %v\n", r.OrgDomain, r.Policy, r.SPFAligned, r.DKIMAligned)
	}
	if r.Reason != "" {
		fmt.Fprintf(w, "  %s\n", r.Reason)
	}
}

// dmarcInput is the JSON of --input.
type dmarcInput struct {
	HeaderFrom []string         `json:"header_from"`
	SPF        *identifierJSON  `json:"spf"`
	DKIM       []identifierJSON `json:"dkim"`
}

type identifierJSON struct {
	Result mailauth.Result `json:"result"`
	Domain string          `json:"domain"`
}

// identifier brings the result to its word.
func (i identifierJSON) identifier() mailauth.AuthIdentifier {
	return mailauth.AuthIdentifier{Result: mailauth.Result(strings.ToLower(string(i.Result))), Domain: i.Domain}
}

// input reads --input.
func (c *checkDMARC) input(a *app) (in mailauth.DMARCInput, err error) {
	f, err := a.openMessage(c.Input)
	if err != nil {
		return in, err
	}
	defer f.Close()
	var j dmarcInput
	if err := readInput(f, c.Input, &j); err != nil {
		return in, err
	}
	in.HeaderFrom = j.HeaderFrom
	if j.SPF != nil {
		in.SPF = j.SPF.identifier()
	}
	for _, d := range j.DKIM {
		in.DKIM = append(in.DKIM, d.identifier())
	}
	return in, nil
}

// message checks the message and its client.
func (c *checkDMARC) message(a *app, r dns.Resolver) (in mailauth.DMARCInput, err error) {
	ip, err := c.addr()
	if err != nil {
		return in, err
	}
	m, err := a.readMessageOr(c.Message, nil)
	if err != nil {
		return in, err
	}
	defer m.Close()
	var v verifyReport
	v.DKIM, err = mailauth.VerifyDKIM(a.ctx, m.header, m.body, r, mailauth.VerifyOptions{Now: c.now(), MaxSignatures: checkedSignatures})
	if err != nil {
		return in, err
	}
	if ip.IsValid() {
		spf := newSPFReport(mailauth.CheckSPF(a.ctx, r, mailauth.SPFInput{IP: ip, Helo: c.Helo, MailFrom: c.MailFrom, Now: c.now()}, mailauth.SPFOptions{}))
		v.SPF = &spf
	}
	return v.dmarcInput(m.header), nil
}

// Run runs `gapura check dmarc`.
func (c *checkDMARC) Run(a *app) error {
	r, err := c.open()
	if err != nil {
		return err
	}
	var in mailauth.DMARCInput
	if c.Message != "" {
		in, err = c.message(a, r)
	} else {
		in, err = c.input(a)
	}
	if err != nil {
		return err
	}
	res := newDMARCReport(mailauth.EvaluateDMARC(a.ctx, r, in))
	if err := a.print(res, res.text); err != nil {
		return err
	}
	return verdict(res.Result)
}
