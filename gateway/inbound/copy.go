package inbound

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// copy builds the message as one group of recipients gets it.
func (t *transaction) copy(ctx context.Context, a *arriving, result pipeline.Result, c *copyOf) (*gateway.Copy, error) {
	head, err := t.head(ctx, a, result, c)
	if err != nil {
		return nil, err
	}
	params := t.params
	if c.apart {
		params = unasked(params)
	}
	return &gateway.Copy{
		ID: t.id, From: c.from, Params: params, Rcpts: c.to, Kept: c.why, User: t.s.info.User, Queue: c.queue, Facts: c.facts,
		PerRcpt:    t.separate() || len(t.pipe.Rcpts()) == 1 && len(c.to) == 1 && t.led == 1,
		Size:       int64(len(head)) + a.body.Size(),
		EightBit:   t.params.Body == smtp.Body8BitMIME || a.high || smtp.HasHigh(head),
		UTF8Header: t.params.SMTPUTF8 && smtp.HasHigh(head),
		Open:       func() io.ReadCloser { return &copyReader{head: head, body: a.body.Open()} },
	}, nil
}

// head builds the header block: our fields on top, the policy's changes, then
// what came, and the empty line. Copies with the same changes share it.
func (t *transaction) head(ctx context.Context, a *arriving, result pipeline.Result, c *copyOf) ([]byte, error) {
	for _, b := range a.heads {
		if b.spam == c.spam && slices.Equal(b.edits, c.edits) {
			return b.block, nil
		}
	}
	e := a.header.Edit()
	e.RemoveAuthResults(t.s.h.opt.Hostname)
	t.fix(e, a.header)
	c.spam.put(e)
	for _, x := range c.edits {
		edit(e, x)
	}
	if len(result.Results) > 0 && !t.s.info.Submitted() { // ours need no report on themselves
		ar := message.AuthResults{ID: t.s.h.opt.Hostname, Results: result.Results}
		e.Prepend(ar.Field())
	}
	e.Prepend(t.received(result))
	block, err := joined(e.Blocks()), error(nil)
	if t.s.info.Submitted() {
		block, err = t.sign(ctx, a, block)
	} else {
		block = t.seal(a, result, block)
	}
	if err != nil {
		return nil, fmt.Errorf("inbound: %s: not signed: %w", t.id, err)
	}
	block = append(block, "\r\n"...)
	a.heads = append(a.heads, builtHead{c.edits, c.spam, block})
	return block, nil
}

// joined joins the blocks of a header, with room for the empty line.
func joined(blocks [][]byte) []byte {
	n := len("\r\n")
	for _, b := range blocks {
		n += len(b)
	}
	all := make([]byte, 0, n)
	for _, b := range blocks {
		all = append(all, b...)
	}
	return all
}

func edit(e *message.Edit, x gateway.Edit) {
	switch x.Kind {
	case gateway.AddField:
		if f, err := message.FormatField(x.Name, x.Value); err == nil {
			e.Prepend(f)
		}
	case gateway.RemoveField:
		e.Remove(x.Name)
	case gateway.TagSubject:
		e.TagSubject(x.Value)
	}
}

// received returns our trace field. The for clause names the recipient only
// where there is one: it would tell Bcc (RFC 5321 section 7.6).
func (t *transaction) received(result pipeline.Result) []byte {
	info := t.s.info
	r := message.Received{
		Helo: info.Helo, RDNS: result.Facts.String("headers.client_name"), IP: info.Remote.Addr(),
		By: t.s.h.opt.Hostname, Software: "Gapura", ID: t.id, Date: t.started,
		With: message.Protocol(info.LMTP(), info.Extended, t.params.SMTPUTF8, info.TLS != nil, info.User != ""),
	}
	if t.s.h.opt.Submission.HideClient && info.Submitted() {
		r.Helo, r.RDNS, r.IP = "localhost", "", netip.Addr{}
	}
	if info.TLS != nil {
		r.TLS = tls.VersionName(info.TLS.Version) + " " + tls.CipherSuiteName(info.TLS.CipherSuite)
	}
	if rcpts := t.pipe.Rcpts(); len(rcpts) == 1 && rcpts[0].To.Domain != "" {
		to := rcpts[0].To
		if d, err := smtp.ASCIIDomain(to.Domain); err == nil && !to.IsASCII() {
			to.Domain = d
		}
		if to.IsASCII() { // so that our own field is not why the next server must know SMTPUTF8
			r.For = to.String()
		}
	}
	return r.Field()
}

// copyReader reads a header block and then a body.
type copyReader struct {
	head []byte
	body *body.Reader
}

// Read implements io.Reader.
func (r *copyReader) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	return r.body.Read(p)
}

// WriteTo implements io.WriterTo.
func (r *copyReader) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(r.head)
	if err != nil {
		return int64(n), err
	}
	r.head = nil
	m, err := r.body.WriteTo(w)
	return int64(n) + m, err
}

// Close implements io.Closer.
func (r *copyReader) Close() error { return r.body.Close() }
