package link

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// brands is the list of brands, made for look-ups.
type brands struct {
	list    []brand
	words   []brandWord
	exact   map[string]int32    // word
	edits   map[string][]int32  // word with one letter less
	starts  map[[4]byte][]int32 // first four letters of words that may be inside others
	own     map[string][]int32  // domain -> brands
	ownWild map[string][]int32
	byKey   map[string]int32
	baits   map[string]bool // words that lures put beside a brand's
	plain   map[string]bool // words of their own, one letter from a brand's
	others  map[string]bool // two words: names that begin with a brand's
}

type brand struct {
	key     string
	domains []string // explicit ones
	under   []string // suffixes under which many own a domain with the word: local savings banks
}

type brandWord struct {
	text  string
	brand int32
	mode  wordMode
}

type wordMode uint8

const (
	inside    wordMode = 1 << iota // also inside longer labels
	nearly                         // also with one letter wrong
	ambiguous                      // a common word
	phrase                         // written as several words
)

// minNearly is the shortest word for which one wrong letter is looked at.
const minNearly = 6

// read builds the tables from the list.
func (b *brands) read() {
	b.exact, b.edits, b.starts = map[string]int32{}, map[string][]int32{}, map[[4]byte][]int32{}
	b.baits, b.plain, b.others = set("baits"), set("plainwords"), map[string]bool{}
	for name := range lines("plainnames") {
		b.others[name] = true
	}
	b.own, b.ownWild, b.byKey = map[string][]int32{}, map[string][]int32{}, map[string]int32{}
	for line := range lines("brands") {
		key, rest, _ := strings.Cut(line, "|")
		words, domains, _ := strings.Cut(rest, "|")
		i := int32(len(b.list))
		x := brand{key: strings.TrimSpace(key)}
		b.byKey[x.key] = i
		for d := range strings.FieldsSeq(domains) {
			if name, ok := strings.CutSuffix(d, ".*"); ok {
				b.ownWild[name] = append(b.ownWild[name], i)
				d = name + ".com"
			} else if suffix, ok := strings.CutPrefix(d, "*."); ok {
				x.under = append(x.under, suffix)
				continue
			}
			if !slices.Contains(x.domains, d) {
				x.domains = append(x.domains, d)
				b.own[d] = append(b.own[d], i)
			}
		}
		b.list = append(b.list, x)
		for w := range strings.FieldsSeq(words) {
			b.addWord(w, i)
		}
	}
}

func (b *brands) addWord(w string, brand int32) {
	var mode wordMode
	for len(w) > 0 {
		m, ok := map[byte]wordMode{'*': inside, '~': nearly, '?': ambiguous}[w[len(w)-1]]
		if !ok {
			break
		}
		mode, w = mode|m, w[:len(w)-1]
	}
	if strings.ContainsAny(w, "+.") {
		w, mode = strings.NewReplacer("+", "", ".", "").Replace(w), mode|phrase
	}
	if i, there := b.exact[w]; there { // the first brand has it
		b.words[i].mode |= mode & phrase
		return
	}
	i := int32(len(b.words))
	b.words = append(b.words, brandWord{w, brand, mode})
	b.exact[w] = i
	if len(w) >= 4 && mode&(inside|ambiguous) != 0 {
		k := [4]byte([]byte(w[:4]))
		b.starts[k] = append(b.starts[k], i)
	}
	if mode&nearly != 0 && len(w) >= minNearly {
		for j := range len(w) {
			less := w[:j] + w[j+1:]
			b.edits[less] = append(b.edits[less], i)
		}
	}
}

// owns reports whether domain, a registrable one, is of a brand: of the one
// given, or of any if that is negative.
func (b *brands) owns(which int32, domain string) bool {
	if owners := b.own[domain]; len(owners) > 0 && (which < 0 || slices.Contains(owners, which)) {
		return true
	}
	name, suffix, _ := strings.Cut(domain, ".")
	if owners := b.ownWild[name]; len(owners) > 0 && national(suffix) && (which < 0 || slices.Contains(owners, which)) {
		return true
	}
	return which >= 0 && slices.Contains(b.list[which].under, suffix)
}

// near returns the word of which s has one letter too few, too many, wrong, or
// two swapped, or -1.
func (b *brands) near(s []byte) int32 {
	if len(s) < minNearly-1 || len(s) > 24 || b.plain[string(s)] {
		return -1
	}
	for _, i := range b.edits[string(s)] {
		return i // one too few
	}
	var buf [24]byte
	less := buf[:len(s)-1]
	for j := range s {
		copy(less, s[:j])
		copy(less[j:], s[j+1:])
		if i, ok := b.exact[string(less)]; ok && b.words[i].mode&nearly != 0 && len(less) >= minNearly {
			return i // one too many
		}
		for _, i := range b.edits[string(less)] {
			if oneEdit(string(s), b.words[i].text) {
				return i
			}
		}
	}
	return -1
}

