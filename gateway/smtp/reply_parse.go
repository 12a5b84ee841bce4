package smtp

import (
	"bytes"
	"errors"
	"strings"
)

// The ways in which what a server sent is no reply.
var (
	ErrReplySyntax = errors.New("smtp: malformed reply")
	ErrReplyCodes  = errors.New("smtp: lines of one reply have different codes")
	ErrReplyLong   = errors.New("smtp: reply has too many lines")
)

// ReplyParser puts a reply together from its lines (RFC 5321 section 4.2.1).
// The zero value is ready; after a reply is complete it begins anew.
type ReplyParser struct {
	code  int
	lines int
	text  []byte
}

// Add takes one line, without or with its CRLF, and tells whether it was the
// last of a reply, which it then returns. The enhanced code is taken off the
// text, from every line that has the same, when its class is that of the code
// (RFC 2034 section 4). Of a reply that is too long the beginning is kept:
// its code is what counts. After an error the connection is out of step.
func (p *ReplyParser) Add(line []byte) (Reply, bool, error) {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	code, more, text, ok := splitReplyLine(line)
	if !ok {
		return Reply{}, false, ErrReplySyntax
	}
	if p.lines > 0 && code != p.code {
		return Reply{}, false, ErrReplyCodes
	}
	p.code = code
	p.lines++
	if p.lines > maxLongReply {
		return Reply{}, false, ErrReplyLong
	}
	p.keep(text)
	if more {
		return Reply{}, false, nil
	}
	r := Reply{Code: code, Text: string(p.text)}
	r.Enhanced, r.Text = cutEnhanced(code, r.Text)
	p.code, p.lines, p.text = 0, 0, p.text[:0]
	return r, true, nil
}

// keep adds the text of a line, as far as there is room.
func (p *ReplyParser) keep(text []byte) {
	if len(p.text)+len(text) > MaxReplyText {
		return
	}
	if p.lines > 1 {
		p.text = append(p.text, '\n')
	}
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			c = ' '
		}
		p.text = append(p.text, c)
	}
}

// Pending tells whether lines of an unfinished reply have been added.
func (p *ReplyParser) Pending() bool { return p.lines > 0 }

func splitReplyLine(line []byte) (code int, more bool, text []byte, ok bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !isDigit(line[1]) || !isDigit(line[2]) {
		return 0, false, nil, false
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, false, nil, true
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, false, nil, false
	}
	return code, line[3] == '-', line[4:], true
}

// cutEnhanced takes the enhanced code off the lines of text.
func cutEnhanced(code int, text string) (EnhancedCode, string) {
	e, n := ParseEnhancedCode(text)
	if n == 0 || int(e[0]) != code/100 {
		return EnhancedCode{}, text
	}
	prefix := text[:n]
	if !strings.Contains(text, "\n") {
		return e, strings.TrimPrefix(text[n:], " ")
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if _, m := ParseEnhancedCode(l); m != n || l[:n] != prefix {
			continue // some servers put it on the first or the last line only
		}
		lines[i] = strings.TrimPrefix(l[n:], " ")
	}
	return e, strings.Join(lines, "\n")
}

// ParseEnhancedCode reads a status-code (RFC 3463 section 2) at the start of
// s, which ends there or goes on with a space or a line end, and returns its
// length; 0 when there is none.
func ParseEnhancedCode(s string) (EnhancedCode, int) {
	if len(s) < 5 || s[0] != '2' && s[0] != '4' && s[0] != '5' || s[1] != '.' {
		return EnhancedCode{}, 0
	}
	subject, n := shortNumber(s[2:])
	i := 2 + n
	if n == 0 || i >= len(s) || s[i] != '.' {
		return EnhancedCode{}, 0
	}
	detail, n := shortNumber(s[i+1:])
	i += 1 + n
	if n == 0 || i < len(s) && s[i] != ' ' && s[i] != '\n' {
		return EnhancedCode{}, 0
	}
	return EnhancedCode{uint16(s[0] - '0'), subject, detail}, i
}

// shortNumber reads 1*3DIGIT.
func shortNumber(s string) (v uint16, n int) {
	for n < len(s) && n < 3 && isDigit(s[n]) {
		v = v*10 + uint16(s[n]-'0')
		n++
	}
	return v, n
}
