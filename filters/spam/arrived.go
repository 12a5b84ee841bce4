package spam

import (
	"bytes"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/gateway/message"
)

// maxOwn is how many fields on top of a kept message may be of our making.
const maxOwn = 40

// AsArrived returns a message that the gateway called hostname has kept as it
// was when it came: without the fields that were put on top of it. What is
// learned from it must be what the filter sees of the next one.
func AsArrived(raw []byte, hostname string) []byte {
	block, body := message.Split(raw)
	h, err := message.ParseHeader(block, message.HeaderLimits{})
	if err != nil || h == nil {
		return raw
	}
	fields := h.Fields()
	cut := 0
	for i, f := range fields[:min(len(fields), maxOwn)] {
		switch {
		case f.Is("Received") && cut == 0:
			if !receivedBy(f.Value(), hostname) {
				return raw
			}
			cut = i + 1
		case f.Is("Received"), f.Is("From"): // that of the hop before, or the author's: below it nothing is ours
			return join(fields[cut:], body)
		case f.Is("X-Spam-Score") && cut > 0:
			cut = i + 1
		case cut == i && cut > 0 && ours(f, hostname):
			cut = i + 1
		}
	}
	return join(fields[cut:], body)
}

// receivedBy tells whether a trace field is of a host.
func receivedBy(value, hostname string) bool {
	_, by := cutBy(value)
	return len(by) > 0 && strings.EqualFold(strings.TrimRight(by[0], ";"), hostname)
}

// cutBy returns the words of a trace field that tell of the client, and those
// behind "by".
func cutBy(value string) (from, by []string) {
	words := strings.Fields(value)
	first := 0
	if len(words) > 1 && strings.EqualFold(words[0], "from") {
		first = 2 // the client may call itself "by"
	}
	for i, w := range words[first:] {
		if strings.EqualFold(w, "by") {
			return words[:first+i], words[first+i+1:]
		}
	}
	return words, nil
}

// ours tells whether a field below our trace field is of our making.
func ours(f message.Field, hostname string) bool {
	switch {
	case f.Is("Authentication-Results"):
		id, _, _ := strings.Cut(strings.TrimSpace(f.Value()), ";")
		return strings.EqualFold(strings.TrimSpace(id), hostname)
	case f.Is("X-Spam-Flag"), f.Is("X-Spam-Status"), f.Is("X-Virus-Status"):
		return true
	}
	return false
}

func join(fields []message.Field, body []byte) []byte {
	var b bytes.Buffer
	for _, f := range fields {
		b.Write(f.Raw)
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// SenderOf tells whom a kept message is from, with the address proved where
// the gateway called hostname has noted that DMARC passed.
func SenderOf(m *anatomy.Message, raw []byte, hostname string) learned.Sender {
	s := claimed(m)
	block, _ := message.Split(raw)
	h, err := message.ParseHeader(block, message.HeaderLimits{})
	if err != nil || h == nil {
		return s
	}
	fields := h.Fields()
	for _, f := range fields[:min(len(fields), maxOwn)] {
		if f.Is("Authentication-Results") && ours(f, hostname) {
			s.Aligned = authenticated(f.Value()).String("dmarc.result") == "pass"
			break
		}
	}
	return s
}
