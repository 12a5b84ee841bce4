package imapd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/index"
	"github.com/gapura-mail/gapura/gateway/mailbox/search"
	"github.com/gapura-mail/gapura/gateway/message"
)

// maxSearchOctets is how many octets of messages one search may read.
const maxSearchOctets = 1 << 30

// maxProbeHeader is how much of a header is looked at for texts.
const maxProbeHeader = 512 << 10

// probe looks into the octets of the message at hand, when nothing cheaper
// told enough.
type probe struct {
	s      *seeker
	octets blob.Reader
	fields *message.Header
	text   *search.Text
	buf    []byte // the header
}

func (p *probe) begin(s *seeker) {
	p.shut()
	p.s, p.fields, p.text = s, nil, nil
}

func (p *probe) shut() {
	if p.octets != nil {
		p.octets.Close()
		p.octets = nil
	}
}

// open opens the octets.
func (p *probe) open() (err error) {
	if p.octets == nil {
		p.octets, err = p.s.c.view.Open(p.s.ctx, p.s.m)
	}
	return err
}

// spend counts octets that are to be read.
func (p *probe) spend(n int64) error {
	if p.s.budget -= n; p.s.budget < 0 {
		return &imap.Refusal{Code: "LIMIT", Text: "The search has to read too much; narrow it"}
	}
	return p.s.ctx.Err()
}

// makeRecord makes an index record where there is none.
func (p *probe) makeRecord() (index.Record, error) {
	if err := errors.Join(p.spend(p.s.m.Size), p.open()); err != nil {
		return index.Record{}, err
	}
	made, err := index.Make(p.octets)
	if err != nil {
		return index.Record{}, fmt.Errorf("imapd: index message: %w", err)
	}
	return index.Open(made)
}

// pass decides which errors end a search: not those of one message.
func (s *seeker) pass(err error) error {
	if _, is := errors.AsType[*imap.Refusal](err); is || s.ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if !errors.Is(err, mailbox.ErrExpunged) {
		s.c.log(slog.LevelError, "message cannot be searched", slog.Any("error", err))
	}
	return nil
}

// read reads the header.
func (p *probe) read() bool {
	if p.fields != nil {
		return true
	}
	n := min(p.s.record.HeaderSize(), maxProbeHeader)
	if err := errors.Join(p.spend(n), p.open()); err != nil {
		p.s.err = err
		return false
	}
	if int64(cap(p.buf)) < n {
		p.buf = make([]byte, n, max(n, 8<<10))
	}
	p.buf = p.buf[:n]
	if _, err := p.octets.ReadAt(p.buf, 0); err != nil && !errors.Is(err, io.EOF) {
		p.s.err = fmt.Errorf("imapd: read header: %w", err)
		return false
	}
	p.fields, _ = message.ParseHeader(p.buf, message.HeaderLimits{Bytes: maxProbeHeader + 1, Field: maxProbeHeader + 1})
	return true
}

// header tells whether a field of the name has a text; an empty text: whether
// there is such a field.
func (p *probe) header(name string, text []byte) bool {
	if !p.read() {
		return false
	}
	var folded []byte
	for _, f := range p.fields.Fields() {
		if !strings.EqualFold(f.Name, name) {
			continue
		}
		if len(text) == 0 {
			return true
		}
		if folded = index.AppendFold(folded[:0], message.DecodeText(f.Value())); bytes.Contains(folded, text) {
			return true
		}
	}
	return false
}

// has judges BODY and TEXT, by the text that full-text search sees, too.
func (p *probe) has(n *node) bool {
	if len(n.text) == 0 {
		return true
	}
	if p.text == nil {
		if err := errors.Join(p.spend(p.s.m.Size), p.open()); err != nil {
			p.s.err = err
			return false
		}
		t, err := search.Extract(io.NewSectionReader(p.octets, 0, p.octets.Size()))
		if err != nil {
			p.s.err = fmt.Errorf("imapd: search message: %w", err)
			return false
		}
		p.text = t
	}
	if err := p.s.ctx.Err(); err != nil { // there may be many texts, and the message be large
		p.s.err = err
		return false
	}
	return bytes.Contains(p.text.Body, n.text) || n.op == imap.SearchText && bytes.Contains(p.text.Header, n.text)
}
