package smtpd

import "github.com/gapura-mail/gapura/gateway/smtp"

// rcpt adds a recipient (RFC 5321 section 4.1.1.3).
func (c *conn) rcpt(arg string) smtp.Reply {
	switch {
	case !c.greeted:
		return c.failedRcpt(replyWantHelo)
	case c.chunking:
		return c.failedRcpt(replyInChunks)
	case c.tx == nil:
		return c.failedRcpt(replyWantMail)
	}
	syn := c.syntax()
	if c.utf8 {
		syn |= smtp.UTF8
	}
	to, p, err := smtp.ParseRcpt(arg, syn, c.extensions())
	if err != nil {
		r, _ := smtp.AsReply(err)
		return c.failedRcpt(r)
	}
	if c.rcpts >= c.set.Limits.Recipients {
		// RFC 5321 section 4.5.3.1.10: what was taken is delivered, and a
		// list that is pipelined gets no 421 in its midst.
		if c.over++; c.over > rcptOvershoot {
			return c.failedRcpt(replyTooManyRcpt)
		}
		return replyTooManyRcpt
	}
	r, err := c.tx.Rcpt(c.Context(), to, p)
	r = c.answer(r, err, smtp.NewReply(250, smtp.EnhancedCode{2, 1, 5}, "recipient ok"))
	if !r.Positive() {
		return c.failedRcpt(r)
	}
	c.rcpts++
	return r
}

// rcptOvershoot is how many recipients beyond the limit count as no failure.
const rcptOvershoot = 1000

// failedRcpt counts a recipient that was not taken.
func (c *conn) failedRcpt(r smtp.Reply) smtp.Reply {
	if c.failed++; c.failed > c.set.Limits.FailedRecipients {
		return replyTooManyFailed
	}
	return r
}
