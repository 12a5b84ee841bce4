package config

import (
	"reflect"

	"github.com/goccy/go-yaml/ast"

	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// SMTP says how SMTP and LMTP are spoken.
type SMTP struct {
	// Whether refusals of the stages connect, helo and mail are answered at
	// once, instead of at RCPT where sender and recipient are known; the
	// greeting then waits for look-ups.
	RefuseEarly bool `yaml:"refuse_early"`
	// Whether recipients of strangers are taken whose local part holds another
	// address: user%other.example@ours, other.example!user@ours or
	// "user@other.example"@ours. Relay probes write so; a server behind us that follows
	// such routes would relay for everybody.
	RoutedRecipients bool `yaml:"routed_recipients"`
	smtpd.Options    `yaml:",inline"`
}

// elsewhere are options of smtpd that are written under limits.
var elsewhere = map[string]string{
	"message": "limits.message", "recipients": "limits.recipients",
	"connections": "limits.connections", "connections_per_ip": "limits.connections_per_ip",
	"xclient": "listeners[].xclient",
}

func (s *SMTP) decodeNode(d *decoder, n ast.Node) {
	fields := fieldsOf(reflect.ValueOf(s).Elem())
	for key, place := range elsewhere {
		delete(fields, key)
		for _, e := range d.entries(n) {
			if keyOf(e) == key {
				d.errorf(e.Key, "", "smtp.%s is written as %s", key, place)
			}
		}
	}
	d.into(n, fields, 1)
	d.options(n, s.Validate(), "smtpd")
}
