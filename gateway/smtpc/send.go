package smtpc

import (
	"context"
	"errors"
	"strconv"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Send runs one transaction. The connection can be used for another one
// afterwards unless the error is not nil or Usable says no.
//
// With an error the Result holds the replies that were there before it.
func (c *Client) Send(ctx context.Context, env *Envelope, msg *Message) (Result, error) {
	t := transaction{c: c, env: env, msg: msg, res: Result{Rcpts: make([]smtp.Reply, len(env.Rcpts))}}
	return t.run(ctx, t.send)
}

func (t *transaction) run(ctx context.Context, f func() error) (Result, error) {
	c := t.c
	if err := ctx.Err(); err != nil {
		return t.res, &Error{Step: StepMail, Err: context.Cause(ctx)}
	}
	if !t.check() {
		return t.res, nil
	}
	c.sentAll, c.inline = false, false
	c.small = t.msg != nil && t.msg.Size >= 0 && t.msg.Size <= InlineBody
	stop := c.begin(ctx)
	err := f()
	c.end(stop)
	if err != nil && t.res.Step != StepDone {
		forget(t.res.Rcpts)
	}
	return t.res, err
}

func (t *transaction) send() error {
	ok, err := t.envelope()
	if !ok {
		return err
	}
	if t.useBDAT() {
		if !t.bdat {
			if err := t.sendBDAT(); err != nil {
				return err
			}
			if err := t.c.flush(StepBody, t.c.opt.Timeouts.DataBlock); err != nil {
				return err
			}
		}
	} else if ok, err := t.sendData(); !ok {
		return err
	}
	t.c.sentAll = true
	return t.finish()
}

// sendData says DATA unless it was said, and sends the message with dots
// stuffed (RFC 5321 section 4.5.2).
func (t *transaction) sendData() (bool, error) {
	c := t.c
	if !t.data {
		c.put("DATA\r\n")
		if err := c.flush(StepData, c.opt.Timeouts.DataInit); err != nil {
			return false, err
		}
	}
	r, err := c.reply(StepData, c.opt.Timeouts.DataInit)
	switch {
	case err != nil:
		return false, err
	case r.Code/100 == 2 || r.Code/100 == 3 && r.Code != 354:
		return false, c.protocol(StepData, r)
	case r.Code != 354:
		t.res.all(StepData, r)
		c.reset()
		return false, nil
	}
	c.dots = smtp.DotWriter{W: body{c}}
	n, err := c.copyBody(&c.dots, t.msg)
	if err == nil && t.msg.Size >= 0 && n != t.msg.Size {
		err = ErrSize
	}
	if err == nil {
		err = c.dots.Close()
	}
	if err == nil {
		err = c.unasked()
	}
	if err != nil {
		return false, c.bodyError(err)
	}
	return true, c.flush(StepBody, c.opt.Timeouts.DataBlock)
}

// unasked looks for a reply to a message whose end the server has not seen
// yet. A refusal may come early; nothing else is believed then, not even when
// it is read later.
func (c *Client) unasked() error {
	if c.in.Buffered() == 0 && (c.small || c.tls != nil || c.peek.raw == nil || c.quiet()) {
		return nil
	}
	r, err := c.readReply(lastWordsTimeout)
	switch {
	case err != nil:
		return c.fail(StepBody, err)
	case r.Positive():
		return c.protocol(StepBody, r)
	}
	return c.refused(StepBody, r)
}

// sendBDAT puts or sends the message as the one and last chunk (RFC 3030).
func (t *transaction) sendBDAT() error {
	c := t.c
	o := c.pending()
	o.b = append(o.b, "BDAT "...)
	o.b = strconv.AppendInt(o.b, t.msg.Size, 10)
	o.b = append(o.b, " LAST\r\n"...)
	c.chunk = chunk{body{c}, t.msg.Size}
	_, err := c.copyBody(&c.chunk, t.msg)
	if err == nil && c.chunk.left != 0 {
		err = ErrSize
	}
	if err != nil {
		return c.bodyError(err)
	}
	return nil
}

// bodyError closes the connection in the middle of a message: a server never
// takes half of one. Errors of the connection are there already.
func (c *Client) bodyError(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	err = c.fail(StepBody, err)
	if errors.As(err, &e) && (c.ctx == nil || c.ctx.Err() == nil) {
		e.Source = true
	}
	return err
}

// chunk keeps a message from being longer than its BDAT said.
type chunk struct {
	to   body // not embedded: its WriteString would not count
	left int64
}

func (w *chunk) Write(p []byte) (int, error) {
	if int64(len(p)) > w.left {
		return 0, ErrSize
	}
	if c := w.to.c; int64(len(p)) == w.left && !c.inline {
		if err := c.unasked(); err != nil {
			return 0, err
		}
	}
	n, err := w.to.Write(p)
	w.left -= int64(n)
	return n, err
}

// finish reads what the server says to the message.
func (t *transaction) finish() error {
	c := t.c
	if c.opt.LMTP {
		return t.finishEach()
	}
	r, err := c.reply(StepDone, c.opt.Timeouts.DataDone)
	if err == nil && r.Code == 353 && t.env.Params.PRDR && c.ext.PRDR {
		return t.finishPRDR()
	}
	if err != nil {
		return err
	}
	if r.Code/100 == 3 {
		return c.protocol(StepDone, r)
	}
	r = c.worse(r)
	t.res.all(StepDone, r)
	t.settle(r)
	return nil
}

// worse returns the final reply r, or a refusal that is there too: with a
// server that gives a reply too many, nobody knows which one was meant for the
// message. Its connection is not used again.
func (c *Client) worse(r smtp.Reply) smtp.Reply {
	if c.in.Buffered() == 0 {
		return r
	}
	next, err := c.readReply(lastWordsTimeout)
	c.hangUp()
	if err == nil && !next.Positive() && next.Code != 421 && r.Positive() {
		return next
	}
	return r
}

// finishEach reads one reply for each accepted recipient (RFC 2033 section
// 4.2).
func (t *transaction) finishEach() error {
	t.res.Step = StepDone
	for i := range t.res.Rcpts {
		if !t.res.Rcpts[i].Positive() {
			continue
		}
		r, err := t.c.reply(StepDone, t.c.opt.Timeouts.DataDone)
		if err == nil && r.Code/100 == 3 {
			err = t.c.protocol(StepDone, r)
		}
		if err != nil {
			forget(t.res.Rcpts[i:])
			return err
		}
		t.res.Rcpts[i] = r
	}
	return nil
}

// finishPRDR reads one reply for each accepted recipient and one for all,
// which refuses everybody if it refuses (draft-hall-prdr).
func (t *transaction) finishPRDR() error {
	if err := t.finishEach(); err != nil {
		return err
	}
	r, err := t.c.reply(StepDone, t.c.opt.Timeouts.DataDone)
	if err != nil {
		forget(t.res.Rcpts)
		return err
	}
	if !r.Positive() {
		t.res.all(StepDone, r)
	}
	t.settle(r)
	return nil
}

// settle brings the server back after a BDAT that it refused (RFC 3030
// section 2: only RSET ends that transaction).
func (t *transaction) settle(r smtp.Reply) {
	if !r.Positive() && t.useBDAT() {
		t.c.reset()
	}
}
