package rule

import (
	"bytes"
	"embed"
	"fmt"
	"strings"
	"sync"

	"github.com/gapura-mail/gapura/filters/spam/text"
)

//go:embed lists/*.txt
var listFiles embed.FS

// Bounds of word lists.
const (
	maxLists    = 32
	maxPhrases  = 8192
	maxPrefix   = 40 // octets of a word that ends in a star
	bloomBits   = 1 << 17
	fnvOffset   = 2166136261
	fnvPrime    = 16777619
	phraseWords = maxPhrases / 64
)

// phrase is an entry of a list after its first word.
type phrase struct {
	first  string // the first word; of CJK the whole phrase
	rest   []string
	prefix bool // the last word may go on
	list   uint8
	id     uint16
}

// table finds phrases of all lists in one pass: every word is hashed, and of
// those that some phrase begins with the phrase is compared.
type table struct {
	lists    []string // names, sorted
	docs     []string
	words    map[uint32][]phrase // single words by hash, and a word before a star
	pairs    map[uint32][]phrase // by hashes of the first two words
	prefixes map[uint32][]phrase // single words with a star, by hash up to it
	cjk      map[uint32][]phrase // by hash of the first two characters
	bloom    [bloomBits / 64]uint64
	lengths  uint64 // of prefixes, as bits
	n        int
	known    map[string]bool // list and phrase, while reading
}

// tables are the shipped lists, the same for all.
var tables = sync.OnceValues(readTable)

func readTable() (*table, error) {
	files, err := listFiles.ReadDir("lists")
	if err != nil {
		return nil, err
	}
	t := &table{words: map[uint32][]phrase{}, pairs: map[uint32][]phrase{}, prefixes: map[uint32][]phrase{}, cjk: map[uint32][]phrase{}, known: map[string]bool{}}
	for _, f := range files {
		data, err := listFiles.ReadFile("lists/" + f.Name())
		if err != nil {
			return nil, err
		}
		if err := t.add(strings.TrimSuffix(f.Name(), ".txt"), string(data)); err != nil {
			return nil, fmt.Errorf("rule: lists/%s: %w", f.Name(), err)
		}
	}
	t.known = nil
	return t, nil
}

// add reads one list: a comment that says what it is, then lines "en: phrase,
// phrase", of which a star at the end stands for any ending.
func (t *table) add(name, data string) error {
	if len(t.lists) == maxLists {
		return fmt.Errorf("more than %d lists", maxLists)
	}
	list := uint8(len(t.lists))
	t.lists = append(t.lists, name)
	doc := ""
	for i, line := range strings.Split(data, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			doc = strings.TrimSpace(doc + " " + strings.TrimSpace(comment))
			continue
		}
		lang, phrases, ok := strings.Cut(line, ":")
		if !ok || len(lang) != 2 {
			return fmt.Errorf("line %d does not begin with a language", i+1)
		}
		for p := range strings.SplitSeq(phrases, ",") {
			if err := t.phrase(strings.TrimSpace(p), list); err != nil {
				return fmt.Errorf("line %d: %w", i+1, err)
			}
		}
	}
	t.docs = append(t.docs, doc)
	return nil
}

func (t *table) phrase(s string, list uint8) error {
	s, star := strings.CutSuffix(s, "*")
	folded := text.Fold(nil, []byte(s), nil)
	key := t.lists[list] + " " + string(folded)
	if t.known[key] {
		return nil // several languages have it
	}
	t.known[key] = true
	if t.n == maxPhrases {
		return fmt.Errorf("more than %d phrases", maxPhrases)
	}
	p := phrase{prefix: star, list: list, id: uint16(t.n)}
	t.n++
	if first := bytes.TrimSpace(folded); len(first) >= 6 && ideograph(first) {
		p.first = string(first)
		t.put(t.cjk, hash(first[:6]), p)
		return nil
	}
	var tokens []string
	for i := 0; i < len(folded); {
		start, end, _ := token(folded, i)
		if end == start {
			break
		}
		tokens = append(tokens, string(folded[start:end]))
		i = end
	}
	if len(tokens) == 0 || len(tokens[0]) > 40 {
		return fmt.Errorf("%q has no word", s)
	}
	p.first, p.rest = tokens[0], tokens[1:]
	if n := len(p.rest); n > 1 || n == 1 && !star {
		t.put(t.pairs, pair(hash([]byte(p.first)), hash([]byte(p.rest[0]))), p)
		return nil
	}
	if len(p.rest) > 0 || !star {
		t.put(t.words, hash([]byte(p.first)), p)
		return nil
	}
	if len(p.first) > maxPrefix || len(p.first) < 3 {
		return fmt.Errorf("%q is too long or short before its star", s)
	}
	t.lengths |= 1 << len(p.first)
	t.put(t.prefixes, hash([]byte(p.first)), p)
	return nil
}

