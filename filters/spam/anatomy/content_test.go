package anatomy

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// utf16 writes ASCII and what else has two octets so, the low one first.
func utf16(s string) string {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r), byte(r>>8))
	}
	return string(b)
}

// fill repeats unit up to n octets.
func fill(unit string, n int) string { return strings.Repeat(unit, n/len(unit)) }

const lure = "Verify your account now"

// TestPaddingHidesNoText: whatever stands in front of it, or behind it too, what
// a reader sees of a message is read; of what is longer than maxSqueeze, the end.
func TestPaddingHidesNoText(t *testing.T) {
	t.Parallel()
	for _, n := range []int{300 << 10, 700 << 10, 3 << 20} {
		long, behind := n > maxSqueeze, n
		if long {
			behind = 0
		}
		for name, pad := range map[string]string{
			"blanks": "     \r\n", "references to blanks": "&nbsp;&#8203; ", "zero width": "\u200b\u200c", "breaks": "<br>", "paragraphs": "<p></p>\r\n",
			"comments": "<!-- the council met about the harbour -->\r\n", "small comments": "<!---->", "tags": "<b></b>",
		} {
			for _, end := range []string{"", fill(pad, n)} {
				if (long || name == "tags" || strings.HasPrefix(name, "par")) && end != "" {
					continue // markup that is not known to show nothing
				}
				html := "<html><body>" + fill(pad, n) + "<p>" + lure + "</p>" + end
				sees(t, fmt.Sprintf("%d KiB of %s in HTML, %d behind", n>>10, name, len(end)>>10), "Content-Type: text/html; charset=utf-8\r\n\r\n"+html)
			}
		}
		for name, pad := range map[string]string{"blanks": " \t\r\n", "zero width": "\u200b\u00a0 "} {
			sees(t, fmt.Sprintf("%d KiB of %s", n>>10, name), "Content-Type: text/plain; charset=utf-8\r\n\r\n"+fill(pad, n)+lure+fill(pad, behind))
		}
		for charset, blanks := range map[string]string{"utf-16": utf16(" \u200b\u00a0\t"), "iso-2022-jp": "\x1b$B$3$l\x1b(B\r\n" + fill(" ", 1<<10), "utf-7": " \t"} {
			written, mark := lure, ""
			if charset == "utf-16" {
				written, mark = utf16(lure), "\xff\xfe"
			}
			for _, kind := range []string{"plain", "html"} {
				sees(t, fmt.Sprintf("%d KiB of blanks in %s, %s", n>>10, charset, kind), "Content-Type: text/"+kind+"; charset="+charset+
					"\r\nContent-Transfer-Encoding: base64\r\n\r\n"+base64.StdEncoding.EncodeToString([]byte(mark+fill(blanks, n)+written+fill(blanks, behind))))
			}
		}
		one := "Content-Type: text/html\r\n\r\n<html><head>"
		sees(t, "one comment", one+"<!-- "+fill("the council met ", n)+" -->"+lure+"<!-- "+fill("x ", behind)+" -->")
		sees(t, "one comment in a charset that is not read", strings.Replace(one, "html\r", "html; charset=hz-gb-2312\r", 1)+"<!-- "+fill("the council met ", n)+" -->"+lure+"<!-- "+fill("x ", behind)+" -->")
		sees(t, "a style sheet", one+"<style>"+fill(".a{color:red} ", n)+"</style>"+lure)
		sees(t, "a script", one+"<script>"+fill("var a=1; ", n)+"</script>"+lure)
		sees(t, "text that is not shown", one+"<div style='display:none'>"+fill("the council met ", n)+"</div>"+lure)
	}
	sees(t, "tags", "Content-Type: text/html\r\n\r\n"+fill("<b>", 200<<10)+lure)
	sees(t, "hidden tags", "Content-Type: text/html\r\n\r\n<p hidden>"+fill("<b></b>", 240<<10)+"</p>"+lure)
}

