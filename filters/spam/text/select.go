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
	kind  byte // 't' a tag, '.', '#', '[' an attribute, '*' anything
	op    byte // of an attribute: 0 it is there, '=' or the octet before =
	not   bool
	up    byte // ' ' or '>': this and those behind it are of an element around
	hash  uint32
	name  [12]byte // of an attribute
	value [32]byte
	n, v  uint8 // octets in name and value
}

// names are those by which rules find an element, as hashes.
type names struct {
	tag  uint32
	list [maxOwnNames]uint32
	n    uint8
	on   bool
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

// cutSelector splits at the next comma that stands in no brackets.
func cutSelector(b []byte) (sel, rest []byte) {
	depth := 0
	for i, c := range b {
		switch c {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ',':
			if depth <= 0 {
				return trimSpace(b[:i]), b[i+1:]
			}
		}
	}
	return trimSpace(b), nil
}

// addDeep keeps a rule whose selector has conditions. Of one that is not
// understood only this is sure: what it colours is no longer known.
func (s *sheet) addDeep(sel []byte, st style) bool {
	var list [maxConditions]condition
	n, last, ok := parseSelector(&list, sel)
	if ok && len(s.conds)+n <= maxAllConds {
		ru := rule{style: st}
		for _, c := range list[:last] { // the rarest name finds it
			if c.not {
				continue
			}
			if c.kind == '.' || c.kind == '#' || c.kind == 't' && ru.hash == 0 {
				ru.hash = c.hash
			}
		}
		from := len(s.conds)
		s.conds = append(s.conds, list[:n]...)
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

// parseSelector takes a selector apart: first the conditions of the element
// itself, last of them, then those of elements around it, the nearest first.
func parseSelector(list *[maxConditions]condition, sel []byte) (n, last int, ok bool) {
	var parts [4][]byte
	var joins [4]byte
	k := 0
	for len(sel) > 0 {
		if k == len(parts) {
			return 0, 0, false
		}
		end, join, next := compoundEnd(sel)
		if end == 0 {
			return 0, 0, false
		}
		parts[k], joins[k] = sel[:end], join
		k++
		if sel = sel[next:]; join == '+' || join == '~' || join == '|' {
			return 0, 0, false
		}
	}
	for i := k - 1; i >= 0; i-- {
		m, ok := parseCompound(list[n:], parts[i], 0)
		if !ok {
			return 0, 0, false
		}
		if i < k-1 {
			list[n].up = joins[i]
		} else {
			last = m
		}
		n += m
	}
	return n, last, n > 0
}

// compoundEnd finds where a compound selector ends, what joins it to the next
// one, and where that begins.
func compoundEnd(b []byte) (end int, join byte, next int) {
	depth := 0
	for i, c := range b {
		switch {
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case depth <= 0 && (c == '>' || c == '+' || c == '~' || class[c]&white != 0):
			join, next = ' ', i
			for next < len(b) {
				if c := b[next]; c == '>' || c == '+' || c == '~' {
					if join != ' ' {
						return 0, 0, 0
					}
					join = c
				} else if class[c]&white == 0 {
					break
				}
				next++
			}
			return i, join, next
		}
	}
	return len(b), 0, len(b)
}

// parseCompound reads tag.class#id[attribute]:pseudo.
func parseCompound(list []condition, b []byte, depth int) (n int, ok bool) {
	if len(b) > 0 && b[0] != '.' && b[0] != '#' && b[0] != '[' && b[0] != ':' {
		i := nameEnd(b)
		if len(list) == 0 {
			return 0, false
		}
		if name := b[:i]; len(name) == 1 && name[0] == '*' {
			list[0] = condition{kind: '*'}
		} else if equalFold(name, "body") {
			list[0] = condition{kind: 't', hash: hashHTML}
		} else {
			list[0] = condition{kind: 't', hash: hashFold(name)}
		}
		n, b = 1, b[i:]
	}
	for len(b) > 0 {
		if n == len(list) {
			return 0, false
		}
		switch b[0] {
		case '.', '#':
			i := 1 + nameEnd(b[1:])
			if i == 1 {
				return 0, false
			}
			list[n] = condition{kind: b[0], hash: hashName(b[0], b[1:i])}
			n, b = n+1, b[i:]
		case '[':
			i := bytes.IndexByte(b, ']')
			if i < 0 || !list[n].attribute(b[1:i]) {
				return 0, false
			}
			n, b = n+1, b[i+1:]
		case ':':
			m, rest, ok := parsePseudo(list[n:], b[1:], depth)
			if !ok {
				return 0, false
			}
			n, b = n+m, rest
		default:
			return 0, false
		}
	}
	return n, n > 0
}

// nameEnd is where a name of CSS ends.
func nameEnd(b []byte) int {
	for i, c := range b {
		switch c {
		case '.', '#', '[', ':', '(', ')', ']':
			return i
		}
	}
	return len(b)
}

// parsePseudo reads what is asked for behind a colon. What depends on where an
// element stands, or on what its reader does, is not understood.
func parsePseudo(list []condition, b []byte, depth int) (n int, rest []byte, ok bool) {
	if depth > maxNested {
		return 0, nil, false
	}
	i := nameEnd(b)
	name, inner := b[:i], []byte(nil)
	rest = b[i:]
	if len(rest) > 0 && rest[0] == '(' {
		inner, rest = cutBracket(rest[1:])
		inner = trimSpace(inner)
	}
	switch {
	case equalFold(name, "root"):
		list[0] = condition{kind: 't', hash: hashHTML}
		return 1, rest, true
	case equalFold(name, "lang"):
		list[0] = condition{}
		return 1, rest, list[0].attribute(append([]byte("lang|="), bytes.Trim(inner, `"'`)...))
	case equalFold(name, "is"), equalFold(name, "where"), equalFold(name, "matches"):
		n, ok = parseCompound(list, inner, depth+1)
		return n, rest, ok
	case equalFold(name, "not"):
		n, ok = parseCompound(list, inner, depth+1)
		if list[0].not = true; n != 1 {
			return 0, nil, false
		}
		return n, rest, ok
	case hasPrefixFold(name, "nth-") && (equalFold(inner, "n") || equalFold(inner, "1n") || equalFold(inner, "n+1") || equalFold(inner, "n+0") || equalFold(inner, "1n+0")):
		list[0] = condition{kind: '*'}
		return 1, rest, true
	}
	return 0, nil, false
}

// attribute reads what stands in brackets.
func (c *condition) attribute(b []byte) bool {
	*c = condition{kind: '['}
	name, value, has := bytes.Cut(b, []byte("="))
	name = trimSpace(name)
	if has {
		if c.op = '='; len(name) > 0 && bytes.IndexByte([]byte("~|^$*"), name[len(name)-1]) >= 0 {
			c.op = name[len(name)-1]
			name = trimSpace(name[:len(name)-1])
		}
		value = trimSpace(value)
		if i := bytes.LastIndexByte(value, '"'); i < len(value)-1 && i > 0 || len(value) > 2 && value[len(value)-2] == ' ' {
			value = trimSpace(value[:len(value)-1]) // [a="b" i]
		}
		value = bytes.Trim(value, `"'`)
	}
	if len(name) == 0 || len(name) > len(c.name) || len(value) > len(c.value) {
		return false
	}
	for i, x := range name {
		c.name[i] = lower(x)
	}
	c.n, c.v = uint8(len(name)), uint8(copy(c.value[:], value))
	return true
}

// byConditions applies the rules whose conditions an element meets.
func (r *renderer) byConditions(e *element) {
	r.byCondition(e, 0)
	r.byCondition(e, e.names.tag)
	for _, h := range e.names.list[:e.names.n] {
		r.byCondition(e, h)
	}
}

// byCondition applies those that are filed under a name.
func (r *renderer) byCondition(e *element, hash uint32) {
	for i := r.sheet.heads[hash&255]; i != 0; i = r.sheet.rules[i-1].next {
		if r.work++; r.work > maxRuleWork {
			return
		}
		if ru := &r.sheet.rules[i-1]; ru.hash == hash && ru.more != (span{}) && r.meets(e, r.sheet.conds[ru.more.from:ru.more.to]) {
			e.style.merge(&ru.style)
		}
	}
}

// meets tells whether an element, and those around it, meet conditions.
func (r *renderer) meets(e *element, conds []condition) bool {
	for i := range conds {
		if conds[i].up != 0 {
			return r.within(conds[i:])
		}
		if r.work++; r.work > maxRuleWork || conds[i].met(&e.names, r) == conds[i].not {
			return false
		}
	}
	return true
}

// within tells whether open elements meet conditions, each group a farther one.
func (r *renderer) within(conds []condition) bool {
	at := len(r.stack) - 1
	for len(conds) > 0 {
		n := 1
		for n < len(conds) && conds[n].up == 0 {
			n++
		}
		child, found := conds[0].up == '>', false
		for steps := 0; at >= 0 && steps < maxUp && !found; at, steps = at-1, steps+1 {
			found = true
			for i := range conds[:n] {
				if r.work++; r.work > maxRuleWork {
					return false
				}
				if conds[i].met(&r.stack[at].names, nil) == conds[i].not {
					found = false
					break
				}
			}
			if child && !found {
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
