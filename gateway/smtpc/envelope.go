package smtpc

import (
	"context"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// transaction is one Send or Verify while it runs.
type transaction struct {
	c      *Client
	env    *Envelope
	msg    *Message // nil: Verify
	res    Result
	params smtp.MailParams // as they are sent
	// group counts the RCPTs sent whose replies are still to come.
	group int
	// What was sent behind the recipients, without waiting for their replies:
	data bool // the DATA command
	bdat bool // BDAT with the message
	rset bool // RSET
}

// check refuses what the server is known not to take, before it is asked.
func (t *transaction) check() bool {
	x, p := &t.c.ext, t.env.Params
	if t.msg != nil {
		p.Size, p.Body = t.msg.Size, smtp.Body7Bit
		// Many clients declare 8-bit data whatever they send, others send it and
		// declare nothing: to a server that does not take it that goes as it came.
		declared := t.env.Params.Body == smtp.Body8BitMIME
		if t.msg.EightBit && (x.EightBitMIME || declared && t.msg.high()) {
			p.Body = smtp.Body8BitMIME
		}
		// Who asked for SMTPUTF8 may well do without. Raw 8-bit header fields
		// of who did not ask go as they came.
		p.SMTPUTF8 = p.SMTPUTF8 && t.msg.UTF8Header
	}
	r := x.CheckMail(t.env.From, p, t.c.tls != nil)
	if r.IsZero() && p.DeliverBy.Return && !x.DeliverBy && !t.c.opt.LMTP { // who speaks LMTP delivers, and relays nothing
		r = refuseDeliverBy
	}
	if !r.IsZero() {
		t.res.all(StepCheck, r)
		return false
	}
	p.SMTPUTF8 = p.SMTPUTF8 || !t.env.From.IsASCII()
	asked := 0
	for i := range t.env.Rcpts {
		t.res.Rcpts[i] = x.CheckRcpt(t.env.Rcpts[i].To)
		switch {
		case !t.res.Rcpts[i].IsZero():
		case x.MaxRcpts > 0 && asked == x.MaxRcpts:
			t.res.Rcpts[i] = refuseRcptMax
		default:
			asked++
		}
		p.SMTPUTF8 = p.SMTPUTF8 || !t.env.Rcpts[i].To.IsASCII()
	}
	t.params = x.params(p, t.env.Params.Body)
	t.params.RequireTLS = p.RequireTLS && x.RequireTLS && t.c.tls != nil
	if t.willing() {
		return true
	}
	t.res.Step = StepCheck
	return false
}

// willing tells whether the recipients so far leave something to send.
func (t *transaction) willing() bool {
	refused := 0
	for i := range t.res.Rcpts {
		if r := &t.res.Rcpts[i]; !r.IsZero() && !r.Positive() {
			refused++
		}
	}
	if t.env.All {
		return refused == 0
	}
	return refused < len(t.res.Rcpts)
}

// envelope sends MAIL and all RCPTs, with PIPELINING in one write, and reads
// their replies. It returns false when there is nothing to go on with; then
// everything is answered.
func (t *transaction) envelope() (bool, error) {
	c := t.c
	c.mails++
	t.putMail()
	if !c.ext.Pipelining {
		if ok, err := t.readMail(); !ok {
			return false, err
		}
	}
	mailRead := !c.ext.Pipelining
	for first := 0; first < len(t.env.Rcpts); {
		last := t.putRcpts(first)
		if err := t.flushGroup(last == len(t.env.Rcpts)); err != nil {
			return false, err
		}
		if !mailRead {
			if ok, err := t.readMail(); !ok {
				if err == nil {
					t.drain()
				}
				return false, err
			}
			mailRead = true
		}
		if err := t.readRcpts(first, last); err != nil {
			return false, err
		}
		first = last
	}
	if !t.willing() {
		t.res.Step = StepRcpt
		t.drain()
		return false, nil
	}
	return true, nil
}

// putMail writes MAIL (RFC 5321 section 4.1.1.2).
func (t *transaction) putMail() {
	o := t.c.pending()
	o.b = append(o.b, "MAIL FROM:"...)
	o.b = t.c.ext.write(t.env.From.Address).AppendPath(o.b)
	o.b = t.params.Append(o.b)
	o.b = append(o.b, "\r\n"...)
}

// putRcpts writes RCPT (RFC 5321 section 4.1.1.3) for the recipients from
// first on: all that go in one group, one without PIPELINING.
func (t *transaction) putRcpts(first int) (last int) {
	o := t.c.pending()
	batch := rcptBatch
	if !t.c.ext.Pipelining {
		batch = 1
	}
	for last = first; last < len(t.env.Rcpts) && batch > 0; last++ {
		if !t.res.Rcpts[last].IsZero() {
			continue // refused by check
		}
		batch--
		t.group++
		r := &t.env.Rcpts[last]
		o.b = append(o.b, "RCPT TO:"...)
		o.b = t.c.ext.write(r.To.Address).AppendPath(o.b)
		if t.c.ext.DSN {
			o.b = r.Params.Append(o.b)
		}
		o.b = append(o.b, "\r\n"...)
	}
	return last
}

// flushGroup sends what is pending, and behind the last recipient what may
// go without waiting.
func (t *transaction) flushGroup(last bool) error {
	if last && t.c.ext.Pipelining {
		if err := t.putMore(); err != nil {
			return err
		}
	}
	if err := t.c.flush(StepMail, t.c.opt.Timeouts.Mail); err != nil {
		return err
	}
	t.c.sentAll = t.bdat
	return nil
}

// putMore adds to the group RSET for Verify, DATA, or BDAT with a small
// message, if the replies to RCPT cannot make that a mistake: with a single
// recipient DATA fails when it is refused, and nobody is left whom an empty
// or unwanted message could reach. It is the same without Envelope.All, when
// whoever is accepted shall have it.
func (t *transaction) putMore() error {
	c := t.c
	switch {
	case t.msg == nil:
		c.put("RSET\r\n")
		t.rset = true
	case t.env.All && len(t.env.Rcpts) > 1:
	case !t.useBDAT():
		c.put("DATA\r\n")
		t.data = true
	case c.small && time.Since(c.lastSign) <= c.opt.InlineIdle:
		t.bdat, c.inline = true, true
		return t.sendBDAT()
	}
	return nil
}

func (t *transaction) useBDAT() bool { return t.c.ext.Chunking && t.msg.Size >= 0 }

// readMail reads the reply to MAIL.
func (t *transaction) readMail() (bool, error) {
	c := t.c
	if !c.ext.Pipelining {
		if err := c.flush(StepMail, c.opt.Timeouts.Mail); err != nil {
			return false, err
		}
	}
	r, err := c.reply(StepMail, c.opt.Timeouts.Mail)
	switch {
	case err != nil:
		return false, err
	case r.Code/100 == 3:
		return false, c.protocol(StepMail, r)
	case !r.Positive():
		t.res.all(StepMail, r)
		return false, nil
	}
	return true, nil
}

// readRcpts reads the replies to the RCPTs from first to before last.
func (t *transaction) readRcpts(first, last int) error {
	c := t.c
	for i := first; i < last; i++ {
		if !t.res.Rcpts[i].IsZero() {
			continue
		}
		r, err := c.reply(StepRcpt, c.opt.Timeouts.Rcpt)
		t.group--
		switch {
		case err != nil:
			return err
		case r.Code/100 == 3:
			return c.protocol(StepRcpt, r)
		}
		t.res.Rcpts[i] = r
	}
	return nil
}

// drain reads the replies to what went out behind a refused MAIL or refused
// recipients, and brings the server back to where a transaction can begin.
// The result is decided: what goes wrong here only costs the connection.
func (t *transaction) drain() {
	c := t.c
	for ; t.group > 0; t.group-- {
		if _, err := c.reply(StepRcpt, c.opt.Timeouts.Rcpt); err != nil {
			return
		}
	}
	if t.data || t.bdat || t.rset {
		r, err := c.reply(StepData, c.opt.Timeouts.DataInit)
		if err != nil {
			return
		}
		if r.Code == 354 {
			// The server wants a message for nobody; the one way out that
			// cannot deliver anything.
			c.hangUp()
			return
		}
	}
	if !t.rset {
		c.reset()
	}
}

// reset says RSET. Its failure costs the connection, nothing else.
func (c *Client) reset() {
	if r, err := c.command(StepReset, "RSET"); err == nil && r.Code/100 != 2 {
		c.hangUp()
	}
}

// Verify asks the server about the envelope in a transaction that is given up:
// MAIL, RCPT and RSET, with PIPELINING in one round trip. Result.Step is
// StepRcpt when the recipients were asked. Params.Size counts, All does not.
func (c *Client) Verify(ctx context.Context, env *Envelope) (Result, error) {
	t := transaction{c: c, env: env, res: Result{Rcpts: make([]smtp.Reply, len(env.Rcpts))}}
	return t.run(ctx, func() error {
		ok, err := t.envelope()
		if !ok {
			return err
		}
		t.res.Step = StepRcpt
		t.drain()
		if c.in.Buffered() > 0 && !c.broken { // one reply too many: which were ours?
			t.res.Step = 0
			return c.fail(StepRcpt, ErrProtocol)
		}
		return nil
	})
}
