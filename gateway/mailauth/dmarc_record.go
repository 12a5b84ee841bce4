package mailauth

import (
	"net/url"
	"strings"
)

// Bounds of a DMARC policy record.
const (
	DMARCMaxRecord = 8 << 10 // octets; a longer one is no record
	DMARCMaxURIs   = 16      // of rua and ruf each; the rest is left out
)

// DMARCPolicy is a Domain Owner Assessment Policy (RFC 9989 section 4.7).
type DMARCPolicy string

// The policies, from the mildest to the strictest.
const (
	DMARCNone       DMARCPolicy = "none"
	DMARCQuarantine DMARCPolicy = "quarantine"
	DMARCReject     DMARCPolicy = "reject"
)

// strictness orders policies.
func (p DMARCPolicy) strictness() int {
	switch p {
	case DMARCReject:
		return 2
	case DMARCQuarantine:
		return 1
	}
	return 0
}

// DMARCRecord is a DMARC policy record with defaults in the place of tags that
// are absent or malformed.
type DMARCRecord struct {
	Policy    DMARCPolicy // p; "" : absent or malformed
	Subdomain DMARCPolicy // sp; ""
	Missing   DMARCPolicy // np; ""
	PSD       byte        // psd: 'y', 'n' or 'u'
	Testing   bool        // t=y
	StrictDKIM,
	StrictSPF bool // adkim=s, aspf=s
	FailureOptions string   // fo, "0" when absent
	AggregateURIs  []string // rua, without obsolete size limits
	FailureURIs    []string // ruf
	// Broken tells that p is absent or p, sp or np malformed: the record
	// counts as p=none if it has AggregateURIs, else DMARC does not apply
	// (section 4.10.1).
	Broken bool
}

const dmarcVersion = "DMARC1"

// ParseDMARCRecord parses a TXT record; ok is false when it is no DMARC policy
// record: its first tag is not v=DMARC1 (RFC 9989 sections 4.7 and 4.8).
func ParseDMARCRecord(s string) (rec DMARCRecord, ok bool) {
	first, rest, _ := strings.Cut(s, ";")
	name, value, _ := strings.Cut(first, "=")
	if !strings.EqualFold(trimRightWSP(name), "v") || trimWSP(value) != dmarcVersion || len(s) > DMARCMaxRecord {
		return rec, false
	}
	rec = DMARCRecord{PSD: 'u', FailureOptions: "0"}
	seen := map[string]bool{}
	for tag := range strings.SplitSeq(rest, ";") {
		name, value, found := strings.Cut(tag, "=")
		name, value = strings.ToLower(trimWSP(name)), trimWSP(value)
		// What is malformed is passed over, and so is a tag's second value.
		if found && !seen[name] {
			seen[name] = true
			rec.set(name, value)
		}
	}
	rec.Broken = rec.Broken || rec.Policy == ""
	return rec, true
}

// set takes one tag. ABNF strings, and so the values, know no case.
func (rec *DMARCRecord) set(name, value string) {
	low := strings.ToLower(value)
	switch name {
	case "p":
		rec.Policy = rec.request(low)
	case "sp":
		rec.Subdomain = rec.request(low)
	case "np":
		rec.Missing = rec.request(low)
	case "psd":
		if low == "y" || low == "n" {
			rec.PSD = low[0]
		}
	case "t":
		rec.Testing = low == "y"
	case "adkim":
		rec.StrictDKIM = low == "s"
	case "aspf":
		rec.StrictSPF = low == "s"
	case "fo":
		if validFailureOptions(low) {
			rec.FailureOptions = low
		}
	case "rua":
		rec.AggregateURIs = reportURIs(value)
	case "ruf":
		rec.FailureURIs = reportURIs(value)
	}
}

// request parses dmarc-request.
func (rec *DMARCRecord) request(s string) DMARCPolicy {
	switch p := DMARCPolicy(s); p {
	case DMARCNone, DMARCQuarantine, DMARCReject:
		return p
	}
	rec.Broken = true
	return ""
}

// validFailureOptions checks dmarc-fo: 0 or 1, d and s, each once at most.
func validFailureOptions(s string) bool {
	seen := map[string]bool{}
	for o := range strings.SplitSeq(s, ":") {
		switch o {
		case "0", "1", "d", "s":
		default:
			return false
		}
		if seen[o] {
			return false
		}
		seen[o] = true
	}
	return !(seen["0"] && seen["1"])
}

// reportURIs parses dmarc-urilist and leaves malformed URIs out.
func reportURIs(s string) []string {
	var list []string
	for u := range strings.SplitSeq(s, ",") {
		u = trimWSP(u)
		u, _, _ = strings.Cut(u, "!") // obs-dmarc-report-size
		if len(list) < DMARCMaxURIs && validReportURI(u) {
			list = append(list, u)
		}
	}
	return list
}

func validReportURI(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || strings.ContainsAny(s, " \t") {
		return false
	}
	if u.Scheme == "mailto" {
		local, domain, _ := strings.Cut(u.Opaque, "@")
		return local != "" && domain != ""
	}
	return u.Opaque != "" || u.Host != ""
}

// String prints the record.
func (rec DMARCRecord) String() string {
	var b strings.Builder
	b.WriteString("v=" + dmarcVersion)
	tag := func(name, value string, on bool) {
		if on {
			b.WriteString("; " + name + "=" + value)
		}
	}
	tag("p", string(rec.Policy), rec.Policy != "")
	tag("sp", string(rec.Subdomain), rec.Subdomain != "")
	tag("np", string(rec.Missing), rec.Missing != "")
	tag("psd", string(rec.PSD), rec.PSD == 'y' || rec.PSD == 'n')
	tag("t", "y", rec.Testing)
	tag("adkim", "s", rec.StrictDKIM)
	tag("aspf", "s", rec.StrictSPF)
	tag("fo", rec.FailureOptions, rec.FailureOptions != "0" && rec.FailureOptions != "")
	tag("rua", strings.Join(rec.AggregateURIs, ","), len(rec.AggregateURIs) > 0)
	tag("ruf", strings.Join(rec.FailureURIs, ","), len(rec.FailureURIs) > 0)
	return b.String()
}

func trimWSP(s string) string      { return strings.Trim(s, " \t") }
func trimRightWSP(s string) string { return strings.TrimRight(s, " \t") }
