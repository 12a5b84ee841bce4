package imapd

import (
	"context"
	"log/slog"
	"strings"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// maxIDLogged is how many octets of a value are logged.
const maxIDLogged = 200

// id is ID (RFC 2971): who we are, and who the client says it is, for the log.
func (c *conn) id(_ context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var fields []imap.IDField
	if !d.IDFields(&fields) {
		return reply{}, d.Err()
	}
	var attrs []slog.Attr
	for _, f := range fields {
		switch name := strings.ToLower(f.Name); name {
		case "name", "version", "os", "vendor":
			attrs = append(attrs, slog.String(name, string(f.Value[:min(len(f.Value), maxIDLogged)])))
		}
	}
	c.log(slog.LevelInfo, "client", attrs...)
	c.w.Raw(`* ID ("name" "Gapura"`)
	if c.set.Version != "" {
		c.w.Raw(` "version" `).String(c.set.Version)
	}
	c.w.Raw(")\r\n")
	return done("ID completed"), nil
}
