package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/inbound"
	"github.com/gapura-mail/gapura/gateway/proxy"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// protocols are the listeners that there are.
var protocols = []string{"smtp", "lmtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "managesieve", "http", "https"}

// Words of keys that have few.
var (
	deliveries = []string{"proxy", "queue", "mailbox"}
	levels     = []string{"debug", "info", "warn", "error"}
	onErrors   = []string{"continue", "defer"}
	mails      = []string{"inbound", "submission"}
	checkFroms = []string{inbound.CheckFromOwn, inbound.CheckFromSender, inbound.CheckFromAny}
)

// at reports a mistake at a place noted while decoding.
func (d *decoder) at(p position, hint, msg string) {
	d.errs = append(d.errs, Error{File: d.file, Line: p.line, Col: p.col, Msg: msg, Hint: hint})
}

// wrong reports a mistake in the value of a path, unless its type was wrong
// already.
func (d *decoder) wrong(path, hint, format string, args ...any) {
	p := d.place(path)
	typed := func(e Error) bool { return e.Line == p.line && e.Col == p.col }
	if !slices.ContainsFunc(d.errs[:d.typed], typed) {
		d.at(p, hint, fmt.Sprintf(format, args...))
	}
}

// plainly returns the text of an error of another package without the
// package's name, which means nothing to an administrator.
func plainly(err error) string {
	_, text, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		return err.Error()
	}
	return text
}

