package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/gateway/report"
)

type parseDMARC struct {
	Message string `default:"-" placeholder:"FILE" help:"Message with the report attached, or the report itself (XML, gzip, zip); - is standard input."`
}

// Help implements kong.HelpProvider.
func (parseDMARC) Help() string {
	return `Reads aggregate reports of RFC 9990 and RFC 7489. The exit code is 1 when there
is none.

Example:
  gapura parse dmarc-report --json --message report.eml`
}

// dmarcAggregate is what the command prints: the report's own names.
type dmarcAggregate struct {
	Version    string           `json:"version"`
	Metadata   dmarcMetadata    `json:"report_metadata"`
	Policy     dmarcPolicy      `json:"policy_published"`
	Record     []dmarcRecord    `json:"record"`
	Extensions []dmarcExtension `json:"extensions"`
}

type dmarcMetadata struct {
	OrgName      string    `json:"org_name"`
	Email        string    `json:"email"`
	ExtraContact string    `json:"extra_contact_info,omitempty"`
	ReportID     string    `json:"report_id"`
	DateRange    dmarcSpan `json:"date_range"`
	Error        []string  `json:"error"`
	Generator    string    `json:"generator,omitempty"`
}

type dmarcSpan struct {
	Begin int64 `json:"begin"`
	End   int64 `json:"end"`
}

type dmarcPolicy struct {
	Domain          string `json:"domain"`
	DiscoveryMethod string `json:"discovery_method,omitempty"`
	ADKIM           string `json:"adkim,omitempty"`
	ASPF            string `json:"aspf,omitempty"`
	P               string `json:"p"`
	SP              string `json:"sp,omitempty"`
	NP              string `json:"np,omitempty"`
	Percent         string `json:"pct,omitempty"`
	FO              string `json:"fo,omitempty"`
	Testing         string `json:"testing,omitempty"`
}

type dmarcRecord struct {
	Row         dmarcRow         `json:"row"`
	Identifiers dmarcIdentifiers `json:"identifiers"`
	AuthResults dmarcAuth        `json:"auth_results"`
	Extensions  []dmarcExtension `json:"extensions,omitempty"`
}

type dmarcRow struct {
	SourceIP  string         `json:"source_ip"`
	Count     uint64         `json:"count"`
	Evaluated dmarcEvaluated `json:"policy_evaluated"`
}

type dmarcEvaluated struct {
	Disposition string        `json:"disposition"`
	DKIM        string        `json:"dkim"`
	SPF         string        `json:"spf"`
	Reason      []dmarcReason `json:"reason"`
}

type dmarcReason struct {
	Type    string `json:"type"`
	Comment string `json:"comment,omitempty"`
}

type dmarcIdentifiers struct {
	HeaderFrom   string `json:"header_from"`
	EnvelopeFrom string `json:"envelope_from,omitempty"`
	EnvelopeTo   string `json:"envelope_to,omitempty"`
}

type dmarcAuth struct {
	DKIM []dmarcDKIM `json:"dkim"`
	SPF  []dmarcSPF  `json:"spf"`
}

type dmarcDKIM struct {
	Domain      string `json:"domain"`
	Selector    string `json:"selector,omitempty"`
	Result      string `json:"result"`
	HumanResult string `json:"human_result,omitempty"`
}

type dmarcSPF struct {
	Domain      string `json:"domain"`
	Scope       string `json:"scope,omitempty"`
	Result      string `json:"result"`
	HumanResult string `json:"human_result,omitempty"`
}

type dmarcExtension struct {
	Name       string `json:"name"`
	Definition string `json:"definition,omitempty"`
}

func (c *parseDMARC) Run(a *app) error {
	agg, err := c.read(a)
	if errors.Is(err, report.ErrNoAggregate) {
		return fmt.Errorf("%s: %w", c.Message, err)
	}
	if err != nil {
		return err
	}
	out := aggregateOut(agg)
	return a.print(out, out.text)
}

