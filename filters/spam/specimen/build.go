package specimen

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"slices"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
)

// entity is one MIME entity: its head fields and its encoded body, or parts.
type entity struct {
	head []string
	body []byte
}

// build renders the message.
func (m *mail) build() ([]byte, error) {
	style := m.t.head["style"]
	if style == "" {
		style = "notice"
	}
	root := m.content(style)
	if inline := m.t.many["inline"]; len(inline) > 0 {
		root = m.multipart("related", append([]entity{root}, m.attachments(inline, true)...)...)
	}
	if attach := m.t.many["attach"]; len(attach) > 0 {
		root = m.multipart("mixed", append([]entity{root}, m.attachments(attach, false)...)...)
	}
	var b bytes.Buffer
	for _, f := range m.head(style) {
		b.WriteString(f + "\r\n")
	}
	root.write(&b)
	return b.Bytes(), m.err
}

func (e entity) write(b *bytes.Buffer) {
	for _, f := range e.head {
		b.WriteString(f + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(e.body)
}

// content renders text and HTML as the style and the template's parts say.
func (m *mail) content(style string) entity {
	if m.old() {
		m.at = m.at.AddDate(-m.between(17, 25), 0, 0)
	}
	m.subject()
	blocks := m.blocks(m.t.body)
	want := m.t.head["parts"]
	switch {
	case want != "":
	case style == "plain":
		want = "text"
	case style == "person" || style == "office":
		want = m.oneOf("both", "both", "both", "html", "text")
	case m.old():
		want = m.oneOf("both", "html", "html", "text")
	default:
		want = m.oneOf("both", "both", "html")
	}
	var text, page string
	if want != "html" {
		text = m.textOf(blocks)
	}
	if want != "text" {
		if page = m.expand(m.t.html); page == "" {
			page = m.htmlOf(style, blocks)
		}
	}
	switch want {
	case "text":
		return m.textPart("text/plain", text)
	case "html":
		return m.textPart("text/html", page)
	}
	parts := []entity{m.textPart("text/plain", text), m.textPart("text/html", page)}
	if ics := m.memo["ics"]; ics != "" {
		parts = append(parts, m.textPart("text/calendar; method=REQUEST", ics))
	}
	return m.multipart("alternative", parts...)
}

func (m *mail) textOf(blocks []block) string {
	if m.t.text != "" {
		return m.preformatted(m.t.text)
	}
	text := strings.TrimRight(plain(blocks, 72), "\n") + "\n"
	if m.bulk() {
		text += "\n" + m.footer() + "\n" + m.value("unsublink", 0) + "\n"
	}
	return text
}

// legacy are the charsets that some programs of a language still write.
var legacy = map[string]struct {
	name string
	enc  encoding.Encoding
}{
	"de": {"iso-8859-1", charmap.ISO8859_1}, "fr": {"iso-8859-1", charmap.ISO8859_1}, "es": {"iso-8859-15", charmap.ISO8859_15},
	"pl": {"iso-8859-2", charmap.ISO8859_2}, "ru": {"koi8-r", charmap.KOI8R}, "tr": {"windows-1254", charmap.Windows1254},
	"ja": {"iso-2022-jp", japanese.ISO2022JP}, "en": {"windows-1252", charmap.Windows1252}, "it": {"windows-1252", charmap.Windows1252},
}

func (m *mail) textPart(kind, s string) entity {
	src := strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
	charset, data := m.oneOf("utf-8", "UTF-8", `"utf-8"`, `"UTF-8"`), []byte(src)
	if l, ok := legacy[m.lang()]; ok && m.chance(8) && !strings.HasPrefix(kind, "text/calendar") {
		if enc, err := l.enc.NewEncoder().Bytes(data); err == nil {
			charset, data = l.name, enc
		}
	}
	if m.old() {
		if name, enc := m.oldCharset(data); enc != nil {
			charset, data = name, enc
		}
	}
	e := entity{head: []string{"Content-Type: " + kind + "; charset=" + charset}}
	if m.t.many["attach"] != nil || kind != "text/plain" || m.chance(90) {
		e.encode(data, m.encodingOf(data))
	} else {
		e.body = data
		e.head = append(e.head, "Content-Transfer-Encoding: 8bit")
	}
	return e
}

// encodingOf chooses what mail programs choose: 7bit where it is possible,
// else quoted-printable or base64.
func (m *mail) encodingOf(data []byte) string {
	long, high := 0, 0
	for line := range bytes.Lines(data) {
		long = max(long, len(line))
		for _, c := range line {
			if c >= 128 {
				high++
			}
		}
	}
	switch {
	case high == 0 && long < 900 && m.chance(50):
		return "7bit"
	case high*4 > len(data):
		return "base64"
	case m.memo["cte"] == "":
		m.memo["cte"] = m.oneOf("quoted-printable", "quoted-printable", "quoted-printable", "base64")
	}
	return m.memo["cte"]
}

func (e *entity) encode(data []byte, cte string) {
	e.head = append(e.head, "Content-Transfer-Encoding: "+cte)
	switch cte {
	case "base64":
		e.body = base64Lines(data)
	case "quoted-printable":
		var b bytes.Buffer
		w := quotedprintable.NewWriter(&b)
		_, _ = w.Write(data)
		_ = w.Close()
		e.body = append(b.Bytes(), "\r\n"...)
	default:
		e.body = data
	}
}

func base64Lines(data []byte) []byte {
	s := base64.StdEncoding.EncodeToString(data)
	var b bytes.Buffer
	for chunk := range slices.Chunk([]byte(s), 76) {
		b.Write(chunk)
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

func (m *mail) multipart(kind string, parts ...entity) entity {
	m.boundaries++
	mark := m.boundary()
	var b bytes.Buffer
	for _, p := range parts {
		b.WriteString("--" + mark + "\r\n")
		p.write(&b)
		b.WriteString("\r\n")
	}
	b.WriteString("--" + mark + "--\r\n")
	return entity{head: []string{fmt.Sprintf("Content-Type: multipart/%s;\r\n boundary=%q", kind, mark)}, body: b.Bytes()}
}

func (m *mail) boundary() string {
	t := func(n string) string { return m.token("0123456789abcdefABCDEF", n) }
	switch m.mailer() {
	case "outlook":
		return fmt.Sprintf("_%03d_%sPR01MB%sXP_", m.boundaries, t("32"), m.token("0123456789", "4"))
	case "gmail":
		return "000000000000" + m.token("0123456789abcdef", "16")
	case "apple":
		return "Apple-Mail=_" + strings.ToUpper(t("8")+"-"+t("4")+"-"+t("4")+"-"+t("4")+"-"+t("12"))
	case "thunderbird":
		return "------------" + t("24")
	case "python":
		return "===============" + m.token("0123456789", "19") + "=="
	case "php":
		return "b" + m.oneOf("1", "2") + "_" + t("32")
	}
	return m.oneOf("----=_Part_"+m.token("0123456789", "6")+"_"+m.token("0123456789", "9")+"."+m.token("0123456789", "13"), "_----------="+"_MCPart_"+m.token("0123456789", "10"), t("60"), "--_NmP-"+t("16")+"-Part_"+fmt.Sprint(m.boundaries))
}

// word encodes a header text where it is not ASCII.
func (m *mail) word(s string) string {
	enc := mime.QEncoding
	if strings.ContainsFunc(s, func(r rune) bool { return r > 0x400 }) {
		enc = mime.BEncoding
	}
	return strings.ReplaceAll(enc.Encode("utf-8", s), "?= =?", "?=\r\n =?")
}
