package message

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

const (
	maxCharsetName = 64   // octets of the charset's name in an encoded word
	maxEncodedText = 4096 // octets of the text in an encoded word; RFC 2047 says 75 for all of it
)

// DecodeText decodes the encoded words of an unstructured value (RFC 2047) as
// clients do, more generously than the RFC: words of any length up to a
// bound, within other text and split inside a character. What cannot be
// decoded stays as it is. The result is valid UTF-8.
func DecodeText(s string) string {
	if !strings.Contains(s, "=?") {
		return strings.ToValidUTF8(s, "\ufffd")
	}
	var out strings.Builder
	out.Grow(len(s))
	var run []byte // decoded bytes of adjoining words of one charset
	charset := ""
	flush := func() {
		out.WriteString(decodeCharset(charset, run))
		run = run[:0]
	}
	for {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		cs, b, n, ok := encodedWord(s[i:])
		if !ok {
			flush()
			out.WriteString(s[:i+2])
			s = s[i+2:]
			continue
		}
		if strings.Trim(s[:i], " \t\r\n") != "" || len(run) == 0 {
			flush()
			out.WriteString(s[:i])
		}
		if !strings.EqualFold(cs, charset) {
			flush()
			charset = cs
		}
		run = append(run, b...)
		s = s[i+n:]
	}
	flush()
	out.WriteString(s)
	return strings.ToValidUTF8(out.String(), "\ufffd")
}

// encodedWord reads the encoded word at the beginning of s and returns its
// charset, bytes and length.
func encodedWord(s string) (charset string, b []byte, n int, ok bool) {
	i := strings.IndexByte(s[2:min(len(s), 2+maxCharsetName)], '?')
	if i < 1 || len(s) < i+5 || s[i+4] != '?' {
		return "", nil, 0, false
	}
	charset, _, _ = strings.Cut(s[2:2+i], "*") // a language (RFC 2231 section 5)
	start := i + 5
	window := s[start:min(len(s), start+maxEncodedText)]
	end := strings.Index(window, "?=")
	if end < 0 {
		return "", nil, 0, false
	}
	text := window[:end]
	switch s[i+3] {
	case 'B', 'b':
		b = decodeB(text)
	case 'Q', 'q':
		b = decodeQ(text)
	default:
		return "", nil, 0, false
	}
	return charset, b, start + end + 2, true
}

// decodeB decodes base64 without its line ends, blanks or padding.
func decodeB(s string) []byte {
	clean := make([]byte, 0, len(s))
	for i := range len(s) {
		if base64Value[s[i]] < 64 {
			clean = append(clean, s[i])
		}
	}
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	b, _ := base64.RawStdEncoding.DecodeString(string(clean))
	return b
}

// decodeQ decodes the Q encoding; what is no escape stays.
func decodeQ(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			b = append(b, ' ')
		case c == '=' && i+2 < len(s) && hexValue[s[i+1]] < 16 && hexValue[s[i+2]] < 16:
			b = append(b, hexValue[s[i+1]]<<4|hexValue[s[i+2]])
			i += 2
		default:
			b = append(b, c)
		}
	}
	return b
}

// decodeCharset returns b as UTF-8; bytes of an unknown charset are taken for
// UTF-8 or else Windows-1252, as clients do.
func decodeCharset(charset string, b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if e := lookupCharset(charset); e != nil {
		if out, err := e.NewDecoder().Bytes(b); err == nil {
			return string(out)
		}
	}
	if utf8.Valid(b) {
		return string(b)
	}
	if e, err := htmlindex.Get("windows-1252"); err == nil {
		if out, err := e.NewDecoder().Bytes(b); err == nil {
			return string(out)
		}
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}

// lookupCharset returns nil for UTF-8, ASCII and what is not known.
func lookupCharset(name string) encoding.Encoding {
	name = lower(strings.TrimSpace(name))
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return nil
	}
	if e, err := htmlindex.Get(name); err == nil {
		if n, _ := htmlindex.Name(e); n != "replacement" {
			return e
		}
	}
	if e, err := ianaindex.MIME.Encoding(name); err == nil {
		return e
	}
	return nil
}

// table fills the values of an alphabet's characters; 0xff: not of it.
func table(alphabet string) (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i)
	}
	return t
}

// Read-only tables of the alphabets.
var (
	base64Value = table("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
	hexValue    = hexTable()
)

func hexTable() [256]byte {
	t := table("0123456789ABCDEF")
	for i := byte(0); i < 6; i++ {
		t['a'+i] = 10 + i
	}
	return t
}
