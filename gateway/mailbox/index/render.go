package index

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Form says how a client wants ENVELOPE and BODYSTRUCTURE.
type Form uint8

const (
	// Rev2 is IMAP4rev2's (RFC 9051): message/global is described with its
	// envelope and structure. IMAP4rev1 knows that of message/rfc822 alone.
	Rev2 Form = 1 << iota
	// Quoted8Bit sends UTF-8 in quoted strings, which clients take that
	// enabled UTF8=ACCEPT (RFC 6855) or IMAP4rev2, not in literals. Both are
	// right for those; octets that are no UTF-8 remain literals.
	Quoted8Bit
)

// AppendEnvelope appends ENVELOPE's value with its parentheses.
func (r Record) AppendEnvelope(dst []byte, f Form) []byte {
	e := r.field(fieldEnvelope)
	if len(e) == 0 {
		return append(dst, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"...)
	}
	return appendTokens(dst, e, f)
}

// AppendBodyStructure appends BODYSTRUCTURE's value with its parentheses.
func (r Record) AppendBodyStructure(dst []byte, f Form) []byte {
	s := r.field(fieldStructure)
	if len(s) == 0 {
		return append(dst, `("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)`...)
	}
	if r.flags&FlagGlobal == 0 || f&Rev2 != 0 {
		return appendTokens(dst, s, f)
	}
	w := structureWriter{in: s, dst: dst, form: f, extended: true}
	w.body()
	return w.dst
}

// AppendBody appends BODY's value, which is BODYSTRUCTURE without extension
// data.
func (r Record) AppendBody(dst []byte, f Form) []byte {
	s := r.field(fieldStructure)
	if len(s) == 0 {
		return append(dst, `("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0)`...)
	}
	w := structureWriter{in: s, dst: dst, form: f}
	w.body()
	return w.dst
}

// structureWriter copies a BODYSTRUCTURE that Make wrote and leaves out what
// a client must not see. What is no such text it copies as far as it gets.
type structureWriter struct {
	in       []byte
	pos      int
	dst      []byte
	form     Form
	extended bool
	silent   int // above 0: nothing is copied
	depth    int
}

// body copies one body.
func (w *structureWriter) body() {
	if !w.is('(') || w.depth > MaxDepth+2 {
		w.pos = len(w.in)
		return
	}
	w.depth++
	w.take(1)
	if w.is('(') {
		for w.is('(') {
			w.body()
		}
		w.values(1) // subtype
	} else {
		w.leaf()
	}
	if !w.extended {
		w.silent++
	}
	for w.is(' ') {
		w.values(1)
	}
	if !w.extended {
		w.silent--
	}
	w.take(1)
	w.depth--
}

// leaf copies a body of one part up to its extension data.
func (w *structureWriter) leaf() {
	from := w.pos
	w.value()
	w.values(1)
	kind := string(w.in[from:w.pos])
	w.values(5) // parameters, id, description, encoding, octets
	switch {
	case strings.HasPrefix(kind, `"text" `):
		w.values(1)
	case kind == `"message" "rfc822"` || kind == `"message" "global"`:
		hide := kind == `"message" "global"` && w.form&Rev2 == 0
		if hide {
			w.silent++
		}
		w.values(1)
		w.take(1)
		w.body()
		w.values(1)
		if hide {
			w.silent--
		}
	}
}

func (w *structureWriter) is(c byte) bool { return w.pos < len(w.in) && w.in[w.pos] == c }

// take copies n octets.
func (w *structureWriter) take(n int) {
	n = min(n, len(w.in)-w.pos)
	if w.silent == 0 {
		w.dst = append(w.dst, w.in[w.pos:w.pos+n]...)
	}
	w.pos += n
}

// values copies n values with the space before each.
func (w *structureWriter) values(n int) {
	for range n {
		w.take(1)
		w.value()
	}
}

// value copies a string, a number, NIL or a list.
func (w *structureWriter) value() {
	n := valueLength(w.in[w.pos:])
	if w.silent == 0 {
		w.dst = appendTokens(w.dst, w.in[w.pos:w.pos+n], w.form)
	}
	w.pos += n
}

// valueLength is the length of the value that b begins with.
func valueLength(b []byte) int {
	depth := 0
	for i := 0; i < len(b); {
		switch b[i] {
		case '(':
			depth++
			i++
		case ')':
			if depth == 0 {
				return i
			}
			i++
			if depth--; depth == 0 {
				return i
			}
			continue
		case '"', '{':
			i += stringLength(b[i:])
			if depth == 0 {
				return i
			}
		case ' ':
			if depth == 0 {
				return i
			}
			i++
		default:
			i++
		}
	}
	return len(b)
}

// stringLength is the length of the quoted string or literal at b's begin.
func stringLength(b []byte) int {
	if b[0] == '{' {
		n, i := 0, 1
		for ; i < len(b) && b[i] >= '0' && b[i] <= '9' && n < len(b); i++ {
			n = n*10 + int(b[i]-'0')
		}
		return min(i+len("}\r\n")+n, len(b))
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// appendTokens copies values; literals of UTF-8 become quoted strings where
// the form says so.
func appendTokens(dst, in []byte, f Form) []byte {
	if f&Quoted8Bit == 0 || bytes.IndexByte(in, '{') < 0 {
		return append(dst, in...)
	}
	for i := 0; i < len(in); {
		c := in[i]
		if c != '"' && c != '{' {
			dst = append(dst, c)
			i++
			continue
		}
		n := stringLength(in[i:])
		s := in[i : i+n]
		i += n
		if c == '{' && utf8.Valid(s) {
			if k := bytes.IndexByte(s, '\n'); k >= 0 {
				dst = appendQuoted(dst, s[k+1:])
				continue
			}
		}
		dst = append(dst, s...)
	}
	return dst
}

func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, c := range s {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
