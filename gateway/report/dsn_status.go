package report

import (
	"bytes"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// readStandard reads the fields of RFC 3464, wherever they are: in their part,
// in the text, or in a body whose boundaries are broken.
func (c *collected) readStandard(d *DSN) bool {
	d.Standard = len(c.status) > 0
	if d.Standard && c.readFields(d, c.status) {
		return true
	}
	d.Standard = false
	for _, b := range [][]byte{[]byte(c.notes), c.raw} {
		if i := indexFold(b, "final-recipient:"); i >= 0 {
			if c.readFields(d, statusLines(b)) {
				return true
			}
		}
	}
	return false
}

// readFields reads groups of fields, with an empty line between them; a field
// that a group has already begins a new one.
func (c *collected) readFields(d *DSN, b []byte) bool {
	var g group
	for len(b) > 0 && len(d.Recipients) < MaxRecipients {
		if n := emptyLine(b); n > 0 {
			c.endGroup(d, &g)
			b = b[n:]
			continue
		}
		n := fieldLength(b)
		name, value, ok := splitField(b[:n])
		b = b[n:]
		if !ok {
			continue
		}
		if name == "final-recipient" && g.final != "" {
			c.endGroup(d, &g)
		}
		g.set(name, value, d)
	}
	c.endGroup(d, &g)
	return len(d.Recipients) > 0
}

// group is the fields of one recipient.
type group struct {
	DSNRecipient
	final, original, status, diagnostic, action, actual string
	any                                                 bool
}

// set takes one field.
func (g *group) set(name, value string, d *DSN) {
	g.any = true
	switch name {
	case "reporting-mta":
		d.ReportingMTA = typedHost(value)
	case "original-envelope-id":
		d.EnvelopeID = shorten(value, smtp.MaxEnvelopeID)
	case "arrival-date":
		d.Arrival = parseDate(value)
	case "final-recipient":
		g.final = typedValue(value)
	case "original-recipient":
		g.original = typedValue(value)
	case "x-actual-recipient":
		g.actual = typedValue(value)
	case "action":
		g.action = strings.ToLower(value)
	case "status":
		g.status = value
	case "remote-mta":
		g.RemoteMTA = typedHost(value)
	case "diagnostic-code", "x-supplementary-info":
		if v := typedValue(value); g.diagnostic == "" || name == "diagnostic-code" && v != "" {
			g.diagnostic = v
		}
	case "last-attempt-date":
		g.LastAttempt = parseDate(value)
	case "will-retry-until":
		g.WillRetryUntil = parseDate(value)
	}
}

// endGroup turns a group into a recipient.
func (c *collected) endGroup(d *DSN, g *group) {
	defer func() { *g = group{} }()
	if !g.any || g.final == "" && g.original == "" {
		return
	}
	r := g.DSNRecipient
	r.Address, r.Original = parseAddress(g.final), parseAddress(g.original)
	if r.Address == "" {
		if r.Address = r.Original; r.Address == "" {
			r.Address = embeddedAddress(g.final)
		}
	}
	if r.Address == "" { // a pipe, a file, a name without a domain
		r.Address = shorten(message.CleanValue(strings.Trim(g.final, "<> ")), smtp.MaxPath)
	}
	if r.Address == "" {
		return
	}
	switch word, _, _ := strings.Cut(g.action, " "); {
	case word == "expired":
		r.Action = Failed
	case strings.HasPrefix(word, "deliver"), word == "relayable":
		r.Action = Delivered
	default:
		for _, a := range []Action{Failed, Delayed, Delivered, Relayed, Expanded} {
			if word == string(a) {
				r.Action = a
			}
		}
	}
	for i := range d.Recipients {
		if strings.EqualFold(d.Recipients[i].Address, r.Address) {
			return
		}
	}
	e := evidence{status: g.status, diagnostic: g.diagnostic, action: r.Action}
	e.notes, e.stage = c.notesAbout(r.Address)
	e.judge(&r)
	d.Recipients = append(d.Recipients, r)
}

// typedValue returns what follows "type;" (RFC 3464 section 2.1.2).
func typedValue(v string) string {
	kind, rest, ok := strings.Cut(v, ";")
	if !ok || strings.ContainsAny(kind, " <@:") {
		return strings.TrimSpace(v)
	}
	if kind = strings.TrimSpace(kind); strings.EqualFold(kind, "utf-8") {
		if a, ok := smtp.ParseUTF8Xtext(strings.TrimSpace(rest), true); ok {
			return a
		}
	}
	return strings.TrimSpace(rest)
}

// typedHost returns the host name of "dns; host (comment)".
func typedHost(v string) string {
	v, _, _ = strings.Cut(typedValue(v), " ")
	return shorten(message.CleanValue(strings.TrimSuffix(v, ".")), smtp.MaxDomain)
}

// embeddedAddress returns the last address in s, "" : none.
func embeddedAddress(s string) string {
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '\t' }) {
		if a := parseAddress(strings.TrimRight(w, ".:")); a != "" {
			return a
		}
	}
	return ""
}

