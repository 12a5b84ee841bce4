package sieve

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// str is a string of a script: constant, or with variables.
type str struct {
	Pos
	text  string
	parts []part // nil: text is all
}

// part is a piece of a string.
type part struct {
	text  string
	name  string // of a variable, in lower case
	match int    // number of a match variable, -1 : none
	space string // namespace
}

// str compiles a string: encoded characters first, then variables.
func (c *compiler) str(p Pos, text string) *str {
	if c.required["encoded-character"] {
		var bad string
		if text, bad = decodeChars(text); bad != "" {
			c.errorf(p, "invalid unicode character in %s", bad)
			return nil
		}
	}
	s := &str{Pos: p, text: text}
	if c.required["variables"] {
		return c.variables(s)
	}
	return s
}

// decodeChars replaces ${hex: } and ${unicode: } (RFC 5228 section 2.4.2.4).
// bad is a Unicode number that there is not.
func decodeChars(s string) (out, bad string) {
	if !strings.Contains(s, "${") {
		return s, ""
	}
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), ""
		}
		b.WriteString(s[:i])
		s = s[i:]
		chars, n, bad := encodedChars(s)
		if bad {
			return "", s[:n]
		}
		if n == 0 {
			b.WriteString("${")
			s = s[2:]
			continue
		}
		b.WriteString(chars)
		s = s[n:]
	}
}

// encodedChars reads an encoded-character at the beginning of s; n is 0 when
// it is none.
func encodedChars(s string) (out string, n int, bad bool) {
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return "", 0, false
	}
	kind, list, ok := strings.Cut(s[2:end], ":")
	if !ok {
		return "", 0, false
	}
	unicode := strings.EqualFold(kind, "unicode")
	if !unicode && !strings.EqualFold(kind, "hex") {
		return "", 0, false
	}
	var b []byte
	words := strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' })
	if len(words) == 0 {
		return "", 0, false
	}
	for _, w := range words {
		if strings.Trim(w, "0123456789abcdefABCDEF") != "" || !unicode && len(w) > 2 {
			return "", 0, false
		}
		v, err := strconv.ParseUint(w, 16, 64)
		switch {
		case !unicode:
			b = append(b, byte(v))
		case err != nil || v > utf8.MaxRune || v >= 0xd800 && v < 0xe000:
			bad = true
		default:
			b = utf8.AppendRune(b, rune(v))
		}
	}
	return string(b), end + 1, bad
}

// variables finds the variables in s (RFC 5229 section 3); nil after an error.
func (c *compiler) variables(s *str) *str {
	text, from := s.text, 0
	var parts []part
	for at := 0; ; {
		i := strings.Index(text[at:], "${")
		if i < 0 {
			break
		}
		i += at
		p, n := variableRef(text[i:])
		if n == 0 {
			at = i + 2
			continue
		}
		if p.match > maxMatch {
			c.errorf(s.Pos, "match variable %s is above the limit of %d", text[i:i+n], maxMatch)
			return nil
		}
		if p.space != "" && !c.namespace(s.Pos, p) {
			return nil
		}
		if i > from {
			parts = append(parts, part{text: text[from:i], match: -1})
		}
		parts = append(parts, p)
		at = i + n
		from = at
	}
	if parts == nil {
		return s
	}
	if from < len(text) {
		parts = append(parts, part{text: text[from:], match: -1})
	}
	s.parts = parts
	return s
}

// namespace tells whether a script may use the namespace.
func (c *compiler) namespace(p Pos, v part) bool {
	switch {
	case v.space == "global" && c.has("include"), v.space == "tst" && c.suite:
		return true
	case strings.HasPrefix(v.space, "env") && c.has("vnd.dovecot.environment"):
		return true
	}
	c.errorf(p, "unknown variable namespace '%s' in ${%s.%s}", v.space, v.space, v.name)
	return false
}

// variableRef reads a variable reference at the beginning of s; n is 0 when it
// is none.
func variableRef(s string) (p part, n int) {
	end := strings.IndexByte(s, '}')
	if end < 3 || end > 2+8*maxIdentifier {
		return p, 0
	}
	name := strings.ToLower(s[2:end])
	p.match = -1
	if name[0] >= '0' && name[0] <= '9' {
		if strings.Trim(name, "0123456789") != "" {
			return p, 0
		}
		v, err := strconv.Atoi(name)
		if err != nil {
			v = maxMatch + 1
		}
		p.match = v
		return p, end + 1
	}
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		p.space, name = name[:i], name[i+1:]
		for w := range strings.SplitSeq(p.space, ".") {
			if !validName(w) {
				return p, 0
			}
		}
	}
	if !validName(name) {
		return p, 0
	}
	p.name = name
	return p, end + 1
}

// validName tells whether s is an identifier.
func validName(s string) bool {
	if s == "" || !isNameStart(s[0]) {
		return false
	}
	for i := range len(s) {
		if !isName(s[i]) {
			return false
		}
	}
	return true
}

// constant returns the string where it has no variables.
func (s *str) constant() (string, bool) { return s.text, s.parts == nil }

// String returns what the script says, for the trace.
func (s *str) String() string { return fmt.Sprintf("%q", s.text) }

// eval returns the string with its variables replaced.
func (s *str) eval(r *run) (string, error) {
	if s.parts == nil {
		return s.text, nil
	}
	var b strings.Builder
	for i := range s.parts {
		v := s.parts[i].value(r)
		if b.Len()+len(v) > r.opt.Variables {
			return "", r.limit(s.Pos, "a string with its variables is longer than %d octets", r.opt.Variables)
		}
		b.WriteString(v)
	}
	return b.String(), r.spend(b.Len())
}

func (p *part) value(r *run) string {
	switch {
	case p.match >= 0:
		if p.match < len(r.frame.match) {
			return r.frame.match[p.match]
		}
		return ""
	case p.name == "":
		return p.text
	case p.space == "global":
		return r.globals[p.name]
	case p.space != "":
		return r.namespace(p.space, p.name)
	}
	return r.get(p.name)
}

// evalAll returns all strings of a list.
func evalAll(r *run, list []*str) ([]string, error) {
	out := make([]string, len(list))
	for i, s := range list {
		v, err := s.eval(r)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// constants returns the strings of a list where none has variables.
func constants(list []*str) ([]string, bool) {
	out := make([]string, len(list))
	for i, s := range list {
		if s.parts != nil {
			return nil, false
		}
		out[i] = s.text
	}
	return out, true
}
