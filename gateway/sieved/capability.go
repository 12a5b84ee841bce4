package sieved

import (
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway/deadline"
	"github.com/gapura-mail/gapura/gateway/sieve"
)

// capability is CAPABILITY (RFC 5804 section 2.4).
func (c *conn) capability(*deadline.Context, []word) error {
	c.capabilities()
	return nil
}

// capabilities queues what the server can do now (RFC 5804 section 1.7).
func (c *conn) capabilities() {
	tell := func(name string, value ...string) {
		c.text([]byte(name))
		for _, v := range value {
			c.WriteString(" ")
			c.text([]byte(v))
		}
		c.WriteString("\r\n")
	}
	tell("IMPLEMENTATION", "Gapura")
	tell("SASL", strings.Join(c.mechanisms(), " "))
	tell("SIEVE", strings.Join(sieve.Extensions(c.set.Sieve), " "))
	tell("NOTIFY", strings.Join(sieve.NotifyMethods(), " "))
	redirects := c.set.Sieve.Redirects
	if redirects == 0 {
		redirects = sieve.DefaultOptions().Redirects
	}
	tell("MAXREDIRECTS", strconv.Itoa(max(redirects, 0)))
	if c.set.TLS != nil && c.TLS == nil {
		tell("STARTTLS")
	}
	if c.user != nil {
		tell("OWNER", c.name)
	}
	tell("UNAUTHENTICATE")
	tell("VERSION", "1.0")
}
