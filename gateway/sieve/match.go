package sieve

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// comparator is how strings are compared (RFC 4790).
type comparator uint8

const (
	casemap    comparator = iota // i;ascii-casemap
	octet                        // i;octet
	numeric                      // i;ascii-numeric
	unicodemap                   // i;unicode-casemap (RFC 5051), without decomposition
)

// matchType is how a value and a key are put together.
type matchType uint8

const (
	matchIs matchType = iota
	matchContains
	matchMatches
	matchRegex
	matchList
	matchValue
	matchCount
)

// maxMatch is the highest number of a match variable.
const maxMatch = 32

// matcher compares values with keys.
type matcher struct {
	Pos
	comp comparator
	typ  matchType
	rel  string
	keys []*str
	made []key // of constant keys
}

// key is a key prepared for its comparison.
type key struct {
	text string // folded for casemap
	glob *glob
	re   *pattern
}

// matcher compiles the tags and keys of a test; nil after an error.
func (c *compiler) matcher(p Pos, a *args, keys []*str) *matcher {
	m := &matcher{Pos: p, keys: keys}
	if s := a.str("comparator"); s != nil && !c.comparator(m, s) {
		return nil
	}
	for i, tag := range []string{"is", "contains", "matches", "regex", "list", "value", "count"} {
		if a.has(tag) {
			m.typ = matchType(i)
		}
	}
	if s := a.str("value"); s != nil {
		m.rel = s.text
	}
	if s := a.str("count"); s != nil {
		m.rel = s.text
	}
	switch {
	case m.typ == matchList && a.has("comparator"): // RFC 6134 section 2.2
		c.errorf(p, "the tag :list takes no comparator")
		return nil
	case m.typ >= matchValue && !slices.Contains([]string{"gt", "ge", "lt", "le", "eq", "ne"}, strings.ToLower(m.rel)):
		c.add(p, fmt.Sprintf("unknown relation '%s'", m.rel), "gt, ge, lt, le, eq or ne")
		return nil
	case m.comp == numeric && m.typ > matchIs && m.typ < matchValue:
		c.add(p, "the comparator i;ascii-numeric compares whole values only", "use :is, :value or :count")
		return nil
	}
	m.rel = strings.ToLower(m.rel)
	return c.prepare(m)
}

// comparator looks the comparator up.
func (c *compiler) comparator(m *matcher, s *str) bool {
	switch s.text {
	case "i;octet":
		m.comp = octet
	case "i;ascii-casemap":
		m.comp = casemap
	case "i;unicode-casemap":
		m.comp = unicodemap
	case "i;ascii-numeric":
		m.comp = numeric
		if !c.has("comparator-i;ascii-numeric") {
			c.add(s.Pos, "unknown comparator 'i;ascii-numeric'", `add require "comparator-i;ascii-numeric" at the top`)
			return false
		}
	default:
		c.add(s.Pos, fmt.Sprintf("unknown comparator '%s'", s.text), "i;octet, i;ascii-casemap, i;unicode-casemap or i;ascii-numeric")
		return false
	}
	return true
}

// prepare makes the keys that have no variables.
func (c *compiler) prepare(m *matcher) *matcher {
	texts, ok := constants(m.keys)
	if !ok {
		return m
	}
	m.made = make([]key, len(texts))
	for i, t := range texts {
		k, err := m.key(t)
		if err != nil {
			c.errorf(m.keys[i].Pos, "invalid regular expression: %s", reason(err))
			return nil
		}
		m.made[i] = k
	}
	return m
}

// key prepares a key.
func (m *matcher) key(text string) (key, error) {
	text = m.fold(text)
	k := key{text: text}
	var err error
	switch m.typ {
	case matchMatches:
		k.glob = parseGlob(text)
	case matchRegex:
		k.re, err = compilePattern(text, m.folds())
	}
	return k, err
}

// prepared returns the keys as the run has them.
func (m *matcher) prepared(r *run) ([]key, error) {
	if m.made != nil {
		return m.made, nil
	}
	keys := make([]key, len(m.keys))
	for i, s := range m.keys {
		text, err := s.eval(r)
		if err != nil {
			return nil, err
		}
		if m.typ == matchRegex {
			keys[i].re, err = r.pattern(text, m.folds())
		} else {
			keys[i], err = m.key(text)
		}
		if err != nil {
			return nil, r.fail(s.Pos, err, "invalid regular expression: %s", reason(err))
		}
	}
	return keys, nil
}

