package rule

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/gateway"
)

// Failure is a message under hits or misses that did not do as it should.
type Failure struct {
	Rule  string `json:"rule"`
	Place string `json:"place"` // file:line of the rule
	Text  string `json:"text"`  // what is wrong
}

// usual are the fields that an abridged message has unless it says otherwise.
const usual = `From: Ann Miller <ann@example.org>
To: Bob Baker <bob@example.net>
Subject: Friday
Date: Tue, 4 Jun 2024 09:30:00 +0200
Message-ID: <20240604093000.4711@mail.example.org>
MIME-Version: 1.0
`

// fieldFact is the pseudo field that gives a test message a fact of another
// filter.
const fieldFact = "Fact"

// Test asks every rule about its own messages. They are abridged: From, To,
// Subject, Date, Message-ID and MIME-Version are added where they are missing;
// one that is written without a value is left out. "Fact: spf.result=fail" gives a
// fact of another filter; the items of a list have commas between.
func (s *Set) Test() (failures []Failure) {
	var m anatomy.Message
	for _, r := range s.rules {
		if r.gone() && len(r.Hits)+len(r.Misses) == 0 {
			continue
		}
		fail := func(format string, args ...any) {
			failures = append(failures, Failure{r.Name, r.Place, fmt.Sprintf(format, args...)})
		}
		for _, set := range []struct {
			name  string
			tests []string
			want  bool
		}{{"hits", r.Hits, true}, {"misses", r.Misses, false}} {
			if len(set.tests) == 0 {
				fail("the rule has no message under %s", set.name)
			}
			for i, test := range set.tests {
				got, err := s.try(r, &m, test)
				if err != nil {
					fail("message %d under %s: %v", i+1, set.name, err)
				} else if got != set.want {
					fail("message %d under %s: %s", i+1, set.name, map[bool]string{true: "the rule does not find it", false: "the rule finds it"}[set.want])
				}
			}
		}
	}
	return failures
}

// try asks one rule about one message.
func (s *Set) try(r *compiled, m *anatomy.Message, test string) (bool, error) {
	raw, facts, err := s.expand(test)
	if err != nil {
		return false, err
	}
	if err := m.Parse(raw); err != nil {
		return false, err
	}
	l := s.pool.Get().(*look)
	defer s.pool.Put(l)
	l.reset(m, facts)
	defer l.done()
	return r.holds(s, l), nil
}

// expand makes a message of an abridged one.
func (s *Set) expand(test string) (raw []byte, facts gateway.Facts, err error) {
	head, body, _ := strings.Cut(strings.TrimPrefix(test, "\n"), "\n\n")
	if strings.HasPrefix(test, "\n") {
		head, body = "", test[1:]
	}
	var b strings.Builder
	for line := range strings.Lines(usual) {
		name, _, _ := strings.Cut(line, ":")
		if !hasField(head, name) {
			b.WriteString(line)
		}
	}
	skip := false
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ":")
		folded := line[0] == ' ' || line[0] == '\t'
		switch {
		case folded && skip:
		case folded:
			b.WriteString(strings.TrimRight(line, "\n") + "\n")
		case name == fieldFact:
			fact, err := s.parseFact(strings.TrimSpace(value))
			if err != nil {
				return nil, facts, err
			}
			facts.Add(fact)
			skip = true
		default:
			if skip = strings.TrimSpace(value) == ""; !skip {
				b.WriteString(strings.TrimRight(line, "\n") + "\n")
			}
		}
	}
	b.WriteString("\n" + body)
	return []byte(strings.ReplaceAll(b.String(), "\n", "\r\n")), facts, nil
}

// hasField tells whether the header has a field of the name.
func hasField(head, name string) bool {
	for line := range strings.Lines(head) {
		if n, _, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// parseFact reads name=value.
func (s *Set) parseFact(t string) (gateway.Fact, error) {
	name, value, ok := strings.Cut(t, "=")
	slot, known := s.slots[name]
	if !ok || !known || !s.facts[slot].foreign {
		return gateway.Fact{}, fmt.Errorf("%q is no fact of another filter with its value", t)
	}
	out := gateway.Fact{Name: name}
	var err error
	switch s.facts[slot].Type {
	case gateway.String:
		out.Value = value
	case gateway.Bool:
		out.Value, err = strconv.ParseBool(value)
	case gateway.Int:
		out.Value, err = strconv.ParseInt(value, 10, 64)
	case gateway.Float:
		out.Value, err = strconv.ParseFloat(value, 64)
	case gateway.Strings:
		out.Value = strings.Split(value, ",")
	}
	return out, err
}
