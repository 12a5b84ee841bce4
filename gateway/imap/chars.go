package imap

// Classes of octets (RFC 9051 section 9).
const (
	classAtom    = 1 << iota // ATOM-CHAR
	classAstring             // ASTRING-CHAR: ATOM-CHAR and "]"
	classList                // list-char: ATOM-CHAR, wildcards, "]"
	classTag                 // ASTRING-CHAR without "+"
	classText                // TEXT-CHAR but DQUOTE and "\": as it is within quotes
)

// classes is a constant table of what each octet may be.
var classes = func() (t [256]uint8) {
	for c := range t {
		if c > 0x7e || c <= ' ' {
			continue
		}
		switch c {
		case '(', ')', '{', '"', '\\':
			continue
		case '%', '*':
			t[c] = classList
			continue
		case ']':
			t[c] = classAstring | classList | classTag
			continue
		case '+':
			t[c] = classAtom | classAstring | classList
			continue
		}
		t[c] = classAtom | classAstring | classList | classTag
	}
	for c := 0x80; c < 0x100; c++ {
		// Not in the grammar, but clients send names in UTF-8 unquoted;
		// whoever takes text checks that it is UTF-8.
		t[c] = classAstring | classList
	}
	for c := range t {
		if c != 0 && c != '\r' && c != '\n' && c != '"' && c != '\\' {
			t[c] |= classText
		}
	}
	return t
}()

func is(c byte, class uint8) bool { return classes[c]&class != 0 }

func isDigit(c byte) bool { return c-'0' <= 9 }

func upper(c byte) byte {
	if c-'a' < 26 {
		return c - 32
	}
	return c
}

// equalFold compares b with word, which is in upper case, in ASCII.
func equalFold[T []byte | string](b T, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range len(b) {
		if upper(b[i]) != word[i] {
			return false
		}
	}
	return true
}