func (t *table) put(in map[uint32][]phrase, h uint32, p phrase) {
	in[h] = append(in[h], p)
	t.bloom[h%bloomBits/64] |= 1 << (h % 64)
}

func hash(b []byte) uint32 {
	h := uint32(fnvOffset)
	for _, c := range b {
		h = (h ^ uint32(c)) * fnvPrime
	}
	return h
}

// pair mixes the hashes of two words that follow each other.
func pair(a, b uint32) uint32 {
	h := a*0x9e3779b1 ^ b
	return h ^ h>>15
}

func (t *table) maybe(h uint32) bool { return t.bloom[h%bloomBits/64]&(1<<(h%64)) != 0 }

// Classes of octets: how many a character has, and whether it is of a word.
const (
	gap  = iota // one octet that is of no word
	ch1         // ASCII letter or digit
	ch2         // first of two
	ch3         // first of three
	gap2        // first of two that are of no word
	gap3
	gap4
	cjk3 // first of three, an ideograph, kana or hangul
)

var classes = func() (c [256]uint8) {
	for i := range c {
		switch {
		case alnum(byte(i)):
			c[i] = ch1
		case i < 0xc2:
			c[i] = gap
		case i == 0xc2:
			c[i] = gap2
		case i < 0xe0:
			c[i] = ch2
		case i <= 0xe1:
			c[i] = ch3
		case i == 0xe2 || i == 0xee || i == 0xef:
			c[i] = gap3
		case i < 0xf0:
			c[i] = cjk3
		default:
			c[i] = gap4
		}
	}
	return c
}()

var widths = [...]int{gap: 1, ch1: 1, ch2: 2, ch3: 3, gap2: 2, gap3: 3, gap4: 4, cjk3: 3}

func letter(c byte) bool {
	k := classes[c]
	return k == ch1 || k == ch2 || k == ch3 || c >= 0x80 && c < 0xc0
}

func ideograph(s []byte) bool {
	return classes[s[0]] == cjk3 && (s[0] != 0xe3 || s[1] != 0x80) && classes[s[3]] == cjk3
}

// arabicStop tells whether two octets are an Arabic comma, semicolon or
// question mark.
func arabicStop(a, b byte) bool { return a == 0xd8 && (b == 0x8c || b == 0x9b || b == 0x9f) }

// token returns the next word of s from i on, and its hash; CJK is skipped.
func token(s []byte, i int) (start, end int, h uint32) {
	for i < len(s) {
		k := classes[s[i]]
		if k == ch1 || k == ch3 || k == ch2 && (i+1 >= len(s) || !arabicStop(s[i], s[i+1])) {
			break
		}
		i += widths[k]
	}
	start = min(i, len(s))
	h = fnvOffset
	for i = start; i < len(s); {
		k := classes[s[i]]
		if k != ch1 && k != ch2 && k != ch3 || k == ch2 && i+1 < len(s) && arabicStop(s[i], s[i+1]) {
			break
		}
		for n := min(i+widths[k], len(s)); i < n; i++ {
			h = (h ^ uint32(s[i])) * fnvPrime
		}
	}
	return start, i, h
}

// wordCount is how many phrases of each list a message has, each once.
type wordCount struct {
	t                    *table
	last                 uint32 // hash of the word before
	lastStart, lastEnd   int    // where that stands; lastStart < 0: there is none
	subject, total, name [maxLists]uint8
	seen                 [phraseWords]uint64
	noted                uint32 // lists that the word in hand has counted for
}

