package specimen

import (
	"fmt"
	"strings"
)

// house invents the layout of a sender: what tags hold paragraphs, how deep
// tables nest, how long style sheets are, how many links lead around. Senders
// of either class differ in all of that, so that nothing of it tells them
// apart.
func (m *mail) house() *layout {
	h := &house{mail: m, old: m.old(), table: m.chance(65)}
	h.depth = []int{0, 0, 1, 1, 2, 3, 5}[m.r.IntN(7)]
	h.inline = m.between(0, 5)
	s := map[string]string{
		"h1": h.block(h.heading(1)), "h2": h.block(h.heading(2)), "p": h.block(h.text("$1", 0)), "small": h.block(h.text("$1", 1)),
		"quote": h.block("<i>" + h.text("$1", 0) + "</i>"), "hr": h.block(m.oneOf("<hr>", `<hr size="1" noshade>`, `<img src="{{img:line.gif}}" width="100%" height="1">`, "<br>")),
		"button": h.block(h.button()), "image": h.block(`<a href="{{click}}"><img src="$2" alt="$1" border="0"` + h.style(1) + `></a>`),
		"a": `<a href="$2"` + h.style(m.between(0, 1)) + `>$1</a>`, "code": h.block("<b>$1</b>"), "photo": h.block(`<img src="cid:$2" border="0">`),
		"head": h.head(), "foot": h.foot(), "pixel": m.oneOf("", `<img src="$2" width="1" height="1">`, `<img src="$2" height="1" width="1" border="0" alt="">`),
	}
	h.lists(s)
	h.frame(s)
	return &layout{name: "house", style: m.t.head["style"], snippet: s}
}

type house struct {
	*mail
	old, table    bool
	depth, inline int // nested tables or boxes; declarations of a style
}

// block is a line of the message: a row, or whatever stands by itself.
func (h *house) block(s string) string {
	if h.table {
		open, end := "", ""
		for range h.r.IntN(2) * h.depth / 2 {
			open += "<table" + h.tableAttributes() + "><tr><td>"
			end += "</td></tr></table>"
		}
		return "<tr>" + h.oneOf("", "", `<td width="10"><img src="{{img:spacer.gif}}" width="10" height="1" alt=""></td>`) + "<td" + h.style(h.inline) + ">" + open + s + end + "</td></tr>"
	}
	switch h.between(0, 3) {
	case 0:
		return s + "<br><br>"
	case 1:
		return "<div" + h.style(h.inline) + ">" + s + "</div>"
	}
	return "<p" + h.style(h.inline) + ">" + s + "</p>"
}

func (h *house) tableAttributes() string {
	s := h.oneOf("", ` border="0"`, ` border=0`) + h.oneOf("", ` cellpadding="0" cellspacing="0"`, ` cellpadding="4"`) + h.oneOf("", ` width="100%"`, ` width="{{width}}"`, ` align="center"`)
	if !h.old && h.chance(40) {
		s += ` role="presentation"`
	}
	return s + h.style(h.inline/2)
}

// style is a style of up to n declarations, a class, or what came before
// styles.
func (h *house) style(n int) string {
	if h.old && h.chance(70) {
		return h.oneOf("", "", ` bgcolor="#FFFFFF"`, ` valign="top"`, ` align="left"`, ` class="`+h.pick(h.list("cssclass"))+`"`)
	}
	s := ""
	if h.chance(30) {
		s = ` class="` + h.pick(h.list("cssclass")) + `"`
	}
	if n == 0 {
		return s
	}
	var d []string
	for range n {
		d = append(d, h.pick(h.list("css")))
	}
	return s + ` style="` + strings.Join(d, h.oneOf(";", "; ")) + `"`
}

func (h *house) text(s string, small int) string {
	if h.old || h.chance(10) {
		return fmt.Sprintf(`<font face="%s" size="%d"%s>%s</font>`, h.oneOf("arial", "Verdana, Arial", "Times New Roman", "geneva,helvetica", "Tahoma"), 2-small, h.oneOf("", "", ` color="#333333"`), s)
	}
	if small > 0 {
		return h.oneOf("<small>"+s+"</small>", "<span"+h.style(2)+">"+s+"</span>", "<em>"+s+"</em>")
	}
	return h.oneOf(s, s, "<span"+h.style(h.inline)+">"+s+"</span>")
}

func (h *house) heading(n int) string {
	if h.old {
		return h.oneOf("<b>$1</b>", fmt.Sprintf(`<font size="%d" color="{{color}}"><b>$1</b></font>`, 6-n), fmt.Sprintf("<h%d>$1</h%d>", n, n), `<span class="head">$1</span>`)
	}
	return h.oneOf(fmt.Sprintf("<h%d%s>$1</h%d>", n, h.style(h.inline), n), "<strong>$1</strong>", "<span"+h.style(3)+">$1</span>")
}

func (h *house) button() string {
	return h.oneOf(`<a href="$2"><b>$1</b></a>`, `<a href="$2"`+h.style(4)+`>$1</a>`, `<a href="$2"><img src="{{img:button.gif}}" alt="$1" border="0"></a>`, `<center><a href="$2">$1</a></center>`,
		`<table`+h.tableAttributes()+`><tr><td bgcolor="{{color}}"><a href="$2"`+h.style(3)+`>$1</a></td></tr></table>`, `&raquo; <a href="$2">$1</a>`)
}

