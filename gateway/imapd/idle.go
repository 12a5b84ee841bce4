package imapd

import (
	"context"
	"strings"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// idle is IDLE (RFC 9051 section 6.3.13): until the client says DONE, changes
// are told when they happen. Nothing polls: the store's feed wakes the
// connection.
func (c *conn) idle(_ context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	if !d.End() {
		return reply{}, d.Err()
	}
	c.write("+ idling\r\n")
	c.idling = true
	c.srv.count.idling(1)
	return reply{}, nil
}

// idleLine reads the line that ends IDLE.
func (c *conn) idleLine() {
	line, err := c.line(len("DONE\r\n"))
	if err != nil && c.closing {
		return
	}
	c.news()
	c.endIdle()
	r := done("IDLE completed")
	if err != nil || !strings.EqualFold(string(line), "DONE") {
		r = reply{bad, "", "IDLE ends with DONE"}
	}
	if !c.closing {
		c.finish(imap.CmdIdle, r)
	}
}

// endIdle stops looking for changes.
func (c *conn) endIdle() {
	if c.idling {
		c.idling = false
		c.srv.count.idling(-1)
	}
}
