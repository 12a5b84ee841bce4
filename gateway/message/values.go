package message

import (
	"errors"
	"net/mail"
	"strings"
	"time"
)

// maxShortValue bounds the values that are dates or message identifiers, in
// octets: a line of RFC 5322.
const maxShortValue = maxLine

var (
	// ErrDate tells that a value is no date of RFC 5322.
	ErrDate = errors.New("message: malformed date")
	// ErrMessageID tells that a value is no message identifier of RFC 5322.
	ErrMessageID = errors.New("message: malformed Message-ID")
)

// usualDate is how nearly everybody writes dates; net/mail comes to it late,
// after dozens of other forms.
const usualDate = "Mon, 2 Jan 2006 15:04:05 -0700"

// ParseDate parses the value of Date and the like (RFC 5322 section 3.3, its
// obsolete forms with comments included).
func ParseDate(value string) (time.Time, error) {
	if len(value) > maxShortValue {
		return time.Time{}, ErrDate
	}
	l := lexer{s: value}
	var words []string
	for l.skip(); !l.end(); l.skip() {
		w := l.run("(")
		if w == "" {
			return time.Time{}, ErrDate
		}
		words = append(words, w)
	}
	if l.bad {
		return time.Time{}, ErrDate
	}
	date := strings.Join(words, " ")
	if t, err := time.Parse(usualDate, date); err == nil {
		return t, nil
	}
	t, err := mail.ParseDate(date)
	if err != nil {
		return time.Time{}, ErrDate
	}
	return t, nil
}

// ParseMessageID returns the identifier in a Message-ID value with its
// brackets (RFC 5322 section 3.6.4; quoted strings and white space of the
// obsolete form included).
func ParseMessageID(value string) (string, error) {
	if len(value) > maxShortValue {
		return "", ErrMessageID
	}
	p := addressParser{lexer: lexer{s: value}}
	p.skip()
	if p.peek() != '<' {
		return "", ErrMessageID
	}
	p.angle()
	p.skip()
	if p.err != nil || p.bad || !p.end() || len(p.boxes) != 1 {
		return "", ErrMessageID
	}
	a := p.boxes[0].Address
	if !isDotAtom(a.Local) {
		a.Local = quote(a.Local)
	}
	return "<" + a.Local + "@" + a.Domain + ">", nil
}