// check tells what types alone do not: values that cannot be, or not together.
func (c *Config) check(d *decoder) {
	if !validHost(c.Hostname) {
		d.wrong("hostname", "a name like mx1.example.org", "hostname: %q is no host name", c.Hostname)
	}
	for i, l := range c.Listeners {
		l.check(d, index("listeners", i))
	}
	for i, l := range c.Listeners {
		same := func(o Listener) bool { return o.Address == l.Address && !strings.HasSuffix(l.Address, ":0") }
		if slices.ContainsFunc(c.Listeners[:i], same) {
			d.wrong(index("listeners", i)+".address", "", "address %q is listed twice", l.Address)
		}
	}
	for _, x := range c.Domains {
		x.check(d, "domains."+x.Name)
	}
	if len(c.Domains) == 0 && len(c.Networks.Relay) == 0 && c.serves("smtp", "lmtp") {
		d.wrong("domains", "domains: {example.org: {deliver: proxy, backends: [...]}}", "no domains: no mail would be taken")
	}
	if !slices.Contains(levels, c.Log.Level) {
		d.wrong("log.level", "debug, info, warn or error", "log.level: unknown level %q", c.Log.Level)
	}
	for i, r := range c.DNS.Resolvers {
		if !validResolver(r) {
			d.wrong(index("dns.resolvers", i), "write it like 127.0.0.1:53", "dns.resolvers: %q is no ADDR:PORT", r)
		}
	}
	c.Submission.check(d)
	if err := c.Bounces.Check(); err != nil {
		d.wrong("bounces", "", "bounces: %v", err)
	}
	if err := c.Quota.Check(); err != nil {
		d.wrong("quota", "", "quota: %v", err)
	}
	if err := c.Suppression.Check(); err != nil {
		d.wrong("suppression", "", "suppression: %v", err)
	}
	c.Mailboxes.check(d)
	c.Storage.check(d)
	c.Limits.check(d)
	c.checkNames(d)
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// serves tells whether there is a listener of one of the protocols.
func (c *Config) serves(protocol ...string) bool {
	return slices.ContainsFunc(c.Listeners, func(l Listener) bool { return slices.Contains(protocol, l.Protocol) })
}

func (l Listener) check(d *decoder, at string) {
	switch {
	case l.Protocol == "":
		d.wrong(at, "protocol: smtp, submission, submissions, lmtp, imap, imaps, pop3, pop3s or http", "protocol is missing")
	case !slices.Contains(protocols, l.Protocol):
		d.wrong(at+".protocol", didYouMean(l.Protocol, protocols), "unknown protocol %q", l.Protocol)
	}
	path, unix := strings.CutPrefix(l.Address, "unix:")
	switch {
	case l.Address == "":
		d.wrong(at, `address: "0.0.0.0:25"`, "address is missing")
	case unix && path == "":
		d.wrong(at+".address", "unix:/run/gapura/lmtp", "address without a path")
	case !unix && !validAddress(l.Address):
		d.wrong(at+".address", "write it like 0.0.0.0:25, :25 or unix:/path", "address %q is no HOST:PORT", l.Address)
	}
	if _, err := strconv.ParseUint(l.Mode, 8, 9); l.Mode != "" && err != nil {
		d.wrong(at+".mode", `mode: "0660"`, "mode %q is not from 0000 to 0777", l.Mode)
	} else if l.Mode != "" && !unix {
		d.wrong(at+".mode", "", "mode is for addresses that begin with unix:")
	}
	switch l.Protocol {
	case "lmtp", "http", "https":
		if l.Auth {
			d.wrong(at+".auth", "", "nobody logs in by %s", l.Protocol)
		}
	case "imap", "imaps", "pop3", "pop3s", "managesieve":
		if l.Auth {
			d.wrong(at+".auth", "leave it out", "auth: clients of %s log in always", l.Protocol)
		}
		if len(l.XClient) > 0 {
			d.wrong(at+".xclient", "", "xclient is SMTP's; %s has none", l.Protocol)
		}
	}
}

// maxFutureRelease bounds how long mail may be held.
const maxFutureRelease = 366 * 24 * time.Hour

func (s Submission) check(d *decoder) {
	if !slices.Contains(checkFroms, s.CheckFrom) {
		d.wrong("submission.check_from", strings.Join(checkFroms, ", "), "submission.check_from: unknown value %q", s.CheckFrom)
	}
	if s.FutureRelease < 0 || s.FutureRelease > maxFutureRelease {
		d.wrong("submission.future_release", "", "submission.future_release must be from 0 to 8784h")
	}
}

func (x Domain) check(d *decoder, at string) {
	switch x.Deliver {
	case "proxy", "queue":
		x.checkBackends(d, at)
		if x.Postmaster != "" {
			d.wrong(at+".postmaster", "", "%s: postmaster is for deliver: mailbox; the backend knows its own", x.Name)
		}
	case "mailbox":
		x.checkMailbox(d, at)
	case "outbound":
		d.wrong(at+".deliver", "deliver: proxy hands over in session, queue keeps it for a backend that may be away", "%s: deliver: %s is not built yet", x.Name, x.Deliver)
	case "":
		d.at(x.pos, "deliver: proxy", x.Name+": deliver is missing")
	default:
		d.wrong(at+".deliver", didYouMean(x.Deliver, deliveries), "%s: unknown deliver %q", x.Name, x.Deliver)
	}
}

func (x Domain) checkBackends(d *decoder, at string) {
	if len(x.Backends) == 0 {
		d.at(x.pos, `backends: ["smtp://10.0.0.5:25"]`, x.Name+": deliver: "+x.Deliver+" needs backends")
		return
	}
	good := true
	for i, b := range x.Backends {
		if _, err := proxy.ParseURL(b); err != nil {
			d.wrong(index(at+".backends", i), "", "%s: %v", x.Name, err)
			good = false
		}
	}
	if b := words["proxy.Options.Balance"]; !slices.Contains(b, x.Balance) {
		d.wrong(at+".balance", strings.Join(b, " or "), "%s: unknown balance %q", x.Name, x.Balance)
	} else if err := x.Options.Validate(); good && err != nil {
		d.at(x.pos, "", x.Name+": "+plainly(err))
	}
}

// check refuses stores that there are not. What is in a URL may be a password,
// and is not shown.
func (s Storage) check(d *decoder) {
	if err := sqldb.CheckURL(s.Database); err != nil {
		d.wrong("storage.database", "sqlite or postgres://user@host/name", "storage.database: %s", strings.TrimPrefix(err.Error(), "sqldb: "))
	}
	if err := blob.CheckURL(s.Objects); err != nil {
		d.wrong("storage.objects", "files or s3://bucket?endpoint=https://host&region=name", "storage.objects: %s", strings.TrimPrefix(err.Error(), "blob: "))
	}
}

// checkNames refuses two filters of one name.
func (c *Config) checkNames(d *decoder) {
	seen := map[string]bool{}
	for _, f := range c.Filters {
		name := f.FactPrefix()
		if name != "" && seen[name] {
			d.at(f.pos, "", "filter "+strconv.Quote(name)+" is listed twice")
		}
		seen[name] = true
	}
}

func (l Limits) check(d *decoder) {
	for _, x := range []struct {
		name       string
		value, min int64
	}{
		{"message", l.Message, 64 << 10}, // RFC 5321 section 4.5.3.1.7
		{"recipients", int64(l.Recipients), 100},
		{"connections", int64(l.Connections), 1},
		{"connections_per_ip", int64(l.ConnectionsPerIP), 1},
		{"hops", int64(l.Hops), 1},
		{"header", int64(l.Header), 4 << 10},
		{"field", int64(l.Field), 1 << 10},
		{"body_memory", l.BodyMemory, 8 << 10},
		{"memory", l.Memory, 1 << 20},
		{"spool", l.Spool, 1 << 20},
	} {
		if x.value < x.min {
			d.wrong("limits."+x.name, "", "limits.%s must be at least %s", x.name, size(x.min))
		}
	}
}

func validAddress(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}

// validResolver tells whether s is an address, with or without a port.
func validResolver(s string) bool {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	a, err := netip.ParseAddrPort(s)
	return err == nil && a.Port() != 0
}

// validHost tells whether s is a host name of LDH labels.
func validHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
				return false
			}
		}
	}
	return true
}
