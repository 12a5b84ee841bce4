package imapd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox/index"
)

func unixTime(sec int64) time.Time { return time.Unix(sec, 0).UTC() }

// maxHeader is how many octets of a header are looked at for HEADER.FIELDS.
const maxHeader = 4 << 20

// section writes octets of the message at hand (RFC 9051 section 6.4.5.1). An
// error says that the response is not whole.
func (f *fetcher) section(s *imap.Section) error {
	w := &f.c.w
	f.scratch = append(s.Append(f.scratch[:0], true), ' ')
	switch s.Kind {
	case imap.SectionHeaderFields, imap.SectionHeaderFieldsNot:
		return f.headerFields(s)
	case imap.SectionBinary, imap.SectionBinarySize:
		return f.binary(s)
	}
	w.Bytes(f.scratch)
	r, ok := f.find(s)
	if !ok {
		w.Raw("NIL")
		return nil
	}
	if s.Partial {
		r = r.Part(clip(s.Offset), clip(s.Length))
	}
	w.LiteralHead(r.Length, false)
	return w.CopyAt(f.octets, r.Offset, r.Length)
}

// clip makes a number of a client one of octets.
func clip(n uint64) int64 { return int64(min(n, 1<<62)) }

// find returns where a section lies.
func (f *fetcher) find(s *imap.Section) (index.Range, bool) {
	if s.Kind == imap.SectionAll && len(s.Path) == 0 {
		return index.Range{Offset: 0, Length: f.m.Size}, true
	}
	return f.record.Section(s.Path, sectionKinds[s.Kind])
}

var sectionKinds = [...]index.Section{
	imap.SectionAll: index.All, imap.SectionHeader: index.Header, imap.SectionHeaderFields: index.Header,
	imap.SectionHeaderFieldsNot: index.Header, imap.SectionText: index.Text, imap.SectionMIME: index.MIME,
}

// headerFields writes some fields of a header, and the empty line (RFC 9051
// section 6.4.5.1); the response is named in scratch.
func (f *fetcher) headerFields(s *imap.Section) error {
	w := &f.c.w
	w.Bytes(f.scratch)
	r, ok := f.find(s)
	if !ok {
		w.Raw("NIL")
		return nil
	}
	n := int(min(r.Length, maxHeader))
	if cap(f.scratch) < n {
		f.scratch = make([]byte, n)
	}
	header := f.scratch[:n]
	if _, err := f.octets.ReadAt(header, r.Offset); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("imapd: read header: %w", err)
	}
	out := selectFields(header, s.Fields, s.Kind == imap.SectionHeaderFieldsNot)
	if s.Partial {
		p := index.Range{Length: int64(len(out))}.Part(clip(s.Offset), clip(s.Length))
		out = out[p.Offset : p.Offset+p.Length]
	}
	w.Literal(out)
	return w.Err()
}

// selectFields moves the fields that are named (or, not: all others) to the
// front of header, and returns them with an empty line behind.
func selectFields(header []byte, names []string, not bool) []byte {
	out, take := header[:0], false
	for len(header) > 0 {
		line := header
		if i := bytes.IndexByte(header, '\n'); i >= 0 {
			line = header[:i+1]
		}
		header = header[len(line):]
		if line[0] == '\r' || line[0] == '\n' {
			out = append(out, line...) // room for it is there: it is behind out
			return out
		}
		if line[0] != ' ' && line[0] != '\t' {
			take = named(line, names) != not
		}
		if take {
			out = append(out, line...)
		}
	}
	return append(out, '\r', '\n')
}

// named tells whether a line begins a field of one of the names.
func named(line []byte, names []string) bool {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		return false
	}
	name := bytes.TrimRight(line[:i], " \t")
	for _, n := range names {
		if len(n) == len(name) && strings.EqualFold(n, string(name)) {
			return true
		}
	}
	return false
}

// maxNULSearch is up to how many octets a decoded part is held in memory to
// see whether it has a NUL; of a larger one a literal8 is sent in any case.
const maxNULSearch = 64 << 10

// binary writes a part decoded, or how long it is then (RFC 3516); the
// response is named in scratch.
func (f *fetcher) binary(s *imap.Section) error {
	w := &f.c.w
	w.Bytes(f.scratch)
	p, ok := f.record.Part(s.Path)
	if !ok || p.Encoding == index.EncodingUnknown {
		if ok {
			f.code = "UNKNOWN-CTE" // RFC 3516 section 4.3
		}
		if s.Kind == imap.SectionBinarySize {
			w.Byte('0')
		} else {
			w.Raw("NIL")
		}
		return nil
	}
	if s.Kind == imap.SectionBinarySize {
		w.Uint(uint64(p.Decoded))
		return nil
	}
	r := index.Range{Length: p.Decoded}
	if s.Partial {
		r = r.Part(clip(s.Offset), clip(s.Length))
	}
	src, _ := p.Decode(io.NewSectionReader(f.octets, p.Offset, p.Length))
	if _, err := io.CopyN(io.Discard, src, r.Offset); err != nil {
		return fmt.Errorf("imapd: decode part: %w", err)
	}
	if r.Length > maxNULSearch {
		w.LiteralHead(r.Length, true)
		return w.Copy(src, r.Length)
	}
	b := make([]byte, r.Length)
	if _, err := io.ReadFull(src, b); err != nil {
		return fmt.Errorf("imapd: decode part: %w", err)
	}
	w.LiteralHead(r.Length, bytes.IndexByte(b, 0) >= 0)
	w.Bytes(b)
	return w.Err()
}
