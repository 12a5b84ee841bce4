package index

import (
	"bytes"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
)

// header reads what the message's own header has for a record.
func (m *maker) header(h *message.Header) {
	f := readEnvelope(h)
	var cut bool
	m.envelope, cut = appendEnvelope(m.envelope, &f, maxEnvelope)
	if cut {
		m.flags |= FlagHeaderCut
	}
	if f.has[0] {
		if d, ok := readDate(f.date); ok {
			m.date = d
			m.flags |= FlagDate
		}
	}
	for i, name := range [...]string{"Subject", "From", "To", "Cc", "Bcc"} {
		m.fields[fieldSubject+i] = m.text(values(h, name))
	}
	m.subject(f.subject)
	m.people(&f)
	if f.has[3] {
		eachMessageID(f.messageID, func(id string) bool {
			m.fields[fieldMessageID] = m.keep(func(b []byte) []byte { return append(b, id...) })
			return false
		})
	}
	m.references(values(h, "References"), f.inReplyTo)
}

// keep returns what f appends, as a piece of room.
func (m *maker) keep(f func([]byte) []byte) []byte {
	n := len(m.room)
	m.room = f(m.room)
	return m.room[n:len(m.room):len(m.room)]
}

// text decodes and folds a header text.
func (m *maker) text(v string) []byte {
	if v == "" {
		return nil
	}
	if len(v) > maxSearchText {
		m.flags |= FlagHeaderCut
		v = v[:maxSearchText]
	}
	return m.keep(func(b []byte) []byte { return AppendFold(b, message.DecodeText(v)) })
}

// subject makes the base subject.
func (m *maker) subject(v string) {
	if v == "" {
		return
	}
	all := m.fields[fieldSubject]
	if bytes.IndexByte(all, '\n') >= 0 {
		all = m.text(v)
	}
	base, reply := baseSubject(all)
	if reply {
		m.flags |= FlagReply
	}
	if bytes.Equal(base, m.fields[fieldSubject]) {
		m.flags |= FlagSubjectSame
	} else {
		m.fields[fieldBaseSubject] = base
	}
}

// people makes the keys of the first addresses.
func (m *maker) people(f *envelopeFields) {
	for _, p := range [...]struct{ list, sort, display int }{
		{listFrom, fieldSortFrom, fieldDisplayFrom},
		{listTo, fieldSortTo, fieldDisplayTo},
		{listCc, fieldSortCc, -1},
	} {
		a, ok := firstAddress(f.lists[p.list])
		if !ok {
			continue
		}
		mailbox, display := a.Address.Local, message.DecodeText(a.Name)
		if a.Kind == message.GroupBegin {
			mailbox = display
		} else if display == "" {
			display = strings.TrimSuffix(a.Address.Local+"@"+a.Address.Domain, "@")
		}
		m.fields[p.sort] = m.key(mailbox)
		if p.display >= 0 {
			m.fields[p.display] = m.key(display)
		}
		if p.list == listFrom && a.Kind == message.MailboxItem {
			s := a.Address.Local + "@" + a.Address.Domain
			m.fields[fieldAuthor] = m.keep(func(b []byte) []byte { return append(b, s[:min(len(s), maxSortKey)]...) })
		}
	}
}

func (m *maker) key(s string) []byte {
	s = strings.ToValidUTF8(s[:min(len(s), maxSortKey)], "")
	return m.keep(func(b []byte) []byte { return AppendFold(b, s) })
}

// firstAddress returns the first address or group of a list.
func firstAddress(value string) (first message.AddressItem, ok bool) {
	if value == "" {
		return first, false
	}
	message.EachAddress(value[:min(len(value), maxString)], func(a message.AddressItem) {
		if !ok && a.Kind != message.GroupEnd {
			first, ok = a, true
		}
	})
	return first, ok
}

// references keeps the identifiers that THREAD uses.
func (m *maker) references(refs, inReplyTo string) {
	var list []string
	add := func(id string) bool {
		if len(list) == MaxReferences { // the first and the newest matter
			copy(list[1:], list[2:])
			list = list[:MaxReferences-1]
		}
		list = append(list, id)
		return true
	}
	if refs != "" {
		eachMessageID(refs, add)
	}
	if len(list) == 0 && inReplyTo != "" {
		eachMessageID(inReplyTo, func(id string) bool {
			add(id)
			return false
		})
	}
	if len(list) == 0 {
		return
	}
	m.fields[fieldReferences] = m.keep(func(b []byte) []byte {
		for _, id := range list {
			b = append(append(b, id...), 0)
		}
		return b
	})
}

// eachMessageID calls f with the identifiers in a value, normalised and
// without brackets, until it returns false. What real mail has for one is
// taken, with or without an @.
func eachMessageID(v string, f func(id string) bool) {
	for {
		i := strings.IndexByte(v, '<')
		if i < 0 {
			return
		}
		v = v[i:]
		n := strings.IndexByte(v, '>')
		if n < 0 {
			return
		}
		if k := strings.LastIndexByte(v[:n], '<'); k > 0 {
			v, n = v[k:], n-k
		}
		id := v[1:n]
		v = v[n+1:]
		if id = normalID(id); id != "" && !f(id) {
			return
		}
	}
}

// normalID removes needless quotes (RFC 5256 section 2.1: equal identifiers
// are equal without quoting).
func normalID(id string) string {
	if len(id) > maxMessageID {
		return ""
	}
	if strings.ContainsAny(id, "\"\\() \t\r\n") {
		if n, err := message.ParseMessageID("<" + id + ">"); err == nil {
			return n[1 : len(n)-1]
		}
	}
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return -1
		}
		return r
	}, id)
}
