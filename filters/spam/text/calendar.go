package text

import "bytes"

// maxCalendarLines bounds the content lines of a calendar that are read.
const maxCalendarLines = 4096

// Calendar adds one part of iCalendar (RFC 5545), in UTF-8: what a calendar
// program shows of it, and where it leads. An invitation's description in HTML
// (X-ALT-DESC) is added as HTML.
func (p *Page) Calendar(src []byte) {
	src = p.begin(src)
	p.Shape.CalendarParts++
	r := &p.r
	var alt []byte
	for range maxCalendarLines {
		if len(src) == 0 {
			break
		}
		var l []byte
		l, src = r.contentLine(src)
		name, params, value := splitContentLine(l)
		switch {
		case equalFold(name, "summary"), equalFold(name, "description"), equalFold(name, "location"), equalFold(name, "comment"), equalFold(name, "contact"):
			p.text.gap(line)
			p.text.lines(unescapeText(value))
			p.text.gap(line)
		case equalFold(name, "url"), equalFold(name, "attach"), equalFold(name, "conference"), equalFold(name, "x-google-conference"), equalFold(name, "x-microsoft-skypeteamsmeetingurl"):
			if bytes.IndexByte(value, ':') > 0 && !containsFold(params, "base64") {
				p.links.add(linkEntry{kind: Anchor}, dropControls(trimSpace(value)))
			}
		case equalFold(name, "organizer"):
			if i := indexFold(params, "cn="); i >= 0 {
				cn := bytes.Trim(params[i+3:], `"`)
				if j := bytes.IndexAny(cn, `";`); j >= 0 {
					cn = cn[:j]
				}
				p.text.lines(cn)
				p.text.gap(line)
			}
			p.links.add(linkEntry{kind: Anchor}, dropControls(trimSpace(value)))
		case equalFold(name, "x-alt-desc"):
			alt = append(alt, unescapeText(value)...)
		}
	}
	p.end()
	if len(alt) > 0 {
		p.HTML(alt)
	}
}

// contentLine takes one line, its folds (RFC 5545 section 3.1) undone.
func (r *renderer) contentLine(src []byte) (l, rest []byte) {
	out := r.buf[:0]
	for {
		n := bytes.IndexByte(src, '\n')
		if n < 0 {
			out, src = append(out, src...), nil
			break
		}
		out = append(out, bytes.TrimSuffix(src[:n], []byte("\r"))...)
		src = src[n+1:]
		if len(src) == 0 || src[0] != ' ' && src[0] != '\t' {
			break
		}
		src = src[1:]
	}
	r.buf = out
	return out, src
}

// splitContentLine splits NAME;PARAMS:VALUE; colons in quotes are of the
// parameters.
func splitContentLine(l []byte) (name, params, value []byte) {
	quoted := false
	for i, c := range l {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ';' && name == nil:
			name = l[:i]
		case c == ':' && !quoted:
			value = l[i+1:]
			if name == nil {
				return l[:i], nil, value
			}
			return name, l[len(name)+1 : i], value
		}
	}
	return l, nil, nil
}

// unescapeText undoes the escapes of a TEXT value, in place.
func unescapeText(v []byte) []byte {
	if bytes.IndexByte(v, '\\') < 0 {
		return v
	}
	out := v[:0]
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c == '\\' && i+1 < len(v) {
			i++
			if c = v[i]; c|0x20 == 'n' {
				c = '\n'
			}
		}
		out = append(out, c)
	}
	return out
}

// lines appends text whose line ends count.
func (s *sink) lines(b []byte) {
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n')
		if n < 0 {
			s.plainLine(b)
			return
		}
		s.plainLine(b[:n])
		s.gap(line)
		b = b[n+1:]
	}
}