// TestPiecesJoinAsTheyWere: where a piece ends inside a tag or a comment, what is
// taken out is never text.
func TestPiecesJoinAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, c := range []string{"<", "<!", "<!-", "<!--", "<!-- x", "<!-- x -", "<!-- x --", "<a title='<!--", "<st", "<style>.a{", "<style>.a{}</st", "&nb"} {
		rest := map[string]string{
			"<": "!-- a <!-- b --> " + lure, "<!": "-- a <!-- b -->" + lure, "<!-": "- a <!-- b -->" + lure, "<!--": " a <!-- b -->" + lure, "<!-- x": " <!-- --> " + lure,
			"<!-- x -": "-> " + lure, "<!-- x --": "> " + lure, "<a title='<!--": "'>" + lure + "<!-- -->", "<st": "yle>.a{}</style>" + lure, "<style>.a{": "}</style>" + lure,
			"<style>.a{}</st": "yle>" + lure, "&nb": "sp;" + lure,
		}[c]
		for cut := -2; cut <= 2; cut++ {
			head := fill("&nbsp;", MaxText)
			head = head[:MaxText-MaxText%6-6] + strings.Repeat("x", MaxText%6+6)
			head = head[:min(len(head), MaxText-len(c)+cut)]
			sees(t, fmt.Sprintf("%q %d", c, cut), "Content-Type: text/html\r\n\r\n"+head+c+rest+fill("<!-- z -->", 300<<10))
		}
	}
}

// TestPartsInFrontLeaveRoom: many parts, or large ones, or files do not take all
// that is read.
func TestPartsInFrontLeaveRoom(t *testing.T) {
	t.Parallel()
	last := "Content-Type: text/html\r\n\r\n<p>" + lure + "</p>"
	for name, part := range map[string]string{
		"blanks": "Content-Type: text/plain\r\n\r\n" + fill(" \r\n", 1<<10), "hidden": "Content-Type: text/html\r\n\r\n<p hidden>" + fill("council ", 100<<10) + "</p>",
		"little beyond the bound": strings.Repeat("Content-Type: text/html\r\n\r\n<p hidden>"+fill("council ", 200<<10)+"\r\n--b\r\n", 3) + strings.Repeat("Content-Type: text/plain\r\n\r\nx\r\n--b\r\n", 900),
		"files":                   "Content-Type: text/html\r\nContent-Disposition: attachment\r\n\r\n" + fill("council ", 200<<10), "words": "Content-Type: text/plain\r\n\r\nx",
	} {
		n := 6
		if len(part) < 4<<10 {
			n = 900
		} else if len(part) > 400<<10 {
			n = 1
		}
		var b strings.Builder
		b.WriteString("Content-Type: multipart/mixed; boundary=b\r\n\r\n")
		for range n {
			b.WriteString("--b\r\n" + part + "\r\n")
		}
		sees(t, name, b.String()+"--b\r\n"+last+"\r\n--b--\r\n")
	}
}

// TestAPictureInFrontLeavesRoom: with a picture that costs most, what shows
// nothing still does not count.
func TestAPictureInFrontLeavesRoom(t *testing.T) {
	t.Parallel()
	picture := pictureOf(1024, 1024)
	picture += strings.Repeat("x", (maxWork-perPicture-maxPixels)/perOctet-len(picture))
	html := "\r\n--b\r\nContent-Type: text/html\r\n\r\n"
	for name, text := range map[string]string{
		"a usual text":    html + fill("<p hidden>council</p> ", freeText-1<<10) + lure,
		"a comment":       html + "<!-- " + fill("council ", 100<<10) + " -->" + lure,
		"a style sheet":   html + "<style>" + fill(".a{color:red} ", 100<<10) + "</style>" + lure,
		"blanks":          html + fill(" \r\n", 100<<10) + lure,
		"parts of blanks": strings.Repeat(html+fill(" \r\n", 60<<10), 3) + html + lure,
		"hidden words":    html + "<p hidden>" + fill("council ", 80<<10) + "</p>" + lure + "<p hidden>" + fill("council ", 4<<10) + "</p>",
		"two parts":       html + "<p hidden>" + fill("council ", 80<<10) + html + "<p hidden>" + fill("council ", 20<<10) + "</p>" + lure,
		"UTF-16":          strings.Replace(html, "html\r", "html; charset=utf-16le\r", 1) + utf16("<p hidden>"+fill("council ", 40<<10)+"</p>"+lure),
		"text and a part": html + "<p hidden>" + fill("council ", freeText) + html + "<!-- " + fill("council ", 20<<10) + " -->" + lure,
	} {
		sees(t, name, "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"+
			base64.StdEncoding.EncodeToString([]byte(picture))+text+"\r\n--b--\r\n")
	}
}

func sees(t *testing.T, name, rest string) {
	t.Helper()
	var m Message
	if err := m.Parse([]byte("From: a@a.example\r\nMIME-Version: 1.0\r\n" + rest)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(m.Page.Text), lure) {
		t.Errorf("%s: %d octets of text, %d hidden", name, len(m.Page.Text), len(m.Page.Hidden))
	}
}
