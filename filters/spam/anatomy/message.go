package anatomy

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/link"
	"github.com/gapura-mail/gapura/filters/spam/qr"
	"github.com/gapura-mail/gapura/filters/spam/text"
	"github.com/gapura-mail/gapura/gateway/message"
)

// Bounds of what is looked at in one message.
const (
	maxTotal = 512 << 10 // octets of all text parts
	maxFiles = 256 << 10 // of those of them that are files
	grace    = 8 << 10   // of each of the next parts, where that is over
	maxGrace = 128 << 10 // of all such parts
	maxParts = 100       // whose form is kept
	maxLinks = 256       // that are parsed

	maxLanguage = 4 << 10 // octets of text that tell the language

	MaxPicture  = 512 << 10 // octets of a picture in which QR codes are looked for
	minPicture  = 200
	maxPictures = 3
	maxPixels   = qr.MaxPixels // of all pictures of a message

	// Pictures and long texts share what they may cost, as pixels of noise.
	maxWork    = 53 << 15
	perOctet   = 2       // of a picture as it was sent
	perDense   = 5       // of a JPEG, of which each makes several coefficients
	perPicture = 7 << 15 // for corners that are none
	perLetter  = 3       // of text beyond freeText
	perFree    = 32      // of free text
	perGrace   = 15      // of parts beyond that
	perTail    = 64      // of the end of a long part
	freeText   = 64 << 10
	maxCodes   = 4
)

// Part is the form of one leaf of the MIME tree.
type Part struct {
	Path        string
	Type        string // media type, lower case
	Charset     string
	Name        string // file name
	Disposition string
	Encoding    string
	Size        int64
}

// Link is one link with where it stands and where it leads.
type Link struct {
	text.Link
	URL link.URL
	OK  bool // URL was understood
	QR  bool // from a QR code
}

// Message is one message taken apart. Begin and Parse start it anew with the
// buffers of the one before, of which nothing may be kept then.
type Message struct {
	Header   Header
	Raw      *message.Header // nil: none
	Parts    []Part
	Page     text.Page // of all parts that are shown
	Marks    text.Marks
	Subject  []byte // folded
	Text     []byte // folded: what a reader sees
	Hidden   []byte // folded: what no reader sees
	Quoted   []byte // folded: what others wrote before
	Links    []Link
	Codes    []string // what QR codes say, in pictures or drawn with letters
	Phones   []string
	Language string

	Depth    int // of containers
	Multi    []string
	other    text.Marks
	total    int
	files    int // octets of total that are of files
	graced   int // octets of parts beyond total
	tails    int
	raw      int // octets that may be gone through, see Content
	squeeze  int // octets that may be squeezed
	pictures int
	pixels   int
	drawn    int    // cells of drawings that may still be looked at
	work     int    // of pictures
	pending  []byte // a text/plain that an HTML part may stand for
	content  Content
	squeezer text.Squeezer
	pendPath string
}

// Info tells of a leaf before its content comes.
type Info struct {
	Path, Type, Charset, Name, Disposition, Encoding string
	Within                                           string // media type of the multipart that it is in; "" : none
}

// Begin starts a message with its header.
func (m *Message) Begin(h *message.Header) {
	m.Page.Reset()
	m.Parts, m.Links, m.Multi, m.Phones = m.Parts[:0], m.Links[:0], m.Multi[:0], nil
	m.Subject, m.Text, m.Hidden, m.Quoted = m.Subject[:0], m.Text[:0], m.Hidden[:0], m.Quoted[:0]
	m.Marks, m.Language, m.Depth, m.total, m.pictures, m.pending = text.Marks{}, "", 0, 0, 0, m.pending[:0]
	m.other, m.pixels, m.work, m.drawn = text.Marks{}, 0, 0, qr.MaxDrawn
	m.files, m.graced, m.tails, m.raw, m.squeeze = 0, 0, 0, maxRaw, maxSqueeze
	m.Codes, m.pendPath = m.Codes[:0], ""
	readHeader(h, &m.Header)
	m.Raw = h
}

// kind is what a leaf is read as.
type kind uint8

const (
	unread kind = iota
	plainText
	htmlText
	calendar
	richText
	picture
)

// kindOf tells what a leaf is read as: by its type or, where that says nothing,
// by the name of its file.
func kindOf(p Info) kind {
	switch p.Type {
	case "text/html", "application/xhtml+xml", "image/svg+xml":
		return htmlText
	case "text/calendar", "application/ics":
		return calendar
	case "text/rtf", "application/rtf":
		return richText
	case "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp":
		return picture
	}
	if i := strings.LastIndexByte(p.Name, '.'); i >= 0 {
		switch strings.ToLower(p.Name[i+1:]) {
		case "html", "htm", "shtml", "xhtml", "svg":
			return htmlText
		case "ics":
			return calendar
		case "rtf":
			return richText
		case "png", "jpg", "jpeg", "gif", "webp", "bmp":
			return picture
		}
	}
	if strings.HasPrefix(p.Type, "text/") && p.Disposition != "attachment" {
		return plainText
	}
	return unread
}

