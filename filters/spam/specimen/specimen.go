package specimen

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Split is the half that a template belongs to.
type Split string

// The two halves. No template, layout of a sender or brand is in both.
const (
	Train Split = "train"
	Test  Split = "test"
)

// Class says what a message is.
type Class string

// Ham is mail that people want, Lure is spam of any kind.
const (
	Ham  Class = "ham"
	Lure Class = "lure"
)

// Label returns the word that an index uses: ham or spam.
func (c Class) Label() string {
	if c == Ham {
		return "ham"
	}
	return "spam"
}

// A Message is one rendered message.
type Message struct {
	Class  Class
	Origin string // class/template
	Time   time.Time
	Raw    []byte // RFC 5322 with CRLF
}

// A Generator renders the messages of one split and seed.
type Generator struct {
	split     Split
	seed      uint64
	templates map[Class][]*template
}

// library is read from the embedded files once: it is the same for all.
var library = sync.OnceValues(load)

// New returns the generator of a split. The seed chooses the values, never
// the templates.
func New(split Split, seed uint64) (*Generator, error) {
	if split != Train && split != Test {
		return nil, fmt.Errorf("specimen: unknown split %q", split)
	}
	lib, err := library()
	if err != nil {
		return nil, err
	}
	g := &Generator{split: split, seed: seed, templates: map[Class][]*template{}}
	for _, t := range lib.templates {
		if t.split == split {
			g.templates[t.class] = append(g.templates[t.class], t)
		}
	}
	return g, nil
}

// Generate returns the first n messages of a split and seed: ham and lures in
// turn of chance, about as many of each, each template as often as the others.
func Generate(split Split, seed uint64, n int) ([]Message, error) {
	g, err := New(split, seed)
	if err != nil {
		return nil, err
	}
	out := make([]Message, 0, n)
	for i := range n {
		m, err := g.Message(i)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// Origins lists class/template of every template of the split, sorted.
func (g *Generator) Origins() []string {
	var out []string
	for _, ts := range g.templates {
		for _, t := range ts {
			out = append(out, t.origin())
		}
	}
	slices.Sort(out)
	return out
}

// epoch is the time of message 0; the following come some minutes apart.
var epoch = time.Date(2024, 3, 4, 7, 0, 0, 0, time.UTC)

// Message renders message i, i >= 0. It costs the same for every i.
func (g *Generator) Message(i int) (Message, error) {
	class := Ham
	pair := g.rng("pair", i/2)
	if (pair.IntN(2) == 0) != (i%2 == 0) {
		class = Lure
	}
	ts := g.templates[class]
	if len(ts) == 0 {
		return Message{}, fmt.Errorf("specimen: split %s has no %s", g.split, class)
	}
	round := g.rng("round"+string(class), i/2/len(ts)).Perm(len(ts))
	return g.render(ts[round[i/2%len(ts)]], i)
}

// Render renders variant i of the template named by its origin.
func (g *Generator) Render(origin string, i int) (Message, error) {
	for _, ts := range g.templates {
		for _, t := range ts {
			if t.origin() == origin {
				return g.render(t, i)
			}
		}
	}
	return Message{}, fmt.Errorf("specimen: no template %s in split %s", origin, g.split)
}

func (g *Generator) rng(what string, i int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s/%s/%d", g.split, what, i)
	return rand.New(rand.NewPCG(g.seed, h.Sum64()))
}

func (g *Generator) render(t *template, i int) (Message, error) {
	lib, err := library()
	if err != nil {
		return Message{}, err
	}
	r := g.rng(t.origin(), i)
	at := epoch.Add(time.Duration(i)*23*time.Minute + time.Duration(r.IntN(22*60))*time.Second)
	m := &mail{lib: lib, t: t, r: r, at: at, memo: map[string]string{}}
	raw, err := m.build()
	if err != nil {
		return Message{}, fmt.Errorf("specimen: %s: %w", t.origin(), err)
	}
	return Message{Class: t.class, Origin: t.origin(), Time: at, Raw: raw}, nil
}
