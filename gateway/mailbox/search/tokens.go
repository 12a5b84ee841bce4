package search

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"
)

// tokensVersion is that of what follows: an index of another is made anew.
const tokensVersion = 2

const (
	maxWord    = 250    // octets of a word; who has longer ones is a candidate always
	maxGrams   = 12     // of a pattern that are asked for
	maxPattern = 1024   // octets of a folded pattern that are looked at for tokens
	maxTokens  = 60_000 // of an object; who has more is a candidate always
	pairBits   = 15     // of the hash of a pair: few, to be shared by many objects
)

// The kinds of tokens are their first octets, which no text has.
const (
	kindHeader = 1 // a word of the header
	kindBody   = 2 // a word of the body
	kindGram   = 3 // three characters, one at least no letter; one or two of wide ones
	kindPair   = 4 // two words next to each other
	kindAll    = 5 // what has it is a candidate always
)

var everything = []byte{kindAll}

// wide tells of characters of which one or two make a word.
func wide(r rune) bool {
	return r >= 0x2e80 && r < 0xa4d0 || r >= 0xf900 && r < 0xfb00 || r >= 0x20000 && r < 0x32000 || r >= 0xe00 && r < 0x1000 || r >= 0x1780 && r < 0x1800
}

// letter tells whether a character belongs to words.
func letter(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z'
	}
	return (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r)) && !wide(r)
}

// eachWord calls f with the words of folded text, and where they begin.
func eachWord(text []byte, f func(w []byte, at int)) {
	start := -1
	for i := 0; i < len(text); {
		r, k := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, k = utf8.DecodeRune(text[i:])
		}
		switch is := letter(r); {
		case is && start < 0:
			start = i
		case !is && start >= 0:
			f(text[start:i], start)
			start = -1
		}
		i += k
	}
	if start >= 0 {
		f(text[start:], start)
	}
}

// eachGram calls f with what is to be found beside words: three characters in a
// row without white space, of which one at least is no letter; every wide
// character and every two of them.
func eachGram(text []byte, f func(gram []byte)) {
	var at [2]int // where the two characters before begin
	var wides [2]bool
	n := 0     // characters in a row, at most 2
	last := -3 // the place in the row of the last one that is no letter
	for i := 0; i < len(text); {
		c, k := rune(text[i]), 1
		if c >= utf8.RuneSelf {
			c, k = utf8.DecodeRune(text[i:])
		}
		if c <= ' ' || c == 0x7f {
			n, last = 0, -3
			i += k
			continue
		}
		w := wide(c)
		switch {
		case w:
			f(text[i : i+k])
			if n > 0 && wides[1] {
				f(text[at[1] : i+k])
			}
		case !letter(c):
			last = 0
		}
		if !w && n == 2 && !wides[0] && !wides[1] && last > -3 {
			f(text[at[0] : i+k])
		}
		last--
		at[0], at[1] = at[1], i
		wides[0], wides[1] = wides[1], w
		n = min(n+1, 2)
		i += k
	}
}

// eachPair calls f with a hash for every two words with a space between them:
// of the last three characters of one and the first three of the other, so
// that phrases of frequent words have few candidates.
func eachPair(text []byte, f func(pair uint32)) {
	end := -1 // of the word before
	var tail uint32
	eachWord(text, func(w []byte, at int) {
		head, ok := ends(w, true)
		if ok && end >= 0 && at == end+1 && text[end] == ' ' {
			f((tail*0x9e3779b1 ^ head) * 0x85ebca6b >> (32 - pairBits))
		}
		if tail, ok = ends(w, false); ok {
			end = at + len(w)
		} else {
			end = -1
		}
	})
}

// pairToken is the token of a pair, without its kind.
func pairToken(h uint32) []byte {
	return []byte{'0' + byte(h>>10&31), '0' + byte(h>>5&31), '0' + byte(h&31)}
}

