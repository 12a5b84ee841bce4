package smtpd

import (
	"io"
	"log/slog"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

var verbEnd = verbIndex("END")

// data takes the message (RFC 5321 section 4.1.1.4).
func (c *conn) data(arg string) smtp.Reply {
	switch {
	case arg != "":
		return replyNoArgument
	case c.chunking: // RFC 3030 section 2
		return replyInChunks
	case c.tx == nil:
		return replyWantMail
	case c.rcpts == 0:
		return replyWantRcpt
	}
	c.send(replyData)
	if c.Empty() { // the handler may take its time before it reads
		if err := c.Flush(); err != nil {
			c.lost(err)
			return smtp.Reply{}
		}
	}
	r := c.newReader(false)
	replies, err := c.hand(r)
	if r.err != nil && r.lost {
		r.broken(r.err)
		return smtp.Reply{}
	}
	if !r.drain() {
		return smtp.Reply{}
	}
	if s := r.scan.Defect(); s != smtp.NoDefect && r.refusal.IsZero() {
		r.refusal = defects[s] // found only now
	}
	c.finishMessage(r, replies, err)
	return smtp.Reply{}
}

// hand gives the message to the transaction, which ends with it.
func (c *conn) hand(r *messageReader) ([]smtp.Reply, error) {
	tx := c.tx
	rcpts, prdr := c.rcpts, c.prdr
	c.tx, c.traceID = nil, traceOf(tx)
	replies, err := tx.Data(c.Context(), r)
	c.forgetTransaction()
	c.rcpts, c.prdr = rcpts, prdr
	if r.err == nil {
		r.err = errFinished // whoever still reads, reads nothing
	}
	return replies, err
}

// finishMessage answers a message that has been read to its end.
func (c *conn) finishMessage(r *messageReader, replies []smtp.Reply, err error) {
	rcpts, prdr := c.rcpts, c.prdr
	c.forgetTransaction()
	c.verb = verbEnd
	c.srv.count.message(r.size)
	ours := !r.refusal.IsZero()
	if ours {
		replies, err = []smtp.Reply{r.refusal}, nil
	} else if r.err != io.EOF && r.err != errFinished {
		replies, err = nil, r.err
	}
	if err != nil || len(replies) == 0 {
		replies = []smtp.Reply{c.answer(smtp.Reply{}, err, replyTaken)}
		ours = ours || !c.theirs
	}
	if len(replies) != 1 && len(replies) != rcpts {
		c.Log(slog.LevelWarn, "handler gave a wrong number of replies")
		replies, ours = []smtp.Reply{replyInternal}, true
	}
	for i := range replies {
		replies[i] = c.answer(replies[i], nil, replyTaken)
	}
	if ours && replies[0].Code >= 400 {
		replies[0] = c.traced(replies[0])
	}
	c.theirs = true
	c.progress(replies)
	switch whole := !r.scan.Chunked || r.last; {
	case c.set.lmtp && whole:
		for i := range rcpts { // RFC 2033 section 4.2
			c.send(replies[min(i, len(replies)-1)])
		}
	case prdr && len(replies) > 1 && whole:
		c.sendPRDR(replies)
	default:
		c.reply(replies[0])
	}
}

// sendPRDR sends a reply for each recipient and one for all (draft-hall-prdr).
func (c *conn) sendPRDR(replies []smtp.Reply) {
	c.send(smtp.NewReply(353, smtp.EnhancedCode{}, "one reply for each recipient follows"))
	all := replies[0]
	for _, r := range replies {
		c.send(r)
		if r.Positive() && !all.Positive() || r.Temporary() && all.Permanent() {
			all = r
		}
	}
	if all.Positive() {
		all = replyTaken
	}
	c.reply(all)
}

// progress begins the counts of fruitless commands anew after a message that
// was taken.
func (c *conn) progress(replies []smtp.Reply) {
	for _, r := range replies {
		if r.Positive() {
			c.errors, c.failed, c.idle, c.over = 0, 0, 0, 0
			return
		}
	}
}
