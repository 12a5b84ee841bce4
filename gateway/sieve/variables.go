package sieve

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// variableSpecs is RFC 5229, with :encodeurl of RFC 5435 section 6 and
// :quoteregex of the regex draft.
func variableSpecs() []spec {
	return []spec{
		{
			name: "set", ext: "variables", tags: modifierTags(),
			pos: []param{{aString, "variable name", true}, {aString, "value", false}}, command: compileSet,
		},
		{
			name: "string", ext: "variables", test: true, tags: matchTags(),
			pos: []param{{aStrings, "source", false}, {aStrings, "key list", false}}, check: compileString,
		},
	}
}

// modifierTags are the modifiers; those of one precedence exclude each other
// (RFC 5229 section 4.1).
func modifierTags() []tagSpec {
	return []tagSpec{
		{name: "lower", group: "modifier of :lower and :upper"},
		{name: "upper", group: "modifier of :lower and :upper"},
		{name: "lowerfirst", group: "modifier of :lowerfirst and :upperfirst"},
		{name: "upperfirst", group: "modifier of :lowerfirst and :upperfirst"},
		{name: "quotewildcard", group: "quoting modifier"},
		{name: "quoteregex", ext: "regex", group: "quoting modifier"},
		{name: "encodeurl", ext: "enotify"},
		{name: "length"},
	}
}

// modifiers in the order in which they are applied: the highest precedence
// first.
var modifiers = []string{"lower", "upper", "lowerfirst", "upperfirst", "quotewildcard", "quoteregex", "encodeurl", "length"}

type setCommand struct {
	Pos
	name      string
	value     *str
	modifiers []string
}

func compileSet(c *compiler, n *node, a *args) command {
	name, ok := c.variableName(a.pos[0].strs[0])
	if !ok {
		return nil
	}
	return &setCommand{n.Pos, name, a.pos[1].strs[0], a.modifiers()}
}

func (a *args) modifiers() []string {
	if len(a.tags) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(modifiers), func(m string) bool { return !a.has(m) })
}

func (s *setCommand) exec(r *run) error {
	v, err := s.value.eval(r)
	if err != nil {
		return r.at(s.Pos, err)
	}
	v = cut(v, r.opt.VariableSize)
	for _, m := range s.modifiers {
		v = modify(v, m, r.opt.VariableSize)
	}
	if r.env.Trace {
		r.note(s.Pos, "set %s to %q", s.name, cut(v, 200))
	}
	return r.set(s.Pos, s.name, v)
}

// modify applies a modifier. The result is not longer than limit: what is
// escaped is never cut in the middle of an escape.
func modify(v, modifier string, limit int) string {
	switch modifier {
	case "lower":
		return strings.ToLower(v)
	case "upper":
		return strings.ToUpper(v)
	case "lowerfirst", "upperfirst":
		_, n := utf8.DecodeRuneInString(v)
		if modifier == "lowerfirst" {
			return strings.ToLower(v[:n]) + v[n:]
		}
		return strings.ToUpper(v[:n]) + v[n:]
	case "quotewildcard":
		return escape(v, limit, func(c string) string {
			if c == "*" || c == "?" || c == `\` {
				return `\` + c
			}
			return c
		})
	case "quoteregex":
		return escape(v, limit, regexp.QuoteMeta)
	case "encodeurl":
		return escape(v, limit, encodeURL)
	case "length":
		return strconv.Itoa(utf8.RuneCountInString(v))
	}
	return v
}

// escape replaces each character, up to limit octets of the result.
func escape(v string, limit int, f func(string) string) string {
	var b strings.Builder
	for len(v) > 0 {
		_, n := utf8.DecodeRuneInString(v)
		e := f(v[:n])
		if b.Len()+len(e) > limit {
			break
		}
		b.WriteString(e)
		v = v[n:]
	}
	return b.String()
}

// encodeURL encodes the octets of a character but those that RFC 3986 calls
// unreserved.
func encodeURL(c string) string {
	if len(c) == 1 && (isName(c[0]) || strings.Contains("-.~", c)) {
		return c
	}
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := range len(c) {
		b = append(b, '%', hex[c[i]>>4], hex[c[i]&15])
	}
	return string(b)
}

type stringTest struct {
	source []*str
	m      *matcher
}

func compileString(c *compiler, n *node, a *args) test {
	m := c.matcher(n.Pos, a, a.pos[1].strs)
	if m == nil {
		return nil
	}
	return &stringTest{a.pos[0].strs, m}
}

// eval compares the strings; :count counts those that are not empty (RFC 5229
// section 5).
func (t *stringTest) eval(r *run) (bool, error) {
	values, err := evalAll(r, t.source)
	if err != nil {
		return false, err
	}
	if t.m.typ == matchCount {
		values = slices.DeleteFunc(values, func(s string) bool { return s == "" })
	}
	return t.m.any(r, values)
}
