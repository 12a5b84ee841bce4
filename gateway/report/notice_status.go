package report

import (
	"bufio"
	"io"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// maxDiagnostic bounds the text of a reply that a notice repeats, in octets.
const maxDiagnostic = 2 << 10

// writeStatus writes the part for programs (RFC 3464 section 2; RFC 6533
// section 4 where the sender knows SMTPUTF8).
func (n *Notice) writeStatus(out *bufio.Writer) {
	mediaType, encoding := "message/delivery-status", ""
	if n.SMTPUTF8 {
		mediaType, encoding = "message/global-delivery-status", "8bit"
	}
	n.part(out, mediaType, "Delivery report", encoding)
	field := func(name, value string) {
		if value = n.clean(value); value != "" {
			out.Write(message.AppendFolded(nil, name+": "+value))
		}
	}
	field("Reporting-MTA", "dns; "+n.ReportingMTA)
	field("Original-Envelope-Id", n.EnvelopeID)
	if n.ReceivedFrom != "" {
		field("Received-From-MTA", "dns; "+n.ReceivedFrom)
	}
	if !n.Arrival.IsZero() {
		field("Arrival-Date", n.Arrival.Format(dateFormat))
	}
	if !n.DeliverBy.IsZero() {
		field("Deliver-By-Date", n.DeliverBy.Format(dateFormat))
	}
	for i := range n.Recipients {
		out.WriteString("\r\n")
		n.Recipients[i].write(n, field)
	}
}

// write writes the fields of one recipient (RFC 3464 section 2.3).
func (r *NoticeRecipient) write(n *Notice, field func(name, value string)) {
	if r.Original.OriginalType != "" {
		field("Original-Recipient", n.typed(r.Original.OriginalType, r.Original.OriginalAddress))
	}
	kind := "rfc822"
	if !r.Final.IsASCII() {
		kind = "utf-8"
	}
	field("Final-Recipient", n.typed(kind, r.Final.String()))
	field("Action", string(r.Action))
	field("Status", r.status().String())
	if r.RemoteMTA != "" {
		field("Remote-MTA", "dns; "+r.RemoteMTA)
	}
	field("Diagnostic-Code", r.diagnostic())
	if !r.LastAttempt.IsZero() {
		field("Last-Attempt-Date", r.LastAttempt.Format(dateFormat))
	}
	field("Final-Log-ID", r.LogID)
	if r.Action == Delayed && !r.WillRetryUntil.IsZero() {
		field("Will-Retry-Until", r.WillRetryUntil.Format(dateFormat))
	}
}

// diagnostic returns the reply as Diagnostic-Code tells it: only what another
// server said has the type smtp (RFC 3464 section 2.3.6).
func (r *NoticeRecipient) diagnostic() string {
	switch {
	case r.Reply.IsZero():
		return ""
	case r.Local:
		return "x-gapura; " + shorten(strings.ReplaceAll(r.Reply.Text, "\n", " "), maxDiagnostic)
	}
	return "smtp; " + shorten(r.Reply.Error(), maxDiagnostic)
}

// typed returns "type; address". A UTF-8 address is written with ASCII alone
// where the part is message/delivery-status (RFC 6533 section 3).
func (n *Notice) typed(kind, address string) string {
	if strings.EqualFold(kind, "utf-8") && !n.SMTPUTF8 {
		return "utf-8; " + string(smtp.AppendUTF8Xtext(nil, address))
	}
	return kind + "; " + address
}

// clean keeps a value on its line and in the part's character set.
func (n *Notice) clean(v string) string {
	v = message.CleanValue(v)
	if n.SMTPUTF8 || isPrintable(v) {
		return v
	}
	return strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, v)
}

// writeOriginal writes the message that comes back, or its header block.
func (n *Notice) writeOriginal(out *bufio.Writer, o *original) error {
	switch {
	case n.Open == nil:
		return nil
	case n.full():
		mediaType, encoding := "message/rfc822", ""
		if n.UTF8Header && n.SMTPUTF8 {
			mediaType = "message/global"
		}
		if n.EightBit || n.UTF8Header {
			encoding = "8bit"
		}
		n.part(out, mediaType, "Undelivered message", encoding)
		out.Write(o.header)
		_, err := io.Copy(out, o.rest)
		return err
	}
	n.writeReturnedHeader(out, o)
	return nil
}

// writeReturnedHeader writes the header block as text (RFC 6522 section 4, RFC
// 6533 section 4).
func (n *Notice) writeReturnedHeader(out *bufio.Writer, o *original) {
	ascii := true
	for _, c := range o.header {
		ascii = ascii && c < 0x80
	}
	switch {
	case ascii:
		n.part(out, "text/rfc822-headers", "Header of the message", "")
		out.Write(o.header)
	case n.SMTPUTF8:
		n.part(out, "message/global-headers", "Header of the message", "8bit")
		out.Write(o.header)
	default:
		n.part(out, "text/rfc822-headers; charset=utf-8", "Header of the message", "quoted-printable")
		writeQuoted(out, o.header)
	}
}
