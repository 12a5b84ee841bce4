package report

import (
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
)

// noteLines returns the text for people, up to the message that comes back,
// in lines without quote marks.
func (c *collected) noteLines() []string {
	if c.lines != nil {
		return c.lines
	}
	text := c.notes
	if strings.TrimSpace(text) == "" {
		text = string(c.raw)
	}
	c.lines = make([]string, 0, 64)
	rest := text
	for rest != "" && len(c.lines) < maxLines {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		line = strings.TrimRight(line, " \t\r")
		if strings.HasPrefix(line, "> ") || line == ">" {
			line = line[1:]
		}
		if startsOriginal(line, len(c.lines)) {
			c.setOriginal([]byte(strings.TrimLeft(rest, "\r\n \t>")))
			break
		}
		c.lines = append(c.lines, line)
	}
	return c.lines
}

// startsOriginal tells whether a line begins the message that comes back.
func startsOriginal(line string, above int) bool {
	l := strings.ToLower(strings.TrimSpace(line))
	if above > 2 && (strings.HasPrefix(l, "received: ") || strings.HasPrefix(l, "return-path: ")) {
		return true
	}
	if len(l) < 10 || len(l) > 100 {
		return false
	}
	ruled := strings.HasPrefix(l, "--") || strings.HasPrefix(l, "==") || strings.HasPrefix(l, "**") || strings.HasPrefix(l, "##")
	if !ruled && !strings.HasSuffix(l, ":") && !strings.Contains(l, "follow") {
		return false
	}
	for _, w := range []string{
		"copy of the message", "copy of your message", "copy of the original", "original message", "message headers follow", "unsent message", "returned message", "original mail as follows", "header of the original",
		"message follows", "text of the message", "undelivered message", "bounced e-mail", "enclosed is a copy", "message header",
	} {
		if strings.Contains(l, w) {
			return true
		}
	}
	return false
}

// isReport tells whether header or text say that the message reports on
// another.
func (c *collected) isReport() bool {
	h := c.header
	if h.Count("X-Failed-Recipients") > 0 {
		return true
	}
	if t, _ := h.Get("Content-Type"); strings.Contains(strings.ToLower(t), "multipart/report") {
		return true
	}
	from, _ := h.Get("From")
	from = strings.ToLower(from)
	for _, w := range []string{"mailer-daemon", "mailer_daemon", "postmaster", "post_master", "mail delivery", "maildelivery", "mail.delivery", "mail-daemon", "maildaemon", "mail deliver"} {
		if strings.Contains(from, w) {
			return true
		}
	}
	subject, _ := h.Get("Subject")
	return reportSubject(message.DecodeText(subject)) || c.original != nil && undeliveredText(c.notes)
}

