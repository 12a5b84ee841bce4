package text

import "bytes"

// maxRules bounds the rules of style sheets that are kept for a part.
const maxRules = 256

// maxBlocks bounds the rules that are read for a part, kept or not.
const maxBlocks = 2048

// sheet holds the rules of <style> elements that matter here. Rules for one
// medium or size are left out: most readers do not see by them.
type sheet struct {
	rules  []rule
	heads  [256]uint16 // by the low octet of the hash: 1 + the first rule
	tags   bool        // there are rules for tags
	deep   bool        // there are rules with conditions
	conds  []condition // of those
	closed bool        // all sheets of the part are read
	blocks int         // that were read
}

type rule struct {
	hash  uint32 // of '.' or '#' or nothing, and the name
	tag   uint32 // the tag it is for, 0 for any
	next  uint16 // 1 + the next rule of the same low octet
	more  span   // in conds; none: it has no other conditions
	style style
}

// maxChain bounds the rules that share the low octet of their hash.
const maxChain = 16

func (s *sheet) reset() {
	s.rules, s.tags, s.closed, s.blocks, s.deep, s.conds = s.rules[:0], false, false, 0, false, s.conds[:0]
	clear(s.heads[:])
}

// read takes a sheet in and tells whether it may hide something.
func (s *sheet) read(r *renderer, src []byte) (hiding bool) {
	if s.closed {
		return false
	}
	for len(src) > 0 {
		src = trimSpace(src)
		switch {
		case bytes.HasPrefix(src, []byte("/*")):
			src = after(src, "*/")
			continue
		case bytes.HasPrefix(src, []byte("<!--")):
			src = src[4:]
			continue
		case bytes.HasPrefix(src, []byte("-->")):
			src = src[3:]
			continue
		case len(src) > 0 && src[0] == '}': // of a block whose rules were read
			src = src[1:]
			continue
		case len(src) > 0 && src[0] == '@':
			src = r.atRule(src)
			continue
		}
		i := bytes.IndexByte(src, '{')
		if s.blocks++; i < 0 || s.blocks > maxBlocks {
			return hiding
		}
		selectors := src[:i]
		src = src[i+1:]
		body := src
		if j := bytes.IndexByte(src, '}'); j >= 0 {
			body, src = src[:j], src[j+1:]
		} else {
			src = nil
		}
		st := r.css(body, r.styleURL)
		if st.any() && s.add(r, selectors, st) {
			hiding = true
		}
	}
	return hiding
}

func after(b []byte, mark string) []byte {
	if i := bytes.Index(b, []byte(mark)); i >= 0 {
		return b[i+len(mark):]
	}
	return nil
}

// atRule passes over an at-rule; a block for every screen is read.
func (r *renderer) atRule(src []byte) []byte {
	i := bytes.IndexAny(src, "{;")
	if i < 0 {
		return nil
	}
	if src[i] == ';' {
		if hasPrefixFold(src, "@import") {
			v := trimSpace(src[7:i])
			if len(v) > 2 && (v[0] == '"' || v[0] == '\'') {
				r.styleURL(bytes.Trim(v, `"'`))
			} else {
				cssURLs(v, r.styleURL)
			}
		}
		return src[i+1:]
	}
	head := trimSpace(src[:i])
	if hasPrefixFold(head, "@media") {
		r.p.Shape.Media++
		if everywhere(trimSpace(head[6:])) {
			return src[i+1:]
		}
	}
	if hasPrefixFold(head, "@layer") || hasPrefixFold(head, "@supports") && !containsFold(head, "not") {
		return src[i+1:]
	}
	depth := 0
	for j, c := range src[i:] {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return src[i+j+1:]
			}
		}
	}
	return nil
}

// everywhere tells whether a medium is every screen: of any width that a window
// has.
func everywhere(m []byte) bool {
	if hasPrefixFold(m, "only") {
		m = trimSpace(m[4:])
	}
	if equalFold(m, "screen") || equalFold(m, "all") || len(m) == 0 {
		return true
	}
	if bytes.IndexByte(m, ',') >= 0 || containsFold(m, "not") || containsFold(m, "prefers") || containsFold(m, "device") {
		return false
	}
	if hasPrefixFold(m, "screen and") {
		m = m[10:]
	} else if hasPrefixFold(m, "all and") {
		m = m[7:]
	}
	v := trimSpace(m)
	if len(v) < 4 || v[0] != '(' || bytes.IndexByte(v[1:], '(') >= 0 {
		return false
	}
	name, value, ok := bytes.Cut(bytes.Trim(v, "()"), []byte(":"))
	px, is := lengthOf(value, 0)
	name = trimSpace(name)
	return ok && is && (equalFold(name, "min-width") && px <= narrow || equalFold(name, "max-width") && px >= wideScreen)
}

