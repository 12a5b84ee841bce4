package text

import "bytes"

// Bounds of rules with conditions: other than one class, id or tag.
const (
	maxConditions = 8       // of one selector
	maxAllConds   = 512     // of a part
	maxOwnNames   = 6       // classes and ids of an element that they are asked of
	maxUp         = 32      // elements around one that they are asked of
	maxRuleWork   = 1 << 17 // comparisons for a message
	costOfValue   = 4       // octets of an attribute's value that cost as much as a comparison
	costOfNames   = 8       // so do the names of attributes
)

// condition is a part of a selector: of the element itself or, behind up, of one
// around it.
type condition struct {
	kind  byte // 't' a tag, '.', '#', '[' an attribute, ':' its place, '*' anything, '-' nothing
	op    byte // of an attribute: 0 it is there, '=' or the octet before =
	not   bool
	or    bool // this, or the next
	up    byte // ' ' or '>': this and those behind it are of an element around; '+' or '~': of one before
	hash  uint32
	name  [12]byte // of an attribute
	value [32]byte
	n, v  uint8 // octets in name and value
	a, b  int16 // of a place: an+b
}

// names are those by which rules find an element, as hashes.
type names struct {
	tag  uint32
	list [maxOwnNames]uint32
	n    uint8
	on   bool
	nth  int // among the elements of its parent, from 1 on
}

// hashHTML is the name of <html> and <body>, which are one here.
var hashHTML = hashFold([]byte("html"))

func (n *names) add(kind byte, name []byte) {
	if n.on && int(n.n) < len(n.list) {
		n.list[n.n] = hashName(kind, name)
		n.n++
	}
}

// join adds the names of o: <html> and <body> are one here.
func (n *names) join(o *names) {
	for _, h := range o.list[:o.n] {
		if int(n.n) < len(n.list) {
			n.list[n.n] = h
			n.n++
		}
	}
}

func (n *names) has(hash uint32) bool {
	for _, h := range n.list[:n.n] {
		if h == hash {
			return true
		}
	}
	return false
}

// addDeep keeps a rule whose selector has conditions. Of one that is not
// understood only this is sure: what it colours is no longer known.
func (s *sheet) addDeep(sel []byte, st style) bool {
	var list [maxConditions]condition
	n, last, ok := parseSelector(&list, sel)
	if ok && len(s.conds)+n <= maxAllConds {
		ru := rule{style: st}
		or := false
		for _, c := range list[:last] { // the rarest name finds it
			if or, c.or = c.or, or || c.or; c.not || c.or {
				continue
			}
			if c.kind == '.' || c.kind == '#' || c.kind == 't' && ru.hash == 0 {
				ru.hash = c.hash
			}
		}
		from := len(s.conds)
		s.conds = append(s.conds, list[:n]...)
		for i := range list[:n] {
			if !list[i].or {
				ru.force += force(list[i].kind)
			}
		}
		ru.more = span{from, len(s.conds)}
		if s.file(ru) {
			s.deep = true
			return true
		}
		return false
	}
	if st.bg == unset && st.fg == unset {
		return false
	}
	own := newStyle()
	own.bg = unknown
	if i := bytes.LastIndexAny(sel, " >+~\t\n"); i >= 0 {
		if sel = sel[i+1:]; len(sel) > 0 && simple(sel) {
			return s.keep(sel, own)
		}
	}
	return false
}

// at tells whether the place of an element is the one.
func (c *condition) at(nth int) bool {
	d, a := nth-int(c.b), int(c.a)
	if a == 0 {
		return d == 0
	}
	return d%a == 0 && d/a >= 0
}

// byConditions finds the rules whose conditions an element meets.
func (r *renderer) byConditions(e *element) {
	r.byCondition(e, 0)
	r.byCondition(e, e.names.tag)
	for _, h := range e.names.list[:e.names.n] {
		r.byCondition(e, h)
	}
}

