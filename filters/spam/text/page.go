package text

// Bounds of a Page. What lies beyond is not read; Shape.Cut tells.
const (
	// MaxSource is how many octets of one part are read.
	MaxSource = 256 << 10
	// MaxSources is how many octets of all parts of a message are read.
	MaxSources = 768 << 10
	// MaxText bounds Page.Text, in octets.
	MaxText = 64 << 10
	// MaxHidden bounds Page.Hidden, in octets.
	MaxHidden = 16 << 10
	// MaxQuoted bounds Page.Quoted, in octets.
	MaxQuoted = 16 << 10
	// MaxTitle bounds Page.Title, in octets.
	MaxTitle = 512
	// MaxLinks bounds Page.Links.
	MaxLinks = 512
	// MaxTags bounds the tags and comments of all parts whose meaning is read; a
	// long newsletter has some 3000. Of those beyond only links are noted.
	MaxTags = 32 << 10
	// MaxTarget bounds Link.Target, in octets. A data: URL is always cut to
	// its first 64.
	MaxTarget = 2048
	// MaxLinkText bounds Link.Text, in octets.
	MaxLinkText = 256
)

// Page is what a reader sees of a message, and what the message keeps from
// the reader. All text is UTF-8, entities decoded, runs of white space
// collapsed to one space, line ends and block ends one \n, and not folded.
// The zero Page is ready; a Page serves one goroutine at a time.
type Page struct {
	// Text is visible.
	Text []byte
	// Hidden is in the markup, but no reader sees it: display:none, tiny
	// letters, the colour of the background, off-screen ...
	Hidden []byte
	// Quoted is visible and cited from an earlier message: lines that begin
	// with >, blockquotes of replies. Quote marks are taken off.
	Quoted []byte
	// Title is the content of <title> elements.
	Title []byte
	// Links are all places that the parts lead to, in order. Valid until
	// Reset.
	Links []Link
	// Shape counts what the markup is made of.
	Shape Shape
	// File says that what is added is of a file: half of Text is left to what is
	// none.
	File bool
	// Marks is for Fold; the page itself does not touch it.
	Marks Marks

	text, hidden, quoted, title sink
	links                       linkList
	read                        int
	tags                        int // of the parts before
	r                           renderer
}

// Link is one place that a part leads to.
type Link struct {
	// Target as it is written, entities decoded, surrounding space cut.
	Target string
	// Text is what is shown for it: the anchor's text, the image's alt. Of
	// Plain links it is the Target.
	Text string
	// Kind says which markup leads there.
	Kind Kind
	// Hidden: the reader cannot see what leads there.
	Hidden bool
	// Image: an anchor around an image.
	Image bool
	// Quoted: in the text of an earlier message.
	Quoted bool
}

// Kind is the markup that a link comes from.
type Kind uint8

// The kinds of links.
const (
	Anchor     Kind = iota // <a href>
	Plain                  // a URL in the text itself
	Image                  // <img src>, <input type=image>
	Form                   // <form action>, formaction
	Area                   // <area href>
	Refresh                // <meta http-equiv=refresh>
	Style                  // url() in CSS
	Sheet                  // <link href>
	Script                 // <script src>, location assignments and URLs in scripts
	Frame                  // <iframe>, <frame>, <embed>, <object>
	Media                  // <video>, <audio>, <source>
	Background             // the background attribute
	Base                   // <base href>
)

// String names the kind, in one lower-case word.
func (k Kind) String() string {
	names := [...]string{"anchor", "plain", "image", "form", "area", "refresh", "style", "sheet", "script", "frame", "media", "background", "base"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Reset empties p for the next message. Buffers are kept.
func (p *Page) Reset() {
	p.Text, p.Hidden, p.Quoted, p.Title = p.Text[:0], p.Hidden[:0], p.Quoted[:0], p.Title[:0]
	clear(p.Links)
	p.Links, p.Shape, p.Marks, p.read = p.Links[:0], Shape{}, Marks{}, 0
	p.tags, p.r.work = 0, 0
	p.text.reset(p.Text)
	p.hidden.reset(p.Hidden)
	p.quoted.reset(p.Quoted)
	p.title.reset(p.Title)
	p.links.reset()
}

// begin readies the sinks for a part and cuts src to what may be read.
func (p *Page) begin(src []byte) []byte {
	if n := min(MaxSource, MaxSources-p.read); len(src) > n {
		src = src[:n]
		p.Shape.Cut++
	}
	p.read += len(src)
	p.Shape.Parts++
	p.text.open(p.Text, MaxText)
	if p.File {
		p.text.limit = MaxText / 2
	}
	p.hidden.open(p.Hidden, MaxHidden)
	p.quoted.open(p.Quoted, MaxQuoted)
	p.title.open(p.Title, MaxTitle)
	return src
}

// end publishes what a part added.
func (p *Page) end() {
	p.Text, p.Hidden, p.Quoted, p.Title = p.text.buf, p.hidden.buf, p.quoted.buf, p.title.buf
	p.findURLs(&p.text, false, false)
	p.findURLs(&p.hidden, true, false)
	p.findURLs(&p.quoted, false, true)
	p.Links = p.links.publish(p.Links)
	for _, s := range []*sink{&p.text, &p.hidden, &p.quoted} {
		if s.full {
			p.Shape.Cut++
		}
	}
	p.Shape.TextBytes, p.Shape.HiddenBytes = len(p.Text)+len(p.Quoted), len(p.Hidden)
}