// folds tells whether case does not count.
func (m *matcher) folds() bool { return m.comp == casemap || m.comp == unicodemap }

// fold returns what is compared in place of s.
func (m *matcher) fold(s string) string {
	switch {
	case m.typ == matchRegex || m.typ == matchList:
		return s
	case m.comp == casemap:
		return fold(s)
	case m.comp == unicodemap:
		return foldUnicode(s)
	}
	return s
}

// foldUnicode maps letters to lower case where that takes as many octets, so
// that places in the result are places in s.
func foldUnicode(s string) string {
	return strings.Map(func(c rune) rune {
		if l := unicode.ToLower(unicode.ToUpper(c)); c != utf8.RuneError && utf8.RuneLen(l) == utf8.RuneLen(c) {
			return l
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
}

// fold maps ASCII letters to lower case.
func fold(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if b[j] >= 'A' && b[j] <= 'Z' {
					b[j] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

// any tells whether one of the values matches one of the keys.
func (m *matcher) any(r *run, values []string) (bool, error) {
	keys, err := m.prepared(r)
	if err != nil {
		return false, err
	}
	if m.typ == matchCount {
		return m.count(r, uint64(len(values)), keys)
	}
	for _, v := range values {
		if ok, err := m.one(r, v, keys); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// one tells whether the value matches one of the keys, and sets the match
// variables.
func (m *matcher) one(r *run, value string, keys []key) (bool, error) {
	if err := r.spend(len(value) * (1 + len(keys)/8)); err != nil {
		return false, err
	}
	folded := m.fold(value)
	for i := range keys {
		ok, err := m.match(r, value, folded, &keys[i])
		if ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (m *matcher) match(r *run, value, folded string, k *key) (bool, error) {
	switch m.typ {
	case matchIs:
		if m.comp == numeric {
			return compareNumeric(value, k.text) == 0, nil
		}
		return folded == k.text, nil
	case matchContains:
		return strings.Contains(folded, k.text), nil
	case matchMatches:
		return m.wildcards(r, value, folded, k.glob)
	case matchRegex:
		return k.re.match(r, value)
	case matchList:
		return r.onList(m.Pos, k.text, value)
	}
	if m.comp == numeric {
		return related(m.rel, compareNumeric(value, k.text)), nil
	}
	return related(m.rel, strings.Compare(folded, k.text)), nil
}

// wildcards matches a glob and sets the match variables to what its wildcards
// stand for.
func (m *matcher) wildcards(r *run, value, folded string, g *glob) (bool, error) {
	if g.costly {
		if err := r.spend(len(value) * g.longest); err != nil {
			return false, err
		}
	}
	if !r.capture {
		return g.match(folded, m.comp == octet, nil), nil
	}
	spans := make([]span, 0, 8)
	if !g.match(folded, m.comp == octet, &spans) {
		return false, nil
	}
	match := make([]string, 1, 1+len(spans))
	match[0] = value
	if len(folded) != len(value) { // invalid UTF-8
		value = folded
	}
	for _, s := range spans {
		match = append(match, value[s.from:s.to])
	}
	r.setMatch(match)
	return true, nil
}

// count compares the number of values (RFC 5231 section 4.2).
func (m *matcher) count(r *run, n uint64, keys []key) (bool, error) {
	got := strconv.FormatUint(n, 10)
	for _, k := range keys {
		d := 0
		if m.comp == octet {
			d = strings.Compare(got, k.text)
		} else {
			d = compareNumeric(got, k.text)
		}
		if related(m.rel, d) {
			return true, nil
		}
	}
	return false, r.spend(len(keys))
}

// related tells whether a comparison that came out as d has the relation.
func related(rel string, d int) bool {
	switch rel {
	case "gt":
		return d > 0
	case "ge":
		return d >= 0
	case "lt":
		return d < 0
	case "le":
		return d <= 0
	case "ne":
		return d != 0
	}
	return d == 0
}

// compareNumeric compares numbers of any length; what begins with no digit is
// larger than all (RFC 4790 section 9.1.1).
func compareNumeric(a, b string) int {
	a, aok := digits(a)
	b, bok := digits(b)
	switch {
	case !aok && !bok:
		return 0
	case !aok:
		return 1
	case !bok:
		return -1
	case len(a) != len(b):
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func digits(s string) (string, bool) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return strings.TrimLeft(s[:n], "0"), n > 0
}

// span is a piece of a value.
type span struct{ from, to int }

// glob is a key of :matches (RFC 5228 section 2.7.1).
type glob struct {
	segments [][]element // between stars
	literal  []string    // of segments without ?, the same text; "" with costly
	costly   bool
	longest  int // elements of a segment
}

// element is an octet or ?.
type element struct {
	c   byte
	any bool
}

// parseGlob never fails: every string is a glob.
func parseGlob(s string) *glob {
	g := &glob{}
	var seg []element
	var lit []byte
	wild := false
	end := func() {
		g.segments = append(g.segments, seg)
		if wild {
			g.literal = append(g.literal, "")
			g.costly = true
		} else {
			g.literal = append(g.literal, string(lit))
		}
		g.longest = max(g.longest, len(seg))
		seg, lit, wild = nil, nil, false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '*':
			end()
			continue
		case c == '?':
			seg = append(seg, element{any: true})
			wild = true
			continue
		case c == '\\' && i+1 < len(s):
			i++
		}
		seg = append(seg, element{c: s[i]})
		lit = append(lit, s[i])
	}
	end()
	return g
}

// match tells whether the whole of s matches, and what the wildcards stand for
// where spans is not nil: each * for as little as can be. Segments between
// stars are looked for from the left, so it never goes back over a star.
func (g *glob) match(s string, octets bool, spans *[]span) bool {
	add := func(all []span) {
		if spans != nil {
			*spans = append(*spans, all...)
		}
	}
	first := g.segments[0]
	at, inner, ok := matchAt(s, 0, first, octets)
	if !ok || len(g.segments) == 1 && at != len(s) {
		return false
	}
	add(inner)
	for i := 1; i < len(g.segments); i++ {
		seg := g.segments[i]
		if i == len(g.segments)-1 {
			from, inner, ok := matchEnd(s, at, seg, octets)
			if ok {
				add([]span{{at, from}})
				add(inner)
			}
			return ok
		}
		from, to, inner, ok := g.find(s, at, i, octets)
		if !ok {
			return false
		}
		add([]span{{at, from}})
		add(inner)
		at = to
	}
	return true
}

// find looks for segment i at or after at.
func (g *glob) find(s string, at, i int, octets bool) (from, to int, inner []span, ok bool) {
	seg := g.segments[i]
	if lit := g.literal[i]; lit != "" || len(seg) == 0 {
		j := strings.Index(s[at:], lit)
		return at + j, at + j + len(lit), nil, j >= 0
	}
	for from = at; from <= len(s); from++ {
		if to, inner, ok = matchAt(s, from, seg, octets); ok {
			return from, to, inner, true
		}
	}
	return 0, 0, nil, false
}

// matchAt matches a segment at a place.
func matchAt(s string, at int, seg []element, octets bool) (to int, inner []span, ok bool) {
	for _, e := range seg {
		if at >= len(s) {
			return 0, nil, false
		}
		n := 1
		if e.any {
			if !octets {
				_, n = utf8.DecodeRuneInString(s[at:])
			}
			inner = append(inner, span{at, at + n})
		} else if s[at] != e.c {
			return 0, nil, false
		}
		at += n
	}
	return at, inner, true
}

// matchEnd matches a segment at the end of s, not before at.
func matchEnd(s string, at int, seg []element, octets bool) (from int, inner []span, ok bool) {
	from = len(s)
	for i := len(seg) - 1; i >= 0; i-- {
		if from <= at {
			return 0, nil, false
		}
		n := 1
		if seg[i].any {
			if !octets {
				_, n = utf8.DecodeLastRuneInString(s[at:from])
			}
			inner = append(inner, span{from - n, from})
		} else if s[from-1] != seg[i].c {
			return 0, nil, false
		}
		from -= n
	}
	slices.Reverse(inner)
	return from, inner, true
}