// oneEdit reports whether two words of one length differ in one letter or two
// swapped neighbours.
func oneEdit(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if i == len(a) || a[i+1:] == b[i+1:] {
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// maxWords bounds what Brand reads: more than any display name has.
const maxWords = 1 << 10

// Brand returns the key of the brand that words, a display name or a line of
// text, speak of, or "". Look-alike letters and digits count as what they look
// like; common words (Apple, Chase) count alone or beside words such as
// "support". It reads the first KiB.
func Brand(words string) string {
	if words == "" {
		return ""
	}
	t := lists()
	return t.names.get(words, t.brands.spokenOf)
}

// spokenOf returns the brand that words speak of.
func (b *brands) spokenOf(words string) string {
	var buf [maxWords]byte
	folded := foldWords(buf[:0], words)
	var ends [4]int // of up to four words from start
	for start := 0; start < len(folded); {
		n := 0
		for i := start; i <= len(folded) && n < 4; i++ {
			if i == len(folded) || folded[i] == ' ' {
				ends[n] = i
				n++
			}
		}
		for ; n > 0; n-- {
			if i := b.named(folded, start, ends[n-1]); i >= 0 {
				return b.list[b.words[i].brand].key
			}
		}
		start = ends[0] + 1
	}
	return ""
}

// named returns the word that folded[start:end] is, its blanks left out, or -1.
func (b *brands) named(folded []byte, start, end int) int32 {
	var buf [48]byte
	joined := buf[:0]
	initial := false // a word of one letter: J. Smith
	for i, c := range folded[start:end] {
		if c == ' ' {
			initial = initial || len(joined) == 1 || i >= 2 && folded[start+i-2] == ' '
		} else {
			if len(joined) == cap(joined) {
				return -1
			}
			joined = append(joined, c)
		}
	}
	one := len(joined) == end-start
	initial = initial || !one && folded[end-2] == ' '
	i, ok := b.exact[string(joined)]
	switch {
	case ok && one && b.other(folded, start, end):
		return -1
	case ok && b.words[i].mode&ambiguous != 0:
		if start == 0 && end == len(folded) || b.baitBeside(folded, start, end) {
			return i
		}
		return -1
	case ok && (one || len(joined) >= 4 && !initial || b.words[i].mode&phrase != 0):
		return i
	case !one:
		return -1
	}
	if s := skeleton(joined); s != nil {
		if i, ok := b.exact[string(s)]; ok && len(s) >= 4 {
			return i
		}
		joined = s
	}
	return b.near(joined)
}

// other reports whether folded[start:end] and the next word are the name of
// somebody else.
func (b *brands) other(folded []byte, start, end int) bool {
	if end == len(folded) {
		return false
	}
	next := slices.Index(folded[end+1:], ' ')
	if next < 0 {
		next = len(folded) - end - 1
	}
	return b.others[string(folded[start:end+1+next])]
}

// baitBeside reports whether a word beside folded[start:end] is a lure's.
func (b *brands) baitBeside(folded []byte, start, end int) bool {
	after := folded[min(end+1, len(folded)):]
	if i := slices.Index(after, ' '); i >= 0 {
		after = after[:i]
	}
	before := folded[:max(start-1, 0)]
	for i := len(before) - 1; i >= 0; i-- {
		if before[i] == ' ' {
			before = before[i+1:]
			break
		}
	}
	return b.baits[string(after)] || b.baits[string(before)]
}

// foldWords appends s in lower-case ASCII, one blank between words.
func foldWords(dst []byte, s string) []byte {
	for _, r := range s {
		if len(dst) == cap(dst) {
			break
		}
		if invisible(r) || unicode.Is(unicode.Mn, r) || r == '\'' || r == '’' {
			continue
		}
		c := byte(' ')
		switch {
		case r < utf8.RuneSelf:
			c = byte(r)
			if 'A' <= c && c <= 'Z' {
				c |= 0x20
			}
		default:
			if c = fold(unicode.ToLower(r)); c == 0 {
				c = ' '
				if unicode.IsLetter(r) {
					c = 0xff // a letter, but none of ours
				}
			}
		}
		if !isLetter(c) && !isDigit(c) && c != 0xff {
			if len(dst) == 0 || dst[len(dst)-1] == ' ' {
				continue
			}
			c = ' '
		}
		dst = append(dst, c)
	}
	if n := len(dst); n > 0 && dst[n-1] == ' ' {
		dst = dst[:n-1]
	}
	return dst
}

// Owns reports whether host or domain is the brand's own, or below such.
func Owns(brand, host string) bool {
	b := &lists().brands
	i, ok := b.byKey[brand]
	if !ok {
		return false
	}
	domain, _ := Registrable(host)
	return b.owns(i, domain)
}

// Famous reports whether domain, a registrable one, is a brand's own, whichever
// it is: no list of bad domains has it.
func Famous(domain string) bool { return lists().brands.owns(-1, domain) }
