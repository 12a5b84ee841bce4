package report

import (
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// lastEnhanced returns the last status code (RFC 3463) in s; the zero value:
// none. The last is that of the server farthest away, where several tell.
func lastEnhanced(s string) (code smtp.EnhancedCode) {
	for i := 0; i+5 <= len(s); i++ {
		if s[i+1] != '.' || s[i] != '2' && s[i] != '4' && s[i] != '5' || i > 0 && !codeBefore(s[i-1]) {
			continue
		}
		if e, n := enhancedAt(s[i:]); n > 0 && (e[1] < 8 || e[1] == 8 && e[2] == 0) {
			if e[0] != 2 || code[0] < 4 {
				code = e
			}
			i += n - 1
		}
	}
	return code
}

// enhancedAt reads a status code at the start of s, followed by anything but
// what makes it part of a longer number.
func enhancedAt(s string) (smtp.EnhancedCode, int) {
	subject, n := number(s[2:])
	i := 2 + n
	if n == 0 || i >= len(s) || s[i] != '.' {
		return smtp.EnhancedCode{}, 0
	}
	detail, m := number(s[i+1:])
	i += 1 + m
	if m == 0 || i < len(s) && (isAlnumByte(s[i]) || s[i] == '.' && i+1 < len(s) && isDigitByte(s[i+1])) {
		return smtp.EnhancedCode{}, 0
	}
	return smtp.EnhancedCode{uint16(s[0] - '0'), subject, detail}, i
}

// firstReply returns the first SMTP reply code of the classes 4 and 5 in s,
// with where it is; 0: none. A 2yz counts only at the start.
func firstReply(s string) (code, at int) {
	for i := 0; i+3 <= len(s); i++ {
		c := s[i]
		if c != '4' && c != '5' && !(c == '2' && i == 0) || s[i+1] < '0' || s[i+1] > '9' || !isDigitByte(s[i+2]) {
			continue
		}
		if i > 0 && !codeBefore(s[i-1]) || i+3 < len(s) && strings.IndexByte(" -:;,.)]'\t\r\n", s[i+3]) < 0 {
			continue
		}
		if i+4 < len(s) && s[i+3] == '.' && isDigitByte(s[i+4]) {
			continue
		}
		n := int(c-'0')*100 + int(s[i+1]-'0')*10 + int(s[i+2]-'0')
		if n%100 > 79 {
			continue
		}
		return n, i
	}
	return 0, -1
}

// codeBefore tells whether a code may follow the character.
func codeBefore(c byte) bool { return strings.IndexByte(" \t\n:;,#([<>'\"-=/_|", c) >= 0 }

func number(s string) (v uint16, n int) {
	for n < len(s) && n < 3 && isDigitByte(s[n]) {
		v = v*10 + uint16(s[n]-'0')
		n++
	}
	if n < len(s) && isDigitByte(s[n]) {
		return 0, 0
	}
	return v, n
}

func isDigitByte(c byte) bool { return '0' <= c && c <= '9' }

func isAlnumByte(c byte) bool { return isDigitByte(c) || 'a' <= c|0x20 && c|0x20 <= 'z' }

// parseStatus reads the value of a Status field; the zero value: none.
func parseStatus(s string) smtp.EnhancedCode {
	if len(s) < 5 || s[0] != '2' && s[0] != '4' && s[0] != '5' || s[1] != '.' {
		return smtp.EnhancedCode{}
	}
	e, _ := enhancedAt(s)
	return e
}
