package specimen

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// mail is one message in the making.
type mail struct {
	lib  *loaded
	t    *template
	r    *rand.Rand
	at   time.Time
	memo map[string]string
	err  error // the first slot that is not known

	boundaries int
}

// maxDepth bounds alternatives within alternatives and slots within lists.
const maxDepth = 12

// expand resolves alternatives and slots of s.
func (m *mail) expand(s string) string { return m.expandAt(s, 0) }

func (m *mail) expandAt(s string, depth int) string {
	if depth > maxDepth {
		m.fail("nested too deeply: %.40s", s)
		return ""
	}
	var b strings.Builder
	for {
		i := strings.IndexAny(s, "[{")
		if i < 0 || i+1 >= len(s) {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i:]
		switch {
		case strings.HasPrefix(s, "[["):
			alternatives, rest, ok := split(s)
			if !ok {
				m.fail("[[ without ]]: %.60s", s)
				return ""
			}
			b.WriteString(m.expandAt(alternatives[m.r.IntN(len(alternatives))], depth+1))
			s = rest
		case strings.HasPrefix(s, "{{"):
			name, rest, ok := strings.Cut(s[2:], "}}")
			if !ok {
				m.fail("{{ without }}: %.60s", s)
				return ""
			}
			b.WriteString(m.value(name, depth))
			s = rest
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
}

// split cuts "[[a|b]]rest" into its alternatives and the rest.
func split(s string) (alternatives []string, rest string, ok bool) {
	depth, start := 0, 2
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "[["):
			depth++
			i++
		case strings.HasPrefix(s[i:], "]]"):
			depth--
			if depth == 0 {
				return append(alternatives, s[start:i]), s[i+2:], true
			}
			i++
		case s[i] == '|' && depth == 1:
			alternatives = append(alternatives, s[start:i])
			start = i + 1
		}
	}
	return nil, "", false
}

func (m *mail) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

func (m *mail) lang() string {
	if l := m.t.head["lang"]; l != "" {
		return l
	}
	return "en"
}

func (m *mail) pick(list []string) string { return list[m.r.IntN(len(list))] }
func (m *mail) chance(percent int) bool   { return m.r.IntN(100) < percent }
func (m *mail) between(a, b int) int      { return a + m.r.IntN(b-a+1) }
func (m *mail) oneOf(list ...string) string {
	return m.pick(list)
}

// some picks from a list and expands what is in it.
func (m *mail) some(key string) string { return m.expand(m.pick(m.list(key))) }

// list finds the list of a key: the one of split and language first.
func (m *mail) list(key string) []string {
	split, lang := "."+string(m.t.split), "."+m.lang()
	for _, k := range []string{key + split + lang, key + split, key + lang, key} {
		if l := m.lib.lists[k]; l != nil {
			return l
		}
	}
	if l := m.lib.lists[key+".en"]; l != nil {
		return l
	}
	return nil
}
