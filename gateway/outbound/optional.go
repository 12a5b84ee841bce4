package outbound

import (
	"errors"
	"io"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/queue"
)

// maxOptional bounds the header that is looked at, in octets.
const maxOptional = 256 << 10

// lax tells whether the message may be handed to a host of MX although a
// policy that its domain publishes cannot be met: its sender wants it to arrive
// all the same, as with a report about TLS that fails (RFC 8689 section 5). What
// the configuration wants, and REQUIRETLS, stay.
func (d *delivery) lax(h *hop) bool {
	if h.lax == nil || d.j.Params.RequireTLS {
		return false
	}
	if d.optional == nil {
		optional := tlsOptional(d.j)
		d.optional = &optional
	}
	return *d.optional
}

// tlsOptional tells whether the header has one TLS-Required field, which says
// No. It is read only where a policy is in the way.
func tlsOptional(j *queue.Job) bool {
	r, err := j.Open()
	if err != nil {
		return false
	}
	defer r.Close()
	var raw []byte
	buf := make([]byte, 8<<10)
	for end := 0; ; {
		n, err := r.Read(buf)
		from := len(raw)
		raw = append(raw, buf[:n]...)
		var ok bool
		if end, _, ok = message.EndOfHeader(raw, from); ok {
			raw = raw[:end]
			break
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || len(raw) > maxOptional {
			return false
		}
	}
	h, err := message.ParseHeader(raw, message.HeaderLimits{})
	if err != nil || h.Count("TLS-Required") != 1 {
		return false
	}
	v, _ := h.Get("TLS-Required")
	return strings.EqualFold(strings.TrimSpace(v), "no")
}
