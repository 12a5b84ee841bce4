package search

import (
	"bytes"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"
)

// gramsVersion is that of what follows: an index of another is made anew.
const gramsVersion = 1

const (
	maxWord    = 40      // characters of a word that is a token; of longer ones there are grams only
	minWord    = 3       // and of the shortest
	maxGrams   = 12      // of a pattern that are asked for
	maxPattern = 1024    // octets of a folded pattern that are looked at for grams
	maxTokens  = 400_000 // octets of an object's tokens; who has more is a candidate always
	classes    = 64      // of ASCII characters in grams
	otherGrams = 1 << 20
	pairGrams  = 1 << 15 // few: the tokens of pairs are to be shared by many objects
	asciiGrams = classes * classes * classes
)

// class maps the ASCII characters of folded text to 64 classes; those that
// share one only make more candidates. 0: no gram has it.
var class = func() (t [128]byte) {
	n := byte(1)
	for c := byte('A'); c <= 'Z'; c, n = c+1, n+1 {
		t[c] = n
	}
	for c := byte('0'); c <= '9'; c, n = c+1, n+1 {
		t[c] = n
	}
	for c := byte('!'); c < 0x7f; c++ {
		if t[c] == 0 && !(c >= 'a' && c <= 'z') {
			t[c] = n
			if n < classes-1 {
				n++
			}
		}
	}
	return t
}()

// wide tells of characters of which one or two make a word.
func wide(r rune) bool {
	return r >= 0x2e80 && r < 0xa4d0 || r >= 0xf900 && r < 0xfb00 || r >= 0x20000 && r < 0x32000 || r >= 0xe00 && r < 0x1000 || r >= 0x1780 && r < 0x1800
}

const digits = "0123456789abcdefghijklmnopqrstuv"

// token appends the token of a gram: a letter and four digits to the base 32.
func token(dst []byte, kind byte, n uint32) []byte {
	return append(dst, kind, digits[n>>15&31], digits[n>>10&31], digits[n>>5&31], digits[n&31])
}

// hash mixes the characters of a gram that is not ASCII.
func hash(a, b, c rune) uint32 {
	h := uint64(a)*0x9e3779b97f4a7c15 ^ uint64(b)*0xc2b2ae3d27d4eb4f ^ uint64(c)*0x165667b19e3779f9
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	return uint32(h>>40) & (otherGrams - 1)
}

// eachGram calls f with the grams of folded text: kind 't' of three ASCII
// characters, 'u' of others. None has white space in it.
func eachGram(text []byte, f func(kind byte, n uint32)) {
	var a, b rune // those before; 0: none
	for i := 0; i < len(text); {
		c, k := rune(text[i]), 1
		if c >= utf8.RuneSelf {
			c, k = utf8.DecodeRune(text[i:])
		}
		i += k
		if c < utf8.RuneSelf && class[c] == 0 {
			a, b = 0, 0
			continue
		}
		if wide(c) {
			f('u', hash(0, 0, c))
			if wide(b) {
				f('u', hash(0, b, c))
			}
		} else if a != 0 && !wide(a) && !wide(b) {
			if a|b|c < utf8.RuneSelf {
				f('t', uint32(class[a])<<12|uint32(class[b])<<6|uint32(class[c]))
			} else {
				f('u', hash(a, b, c))
			}
		}
		a, b = b, c
	}
}

// eachPair calls f with a gram for every two words next to each other: the last
// three characters of one and the first three of the other, so that phrases of
// frequent words have few candidates.
func eachPair(text []byte, f func(kind byte, n uint32)) {
	var tail [3]rune // of the word before
	var head [3]rune // of this one
	n := 0           // characters of this one
	var last uint32  // 0: the word before is too short, or not next to this one
	for i := 0; i <= len(text); {
		r, k := rune(' '), 1
		if i < len(text) {
			if r = rune(text[i]); r >= utf8.RuneSelf {
				r, k = utf8.DecodeRune(text[i:])
			}
		}
		i += k
		if letter(r) {
			if n < 3 {
				head[n] = r
			}
			if n++; n == 3 && last != 0 {
				f('p', hash(rune(last), 1, rune(hash(head[0], head[1], head[2])))%pairGrams)
			}
			tail = [3]rune{tail[1], tail[2], r}
			continue
		}
		if last = 0; n >= 3 && r == ' ' {
			last = 1 + hash(tail[0], tail[1], tail[2])
		}
		n = 0
	}
}

// letter tells whether a character belongs to words.
func letter(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z'
	}
	return (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r)) && !wide(r)
}

