package report

import (
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
)

// maxClassify bounds the text that is looked at, in octets.
const maxClassify = 4 << 10

// classify finds what a text means; "" : nothing known.
func classify(text string) Reason {
	text = simplify(text)
	if text == "" {
		return ""
	}
	if strings.Contains(text, "550 : user unknown") || strings.Contains(text, "550: : user unknown") {
		return Refused // the filter of a mobile operator: the mailbox is there
	}
	for i := range words {
		for _, p := range words[i].phrases {
			if containsInOrder(text, p) {
				return words[i].reason
			}
		}
	}
	return ""
}

// containsInOrder tells whether the parts of the pattern, which stars
// separate, follow each other in s.
func containsInOrder(s, pattern string) bool {
	for {
		part, rest, more := strings.Cut(pattern, "*")
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		if !more {
			return true
		}
		s, pattern = s[i+len(part):], rest
	}
}

// simplify brings a text into the form that words are looked for in: lower
// case, single spaces, no addresses, no paths of URLs.
func simplify(text string) string {
	if len(text) > maxClassify {
		text = text[:maxClassify]
	}
	var b strings.Builder
	b.Grow(len(text))
	for w := range strings.FieldsSeq(text) {
		switch at, url := strings.IndexByte(w, '@'), strings.Index(w, "://"); {
		case url >= 0:
			w, _, _ = strings.Cut(w[url+3:], "/")
		case at > 0 && at < len(w)-1:
			w = "@" + w[len(strings.TrimRight(w, ">:;,.)]'\"")):]
		}
		if w == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.ToLower(strings.ReplaceAll(w, "\u2019", "'")))
	}
	return b.String()
}

// cleanWords puts text on one line.
func cleanWords(s string) string {
	return message.CleanValue(strings.Join(strings.Fields(s[:min(len(s), 2*MaxText)]), " "))
}