// byCondition finds those that are filed under a name.
func (r *renderer) byCondition(e *element, hash uint32) {
	for i := r.sheet.heads[hash&255]; i != 0; i = r.sheet.rules[i-1].next {
		if r.work++; r.work > maxRuleWork {
			return
		}
		if ru := &r.sheet.rules[i-1]; ru.hash == hash && ru.more != (span{}) && r.meets(e, r.sheet.conds[ru.more.from:ru.more.to]) {
			r.find(e, i)
		}
	}
}

// meets tells whether an element, and those around it, meet conditions.
func (r *renderer) meets(e *element, conds []condition) bool {
	n := ofOne(conds)
	return r.all(conds[:n], &e.names, r) && r.within(conds[n:])
}

// ofOne is how many of the next conditions are of one element.
func ofOne(conds []condition) int {
	n := min(1, len(conds))
	for n < len(conds) && conds[n].up == 0 {
		n++
	}
	return n
}

// all tells whether an element meets conditions: of those joined by or, one.
func (r *renderer) all(conds []condition, n *names, tag *renderer) bool {
	for i := 0; i < len(conds); i++ {
		c := &conds[i]
		if r.work++; r.work > maxRuleWork {
			return false
		}
		if c.met(n, tag) != c.not {
			for conds[i].or && i+1 < len(conds) {
				i++
			}
		} else if !c.or {
			return false
		}
	}
	return true
}

// within tells whether open elements meet conditions, each group a farther one.
func (r *renderer) within(conds []condition) bool {
	at := len(r.stack) - 1
	inner, after := true, false
	for len(conds) > 0 {
		n := ofOne(conds)
		if up := conds[0].up; up == '+' || up == '~' {
			if after || !r.follows(conds[:n], at, !inner) {
				return false
			}
			conds, after = conds[n:], true
			continue
		}
		inner, after = false, false
		child, found := conds[0].up == '>', false
		for steps := 0; at >= 0 && steps < maxUp && !found; at, steps = at-1, steps+1 {
			if found = r.all(conds[:n], &r.stack[at].names, nil); child && !found {
				return false
			}
		}
		if !found {
			return false
		}
		conds = conds[n:]
	}
	return true
}

// met tells whether names, or the attributes of the tag that r reads, are what
// the condition asks for. Of elements around it the attributes are not known.
func (c *condition) met(n *names, r *renderer) bool {
	switch c.kind {
	case '*':
		return true
	case '-':
		return false
	case ':':
		return c.at(n.nth)
	case 't':
		return n.tag == c.hash
	case '[':
		if r == nil {
			return c.not
		}
		for i := range r.s.attrs[:r.s.n] {
			if a := &r.s.attrs[i]; len(a.name) == int(c.n) && equalFold(a.name, string(c.name[:c.n])) {
				if c.op == 0 {
					return true
				}
				r.work += 1 + len(a.value)/costOfValue
				return r.work <= maxRuleWork && c.fits(r.value(a.value))
			}
		}
		r.work += r.s.n / costOfNames
		return false
	}
	return n.has(c.hash)
}

// fits tells whether an attribute has the value that is asked for.
func (c *condition) fits(v []byte) bool {
	want := c.value[:c.v]
	switch c.op {
	case 0:
		return true
	case '=':
		return bytes.EqualFold(v, want)
	case '^':
		return len(want) > 0 && len(v) >= len(want) && bytes.EqualFold(v[:len(want)], want)
	case '$':
		return len(want) > 0 && len(v) >= len(want) && bytes.EqualFold(v[len(v)-len(want):], want)
	case '|':
		return len(v) >= len(want) && bytes.EqualFold(v[:len(want)], want) && (len(v) == len(want) || v[len(want)] == '-')
	case '~':
		for w := range bytes.FieldsSeq(v) {
			if bytes.EqualFold(w, want) {
				return true
			}
		}
	case '*':
		return len(want) > 0 && indexEqual(v[:min(len(v), 1<<10)], want)
	}
	return false
}

// indexEqual tells whether sub is in b, in whatever case.
func indexEqual(b, sub []byte) bool {
	first := lower(sub[0])
	for i := 0; i+len(sub) <= len(b); i++ {
		if lower(b[i]) == first && bytes.EqualFold(b[i:i+len(sub)], sub) {
			return true
		}
	}
	return false
}
