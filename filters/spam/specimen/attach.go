package specimen

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"strings"
)

// attachments renders "kind name [argument]" lines.
func (m *mail) attachments(specs []string, inline bool) []entity {
	var out []entity
	for i, spec := range specs {
		if rest, ok := strings.CutPrefix(spec, "? "); ok {
			if spec = rest; m.chance(40) {
				continue
			}
		}
		kind, rest, _ := strings.Cut(m.expand(spec), " ")
		name, arg, _ := strings.Cut(rest, " :: ")
		ctype, data := m.attachment(kind, name, arg)
		e := entity{head: []string{fmt.Sprintf("Content-Type: %s; name=%s", ctype, m.fileName(name))}}
		if inline {
			e.head = append(e.head, "Content-ID: <"+m.cid(i)+">", "Content-Disposition: inline; filename="+m.fileName(name))
		} else {
			e.head = append(e.head, "Content-Disposition: attachment; filename="+m.fileName(name))
		}
		if kind == "eml" {
			e.head[0] = "Content-Type: message/rfc822"
			e.head = append(e.head, "Content-Transfer-Encoding: 8bit")
			e.body = data
		} else {
			e.encode(data, "base64")
		}
		out = append(out, e)
	}
	return out
}

func (m *mail) fileName(s string) string { return `"` + m.word(strings.ReplaceAll(s, `"`, "")) + `"` }

// attachment makes a small file that looks like its kind from outside; none
// holds anything that does harm.
func (m *mail) attachment(kind, name, arg string) (ctype string, data []byte) {
	text := m.expand(arg)
	if text == "" {
		text = m.value("brand", 0) + " " + m.subject()
	}
	switch kind {
	case "pdf":
		return "application/pdf", m.pdf(text)
	case "docx":
		return "application/vnd.openxmlformats-officedocument.wordprocessingml.document", m.office("word/document.xml", text)
	case "xlsx":
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", m.office("xl/sharedStrings.xml", text)
	case "pptx":
		return "application/vnd.openxmlformats-officedocument.presentationml.presentation", m.office("ppt/slides/slide1.xml", text)
	case "zip":
		return "application/zip", m.archive(m.oneOf("document.pdf", "photos/IMG_0"+m.token("0123456789", "3")+".jpg", "data.csv", "report.xlsx"))
	case "zipenc":
		return "application/zip", m.lockedZip(text)
	case "csv":
		return "text/csv", m.table()
	case "ics":
		return "text/calendar; method=REQUEST", []byte(m.calendar(text))
	case "vcf":
		return "text/vcard", []byte("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:" + text + "\r\nEND:VCARD\r\n")
	case "svg":
		return "image/svg+xml", []byte(m.drawing(""))
	case "svgscript":
		return "image/svg+xml", []byte(m.drawing(m.pick(m.lib.lists["svgscript"])))
	case "smuggle":
		return m.oneOf("text/html", "text/html", "application/octet-stream", "application/xhtml+xml"), []byte(m.smuggled(text))
	case "form":
		return "text/html", []byte(m.form(text))
	case "eml":
		return "message/rfc822", []byte("From: " + m.value("badmail", 0) + "\r\nSubject: " + m.word(text) + "\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text + "\r\n")
	case "jpg":
		return "image/jpeg", m.photo()
	case "shot":
		return "image/png", m.picture(text)
	case "logo":
		return "image/png", m.logo()
	case "qr":
		return "image/png", m.qr(text)
	case "p7s":
		return "application/pkcs7-signature", []byte(m.token("abcdefghijklmnopqrstuvwxyz0123456789", "900"))
	case "iso":
		return "application/octet-stream", append(make([]byte, 2048), m.token("abcdefghijk\x00\x01\x02\x03lmnop", "2400")...)
	}
	m.fail("unknown kind of attachment %q (%s)", kind, name)
	return "", nil
}

func (m *mail) pdf(text string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/Contents 4 0 R>>endobj\n")
	stream := "BT /F1 12 Tf 72 720 Td (" + strings.NewReplacer("(", "", ")", "", "\\", "").Replace(text) + ") Tj ET"
	fmt.Fprintf(&b, "4 0 obj<</Length %d>>stream\n%s\nendstream endobj\n", len(stream), stream)
	for i := range m.between(1, 4) {
		fmt.Fprintf(&b, "%d 0 obj<</Length 600/Filter/FlateDecode>>stream\n%s\nendstream endobj\n", i+5, m.noise(600))
	}
	b.WriteString("trailer<</Root 1 0 R>>\n%%EOF\n")
	return b.Bytes()
}

func (m *mail) noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(m.r.Uint32())
	}
	return b
}

