package report

import (
	"errors"
	"io"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Kind is what a message that came back is.
type Kind string

// The kinds.
const (
	Bounce    Kind = "bounce"    // a message failed, or is late
	Success   Kind = "success"   // a message arrived, as its sender asked to be told
	Complaint Kind = "complaint" // a reader called a message unwanted
	AutoReply Kind = "autoreply" // a person is away, or a program answered
)

// DSN is what a message says about the delivery of another one (RFC 3464), or
// what can be made of it where it does not keep to that format.
type DSN struct {
	Kind         Kind
	Standard     bool   // the recipients come from a message/delivery-status part
	ReportingMTA string // host name, "" : not told
	EnvelopeID   string // as in ENVID, "" : not told
	Arrival      time.Time
	Recipients   []DSNRecipient // at most MaxRecipients
	Original     Original
}

// DSNRecipient is what happened to the message for one recipient.
type DSNRecipient struct {
	Address        string            // Final-Recipient, or what was found in the text
	Original       string            // Original-Recipient, "" : not told
	Action         Action            // as told, or by its status
	Status         smtp.EnhancedCode // zero: of what is no bounce
	Reply          int               // SMTP reply code, 0: not told
	Text           string            // what was said, on one line, at most MaxText octets
	RemoteMTA      string            // host name, "" : not told
	Reason         Reason
	Hard           bool // mail to the address will fail for ever: nobody is there
	LastAttempt    time.Time
	WillRetryUntil time.Time
}

// Original is what is known of the message that the report is about.
type Original struct {
	MessageID string // with its brackets, "" : not told
	From, To  string // addresses of the first mailbox
	Subject   string // decoded
	Return    string // Return-Path
	Header    *message.Header
}

// Bounds of a report that is read; what is beyond them is not looked at.
const (
	MaxReport     = 1 << 20  // octets of the message
	MaxRecipients = 200      // recipients
	MaxText       = 2 << 10  // octets of what was said about one recipient
	maxPart       = 64 << 10 // octets of one part
	maxNotes      = 96 << 10 // octets of all text
	maxLines      = 3000     // lines of text
)

// ErrNoDSN tells that a message reports on no delivery.
var ErrNoDSN = errors.New("report: the message is no delivery report")

// ReadDSN reads a report: header is the message's, body what follows it. The
// error is ErrNoDSN, or that of reading.
func ReadDSN(header *message.Header, body io.Reader) (*DSN, error) {
	c, err := collect(header, body)
	if err != nil {
		return nil, err
	}
	d := c.read()
	if d == nil || len(d.Recipients) == 0 {
		return nil, ErrNoDSN
	}
	return d, nil
}

// read tries the forms of a report, the surest first.
func (c *collected) read() *DSN {
	d := &DSN{Kind: Bounce}
	d.Original = c.readOriginal()
	switch {
	case c.complaint(d), c.readStandard(d), c.readNotification(d), c.readText(d), c.readAutoReply(d):
	default:
		return nil
	}
	if len(d.Recipients) > MaxRecipients {
		d.Recipients = d.Recipients[:MaxRecipients]
	}
	d.settle()
	return d
}

// settle gives the report its kind, and every recipient an action.
func (d *DSN) settle() {
	if d.Kind != Bounce {
		return
	}
	good := len(d.Recipients) > 0
	for i := range d.Recipients {
		r := &d.Recipients[i]
		if r.Action == "" {
			r.Action = Failed
			if r.Status[0] == 2 {
				r.Action = Delivered
			}
		}
		good = good && r.Status[0] == 2
	}
	if good {
		d.Kind = Success
	}
}
