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
	heads  [256]uint16      // by the low octet of the hash: 1 + the first rule
	tags   bool             // there are rules for tags
	deep   bool             // there are rules with conditions
	conds  []condition      // of those
	found  [maxFound]uint16 // 1 + the rules for the element that begins
	n      int              // of them
	closed bool             // all sheets of the part are read
	blocks int              // that were read
}

type rule struct {
	hash  uint32 // of '.' or '#' or nothing, and the name
	tag   uint32 // the tag it is for, 0 for any
	next  uint16 // 1 + the next rule of the same low octet
	more  span   // in conds; none: it has no other conditions
	force uint16 // of its selector: ids, classes and tags
	style style
}

// What names in a selector weigh.
const (
	forceTag   = 1
	forceClass = 16
	forceID    = 256
)

func force(kind byte) uint16 {
	switch kind {
	case 't':
		return forceTag
	case '#':
		return forceID
	case '*':
		return 0
	}
	return forceClass
}

// maxFound bounds the rules of an element that are put in order.
const maxFound = 16

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
	if hasPrefixFold(head, "@layer") || hasPrefixFold(head, "@supports") && supported(trimSpace(head[9:])) {
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

// supported tells whether a condition is a declaration that all browsers know.
// Of others that is not sure, and what they hide is seen.
func supported(cond []byte) bool {
	name, value, _ := bytes.Cut(bytes.Trim(cond, "()"), []byte(":"))
	if !equalFold(trimSpace(name), "display") {
		return false
	}
	switch string(trimSpace(value)) {
	case "block", "inline", "none", "table", "flex", "grid", "inline-block", "inline-flex", "inline-grid", "contents":
		return true
	}
	return false
}

// everywhere tells whether one of a list of media is every screen: of any width
// that a window has.
func everywhere(list []byte) bool {
	if len(list) == 0 {
		return true
	}
	for {
		var m []byte
		if m, list = cutSelector(list); everyScreen(m) {
			return true
		}
		if len(list) == 0 {
			return false
		}
	}
}

func everyScreen(m []byte) bool {
	kind, rest := cutValue(m)
	if equalFold(kind, "only") {
		kind, rest = cutValue(rest)
	} else if equalFold(kind, "not") {
		return equalFold(trimSpace(rest), "print")
	}
	if equalFold(kind, "screen") || equalFold(kind, "all") {
		kind, rest = cutValue(rest)
	} else if len(kind) > 0 && kind[0] != '(' {
		return false
	} else {
		rest, kind = m, []byte("and")
	}
	for equalFold(kind, "and") {
		var feature []byte
		if feature, rest = cutValue(rest); !anyScreen(bytes.Trim(feature, "()")) {
			return false
		}
		kind, rest = cutValue(rest)
	}
	return len(kind) == 0
}

// anyScreen tells whether every screen has what a feature in a query asks for.
func anyScreen(feature []byte) bool {
	i := bytes.IndexAny(feature, ":<>")
	if i < 0 {
		return equalFold(trimSpace(feature), "color")
	}
	px, ok := lengthOf(bytes.TrimLeft(feature[i:], ":<>= "), 0)
	least, most := feature[i] == '>', feature[i] == '<'
	name := trimSpace(feature[:i])
	if feature[i] == ':' {
		least, most = hasPrefixFold(name, "min-"), hasPrefixFold(name, "max-")
		name = name[min(len(name), 4):]
	}
	if hasPrefixFold(name, "device-") {
		name = name[7:]
	}
	return ok && (equalFold(name, "width") || equalFold(name, "height")) && (least && px <= narrow || most && px >= wideScreen)
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
		ru.hash, ru.force = ru.tag, forceTag
	}
	if i >= 0 {
		ru.force += force(sel[i])
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

// byTag finds the rules for a tag.
func (r *renderer) byTag(e *element, hash uint32) {
	s := &r.sheet
	for i := s.heads[hash&255]; i != 0; i = s.rules[i-1].next {
		if r.work++; r.work > maxRuleWork {
			return
		}
		if ru := &s.rules[i-1]; ru.hash == hash && ru.tag == hash && ru.more == (span{}) {
			r.find(e, i)
		}
	}
}

// byName finds the rules for a class ('.') or an id ('#').
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
			r.find(e, i)
		}
	}
}

// find notes that a rule is for e, in the order in which rules hold: by force,
// then as they stand in the sheet.
func (r *renderer) find(e *element, rule uint16) {
	s := &r.sheet
	if s.n == len(s.found) {
		e.style.merge(&s.rules[rule-1].style)
		return
	}
	i := s.n
	for ; i > 0; i-- {
		if a, b := s.rules[s.found[i-1]-1].force, s.rules[rule-1].force; a < b || a == b && s.found[i-1] < rule {
			break
		}
		s.found[i] = s.found[i-1]
	}
	s.found[i] = rule
	s.n++
}

// cascade applies the rules that were found.
func (r *renderer) cascade(e *element) {
	s := &r.sheet
	for _, i := range s.found[:s.n] {
		e.style.merge(&s.rules[i-1].style)
	}
	s.n = 0
}
