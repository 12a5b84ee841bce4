package smtpd

import (
	"context"
	"errors"
	"log/slog"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// What the server itself says. Other texts stand where they are said.
var (
	replyUnknown         = smtp.NewReply(500, smtp.EnhancedCode{5, 5, 1}, "command not recognized")
	replySyntax          = smtp.NewReply(500, smtp.EnhancedCode{5, 5, 2}, "command line has characters that are not text, or no command")
	replyLineLong        = smtp.NewReply(500, smtp.EnhancedCode{5, 5, 2}, "command line too long")
	replyNotOffered      = smtp.NewReply(502, smtp.EnhancedCode{5, 5, 1}, "command not offered")
	replyNoArgument      = smtp.NewReply(501, smtp.EnhancedCode{5, 5, 4}, "no argument allowed")
	replyWantHelo        = smtp.NewReply(503, smtp.EnhancedCode{5, 5, 1}, "say hello first")
	replyWantLHLO        = smtp.NewReply(500, smtp.EnhancedCode{5, 5, 1}, "this is LMTP: say LHLO")
	replyWantMail        = smtp.NewReply(503, smtp.EnhancedCode{5, 5, 1}, "MAIL first")
	replyWantRcpt        = smtp.NewReply(503, smtp.EnhancedCode{5, 5, 1}, "no valid recipients")
	replyTurnedAway      = smtp.NewReply(503, smtp.EnhancedCode{5, 5, 1}, "you were refused, say QUIT")
	replyNested          = smtp.NewReply(503, smtp.EnhancedCode{5, 5, 1}, "a transaction is open")
	replyInChunks        = smtp.NewReply(503, smtp.EnhancedCode{5, 5, 1}, "not between BDAT chunks")
	replyTooManyCommands = smtp.NewReply(421, smtp.EnhancedCode{4, 7, 0}, "too many commands without a message")
	replyTooManyErrors   = smtp.NewReply(421, smtp.EnhancedCode{4, 7, 0}, "too many errors")
	replyTooManyFailed   = smtp.NewReply(421, smtp.EnhancedCode{4, 7, 0}, "too many unknown recipients")
	replyTooManyMails    = smtp.NewReply(421, smtp.EnhancedCode{4, 7, 0}, "too many transactions in one connection")
	replyTooManyRcpt     = smtp.NewReply(452, smtp.EnhancedCode{4, 5, 3}, "too many recipients in one transaction")
	replyConnections     = smtp.NewReply(421, smtp.EnhancedCode{4, 7, 0}, "too many connections, try again later")
	replyConnectionsIP   = smtp.NewReply(421, smtp.EnhancedCode{4, 7, 0}, "too many connections from your network, try again later")
	replyShutdown        = smtp.NewReply(421, smtp.EnhancedCode{4, 3, 2}, "server is going down, try again later")
	replyInternal        = smtp.NewReply(451, smtp.EnhancedCode{4, 3, 0}, "local error in processing, try again later")
	replyPanic           = smtp.NewReply(421, smtp.EnhancedCode{4, 3, 0}, "local error in processing, try again later")
	replyTimeout         = smtp.NewReply(421, smtp.EnhancedCode{4, 4, 2}, "timeout, closing connection")
	replySlow            = smtp.NewReply(421, smtp.EnhancedCode{4, 4, 2}, "message comes too slowly, closing connection")
	replyEarly           = smtp.NewReply(554, smtp.EnhancedCode{5, 5, 1}, "you spoke before the greeting")
	replyBareLF          = smtp.NewReply(521, smtp.EnhancedCode{5, 5, 2}, "lines end with CRLF, LF alone is not allowed")
	replyForeign         = smtp.NewReply(521, smtp.EnhancedCode{5, 5, 1}, "this is SMTP")
	replyTooBig          = smtp.NewReply(552, smtp.EnhancedCode{5, 3, 4}, "message too big")
	replyHoldLong        = smtp.NewReply(501, smtp.EnhancedCode{5, 5, 4}, "mail is not held for so long: see FUTURERELEASE")
	replyHoldBy          = smtp.NewReply(501, smtp.EnhancedCode{5, 5, 4}, "mail cannot be held until after the time by which it must arrive: see HOLDFOR, HOLDUNTIL and BY")
	replyDrain           = smtp.NewReply(421, smtp.EnhancedCode{4, 3, 0}, "message goes on for too long, closing connection")
	replyData            = smtp.NewReply(354, smtp.EnhancedCode{}, "send the message, end with CRLF.CRLF")
	replyTaken           = smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "message accepted")
	replyBye             = smtp.NewReply(221, smtp.EnhancedCode{2, 0, 0}, "bye")
)

