package model

import (
	"bytes"
	"math/bits"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/link"
)

var bucketNames = [...]string{"0", "1", "2", "3-4", "5-8", "9-16", "17-32", "33-64", "65-128", "129-256", "257-512", "513+"}

// bucket sorts a number into powers of two.
func bucket(n int) int {
	if n <= 2 {
		return max(n, 0)
	}
	return min(bits.Len(uint(n-1))+1, len(bucketNames)-1)
}

// num adds how many of something there are, as a bucket.
func (v *Vector) num(name string, n int) uint64 {
	b := bucket(n)
	h := mix(xxhash.Sum64String(name), uint64(b))
	v.add(h)
	if v.wants(h) {
		v.name(h, name+" "+bucketNames[b])
	}
	return h
}

// percent adds a share as one of a few steps; of nothing it adds nothing.
func (v *Vector) percent(name string, part, whole int) {
	if whole <= 0 {
		return
	}
	steps := [...]int{0, 1, 3, 8, 15, 30, 50, 75, 95}
	p, b := 100*part/whole, 0
	for b+1 < len(steps) && p >= steps[b+1] {
		b++
	}
	if part > 0 && b == 0 {
		b = 1
	}
	v.num(name, b)
}

// flag adds a feature where a thing is so, by its name.
func (v *Vector) flag(name string, is bool) {
	if is {
		v.tag(name)
	}
}

// shapeView adds header semantics and structure, and pairs of those that say
// most together.
func (v *Vector) shapeView(m *anatomy.Message) {
	v.begin(Shape)
	v.core = v.core[:0]
	v.senderShape(m)
	v.subjectShape(m)
	v.partShape(m)
	v.pageShape(m)
	v.textShape(m)
	v.linkShape(m)
	for i, a := range v.core {
		for _, b := range v.core[:i] {
			v.add(mix(b, a))
		}
	}
	v.end()
}

// core has pairs made with a feature just added by its hash.
func (v *Vector) pairs(h uint64) { v.core = append(v.core, h) }

func (v *Vector) pairTag(name string, is bool) {
	if is {
		v.tag(name)
		v.pairs(xxhash.Sum64String(name))
		return
	}
	var not [64]byte
	v.pairs(hash(append(append(not[:0], "not "...), name...)))
}

// senderShape looks at who claims to write.
func (v *Vector) senderShape(m *anatomy.Message) {
	h := &m.Header
	v.num("from fields", h.FromCount)
	if len(h.From) == 0 {
		v.tag("no author")
		return
	}
	from := &h.From[0]
	domain, _ := link.Registrable(from.Domain)
	free := link.Freemail(from.Domain)
	v.pairTag("author at a freemail", free)
	v.pairTag("author without a name", from.Name == "")
	v.flag("author's name has an address", strings.Contains(from.Name, "@"))
	v.flag("author's name is in capitals", isUpper(from.Name))
	v.flag("author's name has digits", strings.ContainsAny(from.Name, "0123456789"))
	v.flag("author's name is not ASCII", !isASCII(from.Name))
	v.flag("author's name is the local part", from.Name != "" && strings.EqualFold(from.Name, from.Local))
	v.num("words in the author's name", len(strings.Fields(from.Name)))
	if brand := link.Brand(from.Name); brand != "" {
		v.tag("author's name has a brand")
		v.pairTag("brand without its domain", !link.Owns(brand, from.Domain))
	}
	v.num("length of the local part", len(from.Local))
	v.num("digits in the local part", countDigits(from.Local))
	v.flag("local part of dots, dashes or plus", strings.ContainsAny(from.Local, "-+=_"))
	v.num("labels of the author's domain", 1+strings.Count(from.Domain, "."))
	v.flag("digits in the author's domain", countDigits(from.Domain) > 0)
	v.num("length of the author's domain", len(domain))

	v.pairTag("reply-to", len(h.ReplyTo) > 0)
	if len(h.ReplyTo) > 0 {
		r := &h.ReplyTo[0]
		other, _ := link.Registrable(r.Domain)
		v.pairTag("reply-to at another domain", other != domain)
		v.flag("reply-to at a freemail, author not", link.Freemail(r.Domain) && !free)
		v.flag("reply-to is the author", *r == *from || r.Local == from.Local && r.Domain == from.Domain)
	}
	if len(h.Sender) > 0 {
		other, _ := link.Registrable(h.Sender[0].Domain)
		v.flag("sender at another domain", other != domain)
	}
	v.flag("nobody addressed", len(h.To) == 0)
	v.flag("recipients not told", h.UndisclosedTo)
	for _, to := range h.To {
		if to.Local == from.Local && to.Domain == from.Domain {
			v.tag("to the author")
			break
		}
	}
	v.messageID(h, domain)
	v.dateShape(h)
	v.flag("priority", h.Priority != "")
	v.flag("high priority", strings.ContainsAny(h.Priority, "12") || strings.Contains(h.Priority, "high"))
	v.flag("mailer named", h.Mailer != "")
	v.flag("organization", h.Org != "")
	v.flag("malformed header", h.Malformed)
	v.flag("no MIME-Version", !h.MIME)
	v.flag("reply header", h.Reply)
}

