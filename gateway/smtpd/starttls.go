package smtpd

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// starttls begins TLS (RFC 3207). What was pipelined after the command is
// dropped unread: in plaintext anyone may have put it there. All that was
// learnt in plaintext is forgotten, the client has to say EHLO again.
func (c *conn) starttls(arg string) smtp.Reply {
	switch {
	case c.set.TLS == nil || c.set.off["STARTTLS"]:
		return replyNotOffered
	case c.info.TLS != nil:
		return smtp.NewReply(503, smtp.EnhancedCode{5, 5, 1}, "TLS is active already")
	case arg != "":
		return replyNoArgument
	case !c.idleCommand():
		return replyTooManyCommands
	}
	c.reset()
	if !c.in.empty() {
		c.log(slog.LevelWarn, "dropped what was pipelined after STARTTLS", slog.Int("octets", len(c.in.bytes())))
		c.in.r = c.in.w
	}
	c.send(smtp.NewReply(220, smtp.EnhancedCode{2, 0, 0}, "ready to start TLS"))
	err := c.flush()
	if err == nil {
		err = c.startTLS()
	}
	if err != nil {
		c.log(slog.LevelInfo, "TLS handshake failed", slog.Any("error", err))
		c.closing, c.quiet = true, true
		return smtp.Reply{}
	}
	c.greeted = false
	c.info.Helo, c.info.Extended, c.info.User = "", false, ""
	return smtp.Reply{}
}

// startTLS does the handshake.
func (c *conn) startTLS() error {
	under := c.nc
	if !c.in.empty() { // after a PROXY header only
		under = &prefixed{Conn: under, prefix: append([]byte(nil), c.in.bytes()...)}
	}
	c.in.release()
	c.releaseOutput()
	deadline := time.Now().Add(c.set.Limits.TLSTimeout)
	if err := under.SetDeadline(deadline); err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(c.ctx, deadline)
	defer cancel()
	t := tls.Server(under, c.set.TLS)
	if err := handshake(ctx, t); err != nil {
		return err
	}
	state := t.ConnectionState()
	c.info.TLS = &state
	c.setConn(t)
	return nil
}

// handshake runs on a stack of its own: it needs some 32 KiB, which the
// goroutine of a connection would keep as long as it idles.
func handshake(ctx context.Context, t *tls.Conn) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		done <- t.HandshakeContext(ctx)
	}()
	return <-done
}

// prefixed is a connection of which some octets have been read already.
type prefixed struct {
	net.Conn
	prefix []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.prefix) > 0 {
		n := copy(b, p.prefix)
		p.prefix = p.prefix[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}