// defects are the replies to messages that are malformed on the wire.
var defects = [...]smtp.Reply{
	smtp.BareCR:   smtp.NewReply(550, smtp.EnhancedCode{5, 6, 11}, "message has CR without LF"),
	smtp.BareLF:   smtp.NewReply(550, smtp.EnhancedCode{5, 6, 11}, "message has LF without CR"),
	smtp.NUL:      smtp.NewReply(550, smtp.EnhancedCode{5, 6, 0}, "message has NUL characters"),
	smtp.LongLine: smtp.NewReply(550, smtp.EnhancedCode{5, 6, 0}, "message has a line that is too long"),
}

// answer turns what a Handler returned into the reply; ok is what success
// without a reply is answered with. What a client sees of errors is decided
// here.
func (c *conn) answer(r smtp.Reply, err error, ok smtp.Reply) smtp.Reply {
	c.theirs = err == nil
	if err != nil {
		if refusal, is := smtp.AsReply(err); is && !refusal.Positive() && !refusal.IsZero() {
			c.theirs = true
			return refusal
		}
		if errors.Is(err, context.Canceled) && c.Stopped() {
			return replyShutdown
		}
		c.Log(slog.LevelError, "handler failed", slog.String("verb", verbs[c.verb]), slog.Any("error", err))
		return replyInternal
	}
	if r.IsZero() {
		return ok
	}
	return r
}

// reply queues the reply to the command c.verb. Errors are counted, and one
// too many is answered with 421 instead; every 421 ends the connection.
func (c *conn) reply(r smtp.Reply) {
	if r.Code >= 400 && c.verb != verbRcpt {
		if c.errors++; c.errors > c.set.Limits.Errors && r.Code != 421 {
			r = replyTooManyErrors
			c.theirs = false
		}
	}
	if r.Code >= 400 && !c.theirs {
		r = c.traced(r)
	}
	c.theirs, c.traceID = false, ""
	c.send(r)
	if r.Code >= 400 {
		c.tarpit()
	}
}

// traced logs a refusal of the server's own to a command about mail, and puts
// the id on it by which an administrator finds it.
func (c *conn) traced(r smtp.Reply) smtp.Reply {
	switch verbs[c.verb] {
	case "MAIL", "RCPT", "DATA", "BDAT", "END", "AUTH":
	default:
		return r
	}
	id := c.traceID
	if id == "" {
		id = traceOf(c.tx)
	}
	if id == "" {
		id = traceOf(c.session)
	}
	if id == "" {
		return r
	}
	c.Log(slog.LevelInfo, "refused", slog.String("id", id), slog.String("verb", verbs[c.verb]), slog.String("reply", r.Error()))
	r.Text += " (see " + id + ")"
	return r
}

func traceOf(x any) string {
	if t, ok := x.(Traced); ok {
		return t.TraceID()
	}
	return ""
}

// send queues a reply as it is.
func (c *conn) send(r smtp.Reply) {
	if c.set.off["ENHANCEDSTATUSCODES"] {
		r.Enhanced = smtp.EnhancedCode{}
	}
	if r.Code == 421 || r.Code == 521 {
		c.closing = true
	}
	c.srv.count.command(c.verb, r.Code)
	c.SetOutput(r.Append(c.Output()))
	if c.Logs(slog.LevelDebug) {
		c.Log(slog.LevelDebug, "reply", slog.String("verb", verbs[c.verb]), slog.Int("code", r.Code), slog.String("text", r.Text))
	}
}
