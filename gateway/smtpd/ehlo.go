package smtpd

import (
	"fmt"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// ehlo is EHLO, HELO and LHLO (RFC 5321 section 4.1.1.1, RFC 2033 section
// 4.1). Each gives up a transaction that is open.
func (c *conn) ehlo(verb, name string) smtp.Reply {
	if c.set.lmtp != (verb == "LHLO") {
		if c.set.lmtp {
			return replyWantLHLO
		}
		return replyUnknown
	}
	if !c.idleCommand() {
		return replyTooManyCommands
	}
	if !c.heloName(name) {
		return smtp.NewReply(501, smtp.EnhancedCode{5, 5, 2}, "the form is "+verb+" hostname")
	}
	c.reset()
	c.info.Helo = name
	c.info.Extended = verb != "HELO"
	c.greeted = true
	r, err := c.session.Helo(c.Context(), c.info)
	r = c.answer(r, err, smtp.Reply{Code: 250})
	if !r.Positive() {
		c.greeted = false
		return r
	}
	if r.Text == "" {
		r.Text = c.set.Hostname
	}
	if c.info.Extended {
		r.Text += c.keywords()
	}
	return r
}

// heloName tells whether name may follow EHLO: a domain or an address
// literal (RFC 5321 section 4.1.3), or any one printable word.
func (c *conn) heloName(name string) bool {
	if name == "" || len(name) > smtp.MaxDomain || strings.ContainsAny(name, " ") {
		return false
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return false
		}
	}
	if !c.set.StrictSyntax {
		return true
	}
	if _, ok := smtp.ParseLiteral(name); ok {
		return true
	}
	return smtp.CheckDomain(name, 0) == nil
}

// keywords returns the lines after the first of the reply to EHLO.
func (c *conn) keywords() string {
	k := c.set.plain
	if c.info.TLS != nil {
		k = c.set.encrypted
	}
	if mechanisms := c.mechanisms(); len(mechanisms) > 0 {
		k += "\nAUTH " + strings.Join(mechanisms, " ")
	}
	if c.set.FutureRelease > 0 { // RFC 4865 section 4
		k += fmt.Sprintf("\nFUTURERELEASE %d %s", c.set.FutureRelease/time.Second, time.Now().Add(c.set.FutureRelease).UTC().Format(time.RFC3339))
	}
	if c.mayXClient {
		k += c.set.xclient
	}
	return k
}

func (s *settings) keywords(encrypted bool) string {
	var b strings.Builder
	add := func(name, args string) {
		if s.on(name) {
			b.WriteString("\n" + name + args)
		}
	}
	add("PIPELINING", "")
	add("SIZE", fmt.Sprintf(" %d", s.Limits.Message))
	add("8BITMIME", "")
	add("SMTPUTF8", "")
	if s.TLS != nil && !encrypted {
		add("STARTTLS", "")
	}
	add("ENHANCEDSTATUSCODES", "")
	add("CHUNKING", "")
	if s.DSN {
		b.WriteString("\nDSN")
	}
	if s.RequireTLS && encrypted {
		b.WriteString("\nREQUIRETLS")
	}
	if s.Priority {
		b.WriteString("\nMT-PRIORITY")
	}
	if s.DeliverBy {
		b.WriteString("\nDELIVERBY")
	}
	if !s.lmtp {
		add("PRDR", "")
	}
	limits := fmt.Sprintf(" RCPTMAX=%d", s.Limits.Recipients) // RFC 9422
	if s.Limits.Transactions > 0 {
		limits = fmt.Sprintf(" MAILMAX=%d", s.Limits.Transactions) + limits
	}
	add("LIMITS", limits)
	return b.String()
}

// extensions returns which parameters the client may use.
func (c *conn) extensions() smtp.Extension {
	if !c.info.Extended {
		return 0
	}
	var e smtp.Extension
	for _, x := range [...]struct {
		name string
		bit  smtp.Extension
	}{{"SIZE", smtp.ExtSize}, {"8BITMIME", smtp.Ext8BitMIME}, {"SMTPUTF8", smtp.ExtSMTPUTF8}} {
		if c.set.on(x.name) {
			e |= x.bit
		}
	}
	if c.set.DSN {
		e |= smtp.ExtDSN
	}
	if c.set.RequireTLS && c.info.TLS != nil {
		e |= smtp.ExtRequireTLS
	}
	if c.set.Priority {
		e |= smtp.ExtPriority
	}
	if c.set.DeliverBy {
		e |= smtp.ExtDeliverBy
	}
	if c.set.FutureRelease > 0 {
		e |= smtp.ExtFutureRelease
	}
	if c.set.Auth && c.info.TLS != nil {
		e |= smtp.ExtAuth
	}
	if c.set.on("PRDR") && !c.set.lmtp {
		e |= smtp.ExtPRDR
	}
	return e
}
