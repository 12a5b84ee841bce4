package mailauth

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// spfKind is a mechanism (RFC 7208 section 5).
type spfKind uint8

const (
	spfAll spfKind = iota + 1
	spfInclude
	spfA
	spfMX
	spfPTR
	spfIP4
	spfIP6
	spfExists
)

var spfKinds = [...]string{"", "all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"}

// spfTerm is one directive.
type spfTerm struct {
	text         string // as published
	qualifier    byte   // '+', '-', '~', '?'
	kind         spfKind
	spec         string       // domain-spec; "" : the current domain
	network      netip.Prefix // ip4, ip6
	cidr4, cidr6 uint8        // a, mx
}

// spfRecord is a record that is free of syntax errors. Unknown modifiers are
// left out.
type spfRecord struct {
	terms         []spfTerm
	redirect, exp string // domain-spec; "" : none
}

const spfVersion = "v=spf1"

// isSPFRecord tells whether a TXT record is for us (RFC 7208 section 4.5).
func isSPFRecord(s string) bool {
	return len(s) >= len(spfVersion) && strings.EqualFold(s[:len(spfVersion)], spfVersion) &&
		(len(s) == len(spfVersion) || s[len(spfVersion)] == ' ')
}

// parseSPFRecord parses the whole record before anything of it is evaluated
// (RFC 7208 section 4.6).
func parseSPFRecord(s string) (*spfRecord, error) {
	if !isSPFRecord(s) {
		return nil, errors.New("not an SPF record")
	}
	if len(s) > SPFMaxRecord {
		return nil, fmt.Errorf("record of %d octets, %d are taken", len(s), SPFMaxRecord)
	}
	rec := &spfRecord{}
	for text := range strings.SplitSeq(s[len(spfVersion):], " ") {
		if text == "" { // terms are separated by one or more spaces
			continue
		}
		if err := rec.parseTerm(text); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
	}
	return rec, nil
}

// parseTerm parses a directive or modifier: a modifier has "=" right after
// its name.
func (rec *spfRecord) parseTerm(text string) error {
	if i := nameLen(text); i > 0 && i < len(text) && text[i] == '=' {
		return rec.parseModifier(text[:i], text[i+1:])
	}
	t, err := parseDirective(text)
	if err != nil {
		return err
	}
	rec.terms = append(rec.terms, t)
	return nil
}

// nameLen measures name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ).
func nameLen(s string) int {
	if s == "" || !isAlpha(s[0]) {
		return 0
	}
	i := 1
	for i < len(s) && (isAlnum(s[i]) || s[i] == '-' || s[i] == '_' || s[i] == '.') {
		i++
	}
	return i
}

// parseModifier parses what follows "name=" (RFC 7208 section 6).
func (rec *spfRecord) parseModifier(name, value string) error {
	to := &rec.exp
	switch strings.ToLower(name) {
	case "redirect":
		to = &rec.redirect
	case "exp":
	default:
		_, err := checkMacros(value, false) // unknown modifiers are ignored, their syntax is not
		return err
	}
	if *to != "" {
		return errors.New("given twice")
	}
	*to = value
	return checkDomainSpec(value)
}

// parseDirective parses [ qualifier ] mechanism.
func parseDirective(text string) (spfTerm, error) {
	t := spfTerm{text: text, qualifier: '+', cidr4: 32, cidr6: 128}
	s := text
	if strings.IndexByte("+-~?", s[0]) >= 0 {
		t.qualifier, s = s[0], s[1:]
	}
	end := strings.IndexAny(s, ":/")
	if end < 0 {
		end = len(s)
	}
	name, arg := strings.ToLower(s[:end]), s[end:]
	for k := spfAll; k <= spfExists; k++ {
		if spfKinds[k] == name {
			t.kind = k
			return t, t.parseArgument(arg)
		}
	}
	return t, errors.New("unknown mechanism")
}

// parseArgument parses what follows the mechanism's name, with its ":" or "/".
func (t *spfTerm) parseArgument(arg string) (err error) {
	value, colon := strings.CutPrefix(arg, ":")
	switch t.kind {
	case spfAll:
		if arg != "" {
			return errors.New("all takes no argument")
		}
		return nil
	case spfIP4, spfIP6:
		if !colon {
			return errors.New("no network")
		}
		t.network, err = parseNetwork(value, t.kind == spfIP4)
		return err
	case spfA, spfMX:
		if value, err = t.parseDualCIDR(value); err != nil {
			return err
		}
		fallthrough
	case spfPTR:
		if !colon {
			if value != "" {
				return errors.New("no prefix length is allowed here")
			}
			return nil
		}
	case spfInclude, spfExists:
		if !colon {
			return errors.New("no domain")
		}
	}
	t.spec = value
	return checkDomainSpec(value)
}

// parseDualCIDR takes dual-cidr-length off the end of s, if it is there:
// [ "/" digits ] [ "//" digits ].
func (t *spfTerm) parseDualCIDR(s string) (rest string, err error) {
	rest, digits, ok := cutCIDR(s)
	if !ok {
		return s, nil
	}
	if strings.HasSuffix(rest, "/") {
		if t.cidr6, err = parseCIDR(digits, 128); err != nil {
			return s, err
		}
		rest = rest[:len(rest)-1]
		var r4 string
		if r4, digits, ok = cutCIDR(rest); !ok {
			return rest, nil
		}
		rest = r4
	}
	t.cidr4, err = parseCIDR(digits, 32)
	return rest, err
}

// cutCIDR splits "/" and digits off the end of s.
func cutCIDR(s string) (rest, digits string, ok bool) {
	i := len(s)
	for i > 0 && isDigit(s[i-1]) {
		i--
	}
	if i == len(s) || i == 0 || s[i-1] != '/' {
		return s, "", false
	}
	return s[:i-1], s[i:], true
}

// parseCIDR parses a prefix length without leading zeros.
func parseCIDR(s string, most int) (uint8, error) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || int(n) > most || len(s) > 1 && s[0] == '0' {
		return 0, fmt.Errorf("prefix length %q is not 0 to %d", s, most)
	}
	return uint8(n), nil
}

// parseNetwork parses ip4-network or ip6-network with its prefix length.
func parseNetwork(s string, v4 bool) (netip.Prefix, error) {
	most := 128
	if v4 {
		most = 32
	}
	bits := uint8(most)
	addr, length, ok := strings.Cut(s, "/")
	if ok {
		var err error
		if bits, err = parseCIDR(length, most); err != nil {
			return netip.Prefix{}, err
		}
	}
	ip, err := netip.ParseAddr(addr)
	if err != nil || ip.Is4() != v4 || ip.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is no address of the kind", addr)
	}
	return netip.PrefixFrom(ip, int(bits)), nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isAlnum(c byte) bool { return isDigit(c) || isAlpha(c) }