// where is the text that words stand in.
type where uint8

const (
	inSubject where = iota
	inText
	inName // counts apart, and repeated ones too
)

func (w *wordCount) reset() {
	w.subject, w.total, w.name = [maxLists]uint8{}, [maxLists]uint8{}, [maxLists]uint8{}
	clear(w.seen[:w.t.n/64+1])
}

// note counts a phrase. A word counts once for a list: stems of several
// languages are alike.
func (w *wordCount) note(p *phrase, at where) {
	if at == inName {
		w.name[p.list] = min(w.name[p.list]+1, 254)
		return
	}
	if w.seen[p.id/64]&(1<<(p.id%64)) != 0 {
		return
	}
	w.seen[p.id/64] |= 1 << (p.id % 64)
	if w.noted&(1<<p.list) != 0 {
		return
	}
	w.noted |= 1 << p.list
	if w.total[p.list] < 255 {
		w.total[p.list]++
		if at == inSubject {
			w.subject[p.list]++
		}
	}
}

// scan looks for the phrases of all lists in folded text.
func (w *wordCount) scan(s []byte, at where) {
	t := w.t
	w.lastStart = -1
	for i := 0; i < len(s); {
		switch k := classes[s[i]]; k {
		case ch1, ch2, ch3:
			i = w.word(s, i, at)
		case cjk3:
			if i+6 <= len(s) {
				w.noted = 0
				if h := hash(s[i : i+6]); t.maybe(h) {
					w.ideographs(t.cjk[h], s[i:], at)
				}
			}
			i += 3
		default:
			i += widths[k]
		}
	}
}

func (w *wordCount) ideographs(list []phrase, s []byte, at where) {
	for i := range list {
		if p := &list[i]; len(s) >= len(p.first) && string(s[:len(p.first)]) == p.first {
			w.note(p, at)
		}
	}
}

// word looks at the word that begins at i and returns where it ends.
func (w *wordCount) word(s []byte, start int, at where) int {
	t := w.t
	w.noted = 0
	h, i := uint32(fnvOffset), start
	for i < len(s) {
		c := s[i]
		k := classes[c]
		if c < 0x80 {
			if k != ch1 {
				break
			}
			h = (h ^ uint32(c)) * fnvPrime
			i++
		} else {
			if k != ch2 && k != ch3 || i+1 < len(s) && arabicStop(c, s[i+1]) {
				break
			}
			for n := min(i+widths[k], len(s)); i < n; i++ {
				h = (h ^ uint32(s[i])) * fnvPrime
			}
		}
		if n := i - start; n <= maxPrefix && t.lengths>>n&1 != 0 && t.maybe(h) {
			for j, list := 0, t.prefixes[h]; j < len(list); j++ {
				if p := &list[j]; string(s[start:i]) == p.first {
					w.note(p, at)
				}
			}
		}
	}
	if i == start { // an Arabic comma
		return start + widths[classes[s[start]]]
	}
	if t.maybe(h) {
		for j, list := 0, t.words[h]; j < len(list); j++ {
			if p := &list[j]; string(s[start:i]) == p.first && p.follows(s, i) {
				w.note(p, at)
			}
		}
	}
	if w.lastStart >= 0 && start-w.lastEnd <= maxBetween {
		if two := pair(w.last, h); t.maybe(two) {
			for j, list := 0, t.pairs[two]; j < len(list); j++ {
				if p := &list[j]; string(s[w.lastStart:w.lastEnd]) == p.first && p.follows(s, w.lastEnd) {
					w.note(p, at)
				}
			}
		}
	}
	w.last, w.lastStart, w.lastEnd = h, start, i
	return i
}

// maxBetween bounds the octets between two words of a phrase.
const maxBetween = 4

// follows tells whether the other words of the phrase stand at i.
func (p *phrase) follows(s []byte, i int) bool {
	for k, want := range p.rest {
		start, end, _ := token(s, i)
		if start-i > maxBetween {
			return false
		}
		got := s[start:end]
		if p.prefix && k == len(p.rest)-1 && len(got) > len(want) {
			got = got[:len(want)]
		}
		if string(got) != want {
			return false
		}
		i = end
	}
	return true
}
