package message

// Field is one header field as it came.
type Field struct {
	Name string // as written, without the colon or white space before it
	Raw  []byte // the whole field with its folds and final CRLF
}

// Header is an index over the raw bytes of a header block (RFC 5322 section
// 2.2), which stay as they came.
type Header struct {
	raw    []byte
	fields []Field
}

// Raw returns the header block without the empty line that ends it.
func (h *Header) Raw() []byte { return h.raw }

// Fields returns the fields in order of appearance, the topmost first.
func (h *Header) Fields() []Field { return h.fields }
