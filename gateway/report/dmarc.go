package report

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html/charset"

	"github.com/gapura-mail/gapura/gateway/message"
)

// Aggregate is a DMARC aggregate report (RFC 9990; RFC 7489 appendix C).
type Aggregate struct {
	Version      string
	OrgName      string
	Email        string
	ExtraContact string
	ReportID     string
	Begin, End   time.Time // UTC
	Errors       []string
	Generator    string
	Policy       AggregatePolicy
	Records      []AggregateRecord // at most MaxAggregateRecords
	Extensions   []AggregateExtension
}

// AggregatePolicy is policy_published: what the reporter found in DNS.
type AggregatePolicy struct {
	Domain, DiscoveryMethod string
	ADKIM, ASPF             string // r, s, "" : not told
	P, SP, NP               string
	Percent                 string // pct of RFC 7489
	FO                      string
	Testing                 string // y, n
}

// AggregateRecord is a row of a report: messages that share all of this.
type AggregateRecord struct {
	Source      netip.Addr
	Count       uint64
	Disposition string // none, pass, quarantine, reject
	DKIM, SPF   string // pass or fail: aligned
	Reasons     []AggregateReason
	HeaderFrom, EnvelopeFrom,
	EnvelopeTo string
	AuthDKIM   []AggregateDKIM
	AuthSPF    []AggregateSPF
	Extensions []AggregateExtension
}

// AggregateReason is why the policy was not applied.
type AggregateReason struct{ Type, Comment string }

// AggregateDKIM is one DKIM signature's result.
type AggregateDKIM struct{ Domain, Selector, Result, HumanResult string }

// AggregateSPF is an SPF result.
type AggregateSPF struct{ Domain, Scope, Result, HumanResult string }

// AggregateExtension names an extension; its data are not kept.
type AggregateExtension struct{ Name, Definition string }

// Bounds of an aggregate report.
const (
	MaxAggregateRecords = 100_000
	MaxAggregateXML     = 64 << 20 // octets, decompressed
	MaxAggregateFile    = 16 << 20 // octets, as attached
	maxAggregateRatio   = 200      // decompressed to compressed, beyond the first MiB
	maxXMLDepth         = 16
	maxZipFiles         = 100     // entries of an archive
	maxZipTried         = 10      // of which these are looked at
	maxXMLText          = 4 << 10 // octets of one value
)

var (
	// ErrNoAggregate tells that there is no aggregate report.
	ErrNoAggregate = errors.New("report: no DMARC aggregate report")
	// ErrTooLarge tells that a report is beyond a bound.
	ErrTooLarge = errors.New("report: the report is too large")
)

// ReadAggregateMessage reads the report attached to a message. The error wraps
// ErrNoAggregate or ErrTooLarge, or is that of reading.
func ReadAggregateMessage(header *message.Header, body io.Reader) (*Aggregate, error) {
	v := &aggregateParts{}
	w := message.NewWalker(header, message.WalkLimits{Depth: 8, Parts: 50})
	if err := w.Walk(body, v); err != nil && !errors.Is(err, errFound) {
		return nil, fmt.Errorf("report: read: %w", err)
	}
	switch {
	case v.found != nil:
		return v.found, nil
	case v.err != nil:
		return nil, v.err
	}
	return nil, ErrNoAggregate
}

// errFound ends a walk.
var errFound = errors.New("found")

// aggregateParts looks for the report among the parts of a message.
type aggregateParts struct {
	buf   *boundedBuffer
	found *Aggregate
	err   error
}

// Part implements message.Visitor.
func (v *aggregateParts) Part(p *message.PartInfo) io.Writer {
	v.buf = nil
	name := strings.ToLower(p.Filename)
	switch p.Type {
	case "application/gzip", "application/x-gzip", "application/zip", "application/x-zip-compressed", "application/x-zip", "application/xml", "text/xml", "application/octet-stream", "application/tlsrpt+gzip":
	default:
		if !strings.HasSuffix(name, ".xml") && !strings.HasSuffix(name, ".gz") && !strings.HasSuffix(name, ".zip") {
			return nil
		}
	}
	if p.Container || v.found != nil {
		return nil
	}
	v.buf = &boundedBuffer{max: MaxAggregateFile + 1}
	return v.buf
}

// PartEnd implements message.Visitor.
func (v *aggregateParts) PartEnd(*message.PartInfo) {
	if v.buf == nil || v.found != nil {
		return
	}
	b := v.buf.Bytes()
	v.buf = nil
	if len(b) > MaxAggregateFile {
		v.err = fmt.Errorf("%w: attachment", ErrTooLarge)
		return
	}
	a, err := ReadAggregate(bytes.NewReader(b))
	if err != nil {
		v.err = err
		return
	}
	v.found = a
}