func (m *mail) office(inner, text string) []byte {
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(text))
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, s := range map[string]string{inner: `<?xml version="1.0" encoding="UTF-8"?><doc><t>` + escaped.String() + "</t></doc>"} {
		w, _ := z.Create("[Content_Types].xml")
		_, _ = w.Write([]byte(`<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`))
		w, _ = z.Create(name)
		_, _ = w.Write([]byte(s))
		w, _ = z.Create("docProps/thumbnail.jpeg")
		_, _ = w.Write(m.noise(m.between(700, 3000)))
	}
	_ = z.Close()
	return b.Bytes()
}

func (m *mail) archive(name string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create(name)
	_, _ = w.Write(m.noise(m.between(800, 4000)))
	_ = z.Close()
	return b.Bytes()
}

// lockedZip is an archive whose one entry says that it is encrypted; its
// content is noise.
func (m *mail) lockedZip(name string) []byte {
	data := m.noise(m.between(900, 3000))
	put := binary.LittleEndian
	head := make([]byte, 26)
	put.PutUint16(head[0:], 20)
	put.PutUint16(head[2:], 1) // encrypted
	put.PutUint16(head[4:], 0)
	put.PutUint32(head[10:], crc32.ChecksumIEEE(data))
	put.PutUint32(head[14:], uint32(len(data)))
	put.PutUint32(head[18:], uint32(len(data)-12))
	put.PutUint16(head[22:], uint16(len(name)))
	var b bytes.Buffer
	b.WriteString("PK\x03\x04")
	b.Write(head)
	b.WriteString(name)
	b.Write(data)
	at := b.Len()
	b.WriteString("PK\x01\x02\x14\x00")
	b.Write(head)
	b.Write(make([]byte, 14))
	b.WriteString(name)
	size := b.Len() - at
	b.WriteString("PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00")
	tail := make([]byte, 10)
	put.PutUint32(tail[0:], uint32(size))
	put.PutUint32(tail[4:], uint32(at))
	b.Write(tail)
	return b.Bytes()
}

func (m *mail) table() []byte {
	var b bytes.Buffer
	b.WriteString("date;item;amount\r\n")
	for range m.between(10, 60) {
		fmt.Fprintf(&b, "%s;%s;%d.%02d\r\n", m.dateSlot("day", fmt.Sprint(-m.between(0, 90))), m.pick(m.list("product")), m.between(1, 900), m.r.IntN(100))
	}
	return b.Bytes()
}

// calendar is an invitation; text is its description.
func (m *mail) calendar(text string) string {
	day := m.at.AddDate(0, 0, m.between(1, 20))
	start := fmt.Sprintf("%sT%02d%02d00", day.Format("20060102"), m.between(7, 18), 15*m.r.IntN(4))
	lines := []string{
		"BEGIN:VCALENDAR", "PRODID:" + m.oneOf("-//Google Inc//Google Calendar 70.9054//EN", "Microsoft Exchange Server 2010", "-//Apple Inc.//macOS 14.4//EN", "-//Nextcloud calendar v4.6//EN"), "VERSION:2.0", "CALSCALE:GREGORIAN", "METHOD:REQUEST",
		"BEGIN:VEVENT", "UID:" + m.token("0123456789abcdefghijklmnopqrstuv", "26") + "@" + m.value("domain", 0), "DTSTAMP:" + m.at.Format("20060102T150405Z"),
		"DTSTART:" + start + "Z", "DURATION:PT" + m.oneOf("30M", "45M", "1H", "2H"), "SUMMARY:" + m.subject(),
		"DESCRIPTION:" + strings.ReplaceAll(strings.ReplaceAll(text, ",", "\\,"), "\n", "\\n"),
		"ORGANIZER;CN=" + m.value("name", 0) + ":mailto:" + m.value("user", 0) + "@" + m.value("domain", 0),
		"ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:" + m.value("my.email", 0), "STATUS:CONFIRMED", "SEQUENCE:0", "END:VEVENT", "END:VCALENDAR", "",
	}
	return strings.Join(lines, "\r\n")
}

func (m *mail) drawing(script string) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300">`)
	for range m.between(3, 12) {
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="#%s"/>`, m.r.IntN(300), m.r.IntN(200), m.between(10, 90), m.between(10, 90), m.token("0123456789abcdef", "6"))
	}
	b.WriteString(m.expand(script) + "</svg>")
	return b.String()
}

func (m *mail) smuggled(text string) string { return m.expandWith(m.pick(m.list("smuggle")), text) }
func (m *mail) form(text string) string     { return m.expandWith(m.pick(m.list("form")), text) }

func (m *mail) expandWith(src, text string) string {
	return strings.ReplaceAll(m.expand(src), "$1", text)
}
