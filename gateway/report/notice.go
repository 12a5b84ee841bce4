package report

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

const (
	// DefaultMaxReturn is how large a message may be to come back whole, in
	// octets, while Notice.MaxReturn does not say otherwise.
	DefaultMaxReturn = 100 << 10
	// maxReturnHeader bounds the header block that comes back, in octets.
	maxReturnHeader = 64 << 10
	// dateFormat is that of RFC 5322 section 3.3.
	dateFormat = "Mon, 2 Jan 2006 15:04:05 -0700"
)

// ErrNullSender tells that a notification has nobody to go to: none is ever
// sent about a message from <> (RFC 3461 section 6.1).
var ErrNullSender = errors.New("report: no notification goes to the null sender")

// Notice is a delivery status notification that we send (RFC 3464): who, what
// happened, and as much of the message as the sender is to see again. It goes
// out with the null reverse-path.
type Notice struct {
	ReportingMTA string       // our host name
	To           smtp.Address // the message's reverse-path
	From         smtp.Address // zero: MAILER-DAEMON at ReportingMTA
	// ID is the part of the Message-ID before the @, unique and made after the
	// message arrived (a ULID): the boundary comes from it too.
	ID           string
	Date         time.Time // of the notice
	EnvelopeID   string    // ENVID, decoded; "" : none
	Arrival      time.Time // of the message; zero: not told
	DeliverBy    time.Time // by when it was to arrive (RFC 2852); zero: not asked for
	ReceivedFrom string    // HELO name of the client that it came from, "" : not told
	Contact      string    // whom to ask, an address or a URL; "" : postmaster at ReportingMTA
	Recipients   []NoticeRecipient

	// Open reads the message: header block, empty line, body. nil: nothing of
	// it comes back.
	Open func() (io.ReadCloser, error)
	// Size is that of what Open reads.
	Size int64
	// EightBit, UTF8Header are those of gateway.Copy; SMTPUTF8 tells that it
	// came with that parameter, so that its sender can read RFC 6533's forms.
	EightBit, UTF8Header, SMTPUTF8 bool
	Return                         smtp.Return // RET of the message
	MaxReturn                      int64       // octets; 0: DefaultMaxReturn; negative: headers only
}

// NeedsEightBit tells whether the notice has octets above 127, and so needs
// 8BITMIME.
func (n *Notice) NeedsEightBit() bool { return n.SMTPUTF8 || n.full() && n.EightBit }

// NeedsUTF8 tells whether the notice's own header needs SMTPUTF8.
func (n *Notice) NeedsUTF8() bool { return !n.To.IsASCII() || !n.from().IsASCII() }

// full tells whether all of the message comes back. RET is about failures
// only; other notices bring headers (RFC 3461 section 4.3).
func (n *Notice) full() bool {
	limit := n.MaxReturn
	if limit == 0 {
		limit = DefaultMaxReturn
	}
	return n.Open != nil && n.Return != smtp.ReturnHeaders && n.Size <= limit && n.has(Failed)
}

func (n *Notice) has(a Action) bool {
	for i := range n.Recipients {
		if n.Recipients[i].Action == a {
			return true
		}
	}
	return false
}

func (n *Notice) from() smtp.Address {
	if n.From.IsZero() {
		return smtp.Address{Local: "MAILER-DAEMON", Domain: n.ReportingMTA}
	}
	return n.From
}

// messageID returns the Message-ID with its brackets.
func (n *Notice) messageID() string {
	return message.CleanValue("<" + n.ID + "@" + n.ReportingMTA + ">")
}

// boundary is one that the message could not foresee.
func (n *Notice) boundary() string {
	sum := sha256.Sum256([]byte("boundary " + n.ID))
	return "=_" + hex.EncodeToString(sum[:12])
}

// WriteTo writes the notice, with CRLF line ends; each call writes the same.
// It is 7-bit unless NeedsEightBit.
func (n *Notice) WriteTo(w io.Writer) (int64, error) {
	if n.To.IsZero() {
		return 0, ErrNullSender
	}
	count := &counter{w: w}
	out := bufio.NewWriterSize(count, 16<<10)
	orig, err := n.original()
	if err != nil {
		return 0, fmt.Errorf("report: read the message to return: %w", err)
	}
	defer orig.Close()
	t := n.tell(orig)
	n.writeHeader(out, orig, t.subject())
	n.writeText(out, t)
	n.writeStatus(out)
	if err := n.writeOriginal(out, orig); err != nil {
		return count.n, fmt.Errorf("report: return the message: %w", err)
	}
	out.WriteString("\r\n--" + n.boundary() + "--\r\n")
	if err := out.Flush(); err != nil {
		return count.n, fmt.Errorf("report: write a notice: %w", err)
	}
	return count.n, nil
}

