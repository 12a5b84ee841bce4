package imap

// Literal is the head of a literal, as `{310}`, `{310+}`, `{310-}` or
// `~{310}` at the end of a line (RFC 9051 section 4.3, RFC 7888, RFC 3516).
type Literal struct {
	Size    int64 // octets that follow the line end
	NonSync bool  // {n+}, {n-}: they come without being asked for
	Binary  bool  // ~{n}: they may hold NUL
	Head    int   // octets of the head itself, at the end of the line
}

// maxLiteralDigits bounds a literal's number: more cannot be meant.
const maxLiteralDigits = 18

// LiteralAtEnd finds the head of a literal at the end of line, which is
// without its CRLF. ok is false where there is none.
func LiteralAtEnd(line []byte) (lit Literal, ok bool) {
	i := len(line) - 1
	if i < 2 || line[i] != '}' {
		return lit, false
	}
	i--
	if line[i] == '+' || line[i] == '-' {
		lit.NonSync = true
		i--
	}
	end := i
	for i >= 0 && isDigit(line[i]) {
		i--
	}
	if i == end || end-i > maxLiteralDigits || i < 0 || line[i] != '{' {
		return Literal{}, false
	}
	for _, c := range line[i+1 : end+1] {
		lit.Size = lit.Size*10 + int64(c-'0')
	}
	if i > 0 && line[i-1] == '~' && (i == 1 || isBreak(line[i-2])) {
		lit.Binary = true
		i--
	}
	lit.Head = len(line) - i
	return lit, true
}

// isBreak says that c stands before a string, so that a ~ after it belongs to
// a literal8 and not to an atom.
func isBreak(c byte) bool { return c == ' ' || c == '(' }

// literalHead reads the head of a literal and its line end at the beginning
// of b. more says that b ends there or earlier: the octets are not in b.
func literalHead(b []byte) (lit Literal, n int, ok bool) {
	if n < len(b) && b[n] == '~' {
		lit.Binary = true
		n++
	}
	if n >= len(b) || b[n] != '{' {
		return lit, 0, false
	}
	n++
	start := n
	for n < len(b) && isDigit(b[n]) && n-start < maxLiteralDigits {
		lit.Size = lit.Size*10 + int64(b[n]-'0')
		n++
	}
	if n == start || n >= len(b) {
		return lit, 0, false
	}
	if b[n] == '+' || b[n] == '-' {
		lit.NonSync = true
		n++
	}
	if n >= len(b) || b[n] != '}' {
		return lit, 0, false
	}
	n++
	lit.Head = n
	return lit, n, true
}
