package smtp

import (
	"strconv"
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

// AppendXtext appends s as xtext (RFC 3461 section 4).
func AppendXtext(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c < '!' || c > '~' || c == '+' || c == '=' {
			dst = append(dst, '+', hexDigits[c>>4], hexDigits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// ParseXtext decodes xtext; what it stands for must be printable ASCII.
func ParseXtext(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < '!' || c > '~' || c == '=' {
			return "", false
		}
		if c == '+' {
			if i+2 >= len(s) || !isUpperHex(s[i+1]) || !isUpperHex(s[i+2]) {
				return "", false
			}
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
			if c < ' ' || c > '~' {
				return "", false
			}
		}
		b = append(b, c)
	}
	return string(b), true
}

func isUpperHex(c byte) bool { return isDigit(c) || 'A' <= c && c <= 'F' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c - 'A' + 10
}

// AppendUTF8Xtext appends s as utf-8-addr-xtext (RFC 6533 section 3): ASCII
// only, everything else as \x{HEX}.
func AppendUTF8Xtext(dst []byte, s string) []byte {
	for _, r := range s {
		if r < '!' || r > '~' || r == '+' || r == '=' || r == '\\' {
			dst = append(dst, `\x{`...)
			if r < 16 {
				dst = append(dst, '0')
			}
			for _, c := range strconv.AppendInt(nil, int64(r), 16) {
				if c >= 'a' {
					c -= 'a' - 'A'
				}
				dst = append(dst, c)
			}
			dst = append(dst, '}')
			continue
		}
		dst = append(dst, byte(r))
	}
	return dst
}

// ParseUTF8Xtext decodes utf-8-addr-xtext and utf-8-addr-unitext.
func ParseUTF8Xtext(s string, unitext bool) (string, bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= 0x80:
			n, err := utf8Len(s[i:], UTF8)
			if err != nil || !unitext {
				return "", false
			}
			b = append(b, s[i:i+n]...)
			i += n
		case c == '\\':
			r, n := embeddedChar(s[i:])
			if n == 0 {
				return "", false
			}
			b = utf8.AppendRune(b, r)
			i += n
		case c < '!' || c > '~' || c == '+' || c == '=':
			return "", false
		default:
			b = append(b, c)
			i++
		}
	}
	return string(b), true
}

// embeddedChar reads an EmbeddedUnicodeChar, \x{HEX}, and returns its length,
// 0 when it is none.
func embeddedChar(s string) (rune, int) {
	if len(s) < 6 || s[1] != 'x' || s[2] != '{' {
		return 0, 0
	}
	var r rune
	for i := 3; i < len(s) && i < 10; i++ {
		if s[i] == '}' {
			if i < 5 || r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 || !utf8.ValidRune(r) {
				return 0, 0
			}
			return r, i + 1
		}
		if !isUpperHex(s[i]) {
			return 0, 0
		}
		r = r<<4 | rune(unhex(s[i]))
	}
	return 0, 0
}
