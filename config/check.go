package config

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// protocols are the listeners that there are; unbuilt those to come.
var (
	protocols = []string{"smtp", "lmtp", "http"}
	unbuilt   = []string{"submission", "submissions", "imap", "imaps", "pop3", "pop3s", "managesieve"}
)

// at reports a mistake at a place noted while decoding.
func (d *decoder) at(p position, hint, msg string) {
	d.errs = append(d.errs, Error{File: d.file, Line: p.line, Col: p.col, Msg: msg, Hint: hint})
}

// check tells what types alone do not: values that cannot be, or not together.
func (c *Config) check(d *decoder) {
	if !validHost(c.Hostname) {
		d.at(d.place("hostname"), "a name like mx1.example.org", "hostname: "+strconv.Quote(c.Hostname)+" is no host name")
	}
	for _, l := range c.Listeners {
		l.check(d)
	}
	for _, x := range c.Domains {
		x.check(d)
	}
	if len(c.Domains) == 0 && c.serves("smtp", "lmtp") {
		d.at(position{1, 1}, "domains: {example.org: {deliver: proxy, backends: [...]}}", "no domains: no mail would be taken")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		d.at(d.place("log.level"), "debug, info, warn or error", "log.level: unknown level "+strconv.Quote(c.Log.Level))
	}
	for _, r := range c.DNS.Resolvers {
		if !validAddress(r) {
			d.at(d.place("dns.resolvers"), "write it like 127.0.0.1:53", "dns.resolvers: "+strconv.Quote(r)+" is no ADDR:PORT")
		}
	}
	c.Limits.check(d)
	c.checkNames(d)
}

// serves tells whether there is a listener of one of the protocols.
func (c *Config) serves(protocol ...string) bool {
	return slices.ContainsFunc(c.Listeners, func(l Listener) bool { return slices.Contains(protocol, l.Protocol) })
}

func (l Listener) check(d *decoder) {
	switch {
	case slices.Contains(unbuilt, l.Protocol):
		d.at(l.pos, "", "protocol "+l.Protocol+" is not built yet")
	case !slices.Contains(protocols, l.Protocol):
		d.at(l.pos, didYouMean(l.Protocol, append(slices.Clone(protocols), unbuilt...)), "unknown protocol "+strconv.Quote(l.Protocol))
	}
	if path, ok := strings.CutPrefix(l.Address, "unix:"); ok {
		if path == "" {
			d.at(l.pos, "unix:/run/gapura/lmtp", "address without a path")
		}
	} else if !validAddress(l.Address) {
		d.at(l.pos, "write it like 0.0.0.0:25, :25 or unix:/path", "address "+strconv.Quote(l.Address)+" is no HOST:PORT")
	}
}

func (x Domain) check(d *decoder) {
	switch x.Deliver {
	case "proxy":
		if len(x.Backends) == 0 {
			d.at(x.pos, `backends: ["smtp://10.0.0.5:25"]`, x.Name+": deliver: proxy needs backends")
		}
	case "queue", "mailbox", "outbound":
		d.at(x.pos, "", x.Name+": deliver: "+x.Deliver+" is not built yet")
	case "":
		d.at(x.pos, "deliver: proxy", x.Name+": deliver is missing")
	default:
		d.at(x.pos, didYouMean(x.Deliver, []string{"proxy", "queue", "mailbox"}), x.Name+": unknown deliver "+strconv.Quote(x.Deliver))
	}
}

// checkNames refuses two filters of one name.
func (c *Config) checkNames(d *decoder) {
	seen := map[string]bool{}
	for _, f := range c.Filters {
		if f.Name != "plugin" && seen[f.Name] {
			d.at(f.pos, "", "filter "+strconv.Quote(f.Name)+" is listed twice")
		}
		seen[f.Name] = true
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
			d.at(d.place("limits."+x.name), "", "limits."+x.name+" must be at least "+strconv.FormatInt(x.min, 10))
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
