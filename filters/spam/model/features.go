package model

import (
	"encoding/binary"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/text"
)

// Bounds of what of one message counts.
const (
	maxChars   = 4000 // octets of text whose runs count
	maxWords   = 2000 // words of the text
	maxSubject = 64   // words of the subject
	maxField   = 2000 // octets of one header field
	maxFields  = 100  // header fields
)

// Tags keep words of one place apart from the same words elsewhere.
const (
	tagPair = iota + 1
	tagSubject
	tagHost
	tagDistance // and the next few
)

// Signal is a rule that a message matches, and what it weighs as those who
// wrote it think; what it is worth in one's own mail is learned beside that.
type Signal struct {
	Name   string
	Weight float64 // below zero it speaks for ham
}

// maxPrior bounds what rules weigh together.
const maxPrior = 8

// Features fills v with the features of m, and the rules that it matches.
func Features(m *anatomy.Message, v *Vector, signals ...Signal) {
	v.words = v.collect(v.words[:0], m.Subject, maxSubject)
	n := len(v.words)
	v.words = v.collect(v.words, m.Text, maxWords)
	subject, body := v.words[:n], v.words[n:]
	v.chars(m)
	v.wordView(subject, body)
	v.pairView(subject, body)
	v.shapeView(m)
	v.hostView(m)
	v.collectFields(m)
	v.fieldView()
	v.tokenView(m, subject, body)
	v.signalView(signals)
	v.weigh(m, len(body))
}

// enough is how much there has to be to go by: words, links and files.
const enough = 24

// weigh tells how much there is to go by. A line without more is no spam for
// what it lacks.
func (v *Vector) weigh(m *anatomy.Message, words int) {
	n := words + 8*len(m.Links) + 8*len(m.Phones)
	for i := range m.Parts {
		if p := &m.Parts[i]; p.Name != "" || !strings.HasPrefix(p.Type, "text/") {
			n += enough
		}
	}
	v.body = float32(min(n, enough)) / enough
}

// signalView adds rules.
func (v *Vector) signalView(signals []Signal) {
	v.begin(Signals)
	sum := 0.0
	for _, s := range signals {
		v.tags("rule ", s.Name)
		sum += s.Weight
	}
	v.prior = float32(max(-maxPrior, min(maxPrior, sum)))
	v.end()
}

