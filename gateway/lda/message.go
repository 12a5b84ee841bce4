package lda

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
)

// maxHeader bounds the header block that scripts see, in octets. What is
// larger, which inbound does not let in, is kept without asking them.
const maxHeader = 2 << 20

// mail is a message on its way into mailboxes.
type mail struct {
	*gateway.Copy
	header *message.Header // nil: it cannot be understood
	block  []byte          // raw header block without the empty line
	body   int64           // where the body begins
}

// read reads the header block of a copy.
func read(c *gateway.Copy) (*mail, error) {
	m := &mail{Copy: c}
	r := c.Open()
	defer r.Close()
	buf := make([]byte, 0, 8<<10)
	for seen := 0; ; {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if head, body, ok := message.EndOfHeader(buf, seen); ok {
			m.block, m.body = buf[:head:head], int64(body)
			break
		}
		seen = len(buf)
		if err == io.EOF {
			m.block, m.body = buf, int64(len(buf))
			break
		}
		if err != nil {
			return nil, fmt.Errorf("lda: %s: %w", c.ID, err)
		}
		if len(buf) > maxHeader {
			return m, nil
		}
	}
	h, err := message.ParseHeader(m.block, message.HeaderLimits{Bytes: maxHeader, Field: maxHeader})
	var limit *message.LimitError
	switch {
	case err == nil:
		m.header = h
	case !errors.As(err, &limit):
		return nil, fmt.Errorf("lda: %s: %w", c.ID, err)
	}
	return m, nil
}

// openBody reads what comes after the empty line.
func (m *mail) openBody() (io.ReadCloser, error) {
	r := m.Open()
	if _, err := io.CopyN(io.Discard, r, m.body); err != nil && err != io.EOF {
		r.Close()
		return nil, err
	}
	return r, nil
}

// with returns a reader of the message with prefix on top, and with another
// header block where header is not nil; and its size.
func (m *mail) with(prefix, header []byte) (func() io.ReadCloser, int64) {
	if header == nil {
		return func() io.ReadCloser {
			r := m.Open()
			return joined{io.MultiReader(bytes.NewReader(prefix), r), r}
		}, int64(len(prefix)) + m.Size
	}
	head := make([]byte, 0, len(prefix)+len(header)+2)
	head = append(append(append(head, prefix...), header...), "\r\n"...)
	return func() io.ReadCloser {
		r, err := m.openBody()
		if err != nil {
			return joined{failed{err}, io.NopCloser(nil)}
		}
		return joined{io.MultiReader(bytes.NewReader(head), r), r}
	}, int64(len(head)) + max(0, m.Size-m.body)
}

// joined reads from one and closes another.
type joined struct {
	io.Reader
	io.Closer
}

// WriteTo implements io.WriterTo.
func (j joined) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, j.Reader) }

// failed is a reader that cannot.
type failed struct{ err error }

// Read implements io.Reader.
func (f failed) Read([]byte) (int, error) { return 0, f.err }

// prefix are the fields that final delivery puts on top (RFC 5321 section
// 4.4): who else but the recipient is meant, only a copy for one may say.
func (m *mail) prefix(p *parcel, alone bool) []byte {
	b := append([]byte("Return-Path: "), m.From.Path()...)
	b = append(b, "\r\n"...)
	if !alone {
		return b
	}
	b = message.AppendFolded(b, "Delivered-To: "+message.CleanValue(p.target.Address.String()))
	if o := m.Rcpts[p.rcpt].Params; o.OriginalType == "rfc822" && o.OriginalAddress != "" && !equalFold(o.OriginalAddress, p.target.Address.String()) {
		b = message.AppendFolded(b, "X-Original-To: "+message.CleanValue(o.OriginalAddress))
	}
	return b
}