// Defect implements message.Visitor.
func (v *aggregateParts) Defect(message.Defect) {}

// ReadAggregate reads a report: XML, or XML in gzip or zip. The error wraps
// ErrNoAggregate or ErrTooLarge, or is that of reading.
func ReadAggregate(r io.Reader) (*Aggregate, error) {
	in := bufio.NewReaderSize(io.LimitReader(r, MaxAggregateFile+1), 32<<10)
	magic, _ := in.Peek(4)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		count := &countReader{r: in}
		z, err := gzip.NewReader(count)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoAggregate, err)
		}
		return parseAggregate(&ratioReader{r: z, packed: func() int64 { return count.n }})
	case bytes.Equal(magic, []byte("PK\x03\x04")):
		return readZip(in)
	}
	return parseAggregate(&ratioReader{r: in})
}

// readZip reads the first file of an archive that has XML in it.
func readZip(in io.Reader) (*Aggregate, error) {
	b, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("report: read: %w", err)
	}
	if len(b) > MaxAggregateFile {
		return nil, fmt.Errorf("%w: archive", ErrTooLarge)
	}
	if bytes.Count(b, []byte("PK\x01\x02")) > maxZipFiles { // archive/zip makes a value of every entry first
		return nil, fmt.Errorf("%w: files in the archive", ErrTooLarge)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAggregate, err)
	}
	for i, f := range z.File {
		if i >= maxZipTried {
			break
		}
		r, err := f.Open()
		if err != nil {
			continue
		}
		a, err := parseAggregate(&ratioReader{r: r, packed: func() int64 { return int64(len(b)) }})
		r.Close()
		if !errors.Is(err, ErrNoAggregate) {
			return a, err
		}
	}
	return nil, ErrNoAggregate
}

// countReader counts what is read.
type countReader struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// ratioReader bounds what is decompressed.
type ratioReader struct {
	r      io.Reader
	n      int64
	packed func() int64 // nil: nothing is packed
}

// Read implements io.Reader.
func (b *ratioReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > MaxAggregateXML || b.packed != nil && b.n > 1<<20 && b.n > maxAggregateRatio*b.packed() {
		return 0, ErrTooLarge
	}
	return n, err
}

// aggregateParser walks over the XML: what it does not know it passes by.
type aggregateParser struct {
	a     Aggregate
	path  []string
	text  strings.Builder
	rec   *AggregateRecord
	row   *AggregateReason
	dkim  *AggregateDKIM
	spf   *AggregateSPF
	begun bool
}