// undeliveredText tells whether the text above an attached message says that
// it was not delivered.
func undeliveredText(s string) bool {
	s = strings.ToLower(s[:min(len(s), maxClassify)])
	for _, w := range []string{"not be delivered", "undeliverable", "unable to deliver", "delivery failed", "not delivered", "delivery to the following", "failed to deliver"} {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

func reportSubject(s string) bool {
	s = strings.ToLower(s)
	for _, w := range []string{
		"undeliver", "returned mail", "returned to sender", "returning message", "delivery fail", "failure notice", "delivery status", "delivery notification", "mail delivery", "mail failure", "mail failed", "failed delivery", "failed mail", "non-delivery", "nondelivery", "could not be delivered", "not delivered", "message delayed", "delayed mail",
		"delivery delay", "delivery problem", "delivery error", "delivery report", "bounce notification", "bounced", "mail system error", "error sending your mail", "loop alert", "rejected mail", "unzustellbar", "failure delivery", "delivery has failed", "message not delivered", "mail error", "undelivered", "warning: message", "warning: could not send", "errors from",
	} {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// maxBlock bounds the lines that are taken to be about one address.
const maxBlock = 80

// block is lines about one address.
type block struct {
	address string
	text    []string
}

// Blocks may share their lines, so what is looked at is bounded: of one block,
// and of all, but for so much of each. In octets.
const (
	maxSaid    = 2 * maxClassify
	maxAllSaid = 2 * maxNotes
	leastSaid  = 256
)

// said returns the lines of the block, up to a bound.
func (b *block) said(most int) string {
	var s strings.Builder
	for _, line := range b.text {
		if s.Len()+len(line) >= most {
			s.WriteString(line[:most-s.Len()])
			break
		}
		s.WriteString(line)
		s.WriteByte('\n')
	}
	return s.String()
}

// readText reads a report that is for people only.
func (c *collected) readText(d *DSN) bool {
	if !c.isReport() {
		return false
	}
	lines := c.noteLines()
	d.Original = c.readOriginal()
	blocks := c.blocks(lines)
	if len(blocks) == 0 {
		if blocks = c.sentences(lines); len(blocks) == 0 {
			blocks = c.fallback(d)
		}
	}
	whole := strings.Join(lines, "\n")
	action := delayedText(whole, c.header)
	asked, left := askedFor(lines), maxAllSaid
	for i := range blocks {
		b := &blocks[i]
		r := DSNRecipient{Address: b.address, Action: action}
		said := b.said(max(leastSaid, min(maxSaid, left)))
		left -= len(said)
		if said = strings.TrimSpace(said); said == "" || classify(said) == "" && lastEnhanced(said)[0] == 0 && len(blocks) == 1 {
			said += "\n" + whole[:min(len(whole), 2*maxClassify)]
		}
		e := evidence{diagnostic: said, action: action, stage: findStage(said)}
		if asked[strings.ToLower(b.address)] {
			e.stage = stageRcpt
		} else if e.stage == stageUnknown && len(blocks) == 1 {
			e.stage = findStage(whole)
		}
		e.judge(&r)
		d.Recipients = append(d.Recipients, r)
	}
	return len(d.Recipients) > 0
}

// askedFor returns the addresses that a transcript shows to be refused in
// answer to RCPT.
func askedFor(lines []string) map[string]bool {
	asked := map[string]bool{}
	for i, line := range lines[:max(0, len(lines)-1)] {
		l := strings.ToLower(strings.TrimSpace(line))
		rest, ok := strings.CutPrefix(l, ">>> rcpt to:")
		if !ok || !strings.HasPrefix(strings.TrimSpace(lines[i+1]), "<<< 5") {
			continue
		}
		if a, _ := addressLine(rest); a != "" {
			asked[a] = true
		}
	}
	return asked
}

// delayedText tells whether the text says that delivery goes on being tried.
func delayedText(text string, h *message.Header) Action {
	subject, _ := h.Get("Subject")
	l := strings.ToLower(text + " " + subject)
	for _, w := range []string{"warning message only", "warning only", "has been delayed", "not yet been delivered", "(delay)", "will be retried", "still being retried", "delivery attempts will continue"} {
		if strings.Contains(l, w) {
			return Delayed
		}
	}
	return Failed
}

// blocks finds lines that begin with an address, and what stands below each.
func (c *collected) blocks(lines []string) []block {
	var all []block
	at := map[string]int{}
	wanted := c.failedRecipients()
	k := -1
	for _, line := range lines {
		a, rest := addressLine(line)
		if a != "" && c.isOurs(a, wanted) {
			a = ""
		}
		if a == "" {
			if k >= 0 && len(all[k].text) < maxBlock {
				all[k].text = append(all[k].text, line)
			}
			continue
		}
		key := strings.ToLower(a)
		if j, ok := at[key]; ok {
			k = j
		} else if len(all) < MaxRecipients {
			at[key], k = len(all), len(all)
			all = append(all, block{address: a})
		}
		all[k].text = append(all[k].text, rest)
		if strings.HasPrefix(rest, "5") || strings.HasPrefix(rest, "4") {
			k = -1 // a line of a transcript, which says all
		}
	}
	for _, a := range wanted {
		if _, ok := at[strings.ToLower(a)]; !ok && len(all) < MaxRecipients {
			at[strings.ToLower(a)] = len(all)
			all = append(all, block{address: a, text: lines[:min(len(lines), maxBlock)]})
		}
	}
	return all
}

// isOurs tells whether an address is that of who sent or gets the report.
func (c *collected) isOurs(a string, wanted []string) bool {
	if len(wanted) > 0 {
		for _, w := range wanted {
			if strings.EqualFold(a, w) {
				return false
			}
		}
		return true
	}
	local, _, _ := strings.Cut(strings.ToLower(a), "@")
	if local == "mailer-daemon" {
		return true
	}
	return strings.EqualFold(a, firstAddress(c.header, "To")) && !strings.EqualFold(a, c.readOriginal().To) || strings.EqualFold(a, firstAddress(c.header, "From")) && !strings.EqualFold(a, c.readOriginal().To)
}

// failedRecipients reads X-Failed-Recipients (Exim, Google).
func (c *collected) failedRecipients() []string {
	var all []string
	for _, f := range c.header.All("X-Failed-Recipients") {
		for w := range strings.FieldsFuncSeq(f.Value(), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
			if a := parseAddress(w); a != "" && len(all) < MaxRecipients {
				all = append(all, a)
			}
		}
	}
	return all
}

// addressLine reads a line that begins with an address, and nothing after it
// but what tells why.
func addressLine(line string) (address, rest string) {
	s := strings.TrimLeft(line, " \t*>-")
	if code, at := firstReply(s); code > 0 && at == 0 { // "550 <a@b>... reason"
		if t := strings.TrimLeft(s[3:], " -"); strings.HasPrefix(t, "<") {
			if i := strings.IndexByte(t, '>'); i > 0 && strings.HasPrefix(t[i+1:], "...") {
				if a := parseAddress(t[:i+1]); a != "" {
					return a, s
				}
			}
		}
		return "", ""
	}
	if len(s) < 3 {
		return "", ""
	}
	var word string
	switch s[0] {
	case '<', '"', '\'':
		end := strings.IndexByte(s[1:], map[byte]byte{'<': '>', '"': '"', '\'': '\''}[s[0]])
		if end < 0 {
			return "", ""
		}
		word, rest = s[1:end+1], s[end+2:]
	default:
		end := strings.IndexAny(s, " \t:;,[(<")
		if end < 0 {
			end = len(s)
		}
		word, rest = s[:end], s[end:]
		word2 := strings.TrimRight(word, ".")
		word, rest = word2, word[len(word2):]+rest
	}
	if !strings.Contains(word, "@") {
		return "", ""
	}
	a := parseAddress(word)
	if a == "" {
		return "", ""
	}
	return a, strings.TrimLeft(rest, ":. \t>")
}

// sentences finds addresses in the middle of lines that say what they are.
func (c *collected) sentences(lines []string) []block {
	var all []block
	seen := map[string]bool{}
	for i, line := range lines {
		l := strings.ToLower(line)
		for _, w := range []string{"rcpt to:", "rcpt:", "mail to ", "delivered to:", "recipient ", "errors: ", "address: ", "recipient: ", "deliver to ", "target mail address:", "message to "} {
			j := strings.Index(l, w)
			if j < 0 || len(l) != len(line) {
				continue
			}
			word := strings.TrimLeft(line[j+len(w):], " ")
			if end := strings.IndexAny(word, " ,;)]"); end >= 0 {
				word = word[:end]
			}
			a := parseAddress(strings.TrimRight(word, ".:"))
			if a == "" || seen[strings.ToLower(a)] || len(all) == MaxRecipients {
				continue
			}
			seen[strings.ToLower(a)] = true
			all = append(all, block{address: a, text: lines[i:min(len(lines), i+maxBlock)]})
		}
	}
	return all
}

// fallback takes who the message that came back was for.
func (c *collected) fallback(d *DSN) []block {
	lines := c.noteLines()
	if a := d.Original.To; a != "" {
		return []block{{address: a, text: lines}}
	}
	for _, line := range lines {
		if name, value, ok := splitField([]byte(strings.TrimSpace(line))); ok && name == "to" {
			if a := embeddedAddress(value); a != "" {
				return []block{{address: a, text: lines}}
			}
		}
	}
	for _, line := range lines {
		if a := embeddedAddress(line); a != "" {
			return []block{{address: a, text: lines}}
		}
	}
	return nil
}

// noted is a line of the text for people, taken apart once.
type noted struct {
	line, lower, address string
}

// notesAbout returns what the text for people says about an address, and at
// which command it was refused.
func (c *collected) notesAbout(address string) (string, stage) {
	if c.noted == nil {
		lines := c.noteLines()
		c.noted = make([]noted, 0, len(lines))
		for _, line := range lines {
			a, _ := addressLine(line)
			c.noted = append(c.noted, noted{line, strings.ToLower(line), a})
		}
		c.stage = findStage(strings.Join(lines, "\n"))
	}
	var out strings.Builder
	on := false
	lower := strings.ToLower(address)
	for _, n := range c.noted {
		if n.address != "" {
			on = strings.EqualFold(n.address, address)
		}
		if (on || strings.Contains(n.lower, lower)) && out.Len() < maxClassify {
			out.WriteString(n.line)
			out.WriteByte('\n')
		}
	}
	if st := findStage(out.String()); st != stageUnknown {
		return out.String(), st
	}
	return out.String(), c.stage
}

// findStage finds the command that was refused.
func findStage(text string) stage {
	l := strings.ToLower(strings.Join(strings.Fields(text), " "))
	last, st := -1, stageUnknown
	for _, w := range []struct {
		phrase string
		stage  stage
	}{
		{"end of data", stageData},
		{"after i sent the message", stageData},
		{">>> data", stageData},
		{"data command", stageData},
		{"text command", stageData},
		{"final data", stageData},
		{"(data)", stageData},
		{"rcpt to", stageRcpt},
		{"rcpt command", stageRcpt},
		{"smtp:rcpt", stageRcpt},
		{"server has rejected address", stageRcpt},
		{"addresses had delivery problems", stageRcpt},
		{"550: <", stageRcpt},
		{"does not like recipient", stageRcpt},
		{"mail from", stageMail},
		{"sender was rejected", stageMail},
		{"initial connection", stageConnect},
		{"greeting", stageConnect},
		{"my name was rejected", stageConnect},
		{"refused to talk to me", stageConnect},
	} {
		if i := strings.Index(l, w.phrase); i > last {
			last, st = i, w.stage
		}
	}
	return st
}
