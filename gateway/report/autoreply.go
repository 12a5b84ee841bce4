package report

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/gapura-mail/gapura/gateway/message"
)

// readAutoReply recognises answers that no person wrote (RFC 3834).
func (c *collected) readAutoReply(d *DSN) bool {
	h := c.header
	if !isAutoReply(h) {
		return false
	}
	from := firstAddress(h, "From")
	if from == "" {
		return false
	}
	d.Kind = AutoReply
	if v, ok := h.Get("In-Reply-To"); ok && d.Original.MessageID == "" {
		d.Original.MessageID, _ = message.ParseMessageID(v)
	}
	d.Recipients = append(d.Recipients, DSNRecipient{Address: from, Reason: Vacation, Text: shorten(cleanWords(c.notes), MaxText)})
	return true
}

func isAutoReply(h *message.Header) bool {
	if v, ok := h.Get("Auto-Submitted"); ok {
		word, _, _ := strings.Cut(strings.ToLower(v), ";")
		return strings.TrimSpace(word) != "no"
	}
	if v, _ := h.Get("X-Apple-Action"); strings.EqualFold(v, "VACATION") {
		return true
	}
	for _, name := range []string{"X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Response-Suppress"} {
		if name != "X-Auto-Response-Suppress" && h.Count(name) > 0 {
			return true
		}
	}
	if v, _ := h.Get("Precedence"); strings.EqualFold(v, "auto_reply") {
		return true
	}
	subject, _ := h.Get("Subject")
	subject = strings.ToLower(message.DecodeText(subject))
	for _, w := range []string{"auto:", "auto reply:", "auto-reply:", "autoreply:", "automatic reply:", "autoreply from", "auto response:", "auto-response:", "out of office:", "out of the office:", "out of office autoreply", "vacation:", "abwesenheit", "automatische antwort"} {
		if strings.HasPrefix(subject, w) {
			return true
		}
	}
	return false
}

// sesNotification is what Amazon SES sends through SNS to a mailbox.
type sesNotification struct {
	Type   string `json:"notificationType"`
	Event  string `json:"eventType"`
	Bounce struct {
		Type       string         `json:"bounceType"`
		SubType    string         `json:"bounceSubType"`
		Recipients []sesRecipient `json:"bouncedRecipients"`
		MTA        string         `json:"reportingMTA"`
	} `json:"bounce"`
	Complaint struct {
		Recipients []sesRecipient `json:"complainedRecipients"`
		Type       string         `json:"complaintFeedbackType"`
	} `json:"complaint"`
	Delivery struct {
		Recipients []string `json:"recipients"`
		Response   string   `json:"smtpResponse"`
		MTA        string   `json:"reportingMTA"`
	} `json:"delivery"`
	Mail struct {
		MessageID string `json:"messageId"`
		Source    string `json:"source"`
	} `json:"mail"`
}

type sesRecipient struct {
	Address    string `json:"emailAddress"`
	Action     string `json:"action"`
	Status     string `json:"status"`
	Diagnostic string `json:"diagnosticCode"`
}

// wrapped are the line breaks that mail puts into a long line of JSON.
var wrapped = regexp.MustCompile(`\r?\n ?`)

// readNotification reads notifications in JSON.
func (c *collected) readNotification(d *DSN) bool {
	text := strings.TrimSpace(c.notes)
	if !strings.HasPrefix(text, "{") {
		return false
	}
	if i := strings.Index(text, "\n--\n"); i > 0 {
		text = text[:i]
	} else if i := strings.Index(text, "\n--\r\n"); i > 0 {
		text = text[:i]
	}
	var n sesNotification
	if json.NewDecoder(strings.NewReader(wrapped.ReplaceAllString(text, ""))).Decode(&n) != nil {
		return false
	}
	if n.Type == "" {
		n.Type = n.Event
	}
	d.Original.Return = parseAddress(n.Mail.Source)
	switch n.Type {
	case "Bounce":
		n.bounces(d)
	case "Complaint":
		d.Kind = Complaint
		for _, r := range n.Complaint.Recipients {
			d.add(DSNRecipient{Address: parseAddress(r.Address), Reason: Complained, Text: n.Complaint.Type})
		}
	case "Delivery":
		d.ReportingMTA = typedHost(n.Delivery.MTA)
		for _, a := range n.Delivery.Recipients {
			r := DSNRecipient{Address: parseAddress(a), Action: Delivered}
			e := evidence{diagnostic: n.Delivery.Response, action: Delivered}
			e.judge(&r)
			d.add(r)
		}
	}
	return len(d.Recipients) > 0
}

func (n *sesNotification) bounces(d *DSN) {
	d.ReportingMTA = typedHost(n.Bounce.MTA)
	for _, in := range n.Bounce.Recipients {
		r := DSNRecipient{Address: parseAddress(in.Address), Action: Failed}
		status := in.Status
		if status == "" && strings.EqualFold(n.Bounce.Type, "Transient") {
			status = "4.0.0"
		}
		e := evidence{status: status, diagnostic: typedValue(in.Diagnostic), action: Failed}
		if e.diagnostic == "" {
			e.diagnostic = n.Bounce.SubType
		}
		e.judge(&r)
		d.add(r)
	}
}

// add adds a recipient that has an address.
func (d *DSN) add(r DSNRecipient) {
	if r.Address != "" && len(d.Recipients) < MaxRecipients {
		d.Recipients = append(d.Recipients, r)
	}
}
