package report

import (
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
)

// Feedback is a report about a message that was received: a complaint (ARF,
// RFC 5965 and 6650), or a failed authentication (RFC 6591).
type Feedback struct {
	Type             string // abuse, fraud, virus, not-spam, opt-out, auth-failure, other, ...; lower case
	UserAgent        string
	Version          string
	EnvelopeID       string // Original-Envelope-Id
	MailFrom         string // Original-Mail-From, an address
	RcptTo           []string
	Arrival          time.Time // Arrival-Date or Received-Date
	ReportingMTA     string
	SourceIP         netip.Addr // invalid: not told
	SourcePort       uint16
	Incidents        int // at least 1
	ReportedDomains  []string
	ReportedURIs     []string
	AuthResults      []string // Authentication-Results, unfolded
	RemovalRecipient []string // of opt-out

	// Of auth-failure (RFC 6591).
	AuthFailure       string // adsp, bodyhash, revoked, signature, spf, dmarc
	DeliveryResult    string // delivered, spam, policy, reject, other
	IdentityAlignment string // RFC 7489: none, spf, dkim, "dkim, spf"
	DKIMDomain        string
	DKIMIdentity      string
	DKIMSelector      string
	DKIMHeader        string // DKIM-Canonicalized-Header, base64 as it came
	DKIMBody          string // DKIM-Canonicalized-Body
	DKIMDNS           string // DKIM-Selector-DNS
	SPFDNS            string

	Standard bool // it has a message/feedback-report part
	Original Original
}

// maxListed bounds the fields of a report that may be repeated.
const maxListed = 100

// ErrNoFeedback tells that a message is no feedback report.
var ErrNoFeedback = errors.New("report: the message is no feedback report")

// ReadFeedback reads a report: header is the message's, body what follows it.
// The error is ErrNoFeedback, or that of reading.
func ReadFeedback(header *message.Header, body io.Reader) (*Feedback, error) {
	c, err := collect(header, body)
	if err != nil {
		return nil, err
	}
	f := c.readFeedback()
	if f == nil {
		return nil, ErrNoFeedback
	}
	return f, nil
}

// readFeedback reads the report, nil: there is none.
func (c *collected) readFeedback() *Feedback {
	f := &Feedback{Incidents: 1, Original: c.readOriginal(), Standard: len(c.feedback) > 0}
	if !f.Standard {
		if c.otherFeedback(f) {
			return f
		}
		return nil
	}
	for b := c.feedback; len(b) > 0; {
		n := fieldLength(b)
		if name, value, ok := splitField(b[:n]); ok && value != "" {
			f.set(name, value)
		}
		b = b[n:]
	}
	if f.Type == "" {
		return nil
	}
	return f
}

// set takes one field; of those that may come once, the first counts.
func (f *Feedback) set(name, value string) {
	once := func(s *string) {
		if *s == "" {
			*s = value
		}
	}
	more := func(l *[]string) {
		if len(*l) < maxListed {
			*l = append(*l, value)
		}
	}
	switch name {
	case "feedback-type":
		value = strings.ToLower(value)
		once(&f.Type)
	case "user-agent":
		once(&f.UserAgent)
	case "version":
		once(&f.Version)
	case "original-envelope-id":
		once(&f.EnvelopeID)
	case "original-mail-from":
		value = strings.Trim(value, "<> ")
		once(&f.MailFrom)
	case "original-rcpt-to":
		value = strings.Trim(value, "<> ")
		more(&f.RcptTo)
	case "removal-recipient":
		value = strings.Trim(value, "<> ")
		more(&f.RemovalRecipient)
	case "arrival-date", "received-date":
		if f.Arrival.IsZero() {
			f.Arrival = parseDate(value)
		}
	case "reporting-mta":
		value = typedHost(value)
		once(&f.ReportingMTA)
	case "source-ip":
		value, _, _ = strings.Cut(value, " ")
		if a, err := netip.ParseAddr(strings.Trim(value, "[]")); err == nil && !f.SourceIP.IsValid() {
			f.SourceIP = a
		}
	case "source-port":
		if n, err := strconv.ParseUint(value, 10, 16); err == nil {
			f.SourcePort = uint16(n)
		}
	case "incidents":
		if n, err := strconv.ParseUint(value, 10, 31); err == nil && n > 0 {
			f.Incidents = int(n)
		}
	case "reported-domain":
		more(&f.ReportedDomains)
	case "reported-uri":
		more(&f.ReportedURIs)
	case "authentication-results":
		more(&f.AuthResults)
	default:
		f.setFailure(name, once, value)
	}
}

