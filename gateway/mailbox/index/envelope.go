package index

import (
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
)

// envelopeFields are the fields that ENVELOPE is made of, the topmost of each.
type envelopeFields struct {
	date, subject, inReplyTo, messageID string
	has                                 [4]bool
	lists                               [6]string // as addressFields
}

var addressFields = [6]string{"From", "Sender", "Reply-To", "To", "Cc", "Bcc"}

const (
	listFrom = iota
	listSender
	listReplyTo
	listTo
	listCc
	listBcc
)

// readEnvelope finds the fields. Several of To, Cc or Bcc are one list.
func readEnvelope(h *message.Header) (f envelopeFields) {
	one := func(i int, to *string, field *message.Field) {
		if !f.has[i] {
			f.has[i], *to = true, field.Value()
		}
	}
	fields := h.Fields()
	for k := range fields {
		field := &fields[k]
		switch len(field.Name) {
		case 4:
			if field.Is("Date") {
				one(0, &f.date, field)
			}
		case 7:
			if field.Is("Subject") {
				one(1, &f.subject, field)
			}
		case 10:
			if field.Is("Message-ID") {
				one(3, &f.messageID, field)
			}
		case 11:
			if field.Is("In-Reply-To") {
				one(2, &f.inReplyTo, field)
			}
		}
		if len(field.Name) > len("Reply-To") {
			continue
		}
		for i, name := range addressFields {
			if !field.Is(name) {
				continue
			}
			if v := field.Value(); f.lists[i] == "" {
				f.lists[i] = v
			} else if i >= listTo && len(f.lists[i]) < maxEnvelope {
				f.lists[i] += ", " + v
			}
		}
	}
	return f
}

// appendEnvelope writes ENVELOPE (RFC 9051 section 7.5.2); lists that would
// make it longer than limit end early.
func appendEnvelope(dst []byte, f *envelopeFields, limit int) (_ []byte, cut bool) {
	limit += len(dst)
	dst = append(dst, '(')
	dst = appendNString(dst, f.date, f.has[0])
	dst = append(dst, ' ')
	dst = appendNString(dst, f.subject, f.has[1])
	from := [2]int{}
	for i := range f.lists {
		dst = append(dst, ' ')
		begin := len(dst)
		dst, cut = appendAddresses(dst, f.lists[i], limit, cut)
		switch {
		case i == listFrom:
			from = [2]int{begin, len(dst)}
		case (i == listSender || i == listReplyTo) && string(dst[begin:]) == "NIL":
			dst = append(dst[:begin], dst[from[0]:from[1]]...)
		}
	}
	dst = append(dst, ' ')
	dst = appendNString(dst, f.inReplyTo, f.has[2])
	dst = append(dst, ' ')
	dst = appendNString(dst, f.messageID, f.has[3])
	return append(dst, ')'), cut
}

// appendAddresses writes a list of addresses, NIL where there are none.
func appendAddresses(dst []byte, value string, limit int, cut bool) ([]byte, bool) {
	if value == "" {
		return append(dst, "NIL"...), cut
	}
	begin := len(dst)
	dst = append(dst, '(')
	group := false
	message.EachAddress(value, func(a message.AddressItem) {
		if len(dst) > limit && a.Kind != message.GroupEnd {
			cut = true
			return
		}
		switch a.Kind {
		case message.GroupBegin:
			group = true
			dst = append(dst, "(NIL NIL "...)
			dst = appendString(dst, a.Name)
			dst = append(dst, " NIL)"...)
		case message.GroupEnd:
			if group {
				dst = append(dst, "(NIL NIL NIL NIL)"...)
			}
			group = false
		default:
			dst = append(dst, '(')
			dst = appendNString(dst, a.Name, a.Name != "")
			dst = append(dst, ' ')
			dst = appendNString(dst, a.Route, a.Route != "")
			dst = append(dst, ' ')
			dst = appendString(dst, orElse(a.Address.Local, "MISSING_MAILBOX"))
			dst = append(dst, ' ')
			dst = appendString(dst, orElse(a.Address.Domain, "MISSING_DOMAIN"))
			dst = append(dst, ')')
		}
	})
	if len(dst) == begin+1 {
		return append(dst[:begin], "NIL"...), cut
	}
	return append(dst, ')'), cut
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// appendNString writes a string, or NIL.
func appendNString(dst []byte, s string, has bool) []byte {
	if !has {
		return append(dst, "NIL"...)
	}
	return appendString(dst, s)
}

// appendString writes a string: quoted, or a literal where it has octets
// above 127, which quoted strings of IMAP4rev1 must not have. Control
// characters, which neither may have or clients do not expect, are spaces.
func appendString(dst []byte, s string) []byte {
	s = s[:min(len(s), maxString)]
	if !asciiString(s) {
		dst = append(dst, '{')
		dst = strconv.AppendInt(dst, int64(len(s)), 10)
		dst = append(dst, "}\r\n"...)
		for i := range len(s) {
			dst = append(dst, blank(s[i]))
		}
		return dst
	}
	dst = append(dst, '"')
	for i := range len(s) {
		c := blank(s[i])
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// blank replaces what does not belong in a string.
func blank(c byte) byte {
	if c == 0 || c == '\r' || c == '\n' {
		return ' '
	}
	return c
}

func asciiString(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// date is a Date field: seconds since 1970, minutes east.
type date struct{ at, zone int64 }

// readDate parses a Date field.
func readDate(v string) (date, bool) {
	t, err := message.ParseDate(v)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return date{}, false
	}
	_, zone := t.Zone()
	if zone%60 != 0 || zone < -24*3600 || zone > 24*3600 {
		zone = 0
	}
	return date{t.Unix(), int64(zone / int(time.Minute/time.Second))}, true
}

// values joins the values of a field that occurs several times.
func values(h *message.Header, name string) string {
	var one string
	var all []string
	n := 0
	for _, f := range h.Fields() {
		if f.Is(name) {
			if n++; n == 1 {
				one = f.Value()
				continue
			}
			if n == 2 {
				all = append(all, one)
			}
			all = append(all, f.Value())
		}
	}
	if n < 2 {
		return one
	}
	return strings.Join(all, "\n")
}
