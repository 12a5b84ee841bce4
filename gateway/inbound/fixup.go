package inbound

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
)

// fix mends the header of a message of our own (RFC 6409 section 8): what
// clients leave out is added, what must not leave is taken away.
func (t *transaction) fix(e *message.Edit, h *message.Header) {
	if !t.s.info.Submitted() || !t.s.h.opt.Submission.Fixups {
		return
	}
	add := func(name, value string) {
		e.Prepend(message.AppendFolded(nil, name+": "+value))
	}
	e.RemoveFunc(func(f message.Field) bool {
		// Bcc is whom the others must not know of (RFC 5322 section 3.6.3);
		// Return-Path is the last server's to add. At a line of mailbox files many
		// take the header to end.
		return (f.Is("Message-ID") || f.Is("Date")) && without(h, f.Name) ||
			f.Is("Bcc") || f.Is("Resent-Bcc") || f.Is("Return-Path") ||
			f.Name == "" && bytes.HasPrefix(bytes.TrimPrefix(f.Raw, []byte(">")), []byte("From "))
	})
	if without(h, "Message-ID") {
		add("Message-ID", "<"+strings.ToLower(t.id)+"@"+t.s.h.opt.Hostname+">")
	}
	if without(h, "Date") {
		add("Date", t.started.Format(time.RFC1123Z))
	}
	if t.addSender {
		add("Sender", "<"+t.from.String()+">")
	}
	if h.Count("From") == 0 && !t.from.IsNull() {
		add("From", "<"+t.from.String()+">")
	}
}

// without tells whether a header says nothing under a name: some clients leave
// the field there, and empty.
func without(h *message.Header, name string) bool {
	return !slices.ContainsFunc(h.All(name), func(f message.Field) bool { return f.Value() != "" })
}
