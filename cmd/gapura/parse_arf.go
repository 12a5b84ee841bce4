package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/gateway/report"
)

type parseARF struct {
	Message string `default:"-" placeholder:"FILE" help:"Message to read; - is standard input."`
}

// Help implements kong.HelpProvider.
func (parseARF) Help() string {
	return `Reads reports of RFC 5965 and 6591, and complaints that some providers write in
a form of their own. The exit code is 1 when the message is none.

Example:
  gapura parse arf --json --message complaint.eml`
}

// arfReport is what the command prints.
type arfReport struct {
	FeedbackType       string       `json:"feedback_type"`
	UserAgent          string       `json:"user_agent,omitempty"`
	Version            string       `json:"version,omitempty"`
	ArrivalDate        string       `json:"arrival_date,omitempty"`
	SourceIP           string       `json:"source_ip,omitempty"`
	SourcePort         uint16       `json:"source_port,omitempty"`
	Incidents          int          `json:"incidents,omitempty"`
	ReportingMTA       string       `json:"reporting_mta,omitempty"`
	OriginalEnvelopeID string       `json:"original_envelope_id,omitempty"`
	OriginalMailFrom   string       `json:"original_mail_from,omitempty"`
	OriginalRcptTo     []string     `json:"original_rcpt_to,omitempty"`
	RemovalRecipient   []string     `json:"removal_recipient,omitempty"`
	ReportedDomain     []string     `json:"reported_domain,omitempty"`
	ReportedURI        []string     `json:"reported_uri,omitempty"`
	AuthResults        []string     `json:"authentication_results,omitempty"`
	AuthFailure        string       `json:"auth_failure,omitempty"`
	DeliveryResult     string       `json:"delivery_result,omitempty"`
	IdentityAlignment  string       `json:"identity_alignment,omitempty"`
	DKIMDomain         string       `json:"dkim_domain,omitempty"`
	DKIMIdentity       string       `json:"dkim_identity,omitempty"`
	DKIMSelector       string       `json:"dkim_selector,omitempty"`
	DKIMSelectorDNS    string       `json:"dkim_selector_dns,omitempty"`
	DKIMHeader         string       `json:"dkim_canonicalized_header,omitempty"`
	DKIMBody           string       `json:"dkim_canonicalized_body,omitempty"`
	SPFDNS             string       `json:"spf_dns,omitempty"`
	Standard           bool         `json:"standard"`
	Complainers        []string     `json:"complainers,omitempty"`
	Original           *dsnOriginal `json:"original,omitempty"`
}

func (c *parseARF) Run(a *app) error {
	m, err := a.readMessage(c.Message)
	if err != nil {
		return err
	}
	defer m.Close()
	f, err := report.ReadFeedback(m.header, m.body)
	if errors.Is(err, report.ErrNoFeedback) {
		return errors.Join(a.print(arfReport{}, func(w io.Writer) { fmt.Fprintln(w, "this message is no feedback report") }), errNo)
	}
	if err != nil {
		return err
	}
	out := arfReport{
		FeedbackType: f.Type, UserAgent: f.UserAgent, Version: f.Version, ArrivalDate: reportDate(f.Arrival), SourcePort: f.SourcePort, Incidents: f.Incidents,
		ReportingMTA: f.ReportingMTA, OriginalEnvelopeID: f.EnvelopeID, OriginalMailFrom: f.MailFrom, OriginalRcptTo: f.RcptTo, RemovalRecipient: f.RemovalRecipient,
		ReportedDomain: f.ReportedDomains, ReportedURI: f.ReportedURIs, AuthResults: f.AuthResults, AuthFailure: f.AuthFailure, DeliveryResult: f.DeliveryResult,
		IdentityAlignment: f.IdentityAlignment, DKIMDomain: f.DKIMDomain, DKIMIdentity: f.DKIMIdentity, DKIMSelector: f.DKIMSelector, DKIMSelectorDNS: f.DKIMDNS,
		DKIMHeader: f.DKIMHeader, DKIMBody: f.DKIMBody, SPFDNS: f.SPFDNS, Standard: f.Standard, Complainers: f.Complainers(), Original: originalOf(f.Original),
	}
	if f.SourceIP.IsValid() {
		out.SourceIP = f.SourceIP.String()
	}
	return a.print(out, out.text)
}

// text prints the report for people.
func (o arfReport) text(w io.Writer) {
	fmt.Fprintf(w, "%s, told by %s\n", o.FeedbackType, o.UserAgent)
	for _, line := range []struct{ name, value string }{
		{"sent from", o.SourceIP},
		{"reverse-path", o.OriginalMailFrom},
		{"authentication", o.AuthFailure},
		{"arrived", o.ArrivalDate},
	} {
		if line.value != "" {
			fmt.Fprintf(w, "%s: %s\n", line.name, line.value)
		}
	}
	for _, a := range o.Complainers {
		fmt.Fprintf(w, "about mail to: %s\n", a)
	}
	if o.Original != nil {
		fmt.Fprintf(w, "about %s from %s to %s\n", o.Original.MessageID, o.Original.From, o.Original.To)
	}
}