// Widths, in pixels, that every window has at least, and at most.
const (
	narrow     = 200
	wideScreen = 3000
)

// maxSelectors bounds the selectors of one rule that are taken apart, in octets.
const maxSelectors = 4 << 10

// add keeps the style for each selector, and tells whether it hides.
func (s *sheet) add(r *renderer, selectors []byte, st style) (hiding bool) {
	selectors = selectors[:min(len(selectors), maxSelectors)]
	if bytes.Contains(selectors, []byte("/*")) || bytes.IndexByte(selectors, '\\') >= 0 {
		selectors = r.plainCSS(selectors)
	}
	for len(selectors) > 0 && len(s.rules) < maxRules {
		var sel []byte
		if sel, selectors = cutSelector(selectors); len(sel) == 0 {
			continue
		}
		if !simple(sel) {
			hiding = s.addDeep(sel, st) || hiding
		} else if s.keep(sel, st) {
			hiding = true
		}
	}
	return hiding
}

// simple tells whether a selector is a tag, a class, an id, or a tag with one of
// those.
func simple(sel []byte) bool {
	marks := 0
	for _, c := range sel {
		switch {
		case c == '.' || c == '#':
			marks++
		case c == ':' || c == '[' || c == '*' || c == '>' || c == '+' || c == '~' || class[c]&white != 0:
			return false
		}
	}
	return marks <= 1
}

// keep files a rule with a simple selector.
func (s *sheet) keep(sel []byte, st style) bool {
	ru := rule{style: st}
	i := bytes.IndexAny(sel, ".#")
	if i != 0 {
		name := sel
		if i > 0 {
			name = sel[:i]
		}
		ru.tag = hashFold(name)
		ru.hash = ru.tag
	}
	if i >= 0 {
		ru.hash = hashName(sel[i], sel[i+1:])
	} else {
		s.tags = true
	}
	return s.file(ru)
}

// file puts a rule where elements look for it.
func (s *sheet) file(ru rule) bool {
	n := 0
	for i := s.heads[ru.hash&255]; i != 0; i = s.rules[i-1].next {
		if old := &s.rules[i-1]; old.hash == ru.hash && old.tag == ru.tag && old.more == ru.more {
			old.style.merge(&ru.style)
			return true
		}
		if n++; n >= maxChain {
			return false
		}
	}
	if len(s.rules) == maxRules {
		return false
	}
	ru.next = s.heads[ru.hash&255]
	s.rules = append(s.rules, ru)
	s.heads[ru.hash&255] = uint16(len(s.rules))
	return true
}

func hashName(kind byte, name []byte) uint32 { return hashFold(name) ^ uint32(kind)*2654435761 }

// byTag applies the rules for a tag.
func (r *renderer) byTag(e *element, hash uint32) {
	s := &r.sheet
	for i := s.heads[hash&255]; i != 0; i = s.rules[i-1].next {
		if r.work++; r.work > maxRuleWork {
			return
		}
		if ru := &s.rules[i-1]; ru.hash == hash && ru.tag == hash && ru.more == (span{}) {
			e.style.merge(&ru.style)
		}
	}
}

// byName applies the rules for a class ('.') or an id ('#').
func (r *renderer) byName(e *element, kind byte, name []byte) {
	s := &r.sheet
	if len(s.rules) == 0 {
		return
	}
	hash := hashName(kind, name)
	for i := s.heads[hash&255]; i != 0; i = s.rules[i-1].next {
		if r.work++; r.work > maxRuleWork {
			return
		}
		if ru := &s.rules[i-1]; ru.hash == hash && ru.more == (span{}) && (ru.tag == 0 || e.tag != tagOther && ru.tag == tagHashes[e.tag]) {
			e.style.merge(&ru.style)
		}
	}
}
