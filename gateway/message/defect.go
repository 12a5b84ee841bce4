package message

import "strings"

// Defect is one thing that is wrong with a message, or that readers take
// differently.
type Defect struct {
	Name   DefectName
	Path   string // of the part, as in PartInfo; "" : the message's own header
	Detail string // what is wrong, printable and short; may be ""
}

// DefectName names a kind of defect; docs/mime.md lists them.
type DefectName string

// Defects of header blocks.
const (
	DefectNoField          DefectName = "no-field"           // a line of the header that is no field
	DefectSpaceBeforeColon DefectName = "space-before-colon" // white space between field name and colon
	DefectNUL              DefectName = "nul"                // NUL in a header field
	DefectBareLF           DefectName = "bare-lf"            // a header line that ends in LF alone
	DefectBareCR           DefectName = "bare-cr"            // CR without LF in a header line
	DefectBlankFold        DefectName = "blank-fold"         // a folded line of white space alone
)

const (
	maxDefectKinds  = 32 // at least as many as there are names
	maxSameDefect   = 4  // of one kind that a header keeps
	maxDefectDetail = 64 // octets
)

// defect notes one; at most maxSameDefect of a kind are kept.
func (h *Header) defect(name DefectName, detail []byte) {
	n := 0
	for _, d := range h.defects {
		if d.Name == name {
			n++
		}
	}
	if n < maxSameDefect {
		h.defects = append(h.defects, Defect{Name: name, Detail: printable(detail)})
	}
}

// printable cuts b and replaces what does not belong on a terminal.
func printable(b []byte) string {
	b = b[:min(len(b), maxDefectDetail)]
	out := make([]byte, 0, len(b))
	for _, c := range b {
		switch {
		case c == '\r' || c == '\n':
			c = ' '
		case c < ' ' || c > '~':
			c = '?'
		}
		out = append(out, c)
	}
	for len(out) > 0 && out[len(out)-1] == ' ' {
		out = out[:len(out)-1]
	}
	return string(out)
}

// printed is printable, of what is so already most times.
func printed(s string) string {
	if len(s) <= maxDefectDetail && (s == "" || s[len(s)-1] != ' ') && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return s
	}
	return printable([]byte(s))
}

// Defects that a walk finds. Those that readers take differently say so in
// Walker.Readings too.
const (
	DefectBadType         DefectName = "bad-content-type"     // Content-Type that is no media type
	DefectBadEncoding     DefectName = "bad-encoding"         // unknown Content-Transfer-Encoding
	DefectDuplicate       DefectName = "conflicting-fields"   // Content- fields or parameters that readers take differently
	DefectNoBoundary      DefectName = "no-boundary"          // multipart without boundary
	DefectNoParts         DefectName = "no-parts"             // multipart whose boundary never comes
	DefectNoClose         DefectName = "no-closing-boundary"  // the last boundary of a multipart is missing
	DefectLongBoundary    DefectName = "long-boundary"        // a boundary above 1000 octets
	DefectBoundaryPrefix  DefectName = "boundary-prefix"      // a line that begins with a boundary and goes on
	DefectAfterClose      DefectName = "part-after-close"     // a boundary after the closing one
	DefectBoundaryCR      DefectName = "boundary-after-cr"    // a boundary after CR without LF
	DefectNoHeaderEnd     DefectName = "no-header-end"        // a part whose text begins without an empty line
	DefectHeaderLimit     DefectName = "header-limit"         // a part's header is above a bound
	DefectDepthLimit      DefectName = "depth-limit"          // containers within each other above the bound
	DefectPartLimit       DefectName = "part-limit"           // more parts than the bound
	DefectBase64Garbage   DefectName = "base64-garbage"       // characters in base64 that are none
	DefectBase64After     DefectName = "base64-after-padding" // base64 goes on after its padding
	DefectBadQP           DefectName = "bad-quoted-printable" // = without two hexadecimal digits
	DefectEncodedMulti    DefectName = "encoded-multipart"    // multipart with an encoding of its own (RFC 2045 section 6.4)
	DefectPartial         DefectName = "message-partial"      // a piece of a message (RFC 2046 section 5.2.2)
	DefectExternalBody    DefectName = "external-body"        // the content is elsewhere (RFC 2046 section 5.2.3)
	DefectUuencodedInText DefectName = "uuencode-in-text"     // a file within text; it is a part of its own
)
