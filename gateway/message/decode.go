package message

import "bytes"

// decoder undoes a transfer encoding piece by piece, as generously as mail
// clients do.
type decoder struct {
	kind    encodingKind
	reading ReadingName
	out     []byte // as long as a piece and some more

	acc  uint32 // base64: bits of an unfinished quantum
	n    int    // and how many characters it has
	done bool   // strict: nothing more counts

	carry []byte // quoted-printable: an unfinished escape; uuencode: a line
	begun bool   // uuencode

	padded  bool // base64: there was padding
	after   bool // and characters after it
	garbage bool // characters that are no base64
	url     bool // - or _ before any padding, which some take for + and /
	badQP   bool // = that begins no escape
}

const maxEscape = 128 // octets after = that may be white space before a line end

// reset prepares for a new part; out stays.
func (d *decoder) reset(kind encodingKind, r ReadingName) {
	*d = decoder{kind: kind, reading: r, out: d.out, carry: d.carry[:0]}
}

// decode returns the octets that p stands for; they stay valid until the next
// call.
func (d *decoder) decode(p []byte) []byte {
	switch d.kind {
	case base64Encoding:
		return d.base64(p)
	case quotedPrintable:
		return d.quoted(p)
	case uuencode:
		return d.uu(p)
	}
	return p
}

// finish returns what is left at the end of the part.
func (d *decoder) finish() []byte {
	switch d.kind {
	case base64Encoding:
		return d.partial(d.room(4))
	case quotedPrintable:
		if len(d.carry) > 0 {
			d.badQP = d.badQP || len(d.carry) > 1
			return d.carry
		}
	case uuencode:
		return d.uu([]byte("\n"))
	}
	return nil
}

// room returns out, emptied, with at least n octets of capacity.
func (d *decoder) room(n int) []byte {
	if cap(d.out) < n {
		d.out = make([]byte, 0, n)
	}
	return d.out[:0]
}

// Tables of the four characters of a quantum, at their places; bad is set in
// what is no base64.
var base64Quad = quadTables()

const bad = 1 << 31

func quadTables() (t [4][256]uint32) {
	for c := range 256 {
		v := uint32(base64Value[c])
		for i := range 4 {
			if v < 64 {
				t[i][c] = v << (18 - 6*i)
			} else {
				t[i][c] = bad
			}
		}
	}
	return t
}

// base64 decodes (RFC 2045 section 6.8). What is not of the alphabet is left
// out; padding ends a quantum and, for a strict reader, everything.
func (d *decoder) base64(p []byte) []byte {
	out := d.room(len(p)/4*3 + 8)
	t := &base64Quad
	for i := 0; i < len(p) && !d.done; {
		if d.n == 0 {
			k := len(out)
			dst := out[k:cap(out)]
			n := 0
			for ; len(p)-i >= 4 && len(dst)-n >= 3; i, n = i+4, n+3 {
				v := t[0][p[i]] | t[1][p[i+1]] | t[2][p[i+2]] | t[3][p[i+3]]
				if v&bad != 0 {
					break
				}
				dst[n], dst[n+1], dst[n+2] = byte(v>>16), byte(v>>8), byte(v)
			}
			if out = out[:k+n]; n > 0 {
				d.after = d.after || d.padded
			}
			if i == len(p) {
				break
			}
		}
		out = d.base64Char(p[i], out)
		i++
	}
	return out
}

// base64Char takes one character.
func (d *decoder) base64Char(c byte, out []byte) []byte {
	v := base64Value[c]
	if v >= 64 {
		switch c {
		case '\r', '\n', ' ', '\t':
			return out
		case '=':
			if d.n < 2 && !d.padded {
				d.garbage = true
			}
			d.padded = true
			d.done = d.reading == Strict
			return d.partial(out)
		case '-', '_':
			d.url = d.url || !d.padded
			if d.reading == Loose {
				v = 62
				if c == '_' {
					v = 63
				}
			}
		}
		if v >= 64 {
			d.garbage = true
			if d.reading == Strict {
				d.done = true
				return d.partial(out)
			}
			return out
		}
	}
	d.after = d.after || d.padded
	d.acc = d.acc<<6 | uint32(v)
	if d.n++; d.n == 4 {
		out = append(out, byte(d.acc>>16), byte(d.acc>>8), byte(d.acc))
		d.acc, d.n = 0, 0
	}
	return out
}

