package specimen

import "strings"

// maxRepeat bounds how often a group of lines is repeated.
const maxRepeat = 60

// repeat unfolds groups of lines: between "@ 3-8" and "@@" stands what comes
// three to eight times, its slots drawn anew where they are not kept.
func (m *mail) repeat(src string) string {
	if !strings.Contains(src, "@ ") {
		return src
	}
	var out, group strings.Builder
	times := -1
	for line := range strings.Lines(src) {
		trimmed := strings.TrimSpace(line)
		switch rest, begins := strings.CutPrefix(trimmed, "@ "); {
		case begins && times < 0:
			times = min(m.number(rest), maxRepeat)
			group.Reset()
		case trimmed == "@@" && times >= 0:
			for range times {
				out.WriteString(group.String())
			}
			times = -1
		case times >= 0:
			group.WriteString(line)
		default:
			out.WriteString(line)
		}
	}
	if times >= 0 {
		m.fail("@ without @@")
	}
	return out.String()
}

// preformatted expands a text part that keeps its lines as they are, but for
// "? " before one that four of ten messages lack.
func (m *mail) preformatted(src string) string {
	var b strings.Builder
	for line := range strings.Lines(m.repeat(src)) {
		rest, maybe := strings.CutPrefix(line, "? ")
		if maybe && m.chance(40) {
			continue
		}
		b.WriteString(m.expand(rest))
	}
	return b.String()
}
