package message

import (
	"net/netip"
	"strings"
	"time"
)

// Received holds what a trace field says (RFC 5321 section 4.4). None of the
// strings is trusted: what cannot be in the field is replaced.
type Received struct {
	Helo     string     // what the client called itself
	RDNS     string     // verified name of the client's address, "" : unknown
	IP       netip.Addr // invalid on a unix socket
	By       string     // our name
	Software string     // in a comment after By, "" : none
	With     string     // see Protocol
	TLS      string     // version and cipher, as in "TLS1.3 TLS_AES_128_GCM_SHA256"; "" : no TLS
	ID       string
	For      string // one mailbox, only when the message has no other recipient; "" : no clause
	Date     time.Time
}

// Protocol returns the word of the with clause (RFC 3848, RFC 6531 section 4.3).
func Protocol(lmtp, extended, utf8, tls, auth bool) string {
	p := "SMTP"
	if lmtp {
		p = "LMTP"
	}
	switch {
	case utf8:
		p = "UTF8" + p
	case extended && !lmtp:
		p = "E" + p
	case !lmtp:
		return p
	}
	if tls {
		p += "S"
	}
	if auth {
		p += "A"
	}
	return p
}

// Field returns the whole field, folded, with its final CRLF.
func (r *Received) Field() []byte {
	b := make([]byte, 0, 384)
	b = append(b, "Received: from "...)
	b = append(b, r.word(r.Helo)...)
	b = append(b, " ("...)
	b = r.appendPeer(b)
	b = append(b, ')')
	if r.TLS != "" {
		b = append(b, "\r\n\t(using "...)
		b = append(b, comment(r.TLS)...)
		b = append(b, ')')
	}
	b = append(b, "\r\n\tby "...)
	b = append(b, r.word(r.By)...)
	if r.Software != "" {
		b = append(b, " ("...)
		b = append(b, comment(r.Software)...)
		b = append(b, ')')
	}
	b = append(b, " with "...)
	b = append(b, r.word(r.With)...)
	b = append(b, " id "...)
	b = append(b, r.word(r.ID)...)
	if r.For != "" {
		b = append(b, "\r\n\tfor <"...)
		b = append(b, r.path(r.For)...)
		b = append(b, '>')
	}
	b = append(b, ";\r\n\t"...)
	b = r.Date.AppendFormat(b, time.RFC1123Z)
	return AppendFolded(make([]byte, 0, len(b)+8), string(b))
}

// appendPeer appends the TCP-info of RFC 5321.
func (r *Received) appendPeer(b []byte) []byte {
	ip := r.IP.Unmap()
	if !ip.IsValid() {
		return append(b, "local"...)
	}
	name := "unknown"
	if r.RDNS != "" {
		name = r.word(strings.TrimSuffix(r.RDNS, "."))
	}
	b = append(b, name...)
	b = append(b, " ["...)
	if ip.Is6() {
		b = append(b, "IPv6:"...)
	}
	return append(ip.WithZone("").AppendTo(b), ']')
}

const maxWord = 255 // octets of a word that somebody else chose

// Characters that end a word, a path or a comment.
const (
	notInWord    = ` ()<>@,;\"`
	notInPath    = "<>"
	notInComment = `()\`
)

// word makes s one atom of the field: a name, an address literal, an id.
func (r *Received) word(s string) string {
	if s == "" {
		return "unknown"
	}
	return clip(s, notInWord, r.utf8())
}

// path makes s the inside of angle brackets.
func (r *Received) path(s string) string { return clip(s, notInPath, r.utf8()) }

// utf8 tells whether the field may have characters beyond ASCII: only with
// SMTPUTF8 (RFC 6531 section 3.7.3).
func (r *Received) utf8() bool { return strings.HasPrefix(r.With, "UTF8") }

// comment makes s the inside of a comment.
func comment(s string) string { return clip(s, notInComment, false) }

// clip cuts s, cleans it and replaces the characters of not and, but with
// utf8, those beyond ASCII.
func clip(s, not string, utf8 bool) string {
	if len(s) <= maxWord && isClean(s, not) {
		return s
	}
	s = CleanValue(s[:min(len(s), 4*maxWord)])
	n := 0
	return strings.Map(func(c rune) rune {
		if n++; n > maxWord {
			return -1
		}
		if c < 0x7f && strings.ContainsRune(not, c) || c >= 0x7f && !utf8 {
			return '?'
		}
		return c
	}, s)
}

// isClean tells whether s is printable ASCII without the characters of not,
// as nearly all is.
func isClean(s, not string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' && (c != ' ' || i == 0 || i == len(s)-1) || c >= 0x7f || strings.IndexByte(not, c) >= 0 {
			return false
		}
	}
	return s != ""
}