// read reads the report itself, or a message that has it attached.
func (c *parseDMARC) read(a *app) (*report.Aggregate, error) {
	f, err := a.openMessage(c.Message)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 64<<10)
	first, _ := in.Peek(512)
	bare := bytes.TrimLeft(first, "\ufeff \t\r\n")
	if bytes.HasPrefix(bare, []byte("<")) || bytes.HasPrefix(first, []byte("PK\x03\x04")) || bytes.HasPrefix(first, []byte{0x1f, 0x8b}) {
		return report.ReadAggregate(in)
	}
	header, body, err := splitHeader(in)
	if err != nil {
		return nil, err
	}
	return report.ReadAggregateMessage(header, body)
}

func aggregateOut(a *report.Aggregate) dmarcAggregate {
	out := dmarcAggregate{
		Version: a.Version,
		Metadata: dmarcMetadata{
			OrgName: a.OrgName, Email: a.Email, ExtraContact: a.ExtraContact, ReportID: a.ReportID, Error: notNil(a.Errors), Generator: a.Generator,
			DateRange: dmarcSpan{a.Begin.Unix(), a.End.Unix()},
		},
		Policy: dmarcPolicy{
			Domain: a.Policy.Domain, DiscoveryMethod: a.Policy.DiscoveryMethod, ADKIM: a.Policy.ADKIM, ASPF: a.Policy.ASPF, P: a.Policy.P, SP: a.Policy.SP, NP: a.Policy.NP,
			Percent: a.Policy.Percent, FO: a.Policy.FO, Testing: a.Policy.Testing,
		},
		Record: make([]dmarcRecord, 0, len(a.Records)), Extensions: extensionsOut(a.Extensions),
	}
	for _, r := range a.Records {
		out.Record = append(out.Record, recordOut(r))
	}
	return out
}

func recordOut(r report.AggregateRecord) dmarcRecord {
	out := dmarcRecord{
		Row:         dmarcRow{Count: r.Count, Evaluated: dmarcEvaluated{Disposition: r.Disposition, DKIM: r.DKIM, SPF: r.SPF, Reason: []dmarcReason{}}},
		Identifiers: dmarcIdentifiers{r.HeaderFrom, r.EnvelopeFrom, r.EnvelopeTo},
		AuthResults: dmarcAuth{DKIM: []dmarcDKIM{}, SPF: []dmarcSPF{}},
		Extensions:  extensionsOut(r.Extensions),
	}
	if r.Source.IsValid() {
		out.Row.SourceIP = r.Source.String()
	}
	for _, x := range r.Reasons {
		out.Row.Evaluated.Reason = append(out.Row.Evaluated.Reason, dmarcReason(x))
	}
	for _, x := range r.AuthDKIM {
		out.AuthResults.DKIM = append(out.AuthResults.DKIM, dmarcDKIM(x))
	}
	for _, x := range r.AuthSPF {
		out.AuthResults.SPF = append(out.AuthResults.SPF, dmarcSPF(x))
	}
	return out
}

func extensionsOut(in []report.AggregateExtension) []dmarcExtension {
	out := []dmarcExtension{}
	for _, x := range in {
		out = append(out, dmarcExtension(x))
	}
	return out
}

// notNil makes a list print as [] when it is empty.
func notNil(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// text prints the report for people.
func (o dmarcAggregate) text(w io.Writer) {
	fmt.Fprintf(w, "%s about %s (p=%s), report %s\n", o.Metadata.OrgName, o.Policy.Domain, o.Policy.P, o.Metadata.ReportID)
	for _, r := range o.Record {
		fmt.Fprintf(w, "%s: %d messages from %s: %s, dkim %s, spf %s\n", r.Row.SourceIP, r.Row.Count, r.Identifiers.HeaderFrom, r.Row.Evaluated.Disposition, r.Row.Evaluated.DKIM, r.Row.Evaluated.SPF)
	}
}
