package imapd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/index"
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
	walked bool
	hits   []bool // by needle: it is in the body
	buf    []byte // the header
	finder finder
}

func (p *probe) begin(s *seeker) {
	p.shut()
	p.s, p.fields, p.walked = s, nil, false
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

// has judges BODY and TEXT.
func (p *probe) has(n *node) bool {
	if len(n.text) == 0 {
		return true
	}
	if n.op == imap.SearchText {
		if !p.read() {
			return false
		}
		var folded []byte
		for _, f := range p.fields.Fields() {
			folded = index.AppendFold(folded[:0], f.Name+": "+message.DecodeText(f.Value()))
			if bytes.Contains(folded, n.text) {
				return true
			}
		}
	}
	return p.body()[n.needle]
}

// body looks for all needles in one pass.
func (p *probe) body() []bool {
	if p.walked {
		return p.hits
	}
	p.walked = true
	if p.hits == nil {
		p.hits = make([]bool, len(p.s.needles))
	}
	clear(p.hits)
	if err := errors.Join(p.spend(p.s.m.Size), p.open()); err != nil {
		p.s.err = err
		return p.hits
	}
	src := io.NewSectionReader(p.octets, 0, p.octets.Size())
	_, err := message.WalkStructure(src, message.WalkLimits{Depth: index.MaxDepth, Parts: index.MaxParts, HeaderBytes: maxProbeHeader}, p)
	if err != nil && !errors.Is(err, errAllFound) {
		p.s.err = fmt.Errorf("imapd: search message: %w", err)
	}
	return p.hits
}

// errAllFound ends a walk early.
var errAllFound = errors.New("imapd: all texts are found")

// Begin implements message.StructureVisitor: texts are looked into, and the
// headers of the parts.
func (p *probe) Begin(e *message.Entity) io.Writer {
	if e.HeaderAt > 0 && e.Header != nil {
		p.finder.begin(p)
		for _, f := range e.Header.Fields() {
			_, _ = io.WriteString(&p.finder, f.Name+": "+message.DecodeText(f.Value())+"\n")
		}
	}
	if e.Kind != message.EntityLeaf || !strings.HasPrefix(e.Content.Type, "text/") {
		return nil
	}
	p.finder.begin(p)
	p.finder.text = index.TextWriter(e.Content.Type, e.Content.Param("charset"), &p.finder)
	return p.finder.text
}

// End implements message.StructureVisitor.
func (p *probe) End(e *message.Entity) {
	if e.Kind == message.EntityLeaf && p.finder.text != nil {
		_ = p.finder.text.Close()
		p.finder.text = nil
	}
}

// finder looks for the needles in a text that comes in pieces.
type finder struct {
	p    *probe
	text io.WriteCloser
	raw  []byte // the beginning of a character
	buf  []byte // folded: the end of what came before, and the piece
}

func (f *finder) begin(p *probe) { f.p, f.raw, f.buf = p, f.raw[:0], f.buf[:0] }

// maxPiece is how many octets are folded at once.
const maxPiece = 16 << 10

// Write looks into a piece.
func (f *finder) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		k := min(len(b), maxPiece)
		if err := f.piece(b[:k]); err != nil {
			return 0, err
		}
		b = b[k:]
	}
	return n, nil
}

func (f *finder) piece(b []byte) error {
	if len(f.raw) > 0 {
		b = append(f.raw, b...)
	}
	whole := len(b)
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				whole = len(b) - i
			}
			break
		}
	}
	f.buf = index.AppendFold(f.buf, b[:whole])
	f.raw = append(f.raw[:0], b[whole:]...)
	longest, left := 0, 0
	for i, needle := range f.p.s.needles {
		if !f.p.hits[i] {
			f.p.hits[i] = bytes.Contains(f.buf, needle)
		}
		if !f.p.hits[i] {
			left++
		}
		longest = max(longest, len(needle))
	}
	if left == 0 {
		return errAllFound
	}
	if keep := longest - 1; len(f.buf) > keep {
		f.buf = append(f.buf[:0], f.buf[len(f.buf)-keep:]...)
	}
	return nil
}