// navigation is a line of links around the sender's site.
func (h *house) navigation(n int) string {
	var links []string
	for range n {
		links = append(links, `<a href="{{click}}"`+h.style(h.inline/3)+`>`+h.oneOf("", `<img src="{{img:nav.gif}}" border="0" alt="">`, "")+"{{word:navword}}</a>")
	}
	return strings.Join(links, h.oneOf(" | ", " &nbsp; ", " &middot; ", "<br>"))
}

func (h *house) head() string {
	logo := h.oneOf(`<a href="$2"><img src="{{img:logo.gif}}" alt="$1" border="0" width="`+fmt.Sprint(h.between(90, 600))+`"></a>`, "<b>$1</b>", `<a href="$2">$1</a>`, "<!-- $1 -->")
	s := h.block(logo)
	if n := h.between(-3, 8); n > 0 {
		s += h.block(h.text(h.navigation(n), 1))
	}
	if h.chance(20) {
		s += h.block(`<form action="{{site}}/` + h.oneOf("search", "subscribe", "go") + `" method="` + h.oneOf("get", "post") + `"><input type="text" name="` + h.oneOf("q", "email", "search") + `" size="14"><input type="submit" value="` + h.oneOf("Go", "Search", "OK") + `"></form>`)
	}
	if h.chance(30) {
		s += h.block(h.text(`<a href="{{click}}">{{viewword}}</a>`, 1))
	}
	return s
}

func (h *house) foot() string {
	s := h.block(h.text(`$1 <a href="$2">{{unsubword}}</a>`, 1))
	if h.chance(25) {
		s = h.block(h.text(`$1 <a href="$2">$2</a>`, 1))
	}
	if n := h.between(-4, 6); n > 0 {
		s = h.block(h.text(h.navigation(n), 1)) + s
	}
	if !h.old && h.chance(40) {
		for _, site := range []string{"facebook", "instagram", "youtube", "linkedin"}[:h.between(1, 4)] {
			s += h.block(`<a href="https://www.` + site + `.com/{{word:slug}}"><img src="{{img:` + site + `.png}}" width="24" alt="` + site + `"></a>`)
		}
	}
	return s
}

func (h *house) lists(s map[string]string) {
	s["cell"] = "<td" + h.style(h.inline/2) + ">" + h.text("$1", 0) + "</td>"
	s["table"] = h.block("<table" + h.tableAttributes() + ">$1</table>")
	switch h.r.IntN(4) {
	case 0:
		s["li"], s["ul"] = "<li"+h.style(h.inline/2)+">"+h.text("$1", 0)+"</li>", h.block(h.oneOf("<ul>$1</ul>", "<ol>$1</ol>"))
	case 1:
		s["li"], s["ul"] = h.oneOf("&bull; ", "- ", "&#183; ", `<img src="{{img:bullet.gif}}" alt="*"> `)+h.text("$1", 0)+"<br>", h.block("$1")
	case 2:
		s["li"], s["ul"] = `<tr><td valign="top"><a href="{{click}}"><img src="{{img:thumb.jpg}}" width="`+fmt.Sprint(h.between(40, 140))+`" border="0" alt=""></a></td><td`+h.style(h.inline)+">"+h.text("$1", 0)+"</td></tr>", h.block("<table"+h.tableAttributes()+">$1</table>")
	default:
		s["li"], s["ul"] = h.block(h.text("$1", 0)), "$1"
	}
}

// frame is what stands around all.
func (h *house) frame(s map[string]string) {
	open := h.oneOf("", "", "<!DOCTYPE html>", `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN">`, `<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">`) +
		"<html><head>" + h.oneOf("<title>$1</title>", "", "<title>$1</title>") + h.sheet() + "</head><body" + h.oneOf("", ` bgcolor="#FFFFFF"`, ` bgcolor="#ffffff" text="#000000" link="#0000CC"`, h.style(3)) + ">" + h.remarks()
	end := "</body></html>"
	for range h.depth {
		tag, finish := "<div"+h.style(h.inline)+">", "</div>"
		if h.table {
			tag, finish = "<table"+h.tableAttributes()+"><tr><td"+h.style(h.inline/2)+">", "</td></tr></table>"
		} else if h.chance(20) {
			tag, finish = "<center>", "</center>"
		}
		open, end = open+tag, finish+end
	}
	if h.table {
		open, end = open+"<table"+h.tableAttributes()+">", "</table>"+end
	}
	s["open"], s["close"] = open, end
	if h.old || h.chance(30) {
		s["preheader"] = "none"
	}
}

func (h *house) sheet() string {
	n := []int{0, 0, 3, 8, 25, 60}[h.r.IntN(6)]
	if n == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(h.oneOf(`<style type="text/css">`, "<style>", `<style type="text/css"><!-- `))
	for range n {
		b.WriteString(h.oneOf(".", ".", "", "#") + h.pick(h.list("cssclass")) + " {" + h.pick(h.list("css")) + ";" + h.pick(h.list("css")) + "}\n")
	}
	if !h.old && h.chance(60) {
		b.WriteString("@media only screen and (max-width:" + fmt.Sprint(h.between(400, 640)) + "px){." + h.pick(h.list("cssclass")) + "{width:100%!important}}")
	}
	b.WriteString(h.oneOf("</style>", "</style>", " --></style>"))
	return b.String()
}

func (h *house) remarks() string {
	s := ""
	for range h.between(-2, 4) {
		s += "<!-- " + h.oneOf("header", "begin content", "left column", "{{tok:8}}", "BANNER", "nav", "module {{n:1-40}}") + " -->"
	}
	if !h.old && h.chance(35) {
		s += "<!--[if mso]><style>td{font-family:Arial}</style><![endif]-->"
	}
	return s
}
