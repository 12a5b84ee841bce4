package text

// Shape counts what the parts of a message are made of. Counters are of the
// whole message; each is bounded by the octets read.
type Shape struct {
	Parts         int // text parts added
	HTMLParts     int // of them HTML
	PlainParts    int // of them plain
	CalendarParts int // of them iCalendar
	RTFParts      int // of them Rich Text Format
	Cut           int // times that a bound left something unread or unkept

	SourceBytes int // octets of HTML source
	MarkupBytes int // of them in tags, comments, styles and scripts
	TextBytes   int // octets of visible text, quoted text included
	HiddenBytes int // octets of hidden text

	Tags      int // start tags
	EndTags   int // end tags
	Unknown   int // start tags of names that HTML does not know
	Unclosed  int // elements never closed that should be
	Stray     int // end tags without start
	Depth     int // deepest nesting
	Attrs     int // attributes
	Divs      int // <div>
	Spans     int // <span>
	Fonts     int // <font>
	Paras     int // <p>
	Breaks    int // <br>
	Heads     int // <h1>..<h6>
	Bolds     int // <b>, <strong>
	Centers   int // <center>, align=center
	Lists     int // <ul>, <ol>
	Tables    int // <table>
	Cells     int // <td>, <th>
	Letters   int // cells and inline elements that hold a single letter
	Anchors   int // <a href>
	Images    int // <img>
	Pixels    int // images of at most 2x2 pixels
	DataURLs  int // data: in src, href, url()
	DataBytes int // octets in data: URLs
	CIDs      int // cid: images
	Buttons   int // <button>, <input type=submit|button|image>

	Forms     int // <form>
	Inputs    int // <input>, <textarea>, <select>
	Passwords int // <input type=password>
	Frames    int // <iframe>, <frame>, <object>, <embed>, <applet>
	Scripts   int // <script>
	ScriptLen int // octets of script
	Handlers  int // on... attributes
	JSLinks   int // javascript: and vbscript: targets
	Refresh   int // <meta http-equiv=refresh>
	Bases     int // <base href>
	SVGs      int // <svg>
	SVGScript int // scripts, handlers and foreignObject inside SVG

	Styles      int // <style>
	StyleLen    int // octets of style sheets
	Inline      int // style attributes
	Classes     int // class attributes
	Media       int // @media rules
	Comments    int // comments, declarations left out
	CommentLen  int // octets of comments
	Conditional int // conditional comments of Microsoft
	VML         int // elements of namespaces such as v: and o:
	Fillers     int // invisible characters outside words
	Splits      int // comments and empty elements inside a word
	Entities    int // character references
	LetterRefs  int // character references that stand for ASCII letters and digits

	// Of hidden text, how many pieces are hidden by what; one may have
	// several reasons, the first in this order counts.
	HideDisplay   int // display:none, the hidden attribute, <template>
	HideVisible   int // visibility hidden or collapse, opacity 0, transparent
	HideOffscreen int // positioned, indented or clipped out of sight
	HideBox       int // no width or height, and overflow hidden
	HideTiny      int // letters of at most 1 px
	HideColour    int // letters in the colour of the background
	HideSheet     int // of all these: by a rule of a style sheet

	HideOutlook  int // elements with mso-hide, which hides in Outlook alone
	SmallFonts   int // letters of 2 to 6 px
	BidiOverride int // elements that turn the writing direction
	Preheader    int // octets of hidden text before all visible text

	// Signs of a file made by script inside the page, of decoders, and of
	// leaving the page.
	Smuggle Smuggle
}

// why counts the reason for which text is hidden.
func (s *Shape) why(l *look) {
	switch {
	case l.hide&(hideDisplay|hideContent) != 0, l.tagHide:
		s.HideDisplay++
	case l.unseen, l.hide&(hideFilter|hideMask|hideSecret|hideFill|hideFaint) != 0, l.opacity < leastOpacity, l.fg == clear_:
		s.HideVisible++
	case l.far, l.hide&hidesOffscreen != 0:
		s.HideOffscreen++
	case l.hide&hideBox != 0:
		s.HideBox++
	case l.tiny, l.hide&(hideSpacing|hideLetters) != 0:
		s.HideTiny++
	default:
		s.HideColour++
	}
	if l.sheet {
		s.HideSheet++
	}
}

// Smuggle counts what HTML smuggling and obfuscated scripts are made of.
type Smuggle struct {
	Decoders  int // atob, unescape, decodeURIComponent, fromCharCode, TextDecoder
	Blobs     int // Blob, File, createObjectURL, msSaveBlob, msSaveOrOpenBlob, Uint8Array
	Downloads int // download attributes, .download
	Evals     int // eval, Function, execScript, setTimeout, document.write, innerHTML
	Moves     int // location, window.open
	Keys      int // encryption: CryptoJS, AES, subtle, charCodeAt, xor loops
	Senders   int // fetch, XMLHttpRequest, sendBeacon, ajax
	Long      int // base64 or hex runs of at least MinBlob octets
	LongBytes int // octets in them
	Escapes   int // \x41, \u0041, %41 in scripts
}

// MinBlob is the length, in octets, from which a run of base64 or hex
// characters counts as data.
const MinBlob = 256

// Any tells whether scripts build something: at least two kinds of signs.
func (s *Smuggle) Any() bool {
	n := 0
	for _, c := range []int{s.Decoders, s.Blobs, s.Downloads, s.Evals, s.Moves, s.Keys, s.Long, s.Senders} {
		if c > 0 {
			n++
		}
	}
	return n >= 2
}
