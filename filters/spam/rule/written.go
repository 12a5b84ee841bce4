package rule

import (
	"bytes"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/text"
)

// subjectSum is how the subject is written.
type subjectSum struct {
	reply, forward, capitals, id, recipient, gap, pictures bool
}

// answers are what mail programs put before the subject of a reply; forwards
// those of a forward.
var (
	answers  = []string{"re:", "aw:", "sv:", "vs:", "antw:", "odp:", "ynt:", "res:", "rif:", "回复:", "回复：", "答复:", "答复：", "re：", "отв:", "ответ:", "رد:"}
	forwards = []string{"fw:", "fwd:", "wg:", "tr:", "rv:", "enc:", "i:", "doorst:", "转发:", "转发：", "fw：", "fwd："}
)

func hasPrefix(s []byte, list []string) bool {
	for _, p := range list {
		if len(s) >= len(p) && string(s[:len(p)]) == p {
			return true
		}
	}
	return false
}

// readSubject looks at how the subject is written.
func (l *look) readSubject() {
	s := &l.subject
	*s = subjectSum{}
	folded, raw := l.m.Subject, l.m.Header.Subject
	body := folded
	for len(body) > 0 && body[0] == '[' { // the tag of a list
		i := bytes.IndexByte(body, ']')
		if i < 0 {
			break
		}
		body = bytes.TrimLeft(body[i+1:], " ")
	}
	s.reply, s.forward = hasPrefix(body, answers), hasPrefix(body, forwards)
	s.capitals = capitals(raw)
	s.gap = strings.Contains(raw, "      ")
	s.id = endsInID(raw)
	s.pictures = pictures(raw)
	for i := range l.m.Header.To {
		to := &l.m.Header.To[i]
		if len(to.Local) < 3 {
			continue
		}
		if strings.IndexByte(raw, '@') >= 0 && strings.Contains(raw, to.Local+"@") {
			s.recipient = true
		}
	}
}

// capitals tells whether there are letters, and hardly any small ones.
func capitals(s string) bool {
	upper, lower := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case 'A' <= c && c <= 'Z':
			upper++
		case 'a' <= c && c <= 'z' || c >= 0x80:
			lower++
		}
	}
	return upper >= 8 && lower*8 < upper
}

// endsInID tells whether the last word of a subject is one that a program
// made to make each copy differ: eight letters and digits or more, mixed.
func endsInID(s string) bool {
	s = strings.TrimRight(s, " )]}.#!*>-_")
	w := s[strings.LastIndexAny(s, " #[({:-_|")+1:]
	if len(w) < 8 || len(w) > 40 {
		return false
	}
	letters, digits, turns := 0, 0, 0
	last := byte(0)
	if len(strings.TrimLeft(w, "0123456789abcdef")) == 0 {
		return false // the name of a commit
	}
	for i := range len(w) {
		kind := byte(0)
		switch c := w[i]; {
		case '0' <= c && c <= '9':
			digits++
			kind = '0'
		case 'a' <= c && c <= 'z':
			letters++
			kind = 'a'
		case 'A' <= c && c <= 'Z':
			letters++
			kind = 'A'
		default:
			return false
		}
		if last != 0 && kind != last {
			turns++
		}
		last = kind
	}
	return letters >= 2 && digits >= 2 && turns >= 3
}

// pictures tells whether there are emoji or other signs that are no letters.
func pictures(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0xe2 {
			for _, r := range s[i:] {
				if r >= 0x2600 && r < 0x2800 || r >= 0x1f000 && r < 0x1fb00 {
					return true
				}
			}
			return false
		}
	}
	return false
}

// maxLook bounds the octets of text in which words and wallets are looked for.
const maxLook = 32 << 10

// readText looks for words, wallets and the recipient's address in the text.
func (l *look) readText() {
	t := l.m.Text[:min(len(l.m.Text), maxLook)]
	l.words.reset()
	l.words.scan(l.m.Subject, inSubject)
	l.words.scan(t, inText)
	if l.from.name != "" {
		l.folded = text.Fold(l.folded[:0], []byte(l.from.name), nil)
		l.words.scan(l.folded, inName)
	}
	l.wallet = wallet(l.m.Page.Text[:min(len(l.m.Page.Text), maxLook)])
	l.shows = false
	if bytes.IndexByte(t, '@') < 0 {
		return
	}
	for i := range min(len(l.m.Header.To), 3) {
		to := &l.m.Header.To[i]
		if to.Local != "" && bytes.Contains(t, []byte(strings.ToLower(to.Local)+"@"+to.Domain)) {
			l.shows = true
		}
	}
}

// wallet tells whether the text has the address of a wallet of Bitcoin,
// Ethereum, Litecoin, Tron or Monero, by its form.
func wallet(t []byte) bool {
	for i := minWallet - 1; i < len(t); i += minWallet { // no wallet stands between two of these places
		if !alnum(t[i]) {
			continue
		}
		start, end := i, i
		for start > 0 && i-start < maxWallet && alnum(t[start-1]) {
			start--
		}
		for end < len(t) && end-i < maxWallet && alnum(t[end]) {
			end++
		}
		if n := end - start; n >= minWallet && n <= maxWallet && (start == 0 || strings.IndexByte("/=@-._", t[start-1]) < 0) && isWallet(t[start:end]) {
			return true
		}
	}
	return false
}

// Lengths of the addresses of wallets.
const (
	minWallet = 26
	maxWallet = 110
)

func alnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isWallet(w []byte) bool {
	n := len(w)
	switch {
	case n == 42 && w[0] == '0' && w[1] == 'x':
		return all(w[2:], "0123456789abcdefABCDEF")
	case (n == 42 || n == 62) && (string(w[:3]) == "bc1" || string(w[:3]) == "BC1"), (n == 43) && string(w[:4]) == "ltc1":
		return all(bytes.ToLower(w[3:]), "023456789acdefghjklmnpqrstuvwxyz1")
	case (n == 95 || n == 106) && (w[0] == '4' || w[0] == '8'), n == 34 && w[0] == 'T', n >= 26 && n <= 35 && (w[0] == '1' || w[0] == '3'):
		return all(w, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz") && mixed(w)
	}
	return false
}

// mixed tells whether there are digits, small and capital letters, as in what
// is written in base 58.
func mixed(w []byte) bool {
	var digit, small, large int
	for _, c := range w {
		switch {
		case c <= '9':
			digit++
		case c <= 'Z':
			large++
		default:
			small++
		}
	}
	return digit >= 3 && small >= 4 && large >= 4
}

func all(w []byte, set string) bool {
	for _, c := range w {
		if strings.IndexByte(set, c) < 0 {
			return false
		}
	}
	return true
}
