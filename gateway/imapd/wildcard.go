package imapd

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// pattern is a mailbox name with wildcards (RFC 9051 section 6.3.9): * stands
// for anything, % for anything on one level. A name is matched in one pass,
// with a bit for each place of the pattern that it may have come to.
type pattern struct {
	text string // exact, when wild is nil
	// Bits of the places before a wildcard, and of those before a "*".
	wild, star []uint64
	// of has for each octet the places that it may stand at; nil: none.
	of        [256][]uint64
	now, next []uint64
}

// newPattern makes text ready. Names are stored in NFC.
func newPattern(text string) *pattern {
	p := &pattern{text: canonical(collapse(norm.NFC.String(text)))}
	if !strings.ContainsAny(p.text, "*%") {
		return p
	}
	words := len(p.text)/64 + 1
	bits := make([]uint64, 4*words)
	p.wild, p.star, p.now, p.next = bits[:words], bits[words:2*words], bits[2*words:3*words], bits[3*words:]
	for i := range len(p.text) {
		switch c := p.text[i]; c {
		case '*':
			set(p.star, i)
			set(p.wild, i)
		case '%':
			set(p.wild, i)
		default:
			if p.of[c] == nil {
				p.of[c] = make([]uint64, words)
			}
			set(p.of[c], i)
		}
	}
	return p
}

func set(bits []uint64, i int) { bits[i/64] |= 1 << (i % 64) }

// collapse makes one wildcard of several in a row.
func collapse(s string) string {
	if !strings.ContainsAny(s, "*%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		n := len(b)
		switch c := s[i]; {
		case n == 0 || c != '*' && c != '%' || b[n-1] != '*' && b[n-1] != '%':
			b = append(b, c)
		case c == '*':
			b[n-1] = '*'
		}
	}
	return string(b)
}

// canonical writes INBOX as the store does where a pattern begins so.
func canonical(s string) string {
	const n = len(mailbox.Inbox)
	if len(s) >= n && strings.EqualFold(s[:n], mailbox.Inbox) && (len(s) == n || strings.IndexByte("/*%", s[n]) >= 0) {
		return mailbox.Inbox + s[n:]
	}
	return s
}

// matches tells whether name is one that the pattern means.
func (p *pattern) matches(name string) bool {
	switch {
	case p.wild == nil:
		return name == p.text
	case p.text == "*":
		return true
	case p.text == "%":
		return strings.IndexByte(name, '/') < 0
	}
	clear(p.now)
	p.now[0] = 1
	p.skip(p.now)
	for i := range len(name) {
		if !p.step(name[i]) {
			return false
		}
	}
	end := len(p.text)
	return p.now[end/64]&(1<<(end%64)) != 0
}

// step goes on by one octet; false: nothing can match any more.
func (p *pattern) step(c byte) bool {
	of, stay := p.of[c], p.wild
	if c == '/' {
		stay = p.star
	}
	var carry, any uint64
	for i, now := range p.now {
		var moved uint64
		if of != nil {
			moved = now & of[i]
		}
		p.next[i] = moved<<1 | carry | now&stay[i]
		carry = moved >> 63
		any |= p.next[i]
	}
	p.now, p.next = p.next, p.now
	p.skip(p.now)
	return any != 0
}

// skip adds the places behind wildcards, which may stand for nothing.
func (p *pattern) skip(now []uint64) {
	var carry uint64
	for i := range now {
		at := now[i] & p.wild[i]
		now[i] |= at<<1 | carry
		carry = at >> 63
	}
}
