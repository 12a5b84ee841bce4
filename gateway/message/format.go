package message

import (
	"errors"
	"mime"
	"strings"
	"unicode/utf8"
)

const (
	foldAt     = 78  // RFC 5322 section 2.1.1: lines should not be longer
	maxLine    = 998 // and must not be longer than this
	maxNameLen = 76  // a field name with its colon must leave room on a line
)

// ErrFieldName tells that a name cannot be that of a header field.
var ErrFieldName = errors.New("message: not a field name")

// ValidFieldName tells whether name may be that of a field that we add (RFC
// 5322 section 3.6.8; RFC 2045's stricter token characters would refuse names
// in use).
func ValidFieldName(name string) bool {
	if name == "" || len(name) > maxNameLen {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == ':' {
			return false
		}
	}
	return true
}

// CleanValue replaces every control character of a field value by a space, so
// that no value brings a line end or a NUL with it, and bytes that are no
// UTF-8 by question marks. White space at either end goes.
func CleanValue(v string) string {
	clean := true
	for i := range len(v) {
		if c := v[i]; c < ' ' || c >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return strings.Trim(v, " ")
	}
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '?'
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029:
			return ' '
		}
		return r
	}, v), " ")
}

// FormatField returns "name: value" folded, with a final CRLF, for a field
// whose value is unstructured text. Control characters become spaces, text
// beyond ASCII encoded words (RFC 2047), so that the field may be added to
// any message.
func FormatField(name, value string) ([]byte, error) {
	if !ValidFieldName(name) {
		return nil, ErrFieldName
	}
	return AppendFolded(nil, name+": "+EncodeText(value)), nil
}

// EncodeText cleans v and encodes it as words of RFC 2047 when it has
// characters beyond ASCII.
func EncodeText(v string) string {
	return mime.QEncoding.Encode("utf-8", CleanValue(v))
}

// AppendFolded appends a field, "name: value" without line ends, folded
// before white space near 78 octets where it can be and in the middle of a
// word where a line would be longer than 998, and a final CRLF. Line ends in
// the field are kept only where white space follows: they are folds.
func AppendFolded(dst []byte, field string) []byte {
	for {
		line, rest, found := strings.Cut(field, "\r\n")
		if !found || rest == "" || !isWSP(rest[0]) {
			line = oneLine(field)
			dst = appendFoldedLine(dst, strings.TrimRight(line, " \t"))
			return append(dst, '\r', '\n')
		}
		if strings.Trim(line, " \t") != "" {
			dst = appendFoldedLine(dst, oneLine(line))
			dst = append(dst, '\r', '\n')
		}
		field = rest
	}
}

// oneLine replaces line ends by spaces.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
}

// appendFoldedLine folds one line.
func appendFoldedLine(dst []byte, line string) []byte {
	line = shrink(strings.TrimRight(line, " \t"))
	for len(line) > foldAt {
		i := foldPoint(line)
		if i < 0 {
			break
		}
		dst = append(dst, line[:i]...)
		dst = append(dst, '\r', '\n')
		if !isWSP(line[i]) {
			dst = append(dst, ' ')
		}
		line = shrink(line[i:])
	}
	return append(dst, line...)
}

const maxIndent = 8 // white space that a folded line keeps at its beginning

// shrink cuts a long run of white space at the beginning of a line: a line of
// nothing else would look like the end of the header.
func shrink(line string) string {
	n := indent(line)
	return line[max(0, n-maxIndent):]
}

// indent returns the length of the white space that the line begins with.
func indent(line string) int {
	n := 0
	for n < len(line) && isWSP(line[n]) {
		n++
	}
	return n
}

// foldPoint returns where to break a line that ends in text: before the last
// white space within foldAt that has text before it, else before the next,
// else, when the line is longer than any may be, between two characters. -1:
// nowhere.
func foldPoint(line string) int {
	start := indent(line)
	if i := strings.LastIndexAny(line[start:foldAt], " \t"); i > 0 {
		i += start
		for isWSP(line[i-1]) {
			i--
		}
		return i
	}
	window := line[foldAt:min(len(line), maxLine-2)]
	if i := strings.IndexAny(window, " \t"); i >= 0 {
		return foldAt + i
	}
	if len(line) <= maxLine-2 {
		return -1
	}
	i := maxLine - 2
	for i > maxLine-6 && !utf8.RuneStart(line[i]) {
		i--
	}
	return i
}
