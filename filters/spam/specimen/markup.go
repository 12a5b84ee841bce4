package specimen

import (
	"html"
	"regexp"
	"strings"
)

// block is one line of a template's body.
type block struct {
	kind string // h1 h2 p li row button image hr quote small hidden code photo
	text string // markup of the line
	url  string
}

var (
	buttonLine = regexp.MustCompile(`^\[b ([^\]]+)\]\(([^)]*)\)$`)
	imageLine  = regexp.MustCompile(`^!\[([^\]]*)\]\(([^)]*)\)$`)
	inlineLink = regexp.MustCompile(`\[([^\]]+)\]\(([^)\s]+)\)|\*\*([^*]+)\*\*`)
	prefixes   = []struct{ mark, kind string }{
		{"## ", "h2"}, {"# ", "h1"}, {"* ", "li"}, {"| ", "row"}, {"> ", "quote"}, {"^ ", "small"}, {"~ ", "hidden"}, {"= ", "code"}, {"!photo", "photo"},
	}
)

// blocks expands the markup and takes it apart. A line "? x" stays in six of
// ten messages.
func (m *mail) blocks(src string) []block {
	var out []block
	for line := range strings.Lines(m.repeat(src)) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "? "); ok {
			if m.chance(40) {
				continue
			}
			line = rest
		}
		line = strings.ReplaceAll(strings.TrimSpace(m.expand(line)), "[ ", "[") // "[ [[a|b]]](url)": a link with a choice
		if line != "" {
			out = append(out, parseBlock(line))
		}
	}
	return out
}

func parseBlock(line string) block {
	if line == "---" {
		return block{kind: "hr"}
	}
	if g := buttonLine.FindStringSubmatch(line); g != nil {
		return block{kind: "button", text: g[1], url: g[2]}
	}
	if g := imageLine.FindStringSubmatch(line); g != nil {
		return block{kind: "image", text: g[1], url: g[2]}
	}
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(line, p.mark); ok {
			return block{kind: p.kind, text: strings.TrimSpace(rest)}
		}
	}
	return block{kind: "p", text: line}
}

// plain prints the text/plain form: paragraphs wrapped, links after their
// text.
func plain(blocks []block, width int) string {
	var b strings.Builder
	for i, k := range blocks {
		t := inlineLink.ReplaceAllStringFunc(k.text, func(s string) string {
			g := inlineLink.FindStringSubmatch(s)
			if g[3] != "" {
				return g[3]
			}
			if g[1] == g[2] {
				return g[1]
			}
			return g[1] + " <" + g[2] + ">"
		})
		switch k.kind {
		case "h1", "h2":
			t += "\n"
		case "button", "image":
			if t = t + ": " + k.url; k.kind == "image" {
				continue
			}
		case "hr":
			t = "-- -- --"
		case "li":
			t = wrap("- "+t, width, "  ")
		case "row":
			t = strings.ReplaceAll(t, " | ", "   ")
		case "quote":
			t = wrap("> "+t, width, "> ")
		case "hidden", "photo":
			continue
		default:
			t = wrap(t, width, "")
		}
		b.WriteString(strings.ReplaceAll(t, "\\", ""))
		b.WriteByte('\n')
		if tight := i+1 < len(blocks) && k.kind == blocks[i+1].kind && (k.kind == "li" || k.kind == "row" || k.kind == "quote"); !tight && !strings.HasSuffix(t, "\\") {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func wrap(s string, width int, indent string) string {
	var b strings.Builder
	col := 0
	for i, w := range strings.Fields(s) {
		switch {
		case i > 0 && col+len(w) >= width:
			b.WriteString("\n" + indent)
			col = len(indent)
		case i > 0:
			b.WriteByte(' ')
			col++
		}
		if brk := strings.TrimSuffix(w, "\\"); brk != w {
			b.WriteString(brk)
			b.WriteByte('\n')
			col = 0
			continue
		}
		b.WriteString(w)
		col += len(w)
	}
	return strings.ReplaceAll(b.String(), "\n ", "\n")
}

// inline renders text with links and bold to HTML.
func (m *mail) inline(l *layout, s string) string {
	var b strings.Builder
	for {
		g := inlineLink.FindStringSubmatchIndex(s)
		if g == nil {
			break
		}
		b.WriteString(escape(s[:g[0]]))
		if g[6] >= 0 {
			b.WriteString("<strong>" + escape(s[g[6]:g[7]]) + "</strong>")
		} else {
			b.WriteString(m.snippet(l, "a", `<a href="$2">$1</a>`, escape(s[g[2]:g[3]]), html.EscapeString(s[g[4]:g[5]])))
		}
		s = s[g[1]:]
	}
	return b.String() + escape(s)
}

func escape(s string) string {
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
	return strings.ReplaceAll(s, "\\", "<br>")
}

// snippet fills a layout's snippet; def is used when the layout has none.
func (m *mail) snippet(l *layout, name, def, content, url string) string {
	src, ok := l.snippet[name]
	if !ok {
		src = def
	}
	src = m.expand(src)
	return strings.NewReplacer("$1", content, "$2", url).Replace(src)
}