// writeHeader writes the notice's own header block.
func (n *Notice) writeHeader(out *bufio.Writer, o *original, subject string) {
	field := func(name, value string) {
		out.Write(message.AppendFolded(nil, name+": "+value))
	}
	field("Date", n.Date.Format(dateFormat))
	field("From", "Mail Delivery System "+n.from().Path())
	field("To", n.To.Path())
	field("Subject", message.EncodeText(subject))
	field("Message-ID", n.messageID())
	if o.id != "" {
		field("In-Reply-To", o.id)
		field("References", o.id)
	}
	// RFC 3834 section 5; what answers by itself must not answer this.
	field("Auto-Submitted", "auto-replied")
	field("MIME-Version", "1.0")
	field("Content-Type", `multipart/report; report-type=delivery-status;`+"\r\n"+` boundary="`+n.boundary()+`"`)
	if n.NeedsEightBit() {
		field("Content-Transfer-Encoding", "8bit")
	}
	out.WriteString("\r\nThis is a report on the delivery of your message, in MIME format.\r\n")
}

// part begins a part.
func (n *Notice) part(out *bufio.Writer, mediaType, description, encoding string) {
	out.WriteString("\r\n--" + n.boundary() + "\r\nContent-Type: " + mediaType +
		"\r\nContent-Description: " + description + "\r\n")
	if encoding != "" {
		out.WriteString("Content-Transfer-Encoding: " + encoding + "\r\n")
	}
	out.WriteString("\r\n")
}

// original is the message that comes back: its header block, read, and its
// body, still to be read.
type original struct {
	header  []byte
	cut     bool // the header block was too long
	rest    io.Reader
	closer  io.Closer
	id      string // Message-ID
	subject string // decoded
	date    string
}

// Close closes the message.
func (o *original) Close() error {
	if o.closer == nil {
		return nil
	}
	return o.closer.Close()
}

// original opens the message and reads its header block, as much as a notice
// may bring back.
func (n *Notice) original() (*original, error) {
	if n.Open == nil {
		return &original{}, nil
	}
	r, err := n.Open()
	if err != nil {
		return nil, err
	}
	o := &original{closer: r}
	buf := make([]byte, 0, 8<<10)
	for from := 0; ; {
		end, _, ok := message.EndOfHeader(buf, from)
		if ok || len(buf) >= maxReturnHeader {
			if !ok || end > maxReturnHeader {
				end, o.cut = lastField(buf[:min(len(buf), maxReturnHeader)]), true
			}
			o.header = buf[:end:end]
			o.rest = io.MultiReader(bytes.NewReader(buf[end:]), r)
			break
		}
		from = len(buf)
		buf = slices.Grow(buf, 4<<10)
		m, err := r.Read(buf[from:cap(buf)])
		buf = buf[:from+m]
		if err == io.EOF && m == 0 {
			o.header, o.rest = buf, bytes.NewReader(nil)
			break
		}
		if err != nil && err != io.EOF {
			r.Close()
			return nil, err
		}
	}
	o.inspect()
	return o, nil
}

// inspect finds what the notice tells about the message.
func (o *original) inspect() {
	h, err := message.ParseHeader(o.header, message.HeaderLimits{})
	if err != nil {
		return
	}
	if v, ok := h.Get("Message-ID"); ok {
		if id, err := message.ParseMessageID(v); err == nil && isPrintable(id) {
			o.id = id
		}
	}
	v, _ := h.Get("Subject")
	o.subject = shorten(message.CleanValue(message.DecodeText(v)), maxToldSubject)
	v, _ = h.Get("Date")
	if d, err := message.ParseDate(v); err == nil {
		o.date = d.Format(dateFormat)
	}
}

// lastField returns where the last whole field of a header block ends that was
// cut somewhere.
func lastField(b []byte) int {
	for i := len(b) - 1; i > 0; i-- {
		if b[i-1] == '\n' && b[i] != ' ' && b[i] != '\t' {
			return i
		}
	}
	return 0
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// isPrintable tells whether s is ASCII without controls.
func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
