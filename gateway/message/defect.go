package message

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