// Wants tells how many octets of a leaf's content Part looks at.
func Wants(p Info) int {
	switch kindOf(p) {
	case unread:
		return 0
	case picture:
		return MaxPicture
	}
	return MaxText
}

// Part takes one leaf: what was kept of its content, decoded, and the size of
// all of it. Parts come in order of their paths. ctx bounds the search for QR
// codes in pictures.
func (m *Message) Part(ctx context.Context, p Info, c *Content, size int64) {
	content, tail := c.Bytes()
	if len(m.Parts) < maxParts {
		m.Parts = append(m.Parts, Part{p.Path, p.Type, strings.ToLower(p.Charset), p.Name, p.Disposition, strings.ToLower(p.Encoding), size})
	}
	k := kindOf(p)
	if k == picture {
		m.picture(ctx, content, size)
		return
	}
	content, rest := m.share(p, k, content)
	if len(content) == 0 {
		return
	}
	if len(tail) == 0 && len(rest) > 0 && !c.whole {
		tail = lastOf(rest, grace, content, text.IsUTF16(content, p.Charset))
	}
	m.text(p, k, content)
	if k == plainText && p.Within == "multipart/alternative" {
		return // what waits for an HTML part has a beginning alone
	}
	if len(tail) > 0 && m.tails < maxTails {
		m.tails++
		m.text(p, k, tail)
	}
}

// text takes a text part, or a piece of one.
func (m *Message) text(p Info, k kind, content []byte) {
	switch k {
	case htmlText:
		m.html(p, content)
	case calendar:
		m.flush()
		m.Page.Calendar(text.UTF8(content, p.Charset))
	case richText:
		m.flush()
		m.Page.RTF(content)
	case plainText:
		if p.Within != "multipart/alternative" || !sameParent(m.pendPath, p.Path) {
			m.flush() // otherwise what comes last is shown
		}
		m.pending, m.pendPath = append(m.pending[:0], text.UTF8(content, p.Charset)...), p.Path
	}
}

// share cuts the content of a part to what is left for it, and gives the rest: a
// part is seen somewhat, whatever comes before it, and files leave half to what
// is no file.
func (m *Message) share(p Info, k kind, content []byte) (seen, rest []byte) {
	file := p.Disposition == "attachment"
	left := m.left(file)
	if left == 0 && (file || m.graced >= m.grace()) {
		return nil, nil
	}
	if left < grace {
		content = content[:min(len(content), 8*grace)]
	}
	if (m.total > m.room()/4 || len(content) > left) && m.squeeze > 0 && (k == plainText || k == htmlText) {
		m.squeeze -= len(content)
		m.squeezer.Reset()
		n, _ := squeezed(&m.squeezer, k, p.Charset, text.IsUTF16(content, p.Charset), content)
		content = content[:n]
	}
	if left < min(grace, len(content)) && !file && m.graced < m.grace() {
		n := min(len(content), grace)
		m.graced += n
		return content[:n], content[n:]
	}
	n := len(content)
	if n > left {
		n = left &^ 1 // between letters of UTF-16
	}
	m.total += n
	if file {
		m.files += n
	}
	return content[:n], content[n:]
}

// room is how many octets of text parts may be looked at beside the pictures.
func (m *Message) room() int {
	return min(maxTotal, freeText-m.work/perFree+(maxWork-m.work)/perLetter)
}

// grace is how many octets of parts beyond that may be.
func (m *Message) grace() int { return maxGrace - m.work/perGrace }

// left is how many more may be.
func (m *Message) left(file bool) int {
	left := max(0, m.room()-m.total)
	if file {
		left = max(0, min(left, maxFiles-m.files))
	}
	return left
}

// picture looks for QR codes in a picture that is there whole.
func (m *Message) picture(ctx context.Context, content []byte, size int64) {
	if m.pictures == maxPictures || size < minPicture || int64(len(content)) < size {
		return
	}
	n := qr.Pixels(content)
	each := perOctet
	if content[0] == 0xff {
		each = perDense
	}
	work := m.work + n + each*len(content) + perPicture
	if n == 0 || m.pixels+n > maxPixels || work+perLetter*max(0, m.total-freeText) > maxWork {
		return
	}
	m.pictures++
	m.pixels += n
	most := maxWork
	if m.total > freeText { // as is left beside the text
		most -= work + perLetter*(m.total-freeText)
	}
	codes, beyond, _ := qr.Look(ctx, content, most) // what is no picture, or has no code, says nothing
	work = min(work+beyond, maxWork)
	m.squeeze -= (work - m.work) / 2
	m.work = work
	m.codes(codes)
}

