// Package autoconf writes what mail programs ask a domain for to configure
// themselves: Thunderbird's config-v1.1.xml (which many others read), Outlook's
// Autodiscover, and profiles for Apple's Mail.
package autoconf

import (
	"cmp"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
)

// Protocols of servers.
const (
	IMAP = "imap"
	POP3 = "pop3"
	SMTP = "smtp"
)

// Server is one that mail programs connect to.
type Server struct {
	Protocol string // IMAP, POP3 or SMTP (submission)
	Host     string
	Port     uint16
	TLS      bool // from the start; else STARTTLS
}

// Settings are those of the mailboxes of one domain.
type Settings struct {
	Domain  string
	Servers []Server
}

// of returns the servers of a protocol, TLS from the start first: programs
// take the first that they can (RFC 8314).
func (s Settings) of(protocol string) []Server {
	var list []Server
	for _, x := range s.Servers {
		if x.Protocol == protocol {
			list = append(list, x)
		}
	}
	slices.SortStableFunc(list, func(a, b Server) int { return cmp.Compare(rank(a), rank(b)) })
	return list
}

func rank(s Server) int {
	if s.TLS {
		return 0
	}
	return 1
}

// incoming returns the servers that mail is read from, IMAP first.
func (s Settings) incoming() []Server { return append(s.of(IMAP), s.of(POP3)...) }

// first returns the best server of a protocol.
func (s Settings) first(protocol string) (Server, bool) {
	list := s.of(protocol)
	if len(list) == 0 {
		return Server{}, false
	}
	return list[0], true
}

// doc writes indented XML; every text is escaped.
type doc struct {
	b     strings.Builder
	depth int
}

func (d *doc) line(s string) {
	d.b.WriteString(strings.Repeat("  ", d.depth) + s + "\n")
}

// open begins an element; tag may have attributes.
func (d *doc) open(tag string) {
	d.line("<" + tag + ">")
	d.depth++
}

func (d *doc) shut(name string) {
	d.depth--
	d.line("</" + name + ">")
}

func (d *doc) text(name, text string) {
	d.line("<" + name + ">" + escape(text) + "</" + name + ">")
}

func (d *doc) bytes() []byte { return []byte(d.b.String()) }

func escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s)) // of a Builder, no error
	return b.String()
}

func port(p uint16) string { return strconv.Itoa(int(p)) }

const prolog = `<?xml version="1.0" encoding="UTF-8"?>`
