package message

import (
	"fmt"
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
	b := make([]byte, 0, 320)
	b = fmt.Appendf(b, "Received: from %s (%s)", r.word(r.Helo), r.peer())
	if r.TLS != "" {
		b = fmt.Appendf(b, "\r\n\t(using %s)", comment(r.TLS))
	}
	b = fmt.Appendf(b, "\r\n\tby %s", r.word(r.By))
	if r.Software != "" {
		b = fmt.Appendf(b, " (%s)", comment(r.Software))
	}
	b = fmt.Appendf(b, " with %s id %s", r.word(r.With), r.word(r.ID))
	if r.For != "" {
		b = fmt.Appendf(b, "\r\n\tfor <%s>", r.path(r.For))
	}
	b = fmt.Appendf(b, ";\r\n\t%s", r.Date.Format(time.RFC1123Z))
	return AppendFolded(make([]byte, 0, len(b)+8), string(b))
}

// peer is the TCP-info of RFC 5321.
func (r *Received) peer() string {
	name := "unknown"
	if r.RDNS != "" {
		name = r.word(strings.TrimSuffix(r.RDNS, "."))
	}
	ip := r.IP.Unmap()
	switch {
	case !ip.IsValid():
		return "local"
	case ip.Is4():
		return name + " [" + ip.String() + "]"
	}
	return name + " [IPv6:" + ip.WithZone("").String() + "]"
}

const maxWord = 255 // octets of a word that somebody else chose

// word makes s one atom of the field: a name, an address literal, an id.
func (r *Received) word(s string) string {
	if s == "" {
		return "unknown"
	}
	return clip(s, func(c rune) bool { return c > ' ' && !strings.ContainsRune(`()<>@,;\"`, c) && r.may(c) })
}

// path makes s the inside of angle brackets.
func (r *Received) path(s string) string {
	return clip(s, func(c rune) bool { return c != '<' && c != '>' && r.may(c) })
}

// may tells whether the field may have the character: beyond ASCII only with
// SMTPUTF8 (RFC 6531 section 3.7.3).
func (r *Received) may(c rune) bool { return c < 0x7f || strings.HasPrefix(r.With, "UTF8") }

// comment makes s the inside of a comment.
func comment(s string) string {
	return clip(s, func(c rune) bool { return c < 0x7f && !strings.ContainsRune(`()\`, c) })
}

// clip cuts s, cleans it and replaces what ok refuses.
func clip(s string, ok func(rune) bool) string {
	s = CleanValue(s[:min(len(s), 4*maxWord)])
	n := 0
	return strings.Map(func(c rune) rune {
		if n++; n > maxWord {
			return -1
		}
		if !ok(c) {
			return '?'
		}
		return c
	}, s)
}
