package anatomy

import (
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
)

// Bounds of what is taken from a header.
const (
	maxSubject   = 1 << 10 // octets
	maxName      = 256     // octets of a display name
	maxAddresses = 50      // of one kind of field
	maxLists     = 8       // fields of one kind whose addresses are read
	maxPriority  = 64      // octets of all that tell a priority
)

// Address is a mailbox as a header field names it, domain in lower case.
type Address struct {
	Name, Local, Domain string
}

// Header is what the fields say that their author writes; those that the
// transport leaves behind are not among them.
type Header struct {
	Subject   string // decoded
	From      []Address
	Sender    []Address
	ReplyTo   []Address
	To        []Address // with Cc
	MessageID string    // without brackets
	Date      time.Time // zero: none or malformed
	DateRaw   string
	Mailer    string // X-Mailer or User-Agent
	Org       string
	Priority  string // X-Priority, X-MSMail-Priority or Importance

	Reply         bool // In-Reply-To or References
	Unsubscribe   bool // List-Unsubscribe
	OneClick      bool // List-Unsubscribe-Post (RFC 8058)
	List          bool // List-Id or List-Post
	Auto          bool // Auto-Submitted or Precedence say that no person wrote it
	MIME          bool // MIME-Version
	ContentType   string
	Encoding      string // of the body, lower case
	RawSubject    string // not decoded
	FromRaw       string
	Fields        int
	FromCount     int
	FromMalformed bool // From is no list of addresses (RFC 5322 section 3.4)
	Malformed     bool // lines that are no fields, or 8-bit octets in the header
	UndisclosedTo bool // To names a group or nobody

	lists [3]int // fields read: Sender, Reply-To, To and Cc
}

// readHeader takes what matters from h.
func readHeader(h *message.Header, out *Header) {
	*out = Header{From: out.From[:0], Sender: out.Sender[:0], ReplyTo: out.ReplyTo[:0], To: out.To[:0]}
	for _, f := range h.Fields() {
		out.Fields++
		if f.Name == "" {
			out.Malformed = true
			continue
		}
		out.field(f)
	}
}

// field takes one field; of most the topmost counts.
func (out *Header) field(f message.Field) {
	switch len(f.Name) | int(f.Name[0]|0x20)<<8 {
	case 7 | 's'<<8:
		if f.Is("Subject") && out.RawSubject == "" {
			out.RawSubject = f.Value()
			out.Subject = clip(message.DecodeText(clip(out.RawSubject, 4*maxSubject)), maxSubject)
		}
	case 4 | 'f'<<8:
		if f.Is("From") {
			if out.FromCount++; out.FromCount == 1 {
				out.FromRaw = f.Value()
				var err error
				out.From, err = addresses(out.From, out.FromRaw)
				out.FromMalformed = err != nil
			}
		}
	case 6 | 's'<<8:
		if f.Is("Sender") && out.read(0) {
			out.Sender, _ = addresses(out.Sender, f.Value())
		}
	case 8 | 'r'<<8:
		if f.Is("Reply-To") && out.read(1) {
			out.ReplyTo, _ = addresses(out.ReplyTo, f.Value())
		}
	case 2 | 't'<<8, 2 | 'c'<<8:
		if !out.read(2) {
			return
		}
		v := f.Value()
		out.To, _ = addresses(out.To, v)
		out.UndisclosedTo = out.UndisclosedTo || strings.Contains(v, ":;") || strings.TrimSpace(v) == ""
	case 10 | 'm'<<8:
		if f.Is("Message-ID") {
			out.MessageID = strings.Trim(clip(f.Value(), 512), "<> ")
		}
	case 4 | 'd'<<8:
		if f.Is("Date") && out.DateRaw == "" {
			out.DateRaw = clip(f.Value(), 128)
			out.Date, _ = message.ParseDate(out.DateRaw)
		}
	case 8 | 'x'<<8, 10 | 'u'<<8:
		if f.Is("X-Mailer") || f.Is("User-Agent") {
			out.Mailer = clip(f.Value(), 128)
		}
	case 12 | 'o'<<8:
		if f.Is("Organization") {
			out.Org = clip(f.Value(), 128)
		}
	case 10 | 'x'<<8, 10 | 'i'<<8, 17 | 'x'<<8:
		if len(out.Priority) < maxPriority && (f.Is("X-Priority") || f.Is("Importance") || f.Is("X-MSMail-Priority")) {
			out.Priority += " " + strings.ToLower(clip(f.Value(), 16))
		}
	case 11 | 'i'<<8:
		out.Reply = out.Reply || f.Is("In-Reply-To")
	case 10 | 'r'<<8:
		out.Reply = out.Reply || f.Is("References")
	case 16 | 'l'<<8:
		out.Unsubscribe = out.Unsubscribe || f.Is("List-Unsubscribe")
	case 21 | 'l'<<8:
		out.OneClick = out.OneClick || f.Is("List-Unsubscribe-Post")
	case 7 | 'l'<<8, 9 | 'l'<<8:
		out.List = out.List || f.Is("List-Id") || f.Is("List-Post")
	case 10 | 'p'<<8:
		out.Auto = out.Auto || f.Is("Precedence")
	case 14 | 'a'<<8:
		out.Auto = out.Auto || f.Is("Auto-Submitted") && !strings.EqualFold(strings.TrimSpace(f.Value()), "no")
	case 12 | 'm'<<8:
		out.MIME = out.MIME || f.Is("MIME-Version")
	case 12 | 'c'<<8:
		if f.Is("Content-Type") {
			out.ContentType = clip(f.Value(), 256)
		}
	case 25 | 'c'<<8:
		if f.Is("Content-Transfer-Encoding") {
			out.Encoding = strings.ToLower(clip(f.Value(), 32))
		}
	}
}

// read tells whether the addresses of one more field of a kind are read.
func (out *Header) read(kind int) bool {
	out.lists[kind]++
	return out.lists[kind] <= maxLists
}

// addresses appends the mailboxes of a field; those that a generous reader
// finds, where there is an error.
func addresses(dst []Address, value string) ([]Address, error) {
	boxes, err := message.ParseAddressList(clip(value, 8<<10))
	for _, b := range boxes {
		if len(dst) == maxAddresses {
			break
		}
		dst = append(dst, Address{Name: clip(b.Name, maxName), Local: clip(b.Address.Local, maxName), Domain: strings.ToLower(clip(b.Address.Domain, maxName))})
	}
	return dst, err
}

// clip cuts s to at most n octets.
func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
