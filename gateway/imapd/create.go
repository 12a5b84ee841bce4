package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// create is CREATE, with a special use perhaps (RFC 9051 section 6.3.4, RFC
// 6154 section 3). The reply tells MAILBOXID (RFC 8474 section 4.1).
func (c *conn) create(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var name string
	if !d.SP() || !d.Mailbox(&name) {
		return reply{}, d.Err()
	}
	role := mailbox.RoleNone
	if d.Take(' ') && !(d.Byte('(') && d.Word("USE") && d.SP() && takeUse(d, &role) && d.Byte(')')) {
		return reply{}, d.Err()
	}
	if !d.End() {
		return reply{}, d.Err()
	}
	f, err := c.user.Create(ctx, name, role)
	if err != nil {
		return reply{}, err
	}
	return reply{ok, "MAILBOXID (" + f.ID.String() + ")", "Created"}, nil
}

// takeUse expects a list of special uses, of which a folder has one.
func takeUse(d *imap.Decoder, role *mailbox.Role) bool {
	n := 0
	return d.List(func() bool {
		var w []byte
		if !d.Byte('\\') || !d.Atom(&w) {
			return false
		}
		r := mailbox.RoleOf(`\` + string(w))
		if n++; r == mailbox.RoleNone || n > 1 {
			return d.Refuse("USEATTR", "One special use of those that LIST tells of is possible")
		}
		*role = r
		return true
	})
}
