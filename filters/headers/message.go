package headers

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Bounds of From.
const (
	maxDomains   = 100  // that are told
	maxMailboxes = 1000 // that are looked at; From with more is not valid
)

// Fields that are looked for. Those before numSingular may be there once.
const (
	date = iota
	from
	sender
	replyTo
	to
	cc
	bcc
	messageID
	inReplyTo
	references
	subject
	mimeVersion
	contentType
	contentEncoding
	contentID
	contentDescription
	contentDisposition
	numSingular
	listID = iota - 1
	listPost
	mailingList
	precedence
	numFields
)

var fieldNames = [numFields]string{
	date: "date", from: "from", sender: "sender", replyTo: "reply-to", to: "to", cc: "cc", bcc: "bcc",
	messageID: "message-id", inReplyTo: "in-reply-to", references: "references", subject: "subject",
	mimeVersion: "mime-version", contentType: "content-type", contentEncoding: "content-transfer-encoding",
	contentID: "content-id", contentDescription: "content-description", contentDisposition: "content-disposition",
	listID: "list-id", listPost: "list-post", mailingList: "mailing-list", precedence: "precedence",
}

// index is a header with its fields counted in one pass.
type index struct {
	*message.Header
	count [numFields]int
	first [numFields]int // place of the topmost
}

func newIndex(h *message.Header) *index {
	x := &index{Header: h}
	fields := h.Fields()
	for i := range fields {
		for k, name := range fieldNames {
			if fields[i].Is(name) {
				if x.count[k]++; x.count[k] == 1 {
					x.first[k] = i
				}
				break
			}
		}
	}
	return x
}

// value returns the topmost field k.
func (x *index) value(k int) string { return x.Fields()[x.first[k]].Value() }

func (x *index) has(k int) bool { return x.count[k] > 0 }

// judge finds all facts about a header.
func (f *Filter) judge(h *message.Header, tx *gateway.Transaction) []gateway.Fact {
	x := newIndex(h)
	a := x.authors()
	when, skew := f.date(x, tx.Now)
	var twice []string
	for k := range numSingular {
		if x.count[k] > 1 {
			twice = append(twice, fieldNames[k])
		}
	}
	first := ""
	if len(a.domains) > 0 {
		first = a.domains[0]
	}
	return []gateway.Fact{
		{Name: "headers.from_count", Value: int64(x.count[from])},
		{Name: "headers.from_mailboxes", Value: int64(a.mailboxes)},
		{Name: "headers.from_domain", Value: first},
		{Name: "headers.from_domains", Value: a.domains},
		{Name: "headers.from_valid", Value: a.valid},
		{Name: "headers.sender", Value: x.sender(a.mailboxes)},
		{Name: "headers.date", Value: when},
		{Name: "headers.date_skew", Value: skew},
		{Name: "headers.message_id", Value: x.messageID()},
		{Name: "headers.mime_version", Value: x.mimeVersion()},
		{Name: "headers.duplicates", Value: twice},
		{Name: "headers.no_recipients", Value: !x.has(to) && !x.has(cc) && !x.has(bcc)},
		{Name: "headers.eightbit", Value: !tx.Params.SMTPUTF8 && eightBit(h.Raw())},
		{Name: "headers.list", Value: x.list()},
	}
}

// authors is what the From fields say.
type authors struct {
	mailboxes int
	domains   []string
	valid     bool
}

func (x *index) authors() authors {
	a := authors{valid: x.count[from] == 1}
	if !x.has(from) {
		return a
	}
	for _, f := range x.All("From") {
		boxes, err := message.ParseAddressList(f.Value())
		a.valid = a.valid && err == nil && len(boxes) > 0
		a.mailboxes += len(boxes)
		for i := range boxes {
			if a.mailboxes-len(boxes)+i >= maxMailboxes {
				a.valid = false
				break
			}
			d, ok := mailDomain(boxes[i].Address)
			a.valid = a.valid && ok
			if d != "" && len(a.domains) < maxDomains && !slices.Contains(a.domains, d) {
				a.domains = append(a.domains, d)
			}
		}
	}
	return a
}

// mailDomain returns the domain of an address as domains are compared, and
// whether mail could go there.
func mailDomain(a smtp.Address) (string, bool) {
	if strings.HasPrefix(a.Domain, "[") {
		_, ok := smtp.ParseLiteral(a.Domain)
		return strings.ToLower(a.Domain), ok
	}
	name := strings.TrimSuffix(a.Domain, ".")
	ascii, err := smtp.ASCIIDomain(name)
	if err != nil {
		return strings.ToLower(name), false
	}
	return ascii, smtp.CheckDomain(ascii, smtp.Underscore) == nil
}

func (x *index) sender(authors int) string {
	if !x.has(sender) {
		if authors > 1 {
			return "required"
		}
		return "none"
	}
	boxes, err := message.ParseAddressList(x.value(sender))
	if err != nil || len(boxes) != 1 {
		return "invalid"
	}
	if _, ok := mailDomain(boxes[0].Address); !ok {
		return "invalid"
	}
	return "ok"
}

// date compares Date with now; the seconds say by how much it differs.
func (f *Filter) date(x *index, now time.Time) (string, int64) {
	if !x.has(date) {
		return "missing", 0
	}
	t, err := message.ParseDate(x.value(date))
	if err != nil {
		return "invalid", 0
	}
	ahead := t.Sub(now)
	skew := int64(ahead / time.Second)
	switch {
	case ahead > f.opt.Future:
		return "future", skew
	case ahead < -f.opt.Past:
		return "past", skew
	}
	return "ok", skew
}

func (x *index) messageID() string {
	if !x.has(messageID) {
		return "missing"
	}
	if _, err := message.ParseMessageID(x.value(messageID)); err != nil {
		return "invalid"
	}
	return "ok"
}

func (x *index) mimeVersion() string {
	if x.has(mimeVersion) {
		if isVersion1(x.value(mimeVersion)) {
			return "ok"
		}
		return "invalid"
	}
	for _, k := range []int{contentType, contentEncoding, contentID, contentDescription, contentDisposition} {
		if x.has(k) {
			return "missing"
		}
	}
	return "none"
}

// isVersion1 reads "1.0" with comments and white space anywhere (RFC 2045
// section 4).
func isVersion1(s string) bool {
	depth, got := 0, make([]byte, 0, 4)
	for i := 0; i < len(s) && len(got) < 4; i++ {
		switch c := s[i]; {
		case c == '\\' && depth > 0:
			i++
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0 && c != ' ' && c != '\t':
			got = append(got, c)
		}
	}
	return depth == 0 && string(got) == "1.0"
}

func (x *index) list() bool {
	return x.has(listID) || x.has(listPost) || x.has(mailingList) ||
		x.has(precedence) && strings.EqualFold(x.value(precedence), "list")
}

// eightBit looks for octets above 127, eight at a time.
func eightBit(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return true
		}
	}
	for _, c := range b {
		if c >= 0x80 {
			return true
		}
	}
	return false
}
