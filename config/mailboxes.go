package config

import (
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/lda"
)

// check tells what types alone do not.
func (m Mailboxes) check(d *decoder) {
	if err := m.Store.Check(); err != nil {
		d.wrong("mailboxes", "", "mailboxes: %v", err)
	}
	if err := m.Search.Check(); err != nil {
		d.wrong("mailboxes.search", "", "mailboxes.search: %v", err)
	}
	if err := m.Delivery.Check(); err != nil {
		d.wrong("mailboxes.junk", `junk: "X-Spam-Flag: YES"`, "mailboxes: %v", err)
	}
	if err := lda.CheckPostmaster(m.Delivery.Postmaster); err != nil {
		d.wrong("mailboxes.postmaster", "postmaster: ana@example.org", "mailboxes.postmaster: %v", err)
	}
	word := func(name, value string, of []string) {
		if !slices.Contains(of, value) {
			d.wrong("mailboxes."+name, strings.Join(of, ", "), "mailboxes.%s: unknown value %q", name, value)
		}
	}
	word("detail", m.Delivery.Detail, lda.Details)
	word("full", m.Delivery.Full, lda.Fulls)
}

// checkMailbox refuses what means nothing where mail is kept here.
func (x Domain) checkMailbox(d *decoder, at string) {
	if x.Name == "default" {
		d.at(x.pos, "list the domains whose mail is kept here", "default: deliver: mailbox cannot be: every domain of the world would be ours")
	}
	if len(x.Backends) > 0 {
		d.wrong(at+".backends", "deliver: proxy or deliver: queue hand over to backends", "%s: deliver: mailbox has no backends", x.Name)
	}
	if err := lda.CheckPostmaster(x.Postmaster); err != nil {
		d.wrong(at+".postmaster", "postmaster: ana@example.org", "%s: postmaster: %v", x.Name, err)
	}
}

// Local lists the domains whose mail is kept here.
func (c *Config) Local() []Domain {
	return slices.DeleteFunc(slices.Clone(c.Domains), func(x Domain) bool { return x.Deliver != "mailbox" })
}