// eachWord calls f with the words of folded text.
func eachWord(text []byte, f func(w []byte)) {
	start, n := -1, 0
	end := func(i int) {
		if start >= 0 && n >= minWord && n <= maxWord {
			f(text[start:i])
		}
		start, n = -1, 0
	}
	for i := 0; i < len(text); {
		r, k := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, k = utf8.DecodeRune(text[i:])
		}
		if letter(r) {
			if start < 0 {
				start = i
			}
			n++
		} else {
			end(i)
		}
		i += k
	}
	end(len(text))
}

// sets remember which tokens an object has already.
type sets struct {
	ascii [asciiGrams / 64]uint64
	other [(otherGrams + pairGrams) / 64]uint64 // of kind u, then p
	dirty []uint32                              // words of the bitmaps that are not 0; of other above len(ascii)
	words map[string]struct{}
	out   []byte
}

var setsPool = sync.Pool{New: func() any { return &sets{words: map[string]struct{}{}} }}

func (s *sets) clear() {
	for _, i := range s.dirty {
		if int(i) < len(s.ascii) {
			s.ascii[i] = 0
		} else {
			s.other[int(i)-len(s.ascii)] = 0
		}
	}
	clear(s.words)
	s.dirty, s.out = s.dirty[:0], s.out[:0]
}

// add tells whether a gram is new.
func (s *sets) add(kind byte, n uint32) bool {
	i, bits := n/64, s.ascii[:]
	at := i
	if kind != 't' {
		bits = s.other[:]
		if kind == 'p' {
			i += otherGrams / 64
		}
		at = i + uint32(len(s.ascii))
	}
	old := bits[i]
	bit := uint64(1) << (n % 64)
	if old&bit != 0 {
		return false
	}
	if old == 0 {
		s.dirty = append(s.dirty, at)
	}
	bits[i] = old | bit
	return true
}

// everything is the token of objects whose tokens are not all there.
const everything = "z"

// tokens returns the tokens of a text with a space between them, each once.
// The result is valid until clear.
func (s *sets) tokens(t *Text) []byte {
	gram := func(kind byte, n uint32) {
		if s.add(kind, n) && len(s.out) < maxTokens {
			s.out = append(token(s.out, kind, n), ' ')
		}
	}
	eachGram(t.Header, gram)
	eachGram(t.Body, gram)
	eachPair(t.Header, gram)
	eachPair(t.Body, gram)
	s.word(t.Header, 'h')
	s.word(t.Body, 'b')
	if len(s.out) >= maxTokens {
		s.out = append(s.out, everything...)
	}
	return s.out
}

// word adds the words of a text as tokens of a kind.
func (s *sets) word(text []byte, kind byte) {
	clear(s.words)
	eachWord(text, func(w []byte) {
		if _, ok := s.words[string(w)]; ok || len(s.out) > maxTokens {
			return
		}
		s.words[string(w)] = struct{}{}
		s.out = append(appendLower(append(s.out, kind), w), ' ')
	})
}

func appendLower(dst, w []byte) []byte {
	for _, c := range w {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// Where is what part of messages is searched.
type Where uint8

// The parts.
const (
	Anywhere Where = iota // TEXT
	Body                  // BODY
	Header                // the header of the message
)

// pattern is what is searched.
type pattern struct {
	where  Where
	text   []byte   // folded, runs of white space one space
	grams  []string // tokens that all who have it have
	always string   // token that the word has that the pattern is; "": it is none
}

func newPattern(where Where, s string) pattern {
	p := pattern{where: where, text: Fold(s)}
	looked := p.text[:min(len(p.text), maxPattern)]
	p.grams = append(spread(looked, eachPair), spread(looked, eachGram)...)
	eachWord(p.text, func(w []byte) {
		if len(w) == len(p.text) {
			p.always = string(appendLower(nil, w))
		}
	})
	return p
}

// spread returns the tokens of a kind, from all of a text if there are many.
func spread(text []byte, each func([]byte, func(byte, uint32))) (list []string) {
	each(text, func(kind byte, n uint32) {
		if t := string(token(nil, kind, n)); !slices.Contains(list, t) {
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

// words returns the tokens any of which says that the pattern is there.
func (p *pattern) words() []string {
	switch {
	case p.always == "":
		return nil
	case p.where == Body:
		return []string{"b" + p.always}
	case p.where == Header:
		return []string{"h" + p.always}
	}
	return []string{"b" + p.always, "h" + p.always}
}

// in tells whether a text has the pattern.
func (p *pattern) in(t *Text) bool {
	return p.where != Body && bytes.Contains(t.Header, p.text) || p.where != Header && bytes.Contains(t.Body, p.text)
}
