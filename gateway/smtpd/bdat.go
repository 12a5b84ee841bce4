package smtpd

import (
	"io"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// minChunk is the least that counts as progress, of chunks but the last.
const minChunk = 512

// bdat takes the first chunk of a message, and by way of nextChunk all others
// (RFC 3030). Whatever the reply, the octets of a chunk never run as
// commands: when their number is not known the connection ends.
func (c *conn) bdat(arg string) smtp.Reply {
	size, last, ok := parseBdat(arg)
	if !ok {
		return c.badChunk()
	}
	r := c.newReader(true)
	r.chunk, r.last = size, last
	var refusal smtp.Reply
	switch {
	case c.set.off["CHUNKING"]:
		refusal = replyNotOffered
	case c.tx == nil:
		refusal = replyWantMail
	case c.rcpts == 0:
		refusal = replyWantRcpt
	case size > c.set.Limits.Message:
		refusal = replyTooBig
		c.reset()
	}
	if !refusal.IsZero() {
		if !r.drain() {
			return smtp.Reply{}
		}
		return refusal
	}
	c.chunking = true
	replies, err := c.hand(r)
	return c.endChunks(r, replies, err)
}

// endChunks answers when the transaction has ended with a chunk, be it the
// last or one that brought the refusal.
func (c *conn) endChunks(r *messageReader, replies []smtp.Reply, err error) smtp.Reply {
	rcpts, prdr := c.rcpts, c.prdr
	taken := err == nil && r.err == errFinished && anyPositive(replies)
	for taken && r.err == errFinished { // it needed no more: read on for it
		c.chunking = true
		r.err = nil
		for r.next() == nil {
			r.text = nil
		}
	}
	c.chunking = false
	c.rcpts, c.prdr = rcpts, prdr
	switch {
	case r.err == errAborted:
		c.forgetTransaction()
		return smtp.Reply{}
	case r.lost:
		if !c.closing {
			r.broken(r.err)
		}
		return smtp.Reply{}
	case !r.drain():
		return smtp.Reply{}
	}
	if r.err != io.EOF && r.refusal.IsZero() && r.scan.Defect() != smtp.NoDefect {
		r.refusal = defects[r.scan.Defect()]
	}
	c.finishMessage(r, replies, err)
	return smtp.Reply{}
}

func anyPositive(replies []smtp.Reply) bool {
	for _, r := range replies {
		if r.Positive() || r.IsZero() {
			return true
		}
	}
	return len(replies) == 0
}

// nextChunk answers the chunk that has been read and reads the command of the
// next one. Commands that change nothing may come in between; what gives the
// transaction up is run when the handler has come to know.
func (c *conn) nextChunk(r *messageReader) error {
	c.verb = verbIndex("BDAT")
	c.reply(smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "chunk taken"))
	for !c.closing {
		began := time.Now()
		cmd, ok := c.readCommand()
		if !ok {
			continue
		}
		if err := r.waited(time.Since(began), false); err != nil {
			r.lost = true
			return err
		}
		switch cmd.verb {
		case "BDAT":
			size, last, ok := parseBdat(cmd.arg)
			if !ok {
				c.verb = verbIndex("BDAT")
				c.send(c.badChunk())
				r.lost = true
				return errVoid
			}
			r.chunk, r.last = size, last
			if size > c.set.Limits.Message-r.size {
				r.void(replyTooBig)
				return r.err
			}
			if size < minChunk && !last && !c.idleCommand() {
				c.send(replyTooManyCommands)
				r.lost = true
				return errVoid
			}
			return nil
		case "RSET", "EHLO", "HELO", "LHLO", "QUIT", "STARTTLS":
			c.pending = &cmd
			return errAborted
		}
		c.run(cmd)
	}
	r.lost = true
	return io.ErrUnexpectedEOF
}

// badChunk refuses a BDAT whose size is not known, so that nobody knows where
// the next command begins.
func (c *conn) badChunk() smtp.Reply {
	c.closing = true
	return smtp.NewReply(501, smtp.EnhancedCode{5, 5, 4}, "the form is BDAT size [LAST]; closing connection")
}

func parseBdat(arg string) (size int64, last, ok bool) {
	number, rest, _ := strings.Cut(arg, " ")
	if rest = strings.TrimLeft(rest, " "); rest != "" && !strings.EqualFold(rest, "LAST") {
		return 0, false, false
	}
	if number == "" || len(number) > 18 {
		return 0, false, false
	}
	for i := range len(number) {
		if number[i] < '0' || number[i] > '9' {
			return 0, false, false
		}
		size = size*10 + int64(number[i]-'0')
	}
	return size, rest != "", true
}
