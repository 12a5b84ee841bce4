package expr

import (
	"strings"
	"unicode/utf8"
)

// style is how a scalar was written.
type style uint8

const (
	plain style = iota
	single
	double
	literal // |
	folded  // >
)

// Text is a scalar of a file that knows where each of its characters
// came from, so that an error inside a condition has a place in the file.
type Text struct {
	File  *File
	Value string
	Pos   Position // of the first character, the quote, or | and >
	style style
}

// Plain returns a text of a file that stands at pos as it is.
func Plain(f *File, value string, pos Position) Text { return Text{f, value, pos, plain} }

// At returns the place in the file of the character number n of the value.
func (t Text) At(n int) Position {
	if t.style == literal {
		return t.atLiteral(n)
	}
	i := t.File.offset(t.Pos)
	switch t.style {
	case single, double:
		i++
	case folded:
		i = t.File.offset(Position{t.Pos.Line + 1, 1})
	}
	return t.File.position(t.align(i, []rune(t.Value), n))
}

// atLiteral finds the place in a block literal: its lines are those of the
// file, less the indentation.
func (t Text) atLiteral(n int) Position {
	value := []rune(t.Value)
	before := string(value[:min(n, len(value))])
	row := strings.Count(before, "\n")
	col := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	ours := t.Value
	for range row {
		_, ours, _ = strings.Cut(ours, "\n")
	}
	ours, _, _ = strings.Cut(ours, "\n")
	line := t.Pos.Line + 1 + row
	indent := utf8.RuneCount(t.File.line(line)) - utf8.RuneCountInString(ours)
	return Position{line, max(indent, 0) + col + 1}
}

// align walks over the source from offset i beside the first n characters of
// the value and returns where it got to: folds, escapes and doubled quotes
// take more of the source than of the value.
func (t Text) align(i int, value []rune, n int) int {
	src := t.File.data
	for k := 0; k < n && k < len(value) && i < len(src); {
		i = t.continued(i)
		r, size := utf8.DecodeRune(src[i:])
		switch {
		case isSpace(r) && (foldAt(src[i:]) || !isSpace(value[k])):
			for i < len(src) && isSpace(rune(src[i])) {
				i++
			}
			for k < n && k < len(value) && isSpace(value[k]) {
				k++
			}
		case t.style == double && r == '\\':
			i += escapeLen(src[i:])
			k++
		case t.style == single && r == '\'':
			i += 2
			k++
		default:
			i += size
			k++
		}
	}
	i = t.continued(i)
	if i < len(src) && n < len(value) && !isSpace(value[n]) {
		for i < len(src) && isSpace(rune(src[i])) {
			i++
		}
	}
	return min(i, len(src))
}

// continued steps over a line end that a backslash takes away.
func (t Text) continued(i int) int {
	src := t.File.data
	if t.style != double || !strings.HasPrefix(string(src[i:min(i+2, len(src))]), "\\\n") {
		return i
	}
	for i++; i < len(src) && isSpace(rune(src[i])); i++ {
	}
	return i
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }

// foldAt tells whether a run of white space has a line end in it.
func foldAt(src []byte) bool {
	for _, c := range src {
		if c == '\n' {
			return true
		}
		if !isSpace(rune(c)) {
			return false
		}
	}
	return false
}

// escapeLen returns the length of an escape sequence of double quotes.
func escapeLen(src []byte) int {
	if len(src) < 2 {
		return 1
	}
	switch src[1] {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	}
	return 2
}