// partial ends an unfinished quantum.
func (d *decoder) partial(out []byte) []byte {
	switch d.n {
	case 2:
		out = append(out, byte(d.acc>>4))
	case 3:
		out = append(out, byte(d.acc>>10), byte(d.acc>>2))
	}
	d.acc, d.n = 0, 0
	return out
}

// quoted decodes quoted-printable (RFC 2045 section 6.7); what is no escape
// stays, though a loose reader drops the =.
func (d *decoder) quoted(p []byte) []byte {
	out := d.room(len(p) + maxEscape + 4)
	for len(p) > 0 {
		if len(d.carry) > 0 {
			d.carry = append(d.carry, p[0])
			p = p[1:]
			out = d.escape(out)
			continue
		}
		i := bytes.IndexByte(p, '=')
		if i < 0 {
			return append(out, p...)
		}
		out = append(out, p[:i]...)
		p = p[i:]
		if len(p) >= 3 {
			if hi, lo := hexValue[p[1]], hexValue[p[2]]; hi < 16 && lo < 16 {
				out = append(out, hi<<4|lo)
				p = p[3:]
				continue
			}
			if p[1] == '\r' && p[2] == '\n' {
				p = p[3:]
				continue
			}
		}
		d.carry = append(d.carry[:0], '=')
		p = p[1:]
	}
	return out
}

// escape looks at what began with =, one octet longer than before.
func (d *decoder) escape(out []byte) []byte {
	c := d.carry
	last := c[len(c)-1]
	switch {
	case last == '\n' && len(bytes.Trim(c[1:], " \t\r\n")) == 0: // soft line break
		d.carry = c[:0]
		return out
	case len(c) == 2 && hexValue[last] < 16:
		return out
	case len(c) == 3 && hexValue[c[1]] < 16 && hexValue[last] < 16:
		d.carry = c[:0]
		return append(out, hexValue[c[1]]<<4|hexValue[last])
	case hexValue[c[1]] >= 16 && (last == ' ' || last == '\t' || last == '\r') && len(c) < maxEscape:
		return out
	}
	d.badQP = true
	if d.reading == Loose {
		out = append(out, c[1:len(c)-1]...)
	} else {
		out = append(out, c[:len(c)-1]...)
	}
	d.carry = c[:0]
	if last == '=' {
		d.carry = append(d.carry, '=')
		return out
	}
	return append(out, last)
}

const maxUULine = 256 // octets; what is longer is no uuencoded line

// uu decodes uuencode: lines after "begin" up to "end".
func (d *decoder) uu(p []byte) []byte {
	out := d.room(len(p) + maxUULine)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			d.hold(p)
			return out
		}
		line := p[:i]
		if len(d.carry) > 0 {
			d.hold(line)
			line = d.carry
		}
		if len(line) <= maxUULine {
			out = d.uuLine(bytes.TrimRight(line, "\r"), out)
		}
		d.carry = d.carry[:0]
		p = p[i+1:]
	}
	return out
}

// hold keeps the start of a line for the rest of it: as much of one that is
// too long as shows that.
func (d *decoder) hold(p []byte) {
	d.carry = append(d.carry, p[:min(len(p), max(0, maxUULine+1-len(d.carry)))]...)
}

func (d *decoder) uuLine(line, out []byte) []byte {
	switch {
	case d.done || len(line) == 0:
	case !d.begun:
		d.begun = uuBegin(line) != ""
	case bytes.Equal(line, []byte("end")):
		d.done = true
	default:
		return appendUU(out, line)
	}
	return out
}

// uuBegin returns the file name of a "begin 644 name" line, "" : it is none.
func uuBegin(line []byte) string {
	rest, ok := bytes.CutPrefix(line, []byte("begin "))
	if !ok {
		return ""
	}
	mode, name, _ := bytes.Cut(rest, []byte(" "))
	if len(mode) < 3 || len(mode) > 4 || len(bytes.Trim(mode, "01234567")) > 0 {
		return ""
	}
	return string(bytes.TrimSpace(name))
}

// appendUU decodes one line: its length and groups of four characters.
func appendUU(out, line []byte) []byte {
	n := int(line[0]-' ') & 63
	line = line[1:]
	for n > 0 && len(line) > 0 {
		var v uint32
		for i := range 4 {
			v <<= 6
			if i < len(line) {
				v |= uint32(line[i]-' ') & 63
			}
		}
		b := [3]byte{byte(v >> 16), byte(v >> 8), byte(v)}
		out = append(out, b[:min(n, 3)]...)
		n -= 3
		line = line[min(4, len(line)):]
	}
	return out
}
