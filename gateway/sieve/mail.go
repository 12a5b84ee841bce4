package sieve

import (
	"fmt"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// maxSubject is the length in characters of a subject that we make.
const maxSubject = 256

// postmaster is who mail of ours comes from.
func (r *run) postmaster() smtp.Address {
	if !r.env.Postmaster.IsZero() {
		return r.env.Postmaster
	}
	if d := r.env.Envelope.To.Domain; d != "" {
		return smtp.Address{Local: "postmaster", Domain: d}
	}
	return smtp.Address{}
}

// fields writes a header block.
type fields struct{ b []byte }

func (f *fields) add(name, value string) {
	f.b = message.AppendFolded(f.b, name+": "+value)
}

// text adds a field whose value is text.
func (f *fields) text(name, value string) { f.add(name, message.EncodeText(value)) }

// mailbox formats an address with its display name.
func mailbox(m message.Mailbox) string {
	name := message.CleanValue(m.Name)
	addr := m.Address.Path()
	switch {
	case name == "":
		return m.Address.String()
	case !isASCII(name):
		return message.EncodeText(name) + " " + addr
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `" ` + addr
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// ellipsis cuts a subject to what one may have.
func ellipsis(s string) string {
	s = strings.TrimSpace(message.CleanValue(s))
	if utf8.RuneCountInString(s) <= maxSubject {
		return s
	}
	return firstRunes(s, maxSubject-1) + "\u2026"
}

// textBody adds the fields of a text, and returns it encoded where it must be.
func (f *fields) textBody(text string) []byte {
	text = crlf(strings.ToValidUTF8(text, "\ufffd"))
	f.add("MIME-Version", "1.0")
	charset := "us-ascii"
	if !isASCII(text) {
		charset = "utf-8"
	}
	f.add("Content-Type", "text/plain; charset="+charset)
	if isASCII(text) && shortLines(text) {
		f.add("Content-Transfer-Encoding", "7bit")
		return []byte(text)
	}
	f.add("Content-Transfer-Encoding", "quoted-printable")
	return quoted(text)
}

func quoted(text string) []byte {
	var b strings.Builder
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return []byte(b.String())
}

func shortLines(s string) bool {
	for line := range strings.SplitSeq(s, "\n") {
		if len(line) > 990 {
			return false
		}
	}
	return true
}

// crlf gives every line its CRLF, the last one too.
func crlf(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	if !strings.HasSuffix(s, "\n") {
		s += "\n"
	}
	return strings.ReplaceAll(s, "\n", "\r\n")
}

// references adds In-Reply-To and References of a reply (RFC 5322 section
// 3.6.4).
func (r *run) references(f *fields) {
	id, err := message.ParseMessageID(first(rawValues(r.header.now, "Message-ID")))
	if err != nil {
		return
	}
	refs := first(rawValues(r.header.now, "References"))
	if refs == "" {
		refs = first(rawValues(r.header.now, "In-Reply-To"))
	}
	const maxRefs = 50
	var ids []string
	for _, w := range strings.Fields(refs) {
		if ref, err := message.ParseMessageID(w); err == nil {
			ids = append(ids, ref)
		}
	}
	if len(ids) > maxRefs {
		ids = append(ids[:1:1], ids[len(ids)-maxRefs+1:]...)
	}
	f.add("In-Reply-To", id)
	f.add("References", strings.Join(append(ids, id), " "))
}

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// rejectNotice is the notice to the sender (RFC 5429 section 2.1.1, RFC 8098).
func (r *run) rejectNotice(reason string) Mail {
	from := r.env.Envelope.From.Address
	if from.IsZero() {
		return Mail{}
	}
	pm, to := r.postmaster(), r.env.Envelope.To
	boundary := "=_" + strings.TrimPrefix(hashKey("reject", reason, from.String(), string(r.header.now.Raw())), "reject:")
	var f fields
	f.add("From", mailbox(message.Mailbox{Name: "Mail delivery (Postmaster)", Address: pm}))
	f.add("To", from.Path())
	f.text("Subject", ellipsis("Rejected: "+r.subject()))
	f.add("Auto-Submitted", "auto-replied (rejected)")
	r.references(&f)
	f.add("MIME-Version", "1.0")
	f.add("Content-Type", `multipart/report; report-type=disposition-notification; boundary="`+boundary+`"`)
	var text fields
	body := text.textBody(fmt.Sprintf("Your message to %s was automatically rejected:\r\n\r\n%s", to.Path(), reason))
	var mdn fields
	mdn.add("Final-Recipient", "rfc822; "+to.String())
	if id, err := message.ParseMessageID(first(rawValues(r.header.now, "Message-ID"))); err == nil {
		mdn.add("Original-Message-ID", id)
	}
	mdn.add("Disposition", "automatic-action/MDN-sent-automatically; deleted")
	var b strings.Builder
	part := func(head string, body []byte) {
		b.WriteString("--" + boundary + "\r\n" + head + "\r\n")
		b.Write(body)
		b.WriteString("\r\n")
	}
	part(string(text.b), body)
	part("Content-Type: message/disposition-notification\r\n", mdn.b)
	part("Content-Type: text/rfc822-headers\r\n", r.env.Message.Header.Raw())
	b.WriteString("--" + boundary + "--\r\n")
	return Mail{To: []smtp.Address{from}, Header: f.b, Body: []byte(b.String())}
}

// subject is that of the message, decoded.
func (r *run) subject() string {
	values, err := r.values("subject")
	if err != nil {
		return ""
	}
	return first(values)
}
