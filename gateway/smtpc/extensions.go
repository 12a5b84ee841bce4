package smtpc

import (
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Extensions is what a server offered in its reply to EHLO or LHLO.
type Extensions struct {
	Extended     bool // EHLO or LHLO was accepted; after HELO all else is zero
	Pipelining   bool
	Chunking     bool
	EightBitMIME bool
	SMTPUTF8     bool
	DSN          bool
	RequireTLS   bool
	StartTLS     bool
	PRDR         bool
	Priority     bool // MT-PRIORITY
	DeliverBy    bool
	HasSize      bool
	Size         int64    // octets; 0: no limit was told
	Auth         []string // mechanisms, upper case
	MaxMails     int      // LIMITS MAILMAX: transactions of a connection; 0: not told
	MaxRcpts     int      // LIMITS RCPTMAX: recipients of a transaction; 0: not told
}

// parseExtensions reads the lines of a reply to EHLO, the first of which is
// the greeting. What is not understood is passed over.
func parseExtensions(text string) Extensions {
	x := Extensions{Extended: true}
	_, text, _ = strings.Cut(text, "\n")
	for line := range strings.SplitSeq(text, "\n") {
		word, args, _ := strings.Cut(strings.TrimSpace(line), " ")
		x.set(strings.ToUpper(word), args)
	}
	return x
}

func (x *Extensions) set(word, args string) {
	switch word {
	case "PIPELINING":
		x.Pipelining = true
	case "CHUNKING":
		x.Chunking = true
	case "8BITMIME":
		x.EightBitMIME = true
	case "SMTPUTF8":
		x.SMTPUTF8 = true
	case "DSN":
		x.DSN = true
	case "REQUIRETLS":
		x.RequireTLS = true
	case "STARTTLS":
		x.StartTLS = true
	case "PRDR":
		x.PRDR = true
	case "MT-PRIORITY":
		x.Priority = true
	case "DELIVERBY":
		x.DeliverBy = true
	case "SIZE":
		x.HasSize = true
		x.Size = max(0, number(args))
	case "AUTH":
		x.Auth = strings.Fields(strings.ToUpper(args))
	case "LIMITS":
		x.limits(args)
	default:
		// An old way to write it, "AUTH=PLAIN LOGIN".
		if mechs, ok := strings.CutPrefix(word, "AUTH="); ok && len(x.Auth) == 0 {
			x.Auth = strings.Fields(mechs + " " + strings.ToUpper(args))
		}
	}
}

// limits reads the LIMITS keyword (RFC 9422 section 3).
func (x *Extensions) limits(args string) {
	for pair := range strings.FieldsSeq(args) {
		name, value, _ := strings.Cut(pair, "=")
		n := int(min(number(value), 1<<30))
		switch strings.ToUpper(name) {
		case "MAILMAX":
			x.MaxMails = max(0, n)
		case "RCPTMAX":
			x.MaxRcpts = max(0, n)
		}
	}
}

func number(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// CheckMail tells what stands in the way of a MAIL with the parameters p: the
// refusal that its sender should see, or a zero Reply. secure says whether the
// connection to the server is TLS.
func (x *Extensions) CheckMail(from smtp.ReversePath, p smtp.MailParams, secure bool) smtp.Reply {
	switch {
	case unsafe(from.Domain):
		return refuseSyntax
	case x.foreign(from.Address), p.SMTPUTF8 && !x.SMTPUTF8:
		return refuseUTF8 // RFC 6531 section 3.2
	case p.RequireTLS && !(x.RequireTLS && secure) && !from.IsNull(): // for a bounce it is a wish (RFC 8689 section 5)
		return refuseRequireTLS // section 4.2.1
	case x.Size > 0 && p.Size > x.Size:
		return refuseSize // RFC 1870 section 6.2
	case p.Body == smtp.Body8BitMIME && !x.EightBitMIME:
		return refuse8Bit // RFC 6152 section 3
	}
	return smtp.Reply{}
}

// CheckRcpt is CheckMail for a recipient.
func (x *Extensions) CheckRcpt(to smtp.ForwardPath) smtp.Reply {
	if unsafe(to.Domain) {
		return refuseSyntax
	}
	if x.foreign(to.Address) {
		return refuseUTF8
	}
	return smtp.Reply{}
}

var (
	refuseUTF8       = smtp.NewReply(553, smtp.EnhancedCode{5, 6, 7}, "The next server does not take internationalized mail (SMTPUTF8)")
	refuseRequireTLS = smtp.NewReply(550, smtp.EnhancedCode{5, 7, 30}, "REQUIRETLS was asked for, the next server does not offer it")
	refuseDeliverBy  = smtp.NewReply(554, smtp.EnhancedCode{5, 3, 3}, "The message must come back when it is late (BY=...;R), the next server does not offer DELIVERBY")
	refuseSize       = smtp.NewReply(552, smtp.EnhancedCode{5, 3, 4}, "The message is too big for the next server")
	refuse8Bit       = smtp.NewReply(554, smtp.EnhancedCode{5, 6, 3}, "The next server does not take 8-bit data (8BITMIME), and conversion is not done")
	refuseSyntax     = smtp.NewReply(553, smtp.EnhancedCode{5, 1, 7}, "The domain is no domain")
	refuseRcptMax    = smtp.NewReply(452, smtp.EnhancedCode{4, 5, 3}, "Too many recipients for the next server")
)

// foreign tells whether the server cannot be given the address. A domain
// alone can be written in ASCII (RFC 5891 section 4.4).
func (x *Extensions) foreign(a smtp.Address) bool {
	if x.SMTPUTF8 || a.IsASCII() {
		return false
	}
	b := x.write(a)
	return !b.IsASCII()
}

// write returns the address as the server is given it.
func (x *Extensions) write(a smtp.Address) smtp.Address {
	if x.SMTPUTF8 || a.IsASCII() {
		return a
	}
	if d, err := smtp.ASCIIDomain(a.Domain); err == nil {
		a.Domain = d
	}
	return a
}

// unsafe tells whether the domain has what could leave its path: no parser
// lets that in.
func unsafe(domain string) bool {
	for i := range len(domain) {
		if c := domain[i]; c <= ' ' || c == 0x7f || c == '<' || c == '>' {
			return true
		}
	}
	return false
}

// params keeps of p what the server understands. The refusals were made
// before; what is dropped here is only ever a wish (RFC 3461 section 4). body
// is what the sender of the message declared.
func (x *Extensions) params(p smtp.MailParams, body smtp.BodyType) smtp.MailParams {
	p.Auth = nil // our word for a submitter that the server need not trust
	p.Size = max(0, p.Size)
	if !x.HasSize {
		p.Size = 0
	}
	if x.EightBitMIME && body == smtp.Body8BitMIME {
		p.Body = body
	}
	if !x.DSN {
		p.Return, p.EnvelopeID = smtp.ReturnUnset, ""
	}
	p.SMTPUTF8 = p.SMTPUTF8 && x.SMTPUTF8
	p.PRDR = p.PRDR && x.PRDR
	if !x.Priority {
		p.Priority = 0
	}
	switch by := &p.DeliverBy; {
	case !x.DeliverBy:
		*by = smtp.DeliverBy{}
	case by.Return: // no time at all is no value of this mode (RFC 2852 section 4)
		by.Within = max(by.Within, time.Second)
	}
	p.HoldFor, p.HoldUntil = 0, time.Time{} // our queue has held it
	return p
}
