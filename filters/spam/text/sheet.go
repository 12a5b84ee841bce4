package text

import "bytes"

// maxRules bounds the rules of style sheets that are kept for a part.
const maxRules = 256

// maxBlocks bounds the rules that are read for a part, kept or not.
const maxBlocks = 2048

// sheet holds the rules of <style> elements that matter here, with simple
// selectors: .class, #id, tag, tag.class. Rules for one medium or size are
// left out: most readers do not see by them.
type sheet struct {
	rules  []rule
	heads  [256]uint16 // by the low octet of the hash: 1 + the first rule
	tags   bool        // there are rules for tags
	closed bool        // all sheets of the part are read
	blocks int         // that were read
}

type rule struct {
	hash  uint32 // of '.' or '#' or nothing, and the name
	tag   uint32 // the tag it is for, 0 for any
	next  uint16 // 1 + the next rule of the same low octet
	style style
}

// maxChain bounds the rules that share the low octet of their hash.
const maxChain = 16

func (s *sheet) reset() {
	s.rules, s.tags, s.closed, s.blocks = s.rules[:0], false, false, 0
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
		if st.any() && s.add(selectors, st) {
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
		if m := trimSpace(head[6:]); equalFold(m, "screen") || equalFold(m, "all") || len(m) == 0 {
			return src[i+1:]
		}
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

// add keeps the style for each selector, and tells whether it hides.
func (s *sheet) add(selectors []byte, st style) (hiding bool) {
	for len(selectors) > 0 && len(s.rules) < maxRules {
		sel := selectors
		if i := bytes.IndexByte(selectors, ','); i >= 0 {
			sel, selectors = selectors[:i], selectors[i+1:]
		} else {
			selectors = nil
		}
		own := st
		sel = trimSpace(sel)
		last := sel
		if i := bytes.LastIndexAny(sel, " >+~\t\n"); i >= 0 {
			// Of what is inside something else, only this is sure: its
			// colours are no longer known.
			last = sel[i+1:]
			if st.bg == unset && st.fg == unset {
				continue
			}
			own = newStyle()
			own.bg = unknown
		}
		if s.keep(last, own) {
			hiding = true
		}
	}
	return hiding
}

// keep files a rule under the last simple selector.
func (s *sheet) keep(sel []byte, st style) bool {
	if len(sel) == 0 || bytes.ContainsAny(sel, ":[*") {
		return false
	}
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
		if bytes.ContainsAny(sel[i+1:], ".#") {
			return false
		}
		ru.hash = hashName(sel[i], sel[i+1:])
	} else {
		s.tags = true
	}
	n := 0
	for i := s.heads[ru.hash&255]; i != 0; i = s.rules[i-1].next {
		if old := &s.rules[i-1]; old.hash == ru.hash && old.tag == ru.tag {
			old.style.merge(&st)
			return true
		}
		if n++; n >= maxChain {
			return false
		}
	}
	ru.next = s.heads[ru.hash&255]
	s.rules = append(s.rules, ru)
	s.heads[ru.hash&255] = uint16(len(s.rules))
	return true
}

func hashName(kind byte, name []byte) uint32 { return hashFold(name) ^ uint32(kind)*2654435761 }

// byTag applies the rules for a tag.
func (s *sheet) byTag(e *element, hash uint32) {
	for i := s.heads[hash&255]; i != 0; i = s.rules[i-1].next {
		if ru := &s.rules[i-1]; ru.hash == hash && ru.tag == hash {
			e.style.merge(&ru.style)
		}
	}
}

// byName applies the rules for a class ('.') or an id ('#').
func (s *sheet) byName(e *element, kind byte, name []byte) {
	if len(s.rules) == 0 {
		return
	}
	hash := hashName(kind, name)
	for i := s.heads[hash&255]; i != 0; i = s.rules[i-1].next {
		if ru := &s.rules[i-1]; ru.hash == hash && (ru.tag == 0 || e.tag != tagOther && ru.tag == hashFold([]byte(tagNames[e.tag]))) {
			e.style.merge(&ru.style)
		}
	}
}
