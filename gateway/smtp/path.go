package smtp

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Syntax is a set of things that an address parser lets pass beyond RFC 5321.
type Syntax uint8

const (
	// UTF8 allows what RFC 6531 adds: UTF-8 local parts and U-label domains.
	UTF8 Syntax = 1 << iota
	// Underscore allows "_" in domain labels, which real names have.
	Underscore
	// Lax allows a path without angle brackets and spaces before it, as most
	// servers do.
	Lax
)

// SyntaxError says in plain words what is wrong with an address.
type SyntaxError string

func (e SyntaxError) Error() string { return string(e) }

// The ways in which an address is wrong.
const (
	errNoBracket  = SyntaxError("the address is not in angle brackets")
	errUnclosed   = SyntaxError("the address has no closing angle bracket")
	errAfterPath  = SyntaxError("something follows the address without a space")
	errPathLong   = SyntaxError("the address is longer than 256 octets")
	errRoute      = SyntaxError("the source route is malformed")
	errNoAt       = SyntaxError("the address has no domain")
	errNoLocal    = SyntaxError("the address has no local part")
	errLocal      = SyntaxError("the local part has a character that is not allowed there")
	errDots       = SyntaxError("the local part has a dot at its start or end or two in a row")
	errQuote      = SyntaxError("the quoted local part is malformed")
	errLocalLong  = SyntaxError("the local part is longer than 64 octets")
	errDomain     = SyntaxError("the domain is malformed")
	errLabelLong  = SyntaxError("a label of the domain is longer than 63 octets")
	errDomainLong = SyntaxError("the domain is longer than 255 octets")
	errLiteral    = SyntaxError("the address literal is malformed")
	errIDNA       = SyntaxError("the internationalised domain is not valid")
	errUTF8       = SyntaxError("the address has characters that are not valid UTF-8 text")
	errNotASCII   = SyntaxError("the address is not ASCII")
)

// ParseReversePath parses a Reverse-path at the start of s, with its angle
// brackets, and returns what follows it, which is empty or begins with a
// space. Source routes are dropped (RFC 5321 appendix C). The error is a
// Reply: 501 5.1.7, or 553 5.6.7 for non-ASCII without UTF8.
func ParseReversePath(s string, syn Syntax) (ReversePath, string, error) {
	if syn&Lax != 0 {
		s = strings.TrimLeft(s, " ")
	}
	if strings.HasPrefix(s, "<>") {
		rest := s[2:]
		if rest != "" && rest[0] != ' ' {
			return ReversePath{}, "", pathReply(errAfterPath, "sender", EnhancedCode{5, 1, 7})
		}
		return ReversePath{}, rest, nil
	}
	a, rest, err := parsePath(s, syn)
	if err != nil {
		return ReversePath{}, "", pathReply(err, "sender", EnhancedCode{5, 1, 7})
	}
	return ReversePath{a}, rest, nil
}

// ParseForwardPath parses a Forward-path as ParseReversePath does, and
// <Postmaster> without a domain in any case. The error is a Reply: 501 5.1.3,
// or 553 5.6.7.
func ParseForwardPath(s string, syn Syntax) (ForwardPath, string, error) {
	if syn&Lax != 0 {
		s = strings.TrimLeft(s, " ")
	}
	const postmaster = "<postmaster>"
	if len(s) >= len(postmaster) && strings.EqualFold(s[:len(postmaster)], postmaster) {
		rest := s[len(postmaster):]
		if rest == "" || rest[0] == ' ' {
			return ForwardPath{Address{Local: s[1 : len(postmaster)-1]}}, rest, nil
		}
	}
	a, rest, err := parsePath(s, syn)
	if err != nil {
		return ForwardPath{}, "", pathReply(err, "recipient", EnhancedCode{5, 1, 3})
	}
	return ForwardPath{a}, rest, nil
}

func pathReply(err error, whose string, code EnhancedCode) Reply {
	if err == errNotASCII {
		// RFC 6531 section 3.5.
		return NewReply(553, EnhancedCode{5, 6, 7}, whose+" address is not ASCII, which needs SMTPUTF8")
	}
	return NewReply(501, code, "bad "+whose+" address: "+err.Error())
}

