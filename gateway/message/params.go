package message

import (
	"strconv"
	"strings"
)

// Bounds of a Content-Type or Content-Disposition value.
const (
	maxParams      = 64   // parameters; those after them are not read
	maxParamSize   = 4096 // octets of a decoded parameter value
	maxContentLine = 32 << 10
)

// param is one parameter as it came, its name in lower case.
type param struct {
	name, value string
	loose       string // unquoted value to the next semicolon, where that differs
	literal     string // unquoted value with its comment, where there is one
	unmarked    bool   // no semicolon before it
}

// contentValue is a parsed Content-Type or Content-Disposition.
type contentValue struct {
	value  string // before the first semicolon, comments left out, lower case
	params []param
	odd    bool // readers may differ about it
	over   bool // a bound kept something from being read
}

// parseContent parses "value; name=value; ..." (RFC 2045 section 5.1) without
// ever failing.
func parseContent(v string) contentValue {
	l := &lexer{s: v[:min(len(v), maxContentLine)]}
	c := contentValue{over: len(v) > maxContentLine}
	if l.skip() != "" {
		c.odd = true
	}
	c.value = lower(l.run(`;("=`))
	if l.peek() == '=' { // no value at all, a parameter comes first
		l.pos -= len(c.value)
		c.value, c.odd = "", true
	}
	for len(c.params) < maxParams {
		if l.skip() != "" {
			c.odd = true
		}
		if l.end() {
			break
		}
		marked := l.accept(';')
		l.skip()
		if !l.param(&c, !marked) && l.peek() != ';' && !l.end() {
			l.pos++
			c.odd = true
		}
	}
	c.over = c.over || !l.end()
	c.odd = c.odd || l.bad || c.over
	return c
}

// param reads one parameter; it takes nothing when there is none.
func (l *lexer) param(c *contentValue, unmarked bool) bool {
	start := l.pos
	name := l.run(`;=("`)
	l.skip()
	if name == "" || !l.accept('=') {
		if name != "" {
			c.odd = c.odd || unmarked
			if len(c.params) == 0 && unmarked && (name[0] == '/' || strings.HasSuffix(c.value, "/")) {
				c.value += lower(name) // "text / plain"
			}
			return true
		}
		l.pos = start
		return false
	}
	l.skip()
	p := param{name: lower(name), unmarked: unmarked}
	if l.peek() == '"' {
		p.value = l.quoted()
	} else {
		p.value = l.run(`;("`)
		rest, _, _ := strings.Cut(l.s[l.pos:], ";")
		if full := strings.Trim(p.value+rest, " \t"); full != p.value && len(full) < maxParamSize {
			l.pos += len(rest)
			c.odd = true
			p.loose = full
			if strings.HasPrefix(rest, "(") {
				p.literal, _, _ = strings.Cut(full, " ")
			}
		}
	}
	c.odd = c.odd || unmarked || strings.ContainsAny(p.value, "\x00") || c.has(p.name) || strings.Contains(name, "*")
	c.params = append(c.params, p)
	return true
}

func (c *contentValue) has(name string) bool {
	for i := range c.params {
		if c.params[i].name == name {
			return true
		}
	}
	return false
}

// get returns the value of a parameter as the reading takes it: RFC 2231's
// extended forms before the plain one or after it or, for a strict reader's
// boundary, not at all; the first or the last.
func (c *contentValue) get(name string, r ReadingName) (string, bool) {
	simple, found := c.simple(name, r)
	if found && (r == Loose || r == Strict) || r == Strict && name == "boundary" {
		return simple, found
	}
	if v, ok := c.extended(name, r); ok {
		return v, true
	}
	return simple, found
}

// simple returns the parameter of just that name.
func (c *contentValue) simple(name string, r ReadingName) (v string, found bool) {
	for i := range c.params {
		p := &c.params[i]
		if p.name != name || p.unmarked && r == Strict {
			continue
		}
		if found && r != Last {
			break
		}
		v, found = p.value, true
		switch {
		case p.loose != "" && (r == Loose || r != Strict && strings.HasSuffix(name, "name")):
			v = p.loose
		case r == Strict && p.literal != "":
			v = p.literal
		}
		if r == Loose {
			v, _, _ = strings.Cut(v, "\x00")
		}
	}
	c.over = c.over || len(v) > maxParamSize
	return v[:min(len(v), maxParamSize)], found
}

// extended joins name*, name*0, name*0*, name*1, ... (RFC 2231 sections 3, 4).
func (c *contentValue) extended(name string, r ReadingName) (string, bool) {
	var segments [maxParams]*param
	var encoded [maxParams]bool
	n, found := 0, false
	for i := range c.params {
		p := &c.params[i]
		rest, ok := strings.CutPrefix(p.name, name+"*")
		if !ok {
			continue
		}
		k := 0
		num, enc := strings.CutSuffix(rest, "*")
		if rest == "" {
			enc = true
		} else if v, err := strconv.Atoi(num); err == nil && v >= 0 && v < maxParams {
			k = v
		} else {
			c.over = c.over || err == nil
			continue
		}
		if segments[k] != nil && r != Last {
			continue
		}
		segments[k], encoded[k], found = p, enc, true
		n = max(n, k+1)
	}
	if !found || segments[0] == nil {
		return "", false
	}
	v, over := joinSegments(segments[:n], encoded[:n])
	c.over = c.over || over
	return v, true
}

// joinSegments decodes and joins up to the first that is missing; over tells
// that the value was longer than what it returns.
func joinSegments(segments []*param, encoded []bool) (v string, over bool) {
	var b []byte
	charset := ""
	for i, p := range segments {
		if p == nil || len(b) > maxParamSize {
			break
		}
		v := p.value
		if !encoded[i] {
			b = append(b, v...)
			continue
		}
		if i == 0 {
			if cs, rest, ok := strings.Cut(v, "'"); ok {
				if _, text, ok := strings.Cut(rest, "'"); ok {
					charset, v = cs, text
				}
			}
		}
		b = appendPercent(b, v)
	}
	return decodeCharset(charset, b[:min(len(b), maxParamSize)]), len(b) > maxParamSize
}

func appendPercent(b []byte, v string) []byte {
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) && hexValue[v[i+1]] < 16 && hexValue[v[i+2]] < 16 {
			b = append(b, hexValue[v[i+1]]<<4|hexValue[v[i+2]])
			i += 2
			continue
		}
		b = append(b, v[i])
	}
	return b
}

// all returns every parameter by its name without RFC 2231's marks.
func (c *contentValue) all(r ReadingName) map[string]string {
	if len(c.params) == 0 {
		return nil
	}
	m := make(map[string]string, len(c.params))
	for i := range c.params {
		name, _, _ := strings.Cut(c.params[i].name, "*")
		if _, done := m[name]; done || name == "" {
			continue
		}
		if v, ok := c.get(name, r); ok {
			m[name] = v
		}
	}
	return m
}
