package index

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
)

// beginStructure writes what BODYSTRUCTURE has before the parts of an entity.
func (m *maker) beginStructure(e *message.Entity) {
	m.octetsAt = append(m.octetsAt, 0)
	m.structure = append(m.structure, '(')
	if e.Kind != message.EntityMessage {
		return
	}
	m.basic(e)
	m.octetsAt[len(m.octetsAt)-1] = len(m.structure)
	m.structure = append(m.structure, ' ')
	m.innerEnvelope = true
	if e.Content.Type == "message/global" {
		m.flags |= FlagGlobal
	}
}

// envelopeInside writes the envelope of a message within the message.
func (m *maker) envelopeInside(h *message.Header) {
	if !m.innerEnvelope {
		return
	}
	m.innerEnvelope = false
	f := readEnvelope(h)
	m.structure, _ = appendEnvelope(m.structure, &f, min(maxEnvelope/8, max(maxStructure-len(m.structure), 0)))
	m.structure = append(m.structure, ' ')
}

// endStructure writes what comes after the parts.
func (m *maker) endStructure(e *message.Entity, x *entity) {
	last := len(m.octetsAt) - 1
	at := m.octetsAt[last]
	m.octetsAt = m.octetsAt[:last]
	switch e.Kind {
	case message.EntityMultipart:
		m.endMultipart(e, x)
		return
	case message.EntityMessage:
		m.structure = slices.Insert(m.structure, at, []byte(" "+strconv.FormatInt(x.Length, 10))...)
		m.number(e.Lines)
	default:
		m.basic(e)
		m.number(x.Length)
		if strings.HasPrefix(e.Content.Type, "text/") {
			m.number(e.Lines)
		}
	}
	m.structure = append(m.structure, ' ')
	m.field(e.Header, "Content-MD5")
	m.extension(e)
}

// basic writes type, parameters, identifier, description and encoding.
func (m *maker) basic(e *message.Entity) {
	t, sub, _ := strings.Cut(e.Content.Type, "/")
	m.structure = appendString(m.structure, t)
	m.structure = append(m.structure, ' ')
	m.structure = appendString(m.structure, sub)
	m.structure = append(m.structure, ' ')
	m.params(e.Content.Params, t == "text")
	m.structure = append(m.structure, ' ')
	m.field(e.Header, "Content-ID")
	m.structure = append(m.structure, ' ')
	m.field(e.Header, "Content-Description")
	m.structure = append(m.structure, ' ')
	m.structure = appendString(m.structure, orElse(e.Content.Encoding, "7bit"))
}

// endMultipart ends a multipart. One without parts has an empty text, as the
// grammar wants one.
func (m *maker) endMultipart(e *message.Entity, x *entity) {
	if x.parts == 0 {
		m.structure = append(m.structure, `("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)`...)
	}
	_, sub, _ := strings.Cut(e.Content.Type, "/")
	m.structure = append(m.structure, ' ')
	m.structure = appendString(m.structure, sub)
	m.structure = append(m.structure, ' ')
	m.params(e.Content.Params, false)
	m.extension(e)
}

// extension writes disposition, language and location, and ends the entity.
func (m *maker) extension(e *message.Entity) {
	m.structure = append(m.structure, ' ')
	if e.Content.Disposition == "" {
		m.structure = append(m.structure, "NIL"...)
	} else {
		m.structure = append(m.structure, '(')
		m.structure = appendString(m.structure, e.Content.Disposition)
		m.structure = append(m.structure, ' ')
		m.params(e.Content.DispositionParams, false)
		m.structure = append(m.structure, ')')
	}
	m.structure = append(m.structure, ' ')
	m.language(e.Header)
	m.structure = append(m.structure, ' ')
	m.field(e.Header, "Content-Location")
	m.structure = append(m.structure, ')')
}

func (m *maker) number(n int64) {
	m.structure = append(m.structure, ' ')
	m.structure = strconv.AppendInt(m.structure, n, 10)
}

// full tells whether only what the grammar wants is written any more.
func (m *maker) full() bool {
	if len(m.structure) > maxStructure {
		m.flags |= FlagLimited
		return true
	}
	return false
}

// field writes the value of a header field, or NIL.
func (m *maker) field(h *message.Header, name string) {
	v, ok := h.Get(name)
	m.structure = appendNString(m.structure, v, ok && v != "" && !m.full())
}

// params writes a list of parameters, or NIL. That of text has a charset
// (RFC 2045 section 5.2), which some clients insist on.
func (m *maker) params(each func(func(name, value string)), charset bool) {
	begin := len(m.structure)
	m.structure = append(m.structure, '(')
	each(func(name, value string) {
		if name == "charset" || name == "charset*" {
			charset = false
		}
		if m.full() {
			return
		}
		if len(m.structure) > begin+1 {
			m.structure = append(m.structure, ' ')
		}
		m.structure = appendString(m.structure, name)
		m.structure = append(m.structure, ' ')
		m.structure = appendString(m.structure, value)
	})
	if charset {
		if len(m.structure) > begin+1 {
			m.structure = append(m.structure, ' ')
		}
		m.structure = append(m.structure, `"charset" "us-ascii"`...)
	}
	if len(m.structure) == begin+1 {
		m.structure = append(m.structure[:begin], "NIL"...)
		return
	}
	m.structure = append(m.structure, ')')
}

// language writes Content-Language (RFC 3282) as a list, or NIL.
func (m *maker) language(h *message.Header) {
	v, _ := h.Get("Content-Language")
	begin := len(m.structure)
	m.structure = append(m.structure, '(')
	for tag := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		if m.full() {
			break
		}
		if len(m.structure) > begin+1 {
			m.structure = append(m.structure, ' ')
		}
		m.structure = appendString(m.structure, tag)
	}
	if len(m.structure) == begin+1 {
		m.structure = append(m.structure[:begin], "NIL"...)
		return
	}
	m.structure = append(m.structure, ')')
}
