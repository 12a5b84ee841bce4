package index

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// AppendFold appends the fold of s, which is i;unicode-casemap (RFC 5051):
// title case, decomposed for compatibility. Two texts are equal for SEARCH,
// SORT and THREAD if their folds are, and one is in the other if its fold is.
// It takes time linear in the length of s. Octets that are no UTF-8 are
// replaced by U+FFFD.
func AppendFold[T string | []byte](dst []byte, s T) []byte {
	i := 0
	for i < len(s) && s[i] < utf8.RuneSelf {
		c := s[i]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		dst = append(dst, c)
		i++
	}
	if i == len(s) {
		return dst
	}
	var title []byte
	for _, r := range string(s[i:]) {
		title = utf8.AppendRune(title, unicode.ToTitle(r))
	}
	n := len(dst)
	dst = norm.NFKD.Append(dst, title...)
	// What decomposition brings forth may have another case: ﬁ becomes fi.
	for k := n; k < len(dst); k++ {
		if c := dst[k]; c >= 'a' && c <= 'z' {
			dst[k] = c - ('a' - 'A')
		}
	}
	return dst
}
