package inbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/pipeline"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// arriving takes the bytes of one message: the header block into memory, the
// body into a growing body that filters read meanwhile. What cannot be taken
// is noted as refusal and the rest is read past, so that the dialogue stays
// in step.
type arriving struct {
	t       *transaction
	ctx     context.Context
	block   []byte // header block, and what follows it until it is complete
	seen    int    // of block, looked at for the end
	header  *message.Header
	body    *body.Body
	judging *pipeline.Judging
	size    int64
	high    bool // the body has octets above 127, whatever its client declared (RFC 6152 section 3)
	refusal *smtp.Reply
	held    body.Held            // for block
	hash    *mailauth.BodyHash   // of the whole body, once a seal needed it
	hasher  *mailauth.BodyHasher // for the Signer, as the body arrives
	heads   []builtHead
}

var (
	tooManyHops = smtp.NewReply(554, smtp.EnhancedCode{5, 4, 6}, "Too many hops: this message is in a loop")
	headerBig   = smtp.NewReply(552, smtp.EnhancedCode{5, 3, 4}, "The header section of this message is too large")
	// Behind our own fields a line that begins with white space would go on
	// with the last of them (RFC 5322 section 2.2.3).
	headerFolded = smtp.NewReply(550, smtp.EnhancedCode{5, 6, 0}, "The message begins with white space where its first header field should begin")
	localError   = smtp.NewReply(451, smtp.EnhancedCode{4, 3, 0}, "Local error; try again later")
)

// Data implements smtpd.Transaction.
func (t *transaction) Data(ctx context.Context, r io.Reader) ([]smtp.Reply, error) {
	a := &arriving{t: t, ctx: ctx}
	defer a.close()
	result, err := a.judge(r)
	if err != nil {
		return nil, err
	}
	if a.refusal != nil {
		t.logMessage(a, *a.refusal)
		return nil, withID(*a.refusal, t.id)
	}
	replies := t.deliver(ctx, a, result)
	t.read(ctx, a, replies)
	return replies, nil
}

// judge reads the message to its end and has it judged, unless it is refused
// before.
func (a *arriving) judge(r io.Reader) (result pipeline.Result, err error) {
	if _, err := io.Copy(a, r); err != nil {
		return result, a.t.aborted(a, "the message did not arrive whole", err)
	}
	a.finish()
	if a.refusal != nil {
		return result, nil
	}
	bytesIn.Add(float64(a.size))
	start := time.Now()
	result = a.judging.Conclude(a.ctx, a.size)
	verdictTime.Observe(time.Since(start).Seconds())
	if err := a.ctx.Err(); err != nil { // filters were cancelled with it
		return result, a.t.aborted(a, "the message was not judged to the end", err)
	}
	return result, nil
}

// Write implements io.Writer; it fails never.
func (a *arriving) Write(p []byte) (int, error) {
	a.size += int64(len(p))
	switch {
	case a.refusal != nil:
	case a.header == nil:
		a.head(p)
	default:
		a.append(p)
	}
	return len(p), nil
}

// head adds to the header block and looks for its end.
func (a *arriving) head(p []byte) {
	if a.block == nil { // mostly all of it is in the first piece
		if end, body, ok := message.EndOfHeader(p, 0); ok {
			a.begin(bytes.Clone(p[:end]), p[body:])
			return
		}
	}
	if len(a.block)+len(p) > cap(a.block) && !a.room(2*(len(a.block)+len(p))) {
		return
	}
	a.block = append(a.block, p...)
	end, body, ok := message.EndOfHeader(a.block, a.seen)
	a.seen = len(a.block)
	switch {
	case ok:
		a.begin(a.block[:end:end], a.block[body:])
	case len(a.block) > a.limit():
		a.refuse(headerBig)
	}
}

// room makes the header block larger; the memory counts like that of bodies.
func (a *arriving) room(n int) bool {
	if !a.t.s.h.opt.Body.Budget.Hold(&a.held, int64(n)) {
		a.refuse(noRoom)
		return false
	}
	a.block = append(make([]byte, 0, n), a.block...)
	return true
}

func (a *arriving) limit() int {
	if n := a.t.s.h.opt.Header.Bytes; n > 0 {
		return n
	}
	return message.DefaultHeaderBytes
}

// begin starts the judging: the header block is complete.
func (a *arriving) begin(block, rest []byte) {
	if len(block) > 0 && (block[0] == ' ' || block[0] == '\t') {
		a.refuse(headerFolded)
		return
	}
	h, err := message.ParseHeader(block, a.t.s.h.opt.Header)
	var limit *message.LimitError
	switch {
	case errors.As(err, &limit):
		r := headerBig
		r.Text += fmt.Sprintf(": more than %d %s", limit.Max, limit.What)
		a.refuse(r)
		return
	case err != nil:
		a.refuse(localError)
		return
	case h.Count("Received") > a.t.s.h.opt.Hops:
		a.refuse(tooManyHops) // RFC 5321 section 6.3
		return
	}
	if r := a.t.authorRefused(a.ctx, h); !r.IsZero() {
		a.refuse(r)
		return
	}
	a.header = h
	if signer := a.t.s.h.opt.Signer; signer != nil && a.t.s.info.Submitted() && signer.Active() {
		a.hasher = mailauth.NewBodyHasher(signer.Form())
	}
	a.body = body.New(a.t.s.h.opt.Body)
	a.judging = a.t.pipe.Judge(a.ctx, h, a.body)
	a.append(rest)
}

// append adds to the body.
func (a *arriving) append(p []byte) {
	if len(p) == 0 || a.judging.Refused() {
		return
	}
	if a.hasher != nil {
		a.hasher.Write(p)
	}
	a.high = a.high || smtp.HasHigh(p)
	_, err := a.body.Write(p)
	if err == nil {
		return
	}
	if !errors.Is(err, body.ErrBudget) { // full disk, or no more descriptors
		a.t.s.h.opt.Log.Error("spool failed", "id", a.t.id, "error", err.Error())
	}
	a.refuse(noRoom)
}

// finish ends the message: all of it is there.
func (a *arriving) finish() {
	if a.refusal == nil && a.header == nil { // no empty line: all header
		if n := len(a.block); n > 0 && a.block[n-1] != '\n' { // BDAT may end anywhere
			a.block = append(a.block, "\r\n"...)
		}
		a.begin(a.block, nil)
	}
	if a.body != nil {
		a.body.Close()
	}
}

func (a *arriving) refuse(r smtp.Reply) {
	a.refusal = &r
	a.close()
	a.block = nil
}

// close frees everything; it may be called again.
func (a *arriving) close() {
	if a.judging != nil {
		a.judging.Close()
		a.judging = nil
	}
	if a.body != nil {
		a.body.Release()
		a.body = nil
	}
	a.t.s.h.opt.Body.Budget.Free(&a.held)
}