// messageID looks at who made the Message-ID, and how.
func (v *Vector) messageID(h *anatomy.Header, domain string) {
	left, right, ok := strings.Cut(h.MessageID, "@")
	switch {
	case h.MessageID == "":
		v.tag("no message-id")
		return
	case !ok:
		v.tag("message-id without a host")
		return
	}
	reg, _ := link.Registrable(strings.ToLower(right))
	v.pairTag("message-id of the author's domain", reg == domain)
	v.flag("message-id of a host without a domain", !strings.Contains(right, "."))
	v.num("length of the message-id", len(left)/4)
	v.tags("message-id form ", form(left))
}

// form describes how a string is made: runs of digits, letters and so on.
func form(s string) string {
	var out []byte
	last := byte(0)
	for i := 0; i < len(s) && len(out) < 12; i++ {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			c = '9'
		case 'A' <= c && c <= 'Z':
			c = 'A'
		case 'a' <= c && c <= 'z':
			c = 'a'
		}
		if c != last {
			out = append(out, c)
		}
		last = c
	}
	return string(out)
}

func (v *Vector) dateShape(h *anatomy.Header) {
	switch {
	case h.DateRaw == "":
		v.tag("no date")
	case h.Date.IsZero():
		v.tag("malformed date")
	default:
		_, offset := h.Date.Zone()
		v.flag("date in universal time", offset == 0)
		v.flag("date with a named zone", strings.HasSuffix(h.DateRaw, ")"))
		v.flag("date without a weekday", !strings.Contains(h.DateRaw, ","))
	}
}

// subjectShape looks at how the subject is written.
func (v *Vector) subjectShape(m *anatomy.Message) {
	s := m.Header.Subject
	v.num("length of the subject", len(s)/8)
	low := strings.ToLower(s)
	reply := strings.HasPrefix(low, "re:") || strings.HasPrefix(low, "aw:") || strings.HasPrefix(low, "sv:")
	v.pairTag("subject of a reply", reply)
	v.flag("reply to nothing", reply && !m.Header.Reply && len(m.Quoted) == 0)
	v.flag("subject of a forward", strings.HasPrefix(low, "fw"))
	v.flag("subject in capitals", isUpper(s))
	v.flag("subject with !", strings.Contains(s, "!"))
	v.flag("subject with ?", strings.Contains(s, "?"))
	v.flag("subject with money", strings.ContainsAny(s, "$€£%"))
	v.flag("subject with digits", countDigits(s) > 0)
	v.flag("subject with a long number", hasRun(s, 6))
	v.flag("subject begins in brackets", strings.HasPrefix(s, "["))
	v.flag("subject encoded", strings.Contains(m.Header.RawSubject, "=?"))
	v.flag("subject not ASCII", !isASCII(s))
	v.flag("subject with pictures", hasPictures(s))
	v.flag("subject with a gap", strings.Contains(s, "     "))
	v.flag("subject with an address", strings.Contains(s, "@"))
	v.flag("no subject", s == "")
	for _, to := range m.Header.To {
		if len(to.Local) > 2 && strings.Contains(low, strings.ToLower(to.Local)) {
			v.tag("subject names the recipient")
			break
		}
	}
}