func (m *Message) codes(texts []string) {
	m.Codes = append(m.Codes, texts[:min(len(texts), maxCodes-len(m.Codes))]...)
}

// html takes an HTML part; a text/plain right before it, beside it, is what
// readers do not see.
func (m *Message) html(p Info, content []byte) {
	if len(m.pending) > 0 && !sameParent(m.pendPath, p.Path) {
		m.flush()
	}
	before, hidden, links := len(m.Page.Text), len(m.Page.Hidden), len(m.Page.Links)
	content = text.UTF8(content, p.Charset)
	m.codes(qr.Blocks(content, &m.drawn))
	m.Page.File = p.Disposition == "attachment"
	m.Page.HTML(content)
	m.Page.File = false
	// With nothing to see in the HTML some readers show the text beside it. A
	// picture is seen; where text is hidden, too, it is all that is meant to be.
	if len(m.Page.Text) == before && (len(m.Page.Hidden) == hidden || !pictured(m.Page.Links[links:])) {
		m.flush()
	}
	m.pending = m.pending[:0]
}

// pictured tells whether a picture is shown.
func pictured(links []text.Link) bool {
	return slices.ContainsFunc(links, func(l text.Link) bool { return l.Kind == text.Image && !l.Hidden })
}

// flush shows the text/plain that waited for an HTML part.
func (m *Message) flush() {
	if len(m.pending) > 0 {
		m.codes(qr.Blocks(m.pending, &m.drawn))
		m.Page.Plain(m.pending)
		m.pending = m.pending[:0]
	}
}

// Done folds the text and reads the links, when all parts are there.
func (m *Message) Done() {
	m.flush()
	m.Subject = text.Fold(m.Subject[:0], []byte(m.Header.Subject), &m.Marks)
	m.Text = text.Fold(m.Text[:0], m.Page.Text, &m.Marks)
	m.Hidden = text.Fold(m.Hidden[:0], m.Page.Hidden, &m.other)
	m.Quoted = text.Fold(m.Quoted[:0], m.Page.Quoted, &m.other)
	for _, l := range m.Page.Links {
		if len(m.Links) == maxLinks {
			break
		}
		u, ok := link.Parse(l.Target)
		m.Links = append(m.Links, Link{Link: l, URL: u, OK: ok})
	}
	for _, c := range m.Codes {
		u, ok := link.Parse(c)
		m.Links = append(m.Links, Link{Link: text.Link{Target: c, Kind: text.Image}, URL: u, OK: ok, QR: true})
	}
	m.Phones = link.Phones(m.Page.Text)
	m.Language = text.Language(m.Text[:min(len(m.Text), maxLanguage)])
}

// sameParent tells whether two paths are of one multipart.
func sameParent(a, b string) bool {
	return parent(a) == parent(b)
}

func parent(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[:i]
	}
	return ""
}

// Parse takes a whole raw message apart.
func (m *Message) Parse(raw []byte) error {
	raw = unFrom(raw)
	block, body := message.Split(raw)
	h, err := message.ParseHeader(block, message.HeaderLimits{})
	if h == nil { // nothing of the message before is left
		m.Begin(new(message.Header))
		m.Done()
		return err
	}
	m.Begin(h)
	v := visitor{m: m}
	err = message.NewWalker(h, message.WalkLimits{}).Walk(bytes.NewReader(body), &v)
	m.Done()
	return err
}

// unFrom takes away the line that a mailbox file puts before a message.
func unFrom(raw []byte) []byte {
	if bytes.HasPrefix(raw, []byte("From ")) {
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			return raw[i+1:]
		}
	}
	return raw
}

// visitor collects the leaves of a walk.
type visitor struct {
	m      *Message
	info   Info
	depth  int
	within []string
}

// Part implements message.Visitor.
func (v *visitor) Part(p *message.PartInfo) io.Writer {
	if p.Container {
		v.depth++
		v.within = append(v.within, p.Type)
		v.m.Depth = max(v.m.Depth, v.depth)
		if len(v.m.Multi) < maxParts {
			v.m.Multi = append(v.m.Multi, p.Type)
		}
		return nil
	}
	v.info = Info{Path: p.Path, Type: p.Type, Charset: p.Params["charset"], Name: p.Filename, Disposition: p.Disposition, Encoding: p.Encoding}
	if n := len(v.within); n > 0 {
		v.info.Within = v.within[n-1]
	}
	return v.m.Content(v.info)
}

// PartEnd implements message.Visitor.
func (v *visitor) PartEnd(p *message.PartInfo) {
	if p.Container {
		v.depth--
		v.within = v.within[:len(v.within)-1]
		return
	}
	v.m.Part(context.Background(), v.info, &v.m.content, p.Size)
}

// Defect implements message.Visitor.
func (*visitor) Defect(message.Defect) {}
