package config

import (
	"slices"
	"strings"
)

// Warnings tell what is no mistake and yet seldom meant, in order of their
// places.
func (c *Config) Warnings() []Error {
	d := &decoder{file: c.File, places: c.places}
	warn := d.wrong
	for _, x := range c.Domains {
		if x.Name == "default" {
			d.at(x.pos, "list the domains where you know them",
				"default takes mail for every other domain from everyone: its backend must refuse what is not its own")
		}
	}
	for i, p := range c.Networks.Relay {
		if p.Bits() == 0 {
			warn(index("networks.relay", i), "", "%s is everyone: they may relay through this gateway", p)
		}
	}
	if len(c.Listeners) == 0 {
		warn("listeners", `listeners: [{protocol: smtp, address: ":25"}]`, "no listeners: nobody can connect")
	}
	c.Limits.warn(warn)
	c.warnMailboxes(d)
	if c.serves("smtp", "lmtp") {
		c.warnFilters(warn)
	}
	slices.SortStableFunc(d.errs, byPlace)
	return d.errs
}

// warn tells of messages that SIZE promises to take and the spool never will:
// a message is there, and the text of its parts beside it.
func (l Limits) warn(warn func(path, hint, format string, args ...any)) {
	if need := 2 * (l.Message - l.BodyMemory); l.Spool < need {
		warn("limits.spool", "at least "+size(need), "limits.spool: the largest messages (limits.message) need more, and are put off for ever")
	}
}

func (c *Config) warnFilters(warn func(path, hint, format string, args ...any)) {
	has := func(name string) bool {
		return slices.ContainsFunc(c.Filters, func(f Filter) bool { return f.Name == name })
	}
	if len(c.Filters) == 0 {
		warn("filters", "filters: [headers, spf, dkim, arc, dmarc, attachment]", "no filters: all mail for the domains is handed over unjudged")
		return
	}
	if has("dmarc") {
		var missing []string
		for _, name := range []string{"spf", "dkim"} {
			if !has(name) {
				missing = append(missing, name)
			}
		}
		if len(missing) > 0 {
			i := slices.IndexFunc(c.Filters, func(f Filter) bool { return f.Name == "dmarc" })
			warn(index("filters", i), "list them before dmarc", "dmarc without %s: honest mail fails it", strings.Join(missing, " and "))
		}
	}
	if !has("antivirus") {
		warn("filters", "- antivirus: {}", "no antivirus: nothing looks for viruses")
	}
}

// reading are the protocols by which mail that is kept here is read.
var reading = []string{"imap", "imaps", "pop3", "pop3s"}

func (c *Config) warnMailboxes(d *decoder) {
	local := c.Local()
	for i, l := range c.Listeners {
		if len(local) == 0 && (slices.Contains(reading, l.Protocol) || l.Protocol == "managesieve") {
			d.wrong(index("listeners", i), "domains: {example.org: {deliver: mailbox}}", "%s without a domain whose mail is kept here: there is nothing to read", l.Protocol)
		}
	}
	if len(local) > 0 && !c.serves(reading...) {
		d.at(local[0].pos, "listeners: [{protocol: imaps, address: \":993\"}]", local[0].Name+": mail is kept here, and no listener lets users read it")
	}
}