// statusLines returns text from its first line that is a field of RFC 3464,
// quote marks and indents taken off those that are.
func statusLines(b []byte) []byte {
	var out []byte
	begun := false
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte("\n"))
		bare := bytes.TrimLeft(line, "> \t")
		name, _, ok := splitField(bare)
		known := ok && statusField(name)
		switch {
		case known:
			begun = true
			out = append(append(out, bare...), '\n')
		case begun && (len(bytes.TrimSpace(line)) == 0):
			out = append(out, '\n')
		case begun && (line[0] == ' ' || line[0] == '\t'):
			out = append(append(out, line...), '\n')
		}
	}
	return out
}

func statusField(name string) bool {
	switch name {
	case "reporting-mta", "final-recipient", "original-recipient", "action", "status", "remote-mta", "diagnostic-code", "arrival-date", "last-attempt-date", "will-retry-until":
		return true
	}
	return false
}

// fieldLength returns the length of the line that b begins with, with its
// folds.
func fieldLength(b []byte) int {
	n := 0
	for {
		i := bytes.IndexByte(b[n:], '\n')
		if i < 0 {
			return len(b)
		}
		if n += i + 1; n == len(b) || b[n] != ' ' && b[n] != '\t' || emptyLine(bytes.TrimLeft(b[n:], " \t")) > 0 {
			return n
		}
	}
}

// emptyLine returns the length of the empty line that b begins with, 0: none.
func emptyLine(b []byte) int {
	i := bytes.IndexByte(b[:min(len(b), 80)], '\n')
	if i >= 0 && len(bytes.TrimSpace(b[:i])) == 0 {
		return i + 1
	}
	return 0
}

// splitField splits a field into its name, in lower case, and its value,
// unfolded.
func splitField(b []byte) (name, value string, ok bool) {
	i := bytes.IndexByte(b, ':')
	if i <= 0 || i > 60 || bytes.ContainsAny(b[:i], " \t@<") {
		return "", "", false
	}
	v := message.CleanValue(strings.Join(strings.Fields(string(b[i+1:min(len(b), i+1+maxPart)])), " "))
	return strings.ToLower(string(b[:i])), v, true
}

// parseDate reads a date, the zero time when it is none. Zones of North
// America may be names (RFC 5322 section 4.3).
func parseDate(v string) time.Time {
	if i := strings.LastIndexByte(v, ' '); i >= 0 {
		for _, z := range [...][2]string{{"EDT", "-0400"}, {"EST", "-0500"}, {"CDT", "-0500"}, {"CST", "-0600"}, {"MDT", "-0600"}, {"MST", "-0700"}, {"PDT", "-0700"}, {"PST", "-0800"}} {
			if v[i+1:] == z[0] {
				v = v[:i+1] + z[1]
			}
		}
	}
	t, err := message.ParseDate(v)
	if err != nil {
		return time.Time{}
	}
	return t
}

// indexFold finds a word, given in lower case ASCII.
func indexFold(b []byte, word string) int {
	for i := 0; i+len(word) <= len(b); i++ {
		if b[i]|0x20 == word[0] && bytes.EqualFold(b[i:i+len(word)], []byte(word)) {
			return i
		}
	}
	return -1
}
