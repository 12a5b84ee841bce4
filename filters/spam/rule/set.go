package rule

import (
	"slices"
	"strconv"
	"sync"

	"cel.dev/cel-go/cel"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/policy/expr"
)

// maxReason bounds the text of a hit, in octets.
const maxReason = 300

// Rule is one rule as it was written.
type Rule struct {
	Name     string   `json:"name"`
	Group    string   `json:"group"`
	When     string   `json:"when"`
	Describe string   `json:"describe"`
	Weight   float64  `json:"weight"` // log-odds: positive speaks for spam
	Place    string   `json:"place"`  // file:line
	Hits     []string `json:"-"`      // messages that it finds, abridged
	Misses   []string `json:"-"`      // messages that it leaves alone
}

// Hit is a rule that a message fits.
type Hit struct {
	Rule   string  `json:"rule"`
	Text   string  `json:"text"`   // what an administrator reads, one line
	Weight float64 `json:"weight"` // the rule's own
}

// compiled is a rule ready to be asked: quick, or else prog.
type compiled struct {
	Rule
	quick    boolFunc
	prog     cel.Program
	describe expr.Template
	fixed    string // where describe has no facts
}

// Set is a set of rules. It does not change and may be asked by many
// goroutines.
type Set struct {
	rules []*compiled
	facts []fact // by slot
	slots map[string]int
	table *table
	pool  sync.Pool // of *look
}

// Len returns the number of rules.
func (s *Set) Len() int { return len(s.rules) }

// Rules returns the rules in the order in which they are asked.
func (s *Set) Rules() []Rule {
	list := make([]Rule, len(s.rules))
	for i, r := range s.rules {
		list[i] = r.Rule
	}
	return list
}

// Match returns the rules that m fits, in their order. facts are those of the
// filters asked before. A condition that fails, or that comes when the
// message's share of work is used up, is not met.
func (s *Set) Match(m *anatomy.Message, facts gateway.Facts) []Hit {
	l := s.pool.Get().(*look)
	l.reset(m, facts)
	var hits []Hit
	for _, r := range s.rules {
		if !r.holds(s, l) {
			continue
		}
		text := r.fixed
		if text == "" {
			a := activation{s, l}
			text = r.describe.Render(a.value, expr.AsField, maxReason)
		}
		hits = append(hits, Hit{r.Name, text, r.Weight})
	}
	l.done()
	s.pool.Put(l)
	return hits
}

// gone tells whether the rule takes a shipped one away, and does nothing else.
func (r *compiled) gone() bool { return r.When == "false" }

// holds tells whether the rule's condition is met.
func (r *compiled) holds(s *Set, l *look) bool {
	l.over = false
	if r.quick != nil {
		return r.quick(l) && !l.over
	}
	return r.slow(s, l) && !l.over
}

// finish readies the set.
func (s *Set) finish() {
	s.rules = slices.Clip(s.rules)
	s.pool.New = func() any {
		l := new(look)
		l.words.t = s.table
		return l
	}
}

// place says where a rule stands.
func place(f *expr.File, at expr.Position) string { return f.Name() + ":" + strconv.Itoa(at.Line) }