// partShape looks at the MIME tree.
func (v *Vector) partShape(m *anatomy.Message) {
	ct, _, _ := strings.Cut(m.Header.ContentType, ";")
	v.tags("type ", strings.ToLower(strings.TrimSpace(ct)))
	v.num("depth", m.Depth)
	v.num("parts", len(m.Parts))
	for _, t := range m.Multi {
		v.tags("has ", t)
	}
	html, plain, images, files := false, false, 0, 0
	for i := range m.Parts {
		p := &m.Parts[i]
		v.tags("part ", p.Type)
		switch {
		case p.Type == "text/html":
			html = true
		case p.Type == "text/plain":
			plain = true
		case strings.HasPrefix(p.Type, "image/"):
			images++
		}
		if strings.HasPrefix(p.Type, "text/") {
			v.tags("charset ", p.Charset)
			v.tags("encoding ", p.Encoding)
			v.tags(p.Type, " in ", p.Charset, " ", p.Encoding)
		}
		if p.Name != "" {
			files++
			if i := strings.LastIndexByte(p.Name, '.'); i >= 0 {
				v.tags("file ", strings.ToLower(p.Name[i:]))
			}
		}
		v.flag("attachment", p.Disposition == "attachment")
	}
	v.pairTag("html", html)
	v.pairTag("plain", plain)
	v.num("image parts", images)
	v.num("files", files)
}

// pageShape looks at how the text is marked up.
func (v *Vector) pageShape(m *anatomy.Message) {
	s := &m.Page.Shape
	v.percent("hidden text", len(m.Page.Hidden), len(m.Page.Hidden)+len(m.Page.Text))
	if s.HTMLParts == 0 {
		return
	}
	v.percent("markup", s.MarkupBytes, s.SourceBytes)
	for _, c := range [...]struct {
		name string
		n    int
	}{
		{"tags", s.Tags / 4},
		{"unknown tags", s.Unknown},
		{"unclosed", s.Unclosed},
		{"stray", s.Stray},
		{"nesting", s.Depth / 2},
		{"divs", s.Divs},
		{"spans", s.Spans},
		{"fonts", s.Fonts},
		{"paragraphs", s.Paras},
		{"breaks", s.Breaks},
		{"headings", s.Heads},
		{"bold", s.Bolds},
		{"centered", s.Centers},
		{"lists", s.Lists},
		{"tables", s.Tables},
		{"cells", s.Cells / 2},
		{"letters in cells", s.Letters / 4},
		{"anchors", s.Anchors},
		{"images", s.Images},
		{"pixels", s.Pixels},
		{"data urls", s.DataURLs},
		{"cids", s.CIDs},
		{"buttons", s.Buttons},
		{"forms", s.Forms},
		{"inputs", s.Inputs},
		{"passwords", s.Passwords},
		{"frames", s.Frames},
		{"scripts", s.Scripts},
		{"handlers", s.Handlers},
		{"script links", s.JSLinks},
		{"refreshes", s.Refresh},
		{"svgs", s.SVGs},
		{"style sheets", s.Styles},
		{"length of style sheets", s.StyleLen / 256},
		{"inline styles", s.Inline / 2},
		{"classes", s.Classes / 2},
		{"media rules", s.Media},
		{"comments", s.Comments},
		{"conditional comments", s.Conditional},
		{"vml", s.VML},
		{"split words", s.Splits},
		{"entities", s.Entities / 4},
		{"letters as entities", s.LetterRefs},
		{"hidden by display", s.HideDisplay},
		{"hidden by visibility", s.HideVisible},
		{"hidden by size", s.HideTiny},
		{"hidden by colour", s.HideColour},
		{"hidden off screen", s.HideOffscreen},
		{"hidden in a box", s.HideBox},
		{"hidden from Outlook", s.HideOutlook},
		{"small letters", s.SmallFonts},
		{"preheader", s.Preheader / 16},
	} {
		v.num(c.name, c.n)
	}
	v.pairs(mix(1001, uint64(bucket(s.Images))))
	v.pairs(mix(1002, uint64(bucket(s.Tables))))
	v.pairs(mix(1003, uint64(bucket(s.Styles))))
}

