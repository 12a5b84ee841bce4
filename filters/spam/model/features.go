package model

import (
	"encoding/binary"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/text"
)

// Bounds of what of one message counts.
const (
	maxChars   = 4000 // octets of text whose runs count
	maxWords   = 2000 // words of the text
	maxSubject = 64   // words of the subject
	maxField   = 64   // words of one header field
	maxFields  = 100  // header fields
)

// Tags keep words of one place apart from the same words elsewhere.
const (
	tagPair = iota + 1
	tagSubject
	tagHost
	tagDistance // and the next few
)

// Features fills v with the features of m.
func Features(m *anatomy.Message, v *Vector) {
	if v.names != nil {
		v.spell(m.Subject, maxSubject)
		v.spell(m.Text, maxWords)
	}
	v.words = v.collect(v.words[:0], m.Subject, maxSubject)
	n := len(v.words)
	v.words = v.collect(v.words, m.Text, maxWords)
	subject, body := v.words[:n], v.words[n:]
	v.chars(m)
	v.wordView(subject, body)
	v.pairView(subject, body)
	v.shapeView(m)
	v.hostView(m)
	v.fieldView(m)
	v.tokenView(m, subject, body)
}

// collect appends the hashes of up to limit words of folded text.
func (v *Vector) collect(dst []uint64, folded []byte, limit int) []uint64 {
	for w := range text.Words(folded) {
		dst = append(dst, hash(w))
		if limit--; limit == 0 {
			break
		}
	}
	return dst
}

// chars adds runs of four octets.
func (v *Vector) chars(m *anatomy.Message) {
	v.begin(Chars)
	v.runs(m.Subject)
	if len(m.Header.From) > 0 {
		v.runs([]byte(m.Header.From[0].Name))
	}
	v.runs(m.Text[:min(len(m.Text), maxChars)])
	v.end()
}

func (v *Vector) runs(b []byte) {
	for i := 0; i+4 <= len(b); i++ {
		h := uint64(binary.LittleEndian.Uint32(b[i:])) * 0x9E3779B97F4A7C15
		v.add(h)
		if v.names != nil {
			v.name(h, string(b[i:i+4]))
		}
	}
}

// wordView adds words and pairs of neighbours; those of the subject also as
// its own.
func (v *Vector) wordView(subject, body []uint64) {
	v.begin(Words)
	for i, w := range subject {
		v.word(mix(tagSubject, w), "in the subject ", w)
		v.word(w, "", w)
		if i > 0 {
			v.word(mix(mix(tagPair, subject[i-1]), w), "", subject[i-1], w)
		}
	}
	for i, w := range body {
		v.word(w, "", w)
		if i > 0 {
			v.word(mix(mix(tagPair, body[i-1]), w), "", body[i-1], w)
		}
	}
	v.end()
}

// word adds a feature of one or two words.
func (v *Vector) word(h uint64, where string, words ...uint64) {
	v.add(h)
	if v.names != nil {
		v.nameWord(h, where, words...)
	}
}

// pairView adds pairs of words up to four apart, which tell at what distance
// they stand (Siefkes et al., Combining Winnow and Orthogonal Sparse Bigrams,
// 2004).
func (v *Vector) pairView(subject, body []uint64) {
	v.begin(Pairs)
	for _, words := range [][]uint64{subject, body} {
		for i, w := range words {
			v.word(w, "", w)
			for d := 1; d <= 4 && d <= i; d++ {
				v.word(mix(mix(tagDistance+uint64(d), words[i-d]), w), "", words[i-d], w)
			}
		}
	}
	v.end()
}

// fieldView adds words of header fields and pairs of neighbours, each as one
// of its field.
func (v *Vector) fieldView(m *anatomy.Message) {
	v.begin(Fields)
	v.eachFieldWord(m, func(tag, prev, w uint64) {
		v.add(mix(tag, w))
		v.add(mix(prev, w))
	})
	v.end()
}

// eachFieldWord calls f with the words of header fields: the hash of the
// field's name, of the word before and of the word.
func (v *Vector) eachFieldWord(m *anatomy.Message, f func(tag, prev, w uint64)) {
	if m.Raw == nil {
		return
	}
	var low [1024]byte
	for i, field := range m.Raw.Fields() {
		if i == maxFields {
			break
		}
		if field.Name == "" || field.Is("Subject") {
			continue
		}
		tag := hash(appendLower(low[:0], []byte(field.Name)))
		prev, left := tag, maxField
		body := field.Body()
		for w := range text.Words(appendLower(low[:0], body[:min(len(body), len(low))])) {
			h := hash(w)
			f(tag, prev, h)
			prev = mix(tag, h)
			if left--; left == 0 {
				break
			}
		}
	}
}

func appendLower(dst, src []byte) []byte {
	for _, c := range src {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

var received = hash([]byte("received"))

// tokenView adds single words of everything.
func (v *Vector) tokenView(m *anatomy.Message, subject, body []uint64) {
	v.begin(Tokens)
	v.eachFieldWord(m, func(tag, _, w uint64) {
		if tag == received {
			v.add(mix(tag, w))
		}
	})
	v.trace = len(v.ids[Tokens])
	for _, w := range subject {
		v.add(mix(tagSubject, w))
	}
	for _, w := range body {
		v.add(w)
	}
	v.eachFieldWord(m, func(tag, _, w uint64) { v.add(mix(tag, w)) })
	for i := range m.Links {
		if l := &m.Links[i]; l.OK {
			v.add(mix(tagHost, hash([]byte(l.URL.Host))))
		}
	}
	v.end()
}