// ends hashes the first or the last three characters of a word; false: it is
// shorter.
func ends(w []byte, first bool) (h uint32, ok bool) {
	for n := range 3 {
		if len(w) == 0 {
			return 0, n == 3
		}
		var r rune
		var k int
		if first {
			r, k = utf8.DecodeRune(w)
			w = w[k:]
		} else {
			r, k = utf8.DecodeLastRune(w)
			w = w[:len(w)-k]
		}
		h = (h ^ uint32(r)) * 0x01000193
	}
	return h, true
}

// add adds the tokens of a text to the last object of a batch.
func (b *batch) add(t *Text) {
	var buf [maxWord + 1]byte
	put := func(kind byte, s []byte) {
		buf[0] = kind
		b.token(buf[:1+copy(buf[1:], s)])
	}
	for i, text := range [][]byte{t.Header, t.Body} {
		eachWord(text, func(w []byte, _ int) {
			if len(w) > maxWord {
				b.token(everything)
			} else {
				put(kindHeader+byte(i), w)
			}
		})
		eachGram(text, func(g []byte) { put(kindGram, g) })
		eachPair(text, b.pair)
	}
}

// Where is what part of messages is searched.
type Where uint8

// The parts.
const (
	Anywhere Where = iota // TEXT
	Body                  // BODY
	Header                // the header of the message
)

// kinds are those of its words, from the first to the last.
func (w Where) kinds() (first, last byte) {
	switch w {
	case Body:
		return kindBody, kindBody
	case Header:
		return kindHeader, kindHeader
	}
	return kindHeader, kindBody
}

// fragment is a piece of a pattern that lies within a word.
type fragment struct {
	text        []byte
	left, right bool // the word begins, ends with it
}

// pattern is what is searched.
type pattern struct {
	where     Where
	text      []byte // folded, runs of white space one space
	fragments []fragment
	tokens    [][]byte // pairs and grams that all who have it have
	exact     bool     // it is one fragment: the index knows who has it
}

func newPattern(where Where, s string) pattern {
	p := pattern{where: where, text: Fold(s)}
	if !utf8.Valid(p.text) {
		return p // its ends may be within a character
	}
	looked := p.text
	if len(looked) > maxPattern {
		if looked = looked[:maxPattern]; !utf8.Valid(looked) {
			looked = looked[:bytes.LastIndexFunc(looked, func(r rune) bool { return r < utf8.RuneSelf })+1]
		}
	}
	eachWord(looked, func(w []byte, at int) {
		// Of the last word of a pattern that was cut the end is not known.
		f := fragment{w, at > 0, at+len(w) < len(looked)}
		if len(w) <= maxWord && len(p.fragments) < maxGrams {
			p.fragments = append(p.fragments, f)
		}
		p.exact = len(w) == len(p.text) && len(w) <= maxWord
	})
	p.tokens = append(spread(looked, kindPair, func(text []byte, f func([]byte)) {
		eachPair(text, func(h uint32) { f(pairToken(h)) })
	}), spread(looked, kindGram, eachGram)...)
	return p
}

// indexed tells whether the index can tell anything.
func (p *pattern) indexed() bool { return len(p.fragments)+len(p.tokens) > 0 }

// spread returns the tokens of a kind, from all of a text if there are many.
func spread(text []byte, kind byte, each func([]byte, func([]byte))) (list [][]byte) {
	each(text, func(b []byte) {
		t := append([]byte{kind}, b...)
		if !slices.ContainsFunc(list, func(u []byte) bool { return bytes.Equal(t, u) }) {
			list = append(list, t)
		}
	})
	if n := len(list); n > maxGrams {
		for i := range maxGrams {
			list[i] = list[i*(n-1)/(maxGrams-1)]
		}
		list = list[:maxGrams]
	}
	return list
}

// in tells whether a text has the pattern.
func (p *pattern) in(t *Text) bool {
	return p.where != Body && bytes.Contains(t.Header, p.text) || p.where != Header && bytes.Contains(t.Body, p.text)
}
