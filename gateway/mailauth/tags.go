package mailauth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Tag is one tag=value of a tag-list.
type Tag struct {
	Name  string
	Value string // without white space at either end; folds inside as they came

	// Where the value with all white space around it lies in the list.
	start, end int
}

// TagList is a parsed tag-list, in order, without repeated names.
type TagList []Tag

// maxTags bounds the tags of one list.
const maxTags = 64

// ErrTagList says that a tag-list does not follow the grammar; errors of
// ParseTagList wrap it.
var ErrTagList = errors.New("malformed tag-list")

// ParseTagList reads a tag-list (RFC 6376 section 3.2): names are case
// sensitive, repeated names and empty tags an error, one semicolon may end it.
// Values may hold UTF-8 (RFC 8616). More than 64 tags are an error.
func ParseTagList(s string) (TagList, error) {
	l := make(TagList, 0, 12)
	for pos := 0; ; {
		end := strings.IndexByte(s[pos:], ';')
		last := end < 0
		if last {
			end = len(s)
		} else {
			end += pos
		}
		if last && len(l) > 0 && trimFWS(s[pos:end]) == "" { // the optional last semicolon
			return l, nil
		}
		t, err := parseTag(s, pos, end)
		if err != nil {
			return nil, err
		}
		if _, dup := l.Get(t.Name); dup {
			return nil, fmt.Errorf("%w: %s= twice", ErrTagList, t.Name)
		}
		if len(l) == maxTags {
			return nil, fmt.Errorf("%w: more than %d tags", ErrTagList, maxTags)
		}
		if l = append(l, t); last {
			return l, nil
		}
		pos = end + 1
	}
}

// parseTag reads the tag-spec s[pos:end].
func parseTag(s string, pos, end int) (Tag, error) {
	eq := strings.IndexByte(s[pos:end], '=')
	if eq < 0 {
		return Tag{}, fmt.Errorf("%w: %q has no =", ErrTagList, shorten(trimFWS(s[pos:end])))
	}
	t := Tag{Name: trimFWS(s[pos : pos+eq]), start: pos + eq + 1, end: end}
	if !validTagName(t.Name) {
		return Tag{}, fmt.Errorf("%w: %q is no tag name", ErrTagList, shorten(t.Name))
	}
	t.Value = trimFWS(s[t.start:end])
	if !validTagValue(s[t.start:end]) {
		return Tag{}, fmt.Errorf("%w: %s= has a character that is not allowed", ErrTagList, t.Name)
	}
	return t, nil
}

func validTagName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if letter := 'a' <= c|0x20 && c|0x20 <= 'z'; !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// validTagValue takes the value with the white space around it: printable
// characters, and CR and LF as line ends only.
func validTagValue(s string) bool {
	ascii := true
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x80:
			ascii = false
		case c == '\r':
			if i+1 == len(s) || s[i+1] != '\n' {
				return false
			}
		case c == '\n':
			if i == 0 || s[i-1] != '\r' {
				return false
			}
		case c < ' ' && c != '\t' || c == 0x7f:
			return false
		}
	}
	return ascii || utf8.ValidString(s)
}

// Get returns the value of the tag called name.
func (l TagList) Get(name string) (string, bool) {
	for i := range l {
		if l[i].Name == name {
			return l[i].Value, true
		}
	}
	return "", false
}

// find returns the tag called name; its zero value when it is not there.
func (l TagList) find(name string) Tag {
	for _, t := range l {
		if t.Name == name {
			return t
		}
	}
	return Tag{}
}

// String returns the list in one line; ParseTagList of it gives the same tags
// when no value has folds.
func (l TagList) String() string {
	var b strings.Builder
	for i, t := range l {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(t.Name + "=" + t.Value)
	}
	return b.String()
}

func isFWS(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func trimFWS(s string) string { return strings.Trim(s, " \t\r\n") }

// stripFWS removes all white space.
func stripFWS(s string) string {
	if !strings.ContainsAny(s, " \t\r\n") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		if !isFWS(s[i]) {
			b = append(b, s[i])
		}
	}
	return string(b)
}

// decodeBase64 decodes base64 with white space anywhere, whose padding may be
// missing (RFC 6376 section 2.10, base64string).
func decodeBase64(s string) ([]byte, error) {
	s = stripFWS(s)
	for i := 0; i < 2 && strings.HasSuffix(s, "="); i++ {
		s = s[:len(s)-1]
	}
	return base64.RawStdEncoding.DecodeString(s)
}

// colonList splits a colon-separated list and trims its items; "" gives none.
func colonList(s string) []string {
	if trimFWS(s) == "" {
		return nil
	}
	items := strings.Split(s, ":")
	for i := range items {
		items[i] = trimFWS(items[i])
	}
	return items
}

// shorten cuts text for a reason.
func shorten(s string) string {
	if len(s) > 40 {
		return s[:40]
	}
	return s
}
