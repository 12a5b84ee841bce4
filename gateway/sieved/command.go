package sieved

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/account"
)

// Bounds of a command.
const (
	maxLine  = 16 << 10 // octets of a line: an AUTHENTICATE may be that long
	maxWords = 4        // with the verb
	// maxEarly is the size of a literal before the login.
	maxEarly = 12288
	// maxSkipped is how much of a literal that is too large is read in order to
	// answer in step; more: BYE.
	maxSkipped = 8 << 20
)

// kind is what a word is.
type kind byte

const (
	atom   kind = 'a'
	number kind = 'n'
	text   kind = 's' // quoted, or a literal
)

// word is a part of a command.
type word struct {
	kind kind
	data []byte
}

var (
	errSyntax = errors.New("sieved: malformed command")
	errTooBig = errors.New("sieved: literal too large")
	// errFatal says that nobody knows where the next command begins.
	errFatal = errors.New("sieved: malformed command with a literal")
)

// readWords reads a command: words up to the end of a line, with what literals
// bring in between (RFC 5804 section 4). They are the caller's.
func (c *conn) readWords() ([]word, error) {
	var words []word
	var result error
	for {
		line, err := c.readLine()
		if err != nil {
			return nil, err
		}
		size, isLiteral, err := parseLine(&words, bytes.Clone(line))
		switch {
		case err != nil:
			return nil, err
		case !isLiteral && result != nil:
			return nil, result
		case !isLiteral:
			return words, nil
		}
		most := int64(maxEarly)
		if c.user != nil {
			most = int64(c.set.Limits.Script)
		}
		if size > most {
			if size > maxSkipped {
				return nil, errFatal
			}
			if err := c.skip(size); err != nil {
				return nil, err
			}
			words, result = append(words, word{kind: text}), errTooBig
			continue
		}
		data, err := c.literal(int(size))
		if err != nil {
			return nil, err
		}
		words = append(words, word{text, data})
	}
}

// parseLine appends the words of a line, which become parts of it. isLiteral
// says that a literal of that size follows.
func parseLine(words *[]word, line []byte) (size int64, isLiteral bool, err error) {
	malformed := errSyntax
	if bytes.HasSuffix(line, []byte("}")) {
		malformed = errFatal // a literal may follow
	}
	if len(*words) > 0 && len(line) > 0 { // behind a literal
		if line[0] != ' ' {
			return 0, false, malformed
		}
		line = line[1:]
	}
	for len(line) > 0 {
		var w word
		ok := true
		switch b := line[0]; {
		case len(*words) == maxWords:
			return 0, false, malformed
		case b == '"':
			w, line, ok = parseQuoted(line)
		case b == '{':
			size, ok := parseLiteral(line)
			if !ok {
				return 0, false, errFatal
			}
			return size, true, nil
		default:
			w, line = parseAtom(line)
			ok = len(w.data) > 0
		}
		if !ok {
			return 0, false, malformed
		}
		*words = append(*words, w)
		if len(line) > 0 {
			if line[0] != ' ' || len(line) == 1 {
				return 0, false, malformed
			}
			line = line[1:]
		}
	}
	return 0, false, nil
}

// parseQuoted parses "...", in place.
func parseQuoted(line []byte) (w word, rest []byte, ok bool) {
	out := line[1:1]
	for i := 1; i < len(line); i++ {
		b := line[i]
		switch {
		case b == '"':
			return word{text, out}, line[i+1:], utf8.Valid(out)
		case b == '\\':
			if i++; i == len(line) {
				return w, nil, false
			}
			b = line[i]
		case b == 0 || b == '\r':
			return w, nil, false
		}
		out = append(out, b)
	}
	return w, nil, false
}

// parseLiteral parses {size+} at the end of a line.
func parseLiteral(line []byte) (size int64, ok bool) {
	digits, ok := bytes.CutSuffix(line[1:], []byte("+}"))
	if !ok || len(digits) == 0 || len(digits) > 10 {
		return 0, false
	}
	return parseNumber(digits)
}

func parseNumber(digits []byte) (n int64, ok bool) {
	for _, b := range digits {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + int64(b-'0')
	}
	return n, true
}

// parseAtom parses an atom or a number.
func parseAtom(line []byte) (w word, rest []byte) {
	i := 0
	for i < len(line) && line[i] > ' ' && line[i] < 0x7f && !strings.ContainsRune(`(){}"\`, rune(line[i])) {
		i++
	}
	w = word{atom, line[:i]}
	if _, ok := parseNumber(w.data); ok && i <= 10 {
		w.kind = number
	}
	return w, line[i:]
}

// readLine returns the next line without its line end, valid until the next
// read.
func (c *conn) readLine() ([]byte, error) {
	l := &c.line
	l.Max, l.Within, l.Idle = maxLine, c.set.Limits.ArrivalTimeout, c.idle()
	b, err := c.ReadLine(l, false)
	return bytes.TrimSuffix(b, []byte("\r")), err
}

// literal reads so many octets. What is not there yet takes no memory.
func (c *conn) literal(size int) ([]byte, error) {
	data := make([]byte, 0, min(size, 4<<10))
	for len(data) < size {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := c.Read(data[len(data):min(cap(data), size)], c.set.Limits.ArrivalTimeout)
		if err != nil {
			return nil, err
		}
		data = data[:len(data)+n]
	}
	return data, nil
}

// skip reads so many octets in vain.
func (c *conn) skip(size int64) error {
	for size > 0 {
		if c.Empty() {
			if err := c.Fill(c.set.Limits.ArrivalTimeout, true); err != nil {
				return err
			}
		}
		n := min(size, int64(len(c.Buffered())))
		c.Discard(int(n))
		size -= n
	}
	return nil
}

// response reads a string that is a command's answer to a challenge.
func (c *conn) response() ([]byte, error) {
	words, err := c.readWords()
	switch {
	case errors.Is(err, errTooBig), errors.Is(err, errSyntax), errors.Is(err, acceptor.ErrLineLong):
		return nil, account.ErrExchange
	case err != nil:
		return nil, err
	case len(words) != 1 || words[0].kind != text:
		return nil, account.ErrExchange
	}
	return words[0].data, nil
}
