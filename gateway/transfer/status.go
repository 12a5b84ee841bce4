package transfer

import (
	"bufio"
	"mime"
	"slices"
	"strconv"
	"strings"
)

// status is what the header of a message in an mbox tells of its flags.
type status struct {
	status, xstatus string
	keywords        []string
	mozilla         uint64
	hasMozilla      bool
	labels          []string // Gmail's
	skip            bool
}

// Bits of X-Mozilla-Status.
const (
	mozillaRead      = 0x0001
	mozillaReplied   = 0x0002
	mozillaMarked    = 0x0004
	mozillaExpunged  = 0x0008
	mozillaForwarded = 0x1000
)

// readStatus reads a header.
func readStatus(r *bufio.Reader) (s status) {
	var field strings.Builder
	internal, subject := false, ""
	for size := 0; size < maxMboxHeader; {
		line, err := r.ReadSlice('\n')
		size += len(line)
		text := strings.TrimRight(string(line), "\r\n")
		if text != "" && (text[0] == ' ' || text[0] == '\t') && field.Len() > 0 {
			field.WriteString(" " + strings.TrimSpace(text))
			continue
		}
		name, value, ok := strings.Cut(field.String(), ":")
		if ok {
			value = strings.TrimSpace(value)
			switch strings.ToLower(name) {
			case "status":
				s.status = value
			case "x-status":
				s.xstatus = value
			case "x-keywords", "x-mozilla-keys":
				s.keywords = append(s.keywords, strings.Fields(value)...)
			case "x-mozilla-status":
				n, err := strconv.ParseUint(value, 16, 32)
				s.mozilla, s.hasMozilla = n, err == nil
			case "x-gmail-labels":
				s.labels = gmailLabels(value)
			case "x-imap":
				internal = true
			case "subject":
				subject = value
			}
		}
		field.Reset()
		field.WriteString(text)
		if text == "" || err != nil {
			break
		}
	}
	// c-client's first message is none.
	s.skip = internal && strings.Contains(subject, "FOLDER INTERNAL DATA") || s.hasMozilla && s.mozilla&mozillaExpunged != 0
	return s
}

// flags are IMAP's. A message without any mark is unread.
func (s *status) flags() (flags []string) {
	add := func(on bool, flag string) {
		if on && !slices.Contains(flags, flag) {
			flags = append(flags, flag)
		}
	}
	add(strings.Contains(s.status, "R") || s.mozilla&mozillaRead != 0, flagSeen)
	add(strings.Contains(s.xstatus, "A") || s.mozilla&mozillaReplied != 0, flagAnswered)
	add(strings.Contains(s.xstatus, "F") || s.mozilla&mozillaMarked != 0, flagFlagged)
	add(strings.Contains(s.xstatus, "D"), flagDeleted)
	add(strings.Contains(s.xstatus, "T"), flagDraft)
	add(s.mozilla&mozillaForwarded != 0, flagForwarded)
	for _, k := range s.keywords {
		add(true, k)
	}
	return flags
}

// gmailLabels are those of Google Takeout's X-Gmail-Labels.
func gmailLabels(value string) []string {
	if text, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
		value = text
	}
	labels := []string{}
	for l := range strings.SplitSeq(value, ",") {
		if l = strings.Trim(strings.TrimSpace(l), `"`); l != "" {
			labels = append(labels, l)
		}
	}
	return labels
}

// gmailFolder is where a message with labels goes: to the folder of its first
// own label, else to where Gmail shows it.
func gmailFolder(labels []string) string {
	known := map[string]string{"inbox": Inbox, "sent": "Sent", "spam": "Junk", "trash": "Trash", "drafts": "Drafts", "archived": "Archive"}
	folder := "Archive"
	for _, l := range labels {
		low := strings.ToLower(l)
		switch {
		case known[low] != "":
			if folder == "Archive" {
				folder = known[low]
			}
		case low == "unread" || low == "opened" || low == "starred" || low == "important" || low == "chat" || strings.HasPrefix(low, "category "):
		default:
			return inboxName(l)
		}
	}
	return folder
}

// gmailFlags are the flags that labels stand for.
func gmailFlags(labels, flags []string) []string {
	seen := true
	for _, l := range labels {
		switch strings.ToLower(l) {
		case "unread":
			seen = false
		case "starred":
			flags = append(flags, flagFlagged)
		case "drafts":
			flags = append(flags, flagDraft)
		case "important":
			flags = append(flags, "$Important")
		}
	}
	if seen && !slices.Contains(flags, flagSeen) {
		flags = append(flags, flagSeen)
	}
	return flags
}
