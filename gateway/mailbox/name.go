package mailbox

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Inbox is the name of every user's first folder.
const Inbox = "INBOX"

// Separator parts the levels of a folder's name.
const Separator = "/"

// CleanName returns a folder's name as it is stored: NFC, INBOX in upper case,
// also as the first level, no "/" at its end. ErrName where no folder can have
// it: empty levels, control characters, text that is not UTF-8, too long or too
// deep.
func CleanName(name string) (string, error) {
	name = strings.TrimSuffix(name, Separator)
	if len(name) > MaxName || !utf8.ValidString(name) {
		return "", ErrName
	}
	name = norm.NFC.String(name)
	if len(name) > MaxName || strings.Count(name, Separator) >= MaxDepth {
		return "", ErrName
	}
	first, rest, below := strings.Cut(name, Separator)
	if strings.EqualFold(first, Inbox) {
		first = Inbox
	}
	if name = first; below {
		name += Separator + rest
	}
	for level := range strings.SplitSeq(name, Separator) {
		if level == "" || len(level) > MaxLevel {
			return "", ErrName
		}
	}
	for _, r := range name {
		// RFC 5198 section 2: no controls, no line and paragraph separators.
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError {
			return "", ErrName
		}
	}
	return name, nil
}