func parsePath(s string, syn Syntax) (Address, string, error) {
	bracket := strings.HasPrefix(s, "<")
	if !bracket && syn&Lax == 0 {
		return Address{}, "", errNoBracket
	}
	in := s
	if bracket {
		in = s[1:]
		if strings.HasPrefix(in, "@") {
			var err error
			if in, err = skipRoute(in, syn); err != nil {
				return Address{}, "", err
			}
		}
	}
	a, rest, err := parseMailbox(in, syn)
	if err != nil {
		return Address{}, "", err
	}
	if bracket {
		if !strings.HasPrefix(rest, ">") {
			if rest != "" {
				return Address{}, "", errDomain
			}
			return Address{}, "", errUnclosed
		}
		rest = rest[1:]
	}
	if rest != "" && rest[0] != ' ' {
		return Address{}, "", errAfterPath
	}
	n := len(s) - len(rest)
	if !bracket {
		n += 2
	}
	if n > MaxPath { // RFC 5321 section 4.5.3.1.3
		return Address{}, "", errPathLong
	}
	return a, rest, nil
}

// skipRoute drops an A-d-l: "@a.example,@b.example:".
func skipRoute(s string, syn Syntax) (string, error) {
	for {
		if !strings.HasPrefix(s, "@") {
			return "", errRoute
		}
		n := domainEnd(s[1:])
		if err := checkDomain(s[1:1+n], syn); err != nil {
			return "", errRoute
		}
		s = s[1+n:]
		switch {
		case strings.HasPrefix(s, ":"):
			return s[1:], nil
		case strings.HasPrefix(s, ","):
			s = s[1:]
		default:
			return "", errRoute
		}
	}
}

// ParseMailbox parses a Mailbox (RFC 5321 section 4.1.2) that is all of s,
// without angle brackets. The error is a SyntaxError.
func ParseMailbox(s string, syn Syntax) (Address, error) {
	a, rest, err := parseMailbox(s, syn)
	if err != nil {
		return Address{}, err
	}
	if rest != "" {
		return Address{}, errDomain
	}
	if len(s)+2 > MaxPath {
		return Address{}, errPathLong
	}
	return a, nil
}

func parseMailbox(s string, syn Syntax) (Address, string, error) {
	local, rest, err := parseLocal(s, syn)
	if err != nil {
		return Address{}, "", err
	}
	if !strings.HasPrefix(rest, "@") {
		if rest == "" || rest[0] == '>' || rest[0] == ' ' {
			return Address{}, "", errNoAt
		}
		return Address{}, "", errLocal
	}
	if len(s)-len(rest) > MaxLocalPart { // as written, with quotes: RFC 5321 section 4.5.3.1.1
		return Address{}, "", errLocalLong
	}
	rest = rest[1:]
	n := domainEnd(rest)
	if err := checkDomain(rest[:n], syn); err != nil {
		return Address{}, "", err
	}
	return Address{Local: local, Domain: rest[:n]}, rest[n:], nil
}

func parseLocal(s string, syn Syntax) (local, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		return parseQuoted(s, syn)
	}
	i := 0
	for i < len(s) {
		c := s[i]
		if c < 0x80 {
			if c != '.' && !isAtext(c) {
				break
			}
			i++
			continue
		}
		n, err := utf8Len(s[i:], syn)
		if err != nil {
			return "", "", err
		}
		i += n
	}
	local = s[:i]
	if local == "" {
		if s == "" || s[0] == '@' || s[0] == '>' {
			return "", "", errNoLocal
		}
		return "", "", errLocal
	}
	if local[0] == '.' || local[i-1] == '.' || strings.Contains(local, "..") {
		return "", "", errDots
	}
	return local, s[i:], nil
}

// parseQuoted parses a Quoted-string and takes its quotes off.
func parseQuoted(s string, syn Syntax) (local, rest string, err error) {
	escaped := false
	for i := 1; i < len(s); {
		c := s[i]
		switch {
		case c == '"':
			if local = s[1:i]; escaped {
				local = unescape(local)
			}
			return local, s[i+1:], nil
		case c == '\\': // quoted-pairSMTP
			if i+1 >= len(s) || s[i+1] < ' ' || s[i+1] > '~' {
				return "", "", errQuote
			}
			escaped = true
			i += 2
		case c < ' ' || c == 0x7f:
			return "", "", errQuote
		case c < 0x80:
			i++
		default:
			n, err := utf8Len(s[i:], syn)
			if err != nil {
				return "", "", err
			}
			i += n
		}
	}
	return "", "", errQuote
}

func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// utf8Len returns the length of the UTF8-non-ascii character at the start of
// s. Controls and line separators are no text.
func utf8Len(s string, syn Syntax) (int, error) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n <= 1 {
		return 0, errUTF8
	}
	if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
		return 0, errUTF8
	}
	if syn&UTF8 == 0 {
		return 0, errNotASCII
	}
	return n, nil
}