// textShape looks at how the text is written, whatever it says.
func (v *Vector) textShape(m *anatomy.Message) {
	t := m.Page.Text
	v.num("length of the text", len(t)/32)
	v.pairs(mix(1004, uint64(bucket(len(t)/64))))
	v.percent("quoted text", len(m.Page.Quoted), len(m.Page.Quoted)+len(t))
	v.pairTag("quotes", len(m.Page.Quoted) > 0)
	upper, lower, digit, punct, high, code, bang, money := signs(t[:min(len(t), 8000)])
	n := upper + lower + digit + punct + high + code + bang + money
	v.percent("capitals", upper, upper+lower)
	v.percent("digits", digit, n)
	v.percent("punctuation", punct, n)
	v.percent("not ASCII", high, n)
	v.percent("signs", code, n)
	v.percent("exclamation marks", 10*bang, n)
	v.percent("money signs", 10*money, n)
	lines := 1 + bytes.Count(t, []byte("\n"))
	v.num("length of lines", len(t)/lines/8)
	v.num("phone numbers", len(m.Phones))
	v.tags("language ", m.Language)
	v.pairs(mix(1005, xxhash.Sum64String(m.Language)))
	k := &m.Marks
	v.num("invisible characters", k.Invisible())
	v.num("invisible characters in words", k.InWord)
	v.num("look-alike letters", k.Homoglyphs+k.Disguised)
	v.num("mathematical letters", k.Math)
	v.num("circled letters", k.Enclosed)
	v.num("full-width letters", k.FullWidth)
	v.num("combining marks", k.Combining)
	v.flag("writing turned around", k.Reversed > 0)
	v.flag("broken characters", k.Invalid > 0)
}

// signOf has a one in the octet of a number that counts the kind that a
// character is of.
var signOf = func() (t [256]uint64) {
	for i := range t {
		switch c := byte(i); {
		case 'a' <= c && c <= 'z':
			t[i] = 1
		case 'A' <= c && c <= 'Z':
			t[i] = 1 << 8
		case '0' <= c && c <= '9':
			t[i] = 1 << 16
		case c >= 0x80:
			t[i] = 1 << 24
		case c == '!':
			t[i] = 1 << 32
		case c == '$':
			t[i] = 1 << 40
		case strings.IndexByte("{}[]<>=_/\\|#*;+&^~`", c) >= 0:
			t[i] = 1 << 48
		case c > ' ':
			t[i] = 1 << 56
		}
	}
	return t
}()

// signs counts characters by kind, all kinds with one addition.
func signs(t []byte) (upper, lower, digit, punct, high, code, bang, money int) {
	for len(t) > 0 {
		some := t[:min(len(t), 255)]
		var sum uint64
		for _, c := range some {
			sum += signOf[c]
		}
		n := func(i int) int { return int(sum >> (8 * i) & 0xff) }
		lower, upper, digit, high = lower+n(0), upper+n(1), digit+n(2), high+n(3)
		bang, money, code, punct = bang+n(4), money+n(5), code+n(6), punct+n(7)
		t = t[len(some):]
	}
	return upper, lower, digit, punct, high, code, bang, money
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isUpper tells whether there are letters in s, and hardly any small ones.
func isUpper(s string) bool {
	upper, lower := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case 'A' <= c && c <= 'Z':
			upper++
		case 'a' <= c && c <= 'z':
			lower++
		}
	}
	return upper >= 4 && lower*4 < upper
}

func countDigits(s string) (n int) {
	for i := range len(s) {
		if '0' <= s[i] && s[i] <= '9' {
			n++
		}
	}
	return n
}

// hasRun tells whether s has n digits in a row.
func hasRun(s string, n int) bool {
	run := 0
	for i := range len(s) {
		if '0' <= s[i] && s[i] <= '9' {
			if run++; run == n {
				return true
			}
		} else {
			run = 0
		}
	}
	return false
}

// hasPictures tells whether s has emoji or other signs that are no letters.
func hasPictures(s string) bool {
	for _, r := range s {
		if r >= 0x2190 && r < 0x2c00 || r >= 0x1f000 {
			return true
		}
	}
	return false
}
