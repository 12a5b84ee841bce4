package smtp

import (
	"strconv"
	"strings"
)

// Bounds of a reply on the wire.
const (
	// MaxReplyLine is the length of one line with its CRLF (RFC 5321 section
	// 4.5.3.1.5); longer texts are wrapped.
	MaxReplyLine = 512
	// MaxReplyLines is how many lines of one reply are written.
	MaxReplyLines = 100
	// MaxReplyText is how many octets of text are kept of a reply that is read.
	MaxReplyText = 32 << 10
	// maxLongReply is how many lines a reply that is read may have.
	maxLongReply = 2000
)

// Append appends the reply as it is sent: every line with the code and, for
// 2yz, 4yz and 5yz, the enhanced code, whose class becomes that of the code.
// Characters other than printable ASCII become spaces (controls) or "?";
// lines that would be longer than MaxReplyLine are wrapped at a space. A code
// outside 200 to 599 is answered as 451 4.3.0.
func (r Reply) Append(dst []byte) []byte {
	if r.Code < 200 || r.Code > 599 {
		r = NewReply(451, EnhancedCode{4, 3, 0}, "local error in processing")
	}
	head := r.appendHead(make([]byte, 0, 20))
	room := MaxReplyLine - len(head) - len("\r\n")
	text := strings.TrimRight(r.Text, "\r\n ")
	for n := 1; ; n++ {
		line, rest, more := cutLine(text, room)
		if n == MaxReplyLines {
			more = false
		}
		start := len(dst)
		dst = append(dst, head...)
		if more {
			dst[start+3] = '-'
		}
		dst = appendClean(dst, line)
		dst = append(dst, '\r', '\n')
		if !more {
			return dst
		}
		text = rest
	}
}

func (r Reply) appendHead(b []byte) []byte {
	b = append(b, byte('0'+r.Code/100), byte('0'+r.Code/10%10), byte('0'+r.Code%10), ' ')
	if r.Enhanced == (EnhancedCode{}) || r.Code/100 == 3 {
		return b
	}
	b = append(b, byte('0'+r.Code/100), '.')
	b = strconv.AppendUint(b, uint64(r.Enhanced[1]), 10)
	b = append(b, '.')
	b = strconv.AppendUint(b, uint64(r.Enhanced[2]), 10)
	return append(b, ' ')
}

// cutLine takes the first line of text, at most room octets of it.
func cutLine(text string, room int) (line, rest string, more bool) {
	line, rest, more = strings.Cut(text, "\n")
	line = strings.TrimSuffix(line, "\r")
	if len(line) <= room {
		return line, rest, more
	}
	i := strings.LastIndexByte(line[:room+1], ' ')
	if i < room/2 {
		return text[:room], text[room:], true
	}
	return text[:i], text[i+1:], true
}

func appendClean(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			dst = append(dst, ' ')
		case c >= 0x80:
			dst = append(dst, '?')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