// collect appends the hashes of up to limit words of folded text.
func (v *Vector) collect(dst []uint64, folded []byte, limit int) []uint64 {
	for w := range text.Words(folded) {
		dst = append(dst, hash(w))
		if v.names != nil {
			v.spelled = append(v.spelled, w...)
			v.ends = append(v.ends, len(v.spelled))
		}
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
	all := v.batch[:0]
	for ; len(b) >= 4; b = b[1:] {
		all = append(all, uint64(binary.LittleEndian.Uint32(b))*0x9E3779B97F4A7C15)
	}
	v.addBatch(all)
}

// neighbours joins two words that follow each other.
func neighbours(a, b uint64) uint64 { return mix(mix(tagPair, a), b) }

// apart joins two words, b the d-th after a.
func apart(d int, a, b uint64) uint64 { return mix(mix(tagDistance+uint64(d), a), b) }

// wordView adds words and pairs of neighbours; those of the subject also as
// its own.
func (v *Vector) wordView(subject, body []uint64) {
	v.begin(Words)
	all := v.batch[:0]
	for i, w := range subject {
		all = append(all, mix(tagSubject, w), w)
		if i > 0 {
			all = append(all, neighbours(subject[i-1], w))
		}
	}
	for i, w := range body {
		all = append(all, w)
		if i > 0 {
			all = append(all, neighbours(body[i-1], w))
		}
	}
	v.addBatch(all)
	v.end()
}

// farthest is how far apart two words of a pair may be.
const farthest = 4

// pairView adds pairs of words up to four apart, which tell at what distance
// they stand (Siefkes et al., Combining Winnow and Orthogonal Sparse Bigrams,
// 2004).
func (v *Vector) pairView(subject, body []uint64) {
	v.begin(Pairs)
	all := v.batch[:0]
	for _, words := range [...][]uint64{subject, body} {
		for i, w := range words[:min(len(words), farthest)] {
			all = append(all, w)
			for d := 1; d <= i; d++ {
				all = append(all, apart(d, words[i-d], w))
			}
		}
		for ; len(words) > farthest; words = words[1:] {
			w := words[4]
			all = append(all, w, apart(1, words[3], w), apart(2, words[2], w), apart(3, words[1], w), apart(4, words[0], w))
		}
	}
	v.addBatch(all)
	v.end()
}

// fieldWord is a word of a header field by its hash, and its field by the
// hash of its name.
type fieldWord struct{ field, word uint64 }

// fieldView adds words of header fields and pairs of neighbours, each as one
// of its field.
func (v *Vector) fieldView() {
	v.begin(Fields)
	all := v.batch[:0]
	var last fieldWord
	for _, w := range v.header {
		if w.field != last.field {
			last = fieldWord{w.field, 0}
		}
		all = append(all, mix(w.field, w.word), mix(mix(w.field, last.word), w.word))
		last = w
	}
	v.addBatch(all)
	v.end()
}

// collectFields takes the words of header fields: runs of letters and digits.
func (v *Vector) collectFields(m *anatomy.Message) {
	v.header = v.header[:0]
	if m.Raw == nil {
		return
	}
	var name [64]byte
	for i, field := range m.Raw.Fields() {
		if i == maxFields {
			break
		}
		if field.Name == "" || len(field.Name) > len(name) {
			continue
		}
		lower := appendLower(name[:0], field.Name)
		if !usualFields[string(lower)] {
			continue
		}
		tag := hash(lower)
		body := field.Body()
		if len(body) > maxField {
			body = body[:maxField]
		}
		low := appendLower(v.low[:0], body)
		v.low = low
		start := -1
		for i := 0; i <= len(low); i++ {
			if i < len(low) && inWord[low[i]] {
				if start < 0 {
					start = i
				}
			} else if start >= 0 {
				v.header = append(v.header, fieldWord{tag, hash(low[start:i])})
				start = -1
			}
		}
	}
}

// usualFields are the header fields whose words count: those that a program
// which sends or relays mail writes. In fields of one's own making anybody
// can write good words.
var usualFields = func() map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(`received from to cc sender reply-to return-path delivered-to x-original-to envelope-to
		message-id in-reply-to references date mime-version content-type content-transfer-encoding content-disposition content-language
		x-mailer user-agent organization x-priority x-msmail-priority importance precedence errors-to auto-submitted
		list-id list-post list-unsubscribe list-help list-subscribe list-archive x-mailing-list x-beenthere x-mailman-version
		thread-topic thread-index x-mimeole x-originating-ip x-accept-language dkim-signature authentication-results
		feedback-id x-originalarrivaltime x-sender delivery-date status x-loop`) {
		set[name] = true
	}
	return set
}()

// inWord are the octets of words in header fields.
var inWord = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || c == '\'' || c == '$' || c == '!' || c == '%'
	}
	return t
}()

func appendLower[T string | []byte](dst []byte, src T) []byte {
	for i := range len(src) {
		c := src[i]
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
	for _, w := range v.header {
		if w.field == received {
			v.add(mix(w.field, w.word))
		}
	}
	v.trace = v.n
	for _, w := range subject {
		v.add(mix(tagSubject, w))
	}
	v.addAll(body)
	for i := range m.Links {
		if l := &m.Links[i]; l.OK {
			v.add(mix(tagHost, hash([]byte(l.URL.Host))))
		}
	}
	v.plain = v.n
	all := v.batch[:0]
	for _, w := range v.header {
		all = append(all, mix(w.field, w.word))
	}
	v.addBatch(all)
	v.end()
}
