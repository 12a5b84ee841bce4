package smtpc

import (
	"bufio"
	"context"
	"crypto/tls"
)

// startTLS upgrades the connection (RFC 3207) and says hello again.
func (c *Client) startTLS(name string) error {
	if !c.ext.StartTLS {
		if c.opt.TLS == TLSRequired {
			return c.fail(StepTLS, ErrNoTLS)
		}
		return nil
	}
	r, err := c.command(StepTLS, "STARTTLS")
	if err != nil {
		return err
	}
	if r.Code != 220 {
		if c.opt.TLS == TLSRequired || r.Positive() {
			return c.refused(StepTLS, r)
		}
		return nil
	}
	if c.in.Buffered() > 0 {
		return c.fail(StepTLS, ErrInjection)
	}
	if err := c.handshake(name); err != nil {
		return err
	}
	c.in = bufio.NewReaderSize(c.conn, 2*MaxReplyLine)
	return c.hello() // RFC 3207 section 4.2: nothing learned before counts
}

func (c *Client) handshake(name string) error {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.opt.TLSConfig != nil {
		cfg = c.opt.TLSConfig.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = name
	}
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	// Small records at first help browsers; here they cost a system call for
	// each 1.4 KB.
	cfg.DynamicRecordSizingDisabled = true
	conn := tls.Client(c.conn, cfg)
	ctx, cancel := context.WithTimeout(c.ctx, c.opt.Timeouts.TLS)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return c.fail(StepTLS, err)
	}
	state := conn.ConnectionState()
	c.conn, c.tls = conn, &state
	return nil
}