// parseAggregate reads the XML.
func parseAggregate(r io.Reader) (*Aggregate, error) {
	d := xml.NewDecoder(r)
	d.Strict = false
	d.CharsetReader = charset.NewReaderLabel
	p := &aggregateParser{}
	for {
		t, err := d.RawToken()
		if err == io.EOF {
			break
		}
		if errors.Is(err, ErrTooLarge) {
			return nil, err
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoAggregate, err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			err = p.start(t)
		case xml.EndElement:
			p.end()
		case xml.CharData:
			if p.text.Len() < maxXMLText {
				p.text.Write(t[:min(len(t), maxXMLText)])
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if !p.begun || len(p.path) > 0 || p.a.Policy.Domain == "" && len(p.a.Records) == 0 {
		return nil, ErrNoAggregate
	}
	return &p.a, nil
}

func (p *aggregateParser) start(t xml.StartElement) error {
	name := t.Name.Local
	if len(p.path) == 0 {
		if name != "feedback" {
			return ErrNoAggregate
		}
		p.begun = true
	}
	if len(p.path) >= maxXMLDepth {
		return fmt.Errorf("%w: nested too deep", ErrTooLarge)
	}
	p.path = append(p.path, name)
	p.text.Reset()
	switch strings.Join(p.path[1:], "/") {
	case "record":
		if len(p.a.Records) >= MaxAggregateRecords {
			return fmt.Errorf("%w: records", ErrTooLarge)
		}
		p.a.Records = append(p.a.Records, AggregateRecord{})
		p.rec = &p.a.Records[len(p.a.Records)-1]
	case "record/row/policy_evaluated/reason":
		p.row = add(&p.rec.Reasons)
	case "record/auth_results/dkim":
		p.dkim = add(&p.rec.AuthDKIM)
	case "record/auth_results/spf":
		p.spf = add(&p.rec.AuthSPF)
	case "record/extensions/extension":
		*add(&p.rec.Extensions) = extension(t)
	case "extensions/extension":
		*add(&p.a.Extensions) = extension(t)
	}
	return nil
}

// add appends a zero value; of a list that is too long, the last is used again.
func add[T any](list *[]T) *T {
	if len(*list) < maxListed {
		var zero T
		*list = append(*list, zero)
	}
	return &(*list)[len(*list)-1]
}

func extension(t xml.StartElement) (e AggregateExtension) {
	for _, a := range t.Attr {
		v := shorten(message.CleanValue(a.Value), maxXMLText)
		switch a.Name.Local {
		case "name":
			e.Name = v
		case "definition":
			e.Definition = v
		}
	}
	return e
}

func (p *aggregateParser) end() {
	if len(p.path) == 0 {
		return
	}
	v := shorten(message.CleanValue(strings.TrimSpace(p.text.String())), maxXMLText)
	p.text.Reset()
	path := strings.Join(p.path[1:], "/")
	p.path = p.path[:len(p.path)-1]
	if v == "" {
		return
	}
	if rest, ok := strings.CutPrefix(path, "record/"); ok {
		p.record(rest, v)
		return
	}
	p.meta(path, v)
}

// meta takes a value from outside the records.
func (p *aggregateParser) meta(path, v string) {
	a := &p.a
	switch path {
	case "version":
		a.Version = v
	case "report_metadata/org_name":
		a.OrgName = v
	case "report_metadata/email":
		a.Email = v
	case "report_metadata/extra_contact_info":
		a.ExtraContact = v
	case "report_metadata/report_id":
		a.ReportID = v
	case "report_metadata/generator":
		a.Generator = v
	case "report_metadata/error":
		*add(&a.Errors) = v
	case "report_metadata/date_range/begin":
		a.Begin = unixTime(v)
	case "report_metadata/date_range/end":
		a.End = unixTime(v)
	case "policy_published/domain":
		a.Policy.Domain = v
	case "policy_published/discovery_method":
		a.Policy.DiscoveryMethod = v
	case "policy_published/adkim":
		a.Policy.ADKIM = strings.ToLower(v)
	case "policy_published/aspf":
		a.Policy.ASPF = strings.ToLower(v)
	case "policy_published/p":
		a.Policy.P = strings.ToLower(v)
	case "policy_published/sp":
		a.Policy.SP = strings.ToLower(v)
	case "policy_published/np":
		a.Policy.NP = strings.ToLower(v)
	case "policy_published/pct":
		a.Policy.Percent = v
	case "policy_published/fo":
		a.Policy.FO = v
	case "policy_published/testing":
		a.Policy.Testing = strings.ToLower(v)
	}
}

// record takes a value of a record.
func (p *aggregateParser) record(path, v string) {
	r := p.rec
	switch path {
	case "row/source_ip":
		r.Source, _ = netip.ParseAddr(v)
	case "row/count":
		r.Count, _ = strconv.ParseUint(v, 10, 63)
	case "row/policy_evaluated/disposition":
		r.Disposition = strings.ToLower(v)
	case "row/policy_evaluated/dkim":
		r.DKIM = strings.ToLower(v)
	case "row/policy_evaluated/spf":
		r.SPF = strings.ToLower(v)
	case "row/policy_evaluated/reason/type":
		p.row.Type = v
	case "row/policy_evaluated/reason/comment":
		p.row.Comment = v
	case "identifiers/header_from":
		r.HeaderFrom = v
	case "identifiers/envelope_from":
		r.EnvelopeFrom = v
	case "identifiers/envelope_to":
		r.EnvelopeTo = v
	case "auth_results/dkim/domain":
		p.dkim.Domain = v
	case "auth_results/dkim/selector":
		p.dkim.Selector = v
	case "auth_results/dkim/result":
		p.dkim.Result = strings.ToLower(v)
	case "auth_results/dkim/human_result":
		p.dkim.HumanResult = v
	case "auth_results/spf/domain":
		p.spf.Domain = v
	case "auth_results/spf/scope":
		p.spf.Scope = strings.ToLower(v)
	case "auth_results/spf/result":
		p.spf.Result = strings.ToLower(v)
	case "auth_results/spf/human_result":
		p.spf.HumanResult = v
	}
}

// unixTime reads seconds since 1970, a fraction left out.
func unixTime(v string) time.Time {
	v, _, _ = strings.Cut(v, ".")
	n, err := strconv.ParseInt(v, 10, 40)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