// setFailure takes a field of RFC 6591.
func (f *Feedback) setFailure(name string, once func(*string), value string) {
	switch name {
	case "auth-failure":
		once(&f.AuthFailure)
		f.AuthFailure = strings.ToLower(f.AuthFailure)
	case "delivery-result":
		once(&f.DeliveryResult)
		f.DeliveryResult = strings.ToLower(f.DeliveryResult)
	case "identity-alignment":
		once(&f.IdentityAlignment)
	case "dkim-domain":
		once(&f.DKIMDomain)
	case "dkim-identity":
		once(&f.DKIMIdentity)
	case "dkim-selector":
		once(&f.DKIMSelector)
	case "dkim-selector-dns":
		once(&f.DKIMDNS)
	case "dkim-canonicalized-header":
		once(&f.DKIMHeader)
	case "dkim-canonicalized-body":
		once(&f.DKIMBody)
	case "spf-dns":
		once(&f.SPFDNS)
	}
	_ = value
}

// otherFeedback reads complaints in the forms of providers of their own:
// Microsoft's, where the message is attached and named in the subject, and
// Apple's wish to be taken off a list.
func (c *collected) otherFeedback(f *Feedback) bool {
	subject, _ := c.header.Get("Subject")
	if h := f.Original.Header; h != nil && strings.HasPrefix(strings.ToLower(strings.TrimSpace(subject)), "complaint about message from ") {
		f.Type = "abuse"
		f.MailFrom = firstAddress(h, "X-SID-PRA")
		if a := firstAddress(h, "X-HmXmrOriginalRecipient"); a != "" {
			f.RcptTo = []string{a}
		}
		words := strings.Fields(subject)
		f.SourceIP, _ = netip.ParseAddr(words[len(words)-1])
		return true
	}
	if v, _ := c.header.Get("X-Apple-Unsubscribe"); strings.EqualFold(v, "true") {
		f.Type = "opt-out"
		if a := firstAddress(c.header, "From"); a != "" {
			f.RcptTo = []string{a}
		}
		return true
	}
	return false
}

// Complainers returns the addresses that the report is about: those of the
// readers who complained. Many providers tell none.
func (f *Feedback) Complainers() []string {
	var all []string
	for _, l := range [][]string{f.RcptTo, f.RemovalRecipient} {
		for _, a := range l {
			if a = parseAddress(a); a != "" {
				all = append(all, a)
			}
		}
	}
	if len(all) == 0 && f.Original.To != "" {
		all = append(all, f.Original.To)
	}
	return all
}

// complaint reads the message as a complaint.
func (c *collected) complaint(d *DSN) bool {
	f := c.readFeedback()
	if f == nil {
		return false
	}
	d.Kind = Complaint
	d.ReportingMTA, d.EnvelopeID, d.Arrival = f.ReportingMTA, f.EnvelopeID, f.Arrival
	who := f.Complainers()
	if len(who) == 0 {
		who = []string{f.MailFrom}
	}
	for _, a := range who[:min(len(who), MaxRecipients)] {
		d.Recipients = append(d.Recipients, DSNRecipient{Address: a, Reason: Complained, Text: f.Type})
	}
	return true
}
