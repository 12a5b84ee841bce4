package specimen

import (
	"fmt"
	"html"
	"strings"
)

// layoutFor chooses a layout of the style: the work of mail programs is the
// same in both splits, a sender's own is not.
func (m *mail) layoutFor(style string) *layout {
	if m.t.split == Train && (style == "bulk" || style == "notice") && m.chance(60) {
		return m.house()
	}
	if m.old() {
		style = oldStyles[style]
	}
	var fit []*layout
	for _, l := range m.lib.layouts {
		if l.style == style && (l.split == "both" || l.split == string(m.t.split)) {
			fit = append(fit, l)
		}
	}
	if len(fit) == 0 {
		m.fail("no layout for style %q", style)
		return &layout{}
	}
	return fit[m.r.IntN(len(fit))]
}

// defaults of snippets that a layout leaves out.
var defaults = map[string]string{
	"h1": "<h1>$1</h1>", "h2": "<h2>$1</h2>", "p": "<p>$1</p>", "ul": "<ul>$1</ul>", "li": "<li>$1</li>", "table": "<table>$1</table>",
	"row": "<tr>$1</tr>", "cell": "<td>$1</td>", "button": `<p><a href="$2">$1</a></p>`, "image": `<p><img src="$2" alt="$1"></p>`,
	"hr": "<hr>", "quote": "<blockquote>$1</blockquote>", "small": "<p><small>$1</small></p>", "code": "<p><b>$1</b></p>",
	"photo": `<p><img src="cid:$2" alt=""></p>`,
	"hidden": `[[<div style="display:none">$1</div>|<p style="font-size:0;line-height:0;color:#ffffff">$1</p>|<span style="color:#fff;background-color:#ffffff;font-size:1px">$1</span>` +
		`|<div style="position:absolute;left:-9999px;top:-9999px">$1</div>|<div style="max-height:0;overflow:hidden;opacity:0">$1</div>|<font color="#FEFEFE" size="1">$1</font>]]`,
	"preheader": `<div style="display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all">$1</div>`,
	"pixel":     `<img src="$2" width="1" height="1" alt="" style="display:block">`,
}

func (m *mail) part(l *layout, name, content, url string) string {
	return m.snippet(l, name, defaults[name], content, url)
}

// html renders the blocks in a layout of the style.
func (m *mail) htmlOf(style string, blocks []block) string {
	if style == "plain" {
		style = "person"
	}
	l := m.layoutFor(style)
	for _, k := range []string{"color", "font", "width", "radius"} {
		m.value(k, 0) // one choice for the whole message
	}
	var b strings.Builder
	b.WriteString(m.part(l, "open", html.EscapeString(m.subject()), ""))
	if p := m.t.head["preheader"]; p != "" && l.snippet["preheader"] != "none" {
		b.WriteString(m.part(l, "preheader", escape(m.expand(p))+m.oneOf("", "", strings.Repeat("&zwnj;&nbsp;", m.between(20, 90)), strings.Repeat("&#847; ", m.between(20, 80))), ""))
	}
	b.WriteString(m.part(l, "head", escape(m.value("brand", 0)), "https://www."+m.value("domain", 0)))
	photo := 0
	for i := 0; i < len(blocks); i++ {
		k := blocks[i]
		switch k.kind {
		case "li", "row":
			j := i
			var items strings.Builder
			for ; j < len(blocks) && blocks[j].kind == k.kind; j++ {
				items.WriteString(m.item(l, blocks[j]))
			}
			b.WriteString(m.part(l, map[string]string{"li": "ul", "row": "table"}[k.kind], items.String(), ""))
			i = j - 1
		case "photo":
			b.WriteString(m.part(l, "photo", "", m.cid(photo)))
			photo++
		default:
			b.WriteString(m.part(l, k.kind, m.inline(l, k.text), html.EscapeString(k.url)))
		}
		b.WriteByte('\n')
	}
	if m.bulk() {
		b.WriteString(m.part(l, "foot", escape(m.footer()), html.EscapeString(m.value("unsublink", 0))))
	}
	if m.bulk() || m.t.head["style"] == "notice" && m.chance(40) {
		b.WriteString(m.part(l, "pixel", "", html.EscapeString(m.click())))
	}
	b.WriteString(m.part(l, "close", "", ""))
	return b.String()
}

func (m *mail) item(l *layout, k block) string {
	if k.kind == "li" {
		return m.part(l, "li", m.inline(l, k.text), "")
	}
	var cells strings.Builder
	for c := range strings.SplitSeq(k.text, " | ") {
		cells.WriteString(m.part(l, "cell", m.inline(l, strings.TrimSpace(c)), ""))
	}
	return m.part(l, "row", cells.String(), "")
}

func (m *mail) cid(i int) string {
	key := fmt.Sprintf("cid%d", i)
	if m.memo[key] == "" {
		m.memo[key] = m.oneOf("image00", "part", "ii_", "img") + fmt.Sprint(i+1) + "." + m.token("0123456789abcdef", "10") + "@" + m.value("domain", 0)
	}
	return m.memo[key]
}

// bulk says whether the message carries the footer of a mailing list.
func (m *mail) bulk() bool {
	switch m.t.head["unsub"] {
	case "yes":
		return true
	case "no":
		return false
	}
	if m.t.head["style"] != "bulk" {
		return false
	}
	if m.memo["bulk"] == "" {
		// Both classes carry it: most of what people ordered, half of the rest.
		m.memo["bulk"] = m.oneOf("yes", "yes", "yes", "no")
		if m.t.class == Ham {
			m.memo["bulk"] = "yes"
		}
	}
	return m.memo["bulk"] == "yes"
}

// footer is the small print of a bulk sender; the word before the link comes
// from the layout.
func (m *mail) footer() string {
	if m.memo["unsublink"] == "" {
		m.memo["unsublink"] = m.oneOf(m.click(), m.ownLink("unsubscribe"), m.ownLink("preferences"))
		if m.old() {
			m.memo["unsublink"] = m.oneOf(m.oldClick(), m.oldLink("unsubscribe"), "mailto:"+m.oneOf("unsubscribe", "leave", "remove", "signoff")+"-"+m.token("0123456789", "5")+"@"+m.value("domain", 0))
		}
		if m.t.class == Lure && m.chance(70) {
			m.memo["unsublink"] = m.bad("")
		}
	}
	return m.expand(m.pick(m.list("footer")))
}

func (m *mail) subject() string {
	if m.memo["subject"] == "" {
		m.memo["subject"] = strings.TrimSpace(m.expand(m.t.head["subject"]))
	}
	return m.memo["subject"]
}
