package smtp

import (
	"math"
	"strings"
)

// Bounds of parameter values (RFC 3461 sections 4.4 and 4.2).
const (
	MaxEnvelopeID        = 100
	MaxOriginalRecipient = 500
)

// ParseMail parses what follows the verb MAIL: "FROM:<path> parameters". The
// error is a Reply; 555 5.5.4 for a parameter whose extension is not in ext,
// 501 5.5.4 for one with a bad value or given twice.
func ParseMail(arg string, syn Syntax, ext Extension) (ReversePath, MailParams, error) {
	rest, ok := cutKeyword(arg, "FROM:")
	if !ok {
		return ReversePath{}, MailParams{}, NewReply(501, EnhancedCode{5, 5, 4}, "the form is MAIL FROM:<address>")
	}
	from, rest, err := ParseReversePath(rest, syn|UTF8)
	if err != nil {
		return ReversePath{}, MailParams{}, err
	}
	var p MailParams
	if err := p.parse(rest, ext); err != nil {
		return ReversePath{}, MailParams{}, err
	}
	if !p.SMTPUTF8 && !from.IsASCII() {
		return ReversePath{}, MailParams{}, pathReply(errNotASCII, "sender", EnhancedCode{})
	}
	return from, p, nil
}

// ParseRcpt parses what follows the verb RCPT: "TO:<path> parameters". syn
// has UTF8 when MAIL said SMTPUTF8. The error is a Reply as ParseMail's.
func ParseRcpt(arg string, syn Syntax, ext Extension) (ForwardPath, RcptParams, error) {
	rest, ok := cutKeyword(arg, "TO:")
	if !ok {
		return ForwardPath{}, RcptParams{}, NewReply(501, EnhancedCode{5, 5, 4}, "the form is RCPT TO:<address>")
	}
	to, rest, err := ParseForwardPath(rest, syn)
	if err != nil {
		return ForwardPath{}, RcptParams{}, err
	}
	var p RcptParams
	if err := p.parse(rest, ext, syn&UTF8 != 0); err != nil {
		return ForwardPath{}, RcptParams{}, err
	}
	return to, p, nil
}

func cutKeyword(s, keyword string) (string, bool) {
	if len(s) < len(keyword) || !strings.EqualFold(s[:len(keyword)], keyword) {
		return "", false
	}
	return s[len(keyword):], true
}

// nextParam takes one esmtp-param off s (RFC 5321 section 4.1.2).
func nextParam(s string) (name, value string, hasValue bool, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	if s == "" {
		return "", "", false, "", nil
	}
	word := s
	if i := strings.IndexByte(s, ' '); i >= 0 {
		word, rest = s[:i], s[i:]
	}
	name, value, hasValue = strings.Cut(word, "=")
	for i := range len(name) {
		if c := name[i]; !isAlnum(c) && (c != '-' || i == 0) {
			return "", "", false, "", badParam("a parameter's name is malformed")
		}
	}
	if name == "" {
		return "", "", false, "", badParam("a parameter has no name")
	}
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c == '=' || c == 0x7f {
			return "", "", false, "", badParam("the value of " + strings.ToUpper(name) + " is malformed")
		}
	}
	return strings.ToUpper(name), value, hasValue, rest, nil
}

func badParam(text string) Reply { return NewReply(501, EnhancedCode{5, 5, 4}, text) }

func unknownParam(name string) Reply {
	if len(name) > 40 {
		name = name[:40]
	}
	return NewReply(555, EnhancedCode{5, 5, 4}, "parameter "+name+" is not offered")
}

// paramSet finds parameters that are given twice.
type paramSet uint16

func (s *paramSet) add(bit paramSet, name string) error {
	if *s&bit != 0 {
		return badParam("parameter " + name + " is given twice")
	}
	*s |= bit
	return nil
}

func (p *MailParams) parse(s string, ext Extension) error {
	var seen paramSet
	for {
		name, value, hasValue, rest, err := nextParam(s)
		if err != nil || name == "" {
			return err
		}
		s = rest
		i, need, flag := mailParam(name)
		if i == 0 || !ext.Has(need) {
			return unknownParam(name)
		}
		if err := seen.add(i, name); err != nil {
			return err
		}
		if flag == hasValue || hasValue && value == "" {
			return badParam("the value of " + name + " is not valid")
		}
		if !p.set(name, value) {
			return badParam("the value of " + name + " is not valid")
		}
	}
}

