package mailauth

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxExpansion bounds the octets that one macro string may grow to. A name
// uses the last 253 of them.
const maxExpansion = 8 << 10

var errMacro = errors.New("malformed macro")

// spfMacro is one macro-expand (RFC 7208 section 7.1).
type spfMacro struct {
	macro   bool // not text between macros
	letter  byte // lower case; 0: the literal is the value
	escape  bool // was upper case: the value is URL-escaped
	digits  int  // right-hand parts to keep; 0: all
	reverse bool
	delims  string // "" : "."
	literal string // of %%, %_ and %-, and text between macros
}

// nextMacro takes the first piece off s: text up to a "%", or one macro.
func nextMacro(s string) (m spfMacro, rest string, err error) {
	i := strings.IndexByte(s, '%')
	switch {
	case i < 0:
		return spfMacro{literal: s}, "", nil
	case i > 0:
		return spfMacro{literal: s[:i]}, s[i:], nil
	case len(s) < 2:
		return m, "", errMacro
	}
	switch s[1] {
	case '%':
		return spfMacro{macro: true, literal: "%"}, s[2:], nil
	case '_':
		return spfMacro{macro: true, literal: " "}, s[2:], nil
	case '-':
		return spfMacro{macro: true, literal: "%20"}, s[2:], nil
	case '{':
		body, rest, ok := strings.Cut(s[2:], "}")
		if !ok || body == "" {
			return m, "", errMacro
		}
		m, err = parseMacro(body)
		return m, rest, err
	}
	return m, "", errMacro
}

// parseMacro parses macro-letter transformers *delimiter.
func parseMacro(s string) (spfMacro, error) {
	m := spfMacro{macro: true, letter: s[0] | 0x20, escape: s[0] < 'a'}
	if !isAlpha(s[0]) || strings.IndexByte("slodiphcrtv", m.letter) < 0 {
		return m, fmt.Errorf("no macro has the letter %q", s[:1])
	}
	i := 1
	for i < len(s) && isDigit(s[i]) {
		// More parts than a name can have are all parts.
		m.digits = min(m.digits*10+int(s[i]-'0'), 1000)
		i++
	}
	if i > 1 && m.digits == 0 {
		return m, errors.New("macro keeps 0 parts")
	}
	if i < len(s) && s[i]|0x20 == 'r' {
		m.reverse = true
		i++
	}
	m.delims = s[i:]
	if strings.Trim(m.delims, ".-+,/_=") != "" {
		return m, fmt.Errorf("%q has no delimiters", m.delims)
	}
	return m, nil
}

// checkMacros checks the syntax of a macro-string, or of an explain-string
// with its spaces and letters of its own, and returns its last piece.
func checkMacros(s string, explain bool) (last spfMacro, err error) {
	for s != "" {
		m, rest, err := nextMacro(s)
		if err != nil {
			return m, err
		}
		if !explain && strings.IndexByte("crt", m.letter) >= 0 {
			return m, fmt.Errorf("%%{%c} is for explanations only", m.letter)
		}
		if !m.macro && !isMacroLiteral(m.literal, explain) {
			return m, errors.New("character that a record may not have")
		}
		last, s = m, rest
	}
	return last, nil
}

func isMacroLiteral(s string, space bool) bool {
	for i := range len(s) {
		if c := s[i]; (c <= ' ' || c > '~') && (c != ' ' || !space) {
			return false
		}
	}
	return true
}

// checkDomainSpec checks domain-spec: a macro-string that ends with a macro or
// with "." toplabel [ "." ].
func checkDomainSpec(s string) error {
	if s == "" {
		return errors.New("no domain")
	}
	last, err := checkMacros(s, false)
	if err != nil || last.macro {
		return err
	}
	s = strings.TrimSuffix(s, ".")
	i := strings.LastIndexByte(s, '.')
	if i < 0 || !isTopLabel(s[i+1:]) {
		return errors.New("does not end in a top-level domain")
	}
	return nil
}

// isTopLabel checks toplabel: letters, digits and inner hyphens, not digits
// alone.
func isTopLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	digits := true
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '-' {
			return false
		}
		digits = digits && isDigit(s[i])
	}
	return !digits
}

// expand expands the macros of s for the current domain. ok is false when it
// grew out of bounds.
func (c *spfCheck) expand(s, domain string) (out string, ok bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	var b []byte
	for s != "" {
		m, rest, err := nextMacro(s)
		if err != nil { // checked before
			return "", false
		}
		if m.letter == 0 {
			b = append(b, m.literal...)
		} else {
			b = m.append(b, c.macroValue(m.letter, domain))
		}
		if len(b) > maxExpansion {
			return "", false
		}
		s = rest
	}
	return string(b), true
}

// macroValue is what a letter stands for (RFC 7208 section 7.2).
func (c *spfCheck) macroValue(letter byte, domain string) string {
	switch letter {
	case 's':
		return c.local + "@" + c.sender
	case 'l':
		return c.local
	case 'o':
		return c.sender
	case 'd':
		return domain
	case 'i':
		return dottedIP(c.ip)
	case 'p':
		return c.validatedName(domain)
	case 'v':
		if c.ip.Is4() {
			return "in-addr"
		}
		return "ip6"
	case 'h':
		return c.helo
	case 'c':
		return c.ip.String()
	case 'r':
		if c.in.Receiver == "" {
			return "unknown"
		}
		return c.in.Receiver
	case 't':
		return strconv.FormatInt(c.in.Now.Unix(), 10)
	}
	return ""
}

// append appends the transformed value (RFC 7208 section 7.3).
func (m spfMacro) append(b []byte, value string) []byte {
	if m.digits > 0 || m.reverse || m.delims != "" {
		value = m.transform(value)
	}
	if !m.escape {
		return append(b, value...)
	}
	for i := range len(value) {
		if c := value[i]; isAlnum(c) || strings.IndexByte("-._~", c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return b
}

// transform splits value, reverses the parts, keeps the right-hand ones and
// joins them with dots.
func (m spfMacro) transform(value string) string {
	delims := m.delims
	if delims == "" {
		delims = "."
	}
	parts := []string{}
	for {
		i := strings.IndexAny(value, delims)
		if i < 0 {
			break
		}
		parts = append(parts, value[:i])
		value = value[i+1:]
	}
	parts = append(parts, value)
	if m.reverse {
		for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
			parts[i], parts[j] = parts[j], parts[i]
		}
	}
	if m.digits > 0 && m.digits < len(parts) {
		parts = parts[len(parts)-m.digits:]
	}
	return strings.Join(parts, ".")
}

// dottedIP is the value of %{i}: dotted quad, or 32 nibbles with dots between.
func dottedIP(ip netip.Addr) string {
	if ip.Is4() {
		return ip.String()
	}
	a := ip.As16()
	b := make([]byte, 0, 63)
	for i, o := range a {
		if i > 0 {
			b = append(b, '.')
		}
		b = append(b, "0123456789ABCDEF"[o>>4], '.', "0123456789ABCDEF"[o&15])
	}
	return string(b)
}
