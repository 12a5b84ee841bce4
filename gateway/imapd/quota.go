package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// A user has one quota, whose root is "" (RFC 9208).
const (
	quotaRoot = ""
	quotaUnit = 1024 // octets, of STORAGE (RFC 9208 section 5.1)
)

var (
	replyNoRoot  = reply{no, "NONEXISTENT", "There is no such quota root"}
	replyNoQuota = reply{no, "NOPERM", "Quotas are the administrator's to set"}
)

// getQuota is GETQUOTA (RFC 9208 section 4.1.1).
func (c *conn) getQuota(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var root []byte
	if !d.SP() || !d.Astring(&root) || !d.End() {
		return reply{}, d.Err()
	}
	if string(root) != quotaRoot {
		return replyNoRoot, nil
	}
	return c.tellQuota(ctx)
}

// getQuotaRoot is GETQUOTAROOT (RFC 9208 section 4.1.2). There need not be
// such a mailbox.
func (c *conn) getQuotaRoot(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var name string
	if !d.SP() || !d.Mailbox(&name) || !d.End() {
		return reply{}, d.Err()
	}
	c.w.Raw("* QUOTAROOT ").Mailbox(name).SP().Astring(quotaRoot).CRLF()
	return c.tellQuota(ctx)
}

// tellQuota writes what the user has and may have; resources without a limit
// are left out.
func (c *conn) tellQuota(ctx context.Context) (reply, error) {
	u, err := c.user.Usage(ctx)
	if err != nil {
		return reply{}, err
	}
	c.w.Raw("* QUOTA ").Astring(quotaRoot).Raw(" (")
	if u.Limits.Octets > 0 {
		c.w.Raw("STORAGE ").Uint(uint64(u.Octets+quotaUnit-1) / quotaUnit).SP().Uint(uint64(u.Limits.Octets) / quotaUnit)
	}
	if u.Limits.Messages > 0 {
		if u.Limits.Octets > 0 {
			c.w.SP()
		}
		c.w.Raw("MESSAGE ").Uint(uint64(u.Messages)).SP().Uint(uint64(u.Limits.Messages))
	}
	c.w.Raw(")\r\n")
	return done("Quota told"), nil
}

// setQuota is SETQUOTA (RFC 9208 section 4.1.3), which nobody may use here.
func (c *conn) setQuota(_ context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var root string
	var resources []imap.QuotaResource
	if !d.SetQuota(&root, &resources) {
		return reply{}, d.Err()
	}
	return replyNoQuota, nil
}