// mailParam returns the bit of a parameter of MAIL, the extension that brings
// it, and whether it is one without a value; 0 when it is unknown.
func mailParam(name string) (bit paramSet, need Extension, flag bool) {
	switch name {
	case "SIZE":
		return 1, ExtSize, false
	case "BODY":
		return 2, Ext8BitMIME, false
	case "SMTPUTF8":
		return 4, ExtSMTPUTF8, true
	case "RET":
		return 8, ExtDSN, false
	case "ENVID":
		return 16, ExtDSN, false
	case "AUTH":
		return 32, ExtAuth, false
	case "REQUIRETLS":
		return 64, ExtRequireTLS, true
	case "PRDR":
		return 128, ExtPRDR, true
	case "MT-PRIORITY":
		return 256, ExtPriority, false
	case "HOLDFOR", "HOLDUNTIL": // one of them (RFC 4865 section 5)
		return 512, ExtFutureRelease, false
	case "BY":
		return 1024, ExtDeliverBy, false
	}
	return 0, 0, false
}

func (p *MailParams) set(name, value string) (ok bool) {
	switch name {
	case "SIZE":
		p.Size, ok = parseSize(value)
	case "BODY":
		ok = true
		switch {
		case strings.EqualFold(value, "8BITMIME"):
			p.Body = Body8BitMIME
		case !strings.EqualFold(value, "7BIT"):
			ok = false
		}
	case "SMTPUTF8":
		p.SMTPUTF8, ok = true, true
	case "RET":
		switch {
		case strings.EqualFold(value, "FULL"):
			p.Return, ok = ReturnFull, true
		case strings.EqualFold(value, "HDRS"):
			p.Return, ok = ReturnHeaders, true
		}
	case "ENVID":
		if len(value) <= MaxEnvelopeID {
			p.EnvelopeID, ok = ParseXtext(value)
		}
	case "AUTH":
		p.Auth, ok = parseAuth(value)
	case "REQUIRETLS":
		p.RequireTLS, ok = true, true
	case "PRDR":
		p.PRDR, ok = true, true
	case "MT-PRIORITY":
		p.Priority, ok = parsePriority(value)
	case "HOLDFOR":
		p.HoldFor, ok = parseSeconds(value)
		ok = ok && p.HoldFor > 0
	case "HOLDUNTIL":
		p.HoldUntil, ok = parseHoldUntil(value)
	case "BY":
		p.DeliverBy, ok = parseDeliverBy(value)
	}
	return ok
}

// parseSize reads 1*20DIGIT (RFC 1870 section 4); what int64 cannot hold is
// larger than any limit.
func parseSize(s string) (int64, bool) {
	if s == "" || len(s) > 20 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64
			continue
		}
		if n != math.MaxInt64 {
			n = n*10 + int64(s[i]-'0')
		}
	}
	return n, true
}

func parseAuth(value string) (*Address, bool) {
	if value == "<>" {
		return &Address{}, true
	}
	s, ok := ParseXtext(value)
	if !ok {
		return nil, false
	}
	a, err := ParseMailbox(s, UTF8|Underscore)
	return &a, err == nil
}

func (p *RcptParams) parse(s string, ext Extension, utf8 bool) error {
	var seen paramSet
	for {
		name, value, _, rest, err := nextParam(s)
		if err != nil || name == "" {
			return err
		}
		s = rest
		ok := false
		switch {
		case name == "NOTIFY" && ext.Has(ExtDSN):
			err = seen.add(1, name)
			p.Notify, ok = parseNotify(value)
		case name == "ORCPT" && ext.Has(ExtDSN):
			err = seen.add(2, name)
			ok = p.parseOrcpt(value, utf8)
		default:
			return unknownParam(name)
		}
		if err != nil {
			return err
		}
		if !ok {
			return badParam("the value of " + name + " is not valid")
		}
	}
}

func parseNotify(s string) (Notify, bool) {
	if strings.EqualFold(s, "NEVER") {
		return NotifyNever, true
	}
	var n Notify
	for s != "" {
		word, rest, more := strings.Cut(s, ",")
		switch {
		case strings.EqualFold(word, "SUCCESS"):
			n |= NotifySuccess
		case strings.EqualFold(word, "FAILURE"):
			n |= NotifyFailure
		case strings.EqualFold(word, "DELAY"):
			n |= NotifyDelay
		default:
			return 0, false
		}
		if more && rest == "" {
			return 0, false
		}
		s = rest
	}
	return n, n != 0
}

func (p *RcptParams) parseOrcpt(s string, unitext bool) bool {
	typ, addr, ok := strings.Cut(s, ";")
	if !ok || typ == "" || addr == "" || len(s) > MaxOriginalRecipient {
		return false
	}
	for i := range len(typ) {
		if !isAtext(typ[i]) {
			return false
		}
	}
	p.OriginalType = strings.ToLower(typ)
	if p.OriginalType == "utf-8" {
		p.OriginalAddress, ok = ParseUTF8Xtext(addr, unitext)
	} else {
		p.OriginalAddress, ok = ParseXtext(addr)
	}
	return ok
}
