package spam_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"math/rand/v2"
	"strings"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"golang.org/x/image/bmp"
)

// octets are noise that is the same each time.
func octets(n int) []byte {
	r := rand.New(rand.NewPCG(5, 6))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// rawJPEG is a JPEG whose scans are data: of 1 to 4 components, all alike in
// their sampling but the first, which has first times as much each way.
func rawJPEG(side, components, first int, progressive bool, scans int, adobe int, data []byte) []byte {
	var b bytes.Buffer
	segment := func(marker byte, body ...byte) {
		b.Write([]byte{0xff, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)})
		b.Write(body)
	}
	b.Write([]byte{0xff, 0xd8})
	if adobe >= 0 {
		segment(0xee, append([]byte("Adobe\x00\x64\x00\x00\x00\x00"), byte(adobe))...)
	}
	segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)
	frame := []byte{8, byte(side >> 8), byte(side), byte(side >> 8), byte(side), byte(components)}
	scan := []byte{byte(components)}
	for i := range components {
		factor := byte(1)
		if i == 0 || i == 3 {
			factor = byte(first)
		}
		frame = append(frame, byte(i+1), factor<<4|factor, 0)
		scan = append(scan, byte(i+1), 0)
	}
	sof := byte(0xc0)
	if progressive {
		sof = 0xc2
	}
	segment(sof, frame...)
	// Codes as short as can be: of all octets much has to be made.
	segment(0xc4, 0x00, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 5, 6)
	segment(0xc4, 0x10, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x11, 0x00, 0x02)
	data = bytes.ReplaceAll(data, []byte{0xff}, []byte{0xfe})
	for i := range scans {
		switch {
		case !progressive:
			segment(0xda, append(scan, 0, 63, 0)...)
		case i == 0:
			segment(0xda, append(scan, 0, 0, 0)...)
		default: // one component each
			segment(0xda, 1, byte(1+i%components), 0, byte(1+i), 63, 0)
		}
		b.Write(data)
	}
	b.Write([]byte{0xff, 0xd9})
	return b.Bytes()
}

// interlaced is a PNG of 8 bits a channel in seven passes.
func interlaced(side int) []byte {
	var raw bytes.Buffer
	for _, p := range [...][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} {
		w, h := (side-p[0]+p[2]-1)/p[2], (side-p[1]+p[3]-1)/p[3]
		line := make([]byte, 1+4*w)
		line[0] = 4 // Paeth
		for i := range line[1:] {
			line[1+i] = byte(i)
		}
		for range h {
			raw.Write(line)
		}
	}
	return pngWith(side, side, 6, 1, raw.Bytes())
}

// filtered is a PNG of one pass, of a kind of colours.
func filtered(side, kind int) []byte {
	each := map[int]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
	line := make([]byte, 1+each*side)
	r := rand.New(rand.NewPCG(9, 10))
	var raw bytes.Buffer
	for y := range side {
		if line[0] = 4; y%(8*each) == 0 { // Paeth
			for i := range line[1:] {
				line[1+i] = byte(r.Uint32() % 64)
			}
		}
		raw.Write(line)
	}
	return pngWith(side, side, kind, 0, raw.Bytes())
}

// wholeCode is a code of the largest version whose data are of noise.
func wholeCode() *gozxing.BitMatrix {
	m, err := qrcode.NewQRCodeWriter().EncodeWithoutHint(strings.Repeat("HTTPS://A.EXAMPLE/", 180), gozxing.BarcodeFormat_QR_CODE, 0, 0)
	if err != nil {
		panic(err)
	}
	r := rand.New(rand.NewPCG(7, 8))
	w := m.GetWidth()
	for y := 16; y < w-16; y++ {
		for x := 16; x < w-16; x++ {
			if r.IntN(4) == 0 && x%28 > 8 && y%28 > 8 {
				m.Flip(x, y)
			}
		}
	}
	return m
}

// sheets of codes, each a little apart.
func manyCodes(m *gozxing.BitMatrix, across, scale int) *image.Gray {
	w := m.GetWidth() * scale
	img := image.NewGray(image.Rect(0, 0, across*w, across*w))
	for y := range across * w {
		for x := range across * w {
			v := uint8(255)
			if m.Get(x%w/scale, y%w/scale) {
				v = 0
			}
			img.SetGray(x, y, color.Gray{Y: v})
		}
	}
	return img
}

func drawnCode(m *gozxing.BitMatrix) string {
	var b strings.Builder
	for y := 0; y < m.GetHeight(); y += 2 {
		for x := range m.GetWidth() {
			i := 0
			if m.Get(x, y) {
				i = 1
			}
			if y+1 < m.GetHeight() && m.Get(x, y+1) {
				i += 2
			}
			b.WriteString([]string{" ", "▀", "▄", "█"}[i])
		}
		b.WriteString("\n")
	}
	return b.String()
}

// hostileKinds are further messages that are made to cost much.
func hostileKinds(put func(name string, raw []byte)) {
	const part = 256 << 10
	picture := func(name, kind string, data []byte, n int) {
		put("picture "+name, mixed("mixed", times(file(kind, data), n)...))
	}
	noisy := octets(88 << 10)
	for n, sides := range map[int][2]int{1: {1024, 1024}, 3: {836, 647}, 4: {647, 512}} { // the largest that are looked at
		picture(fmt.Sprint("raw jpeg ", n), "image/jpeg", rawJPEG(sides[0], n, 1, false, 1, -1, noisy), 3)
		picture(fmt.Sprint("raw jpeg, small ", n), "image/jpeg", rawJPEG(sides[0]/2, n, 1, false, 1, -1, octets(220<<10)), 3)
		picture(fmt.Sprint("raw jpeg of zeros ", n), "image/jpeg", rawJPEG(sides[0], n, 1, false, 1, -1, make([]byte, 64<<10)), 3)
		for _, scans := range []int{1, 7, 28} {
			picture(fmt.Sprint("progressive ", n, " of ", scans), "image/jpeg", rawJPEG(sides[1], n, 1, true, scans, -1, make([]byte, (84<<10)/scans)), 3)
			picture(fmt.Sprint("progressive noise ", n, " of ", scans), "image/jpeg", rawJPEG(sides[1], n, 1, true, scans, -1, noisy[:(84<<10)/scans]), 3)
		}
		picture(fmt.Sprint("raw jpeg of fours ", n), "image/jpeg", rawJPEG(min(2*sides[0], 1024), n, 2, false, 1, -1, noisy), 3)
	}
	picture("adobe rgb", "image/jpeg", rawJPEG(724, 3, 1, false, 1, 0, noisy), 3)
	picture("adobe cmyk", "image/jpeg", rawJPEG(647, 4, 1, false, 1, 0, noisy), 3)
	picture("adobe ycck", "image/jpeg", rawJPEG(647, 4, 1, false, 1, 2, noisy), 3)
	picture("adobe ycck progressive", "image/jpeg", rawJPEG(512, 4, 1, true, 1, 2, make([]byte, 64<<10)), 3)
	picture("interlaced", "image/png", interlaced(591), 3)
	for _, kind := range []int{0, 2, 3, 4, 6} {
		picture(fmt.Sprint("filtered ", kind), "image/png", filtered(1024, kind), 3)
	}
	picture("whole code", "image/png", pngOf(manyCodes(wholeCode(), 1, 5)), 3)
	picture("four codes", "image/png", pngOf(manyCodes(wholeCode(), 2, 2)), 3)
	picture("nine codes", "image/png", pngOf(manyCodes(wholeCode(), 3, 1)), 3)
	picture("sixteen codes", "image/png", pngOf(manyCodes(wholeCode(), 5, 1)), 3)
	rgba := image.NewNRGBA(image.Rect(0, 0, 1024, 1024))
	picture("clear", "image/png", pngOf(rgba), 3)
	var b bytes.Buffer
	_ = bmp.Encode(&b, image.NewGray(image.Rect(0, 0, 700, 700)))
	picture("bmp", "image/bmp", b.Bytes(), 3)
	picture("webp", "image/webp", blankWebP(591), 3)
	picture("lossy webp", "image/webp", lossyWebP(1008, octets(200<<10)), 3)
	picture("lossy webp of little", "image/webp", lossyWebP(1008, octets(20<<10)), 3)
	picture("many chunks", "image/png", manyChunks(), 3)

	code := drawnCode(wholeCode())
	put("drawn code", mixed("mixed", times("Content-Type: text/plain; charset=utf-8\r\n\r\n"+code, 60)...))
	put("drawn codes in html", mixed("mixed", times("Content-Type: text/html; charset=utf-8\r\n\r\n"+strings.Repeat(code+"x\n", 8), 2)...))

	for name, unit := range map[string]string{
		"deep divs":         "<div style='color:red'>",
		"deep fonts":        "<font color=red size=1>x<p>",
		"variables":         "<p style='--a:var(--b);--b:var(--a);color:var(--a,var(--b,red))'>x",
		"reckoned":          "<p style='width:calc(1px + (2px*(3 + (4*(5 + (6*(7 + 8)))))));font-size:min(1px,max(2px,3px))'>x",
		"sheet of all":      "<style>*{color:red}* *{color:red}* > *{color:red}i+i{color:blue}</style><i>x</i><i>y</i>",
		"imports":           "<style>@import 'https://x.test/a.css';@supports (display:grid){@media all{@layer a{i{color:red}}}}</style>",
		"opened at":         "<style>@media all{@supports not (a:b){",
		"raw ends":          "<textarea></textare><textareax>",
		"scripts open":      "<script><!--<script></scrip",
		"titles":            "<title>x</title>",
		"cdata":             "<svg><![CDATA[x]]>",
		"bangs":             "<!x><?y><!-- a -- b --!>",
		"slashes":           "</ x></x/><x/y/z>",
		"quotes":            `<a href="'"'"x=' "">`,
		"srcdoc":            `<iframe srcdoc="&lt;iframe srcdoc=&quot;&amp;lt;a href=https://x.test&amp;gt;x&quot;&gt;">`,
		"data html":         `<a href="data:text/html;base64,PGEgaHJlZj1odHRwczovL3gudGVzdD54PC9hPg==">x</a>`,
		"javascript":        `<a href="java&#10;script:location='https://x.test/'">x</a>`,
		"userinfo":          `<a href="https://a:b@c@d@www.paypal.com@x.test:80:80/@/">x</a>`,
		"numbers":           `<a href="http://0x7f.1/">x</a><a href="http://[::ffff:1.2.3.4]/">y</a>`,
		"wide hosts":        `<a href="http://ｗｗｗ。ｐａｙｐａｌ．ｃｏｍ/">x</a>`,
		"long entities":     "&CounterClockwiseContourIntegral;&DoubleLongLeftRightArrow;",
		"numbered":          "&#x1f600;&#00000065;&#x110000;",
		"quoting":           "> > > > > x\r\n",
		"original":          "-----Original Message-----\r\nFrom: a\r\nSent: b\r\nOn Mon, 1 Jan 2024 x wrote:\r\n",
		"jamo":              "\u1112\u1161\u11ab",
		"marks in disarray": "a" + strings.Repeat("\u0301\u0316\u0345\u05b0", 8),
		"only marks":        "\u0301\u0316\u0345\u05b0\u0327",
		"squared words":     "\u3316\u33ff\ufdfa\u1f82",
		"turns":             "\u202e" + strings.Repeat("abc ", 64) + "\u202c",
		"isolates":          "\u2066\u2067\u2068a\u2069",
		"tag letters":       "a\U000e0061\U000e0062",
		"broken utf-8":      "a\xc3\x28\xe2\x28\xa1\xf0\x28\x8c\x28",
		"alike words":       "раураl gооglе аmаzоn ",
		"addresses":         "a.b+c@x.example, <d@e.test>; mailto:f@g.test ",
		"urls":              "https://a.b.c.d.example.co.uk:8080/x?y=z#w(https://x.test/) ",
		"schemes":           "http:http://hxxp://https:/x //y.test/ ",
		"dotted":            "a.b.c.d.e.f.g.h.com ",
		"ibans":             "DE89 3704 0044 0532 0130 00 4111 1111 1111 1111 ",
		"base64 lines":      "VGhpcyBpcyBub3QgdGhlIHRleHQgdGhhdCB5b3Ugc2VlLiBJdCBpcyBhIGxvbmcgbGluZSBvZiBi\r\n",
		"uuencoded":         "begin 644 a.png\r\nM" + strings.Repeat("A", 60) + "\r\n`\r\nend\r\n",
		"emoji":             "👨‍👩‍👧‍👦🏳️‍🌈☎️",
		"thai":              "กรุณายืนยันบัญชีของคุณ",
		"hebrew":            "אנא אשר את חשבונך בְּרֵאשִׁית ",
		"devanagari":        "कृपया अपने खाते की पुष्टि करें ",
		"long words":        strings.Repeat("а", 63) + "a ",
		"phone words":       "1-8OO-FLOWERS +44 (0)20 7946-0958 call ",
		"masks":             `<p style="mask-image:linear-gradient(rgba(0,0,0,0),rgba(0,0,0,0));clip-path:inset(50% 50% 50% 50%);transform:translate(-9999px) scale(0) rotateX(90deg)">x`,
		"animations":        `<style>@keyframes a{from{opacity:0}to{opacity:1}}</style><p style="animation:a 1s">x`,
		"many attributes":   `<a ` + strings.Repeat(`href="https://x.test/" style="color:red" class="a" `, 30) + `>`,
		"options":           "<select><option>pay<option>pal</select><details><summary>x</summary>y</details>",
		"ruby":              "<ruby>pay<rt>x</rt><rp>y</rp>pal</ruby>",
		"nested tables":     "<table><tr><td bgcolor=#000><table><tr><td bgcolor=#fff color=#fff>x",
		"mso":               "<!--[if mso]><p style='mso-hide:all'>x</p><![endif]--><![if !mso]>y<![endif]>",
	} {
		body := fill(unit, part)
		half := "Content-Type: text/html; charset=utf-8\r\n\r\n" + body
		put("kind html "+name, mixed("mixed", half, half))
		plain := "Content-Type: text/plain; charset=utf-8\r\n\r\n" + body
		put("kind plain "+name, mixed("mixed", plain, plain))
		put("kind file "+name, mixed("mixed", strings.Replace(half, "\r\n\r\n", "\r\nContent-Disposition: attachment; filename=a.html\r\n\r\n", 1), half, plain))
	}
	for _, charset := range []string{"big5", "euc-jp", "gbk", "gb18030", "hz-gb-2312", "iso-2022-jp", "euc-kr", "windows-1258", "utf-7", "x-user-defined", "macintosh", "replacement", "utf-16be", "no-such"} {
		body := octets(255 << 10)
		put("octets as "+charset, mixed("mixed", times(file("text/html; charset="+charset, body), 20)...))
		put("few octets as "+charset, mixed("mixed", times(file("text/plain; charset="+charset, octets(8<<10)), 300)...))
		put("one of octets as "+charset, letter("text/html; charset="+charset+"\r\nContent-Transfer-Encoding: base64", wrap(base64.StdEncoding.EncodeToString(octets(2<<20)))))
	}
	for name, param := range map[string]string{
		"continued":  strings.Repeat("; name*%d*=utf-8''%%D0%%B0%%D0%%B1%%D1%%86", 60),
		"words":      "; name=\"" + strings.Repeat("=?iso-2022-jp?b?GyRCJDMbKEI=?= ", 120) + "\"",
		"gb words":   "; name=\"" + strings.Repeat("=?gb18030?q?=81=30=81=30=81=30?= ", 120) + "\"",
		"comments":   "; (a (b (c \\) ) d)" + strings.Repeat("(", 500),
		"semicolons": strings.Repeat("; a=b; \"c\"=d;;;", 200),
	} {
		if strings.Contains(param, "%d") {
			list := make([]any, 60)
			for i := range list {
				list[i] = i
			}
			param = fmt.Sprintf(param, list...)
		}
		put("parameters "+name, mixed("mixed", times("Content-Type: text/html"+param+"\r\nContent-Disposition: attachment; file"+strings.TrimPrefix(param, "; ")+"\r\n\r\n<p>x", 990)...))
	}
	for name, word := range map[string]string{
		"iso-2022-jp": "=?iso-2022-jp?b?" + base64.StdEncoding.EncodeToString([]byte(fill("\x1b$B$3$l\x1b(B", 45))) + "?=\r\n ",
		"gb18030":     "=?gb18030?b?" + base64.StdEncoding.EncodeToString([]byte(fill("\x81\x30\x81\x30", 45))) + "?=\r\n ",
		"utf-7":       "=?utf-7?q?" + fill("+AGE-", 50) + "?=\r\n ",
		"ligatures":   "=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(fill("\ufdfa", 45))) + "?=\r\n ",
		"look-alikes": "=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(fill("раураӏ ", 45))) + "?=\r\n ",
		"unended":     "=?utf-8?b?=?utf-8?q?=?=?=\r\n ",
	} {
		for _, field := range []string{"Subject", "From", "To", "X-Mailer", "Organization", "List-Id", "Message-ID", "References", "Date"} {
			put("words in "+field+" of "+name, []byte(field+": "+strings.Repeat(word, (60<<10)/len(word))+"\r\n\r\nx"))
		}
	}
	put("groups of addresses", []byte("To: "+strings.Repeat("g: a@b.example, \"x \\\" y\" <c@d.example>;,\r\n ", 1400)+"\r\n\r\nx"))
	put("addresses of brands", []byte("To: "+strings.Repeat("\"PayPal\" <service@paypa1-secure.example>,\r\n ", 1400)+"\r\nFrom: "+strings.Repeat("\"раураӏ\" <x@xn--80ak6aa92e.com>,\r\n ", 1400)+"\r\n\r\nx"))
	put("messages in messages", []byte(hostileHead+strings.Repeat("Content-Type: message/rfc822\r\n"+fill("X-A: =?utf-8?q?=D0=B0?=\r\n", 60<<10)+"\r\n", 90)))
	put("headers of parts", mixed("mixed", times("Content-Type: text/html\r\n"+fill("X-A: =?utf-8?q?=D0=B0?=\r\n", 7<<10)+"\r\n<p>x", 990)...))
	put("winmail", mixed("mixed", times(file("application/ms-tnef; name=winmail.dat", append([]byte("\x78\x9f\x3e\x22"), octets(1<<20)...)), 5)...))
	put("zip of many", mixed("mixed", file("application/zip; name=a.zip", bytes.Repeat([]byte("PK\x01\x02\x14\x00\x14\x00\x00\x00\x08\x00"), 200<<10))))
	put("ics of one line", letter("text/calendar", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDESCRIPTION:"+strings.Repeat("https://x.test/ раураӏ \\n\r\n ", 18000)))
	put("ics of attachments", mixed("mixed", times("Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n"+fill("ATTACH;ENCODING=BASE64;VALUE=BINARY:QUJDQUJDQUJDQUJD\r\nX-ALT-DESC;FMTTYPE=text/html:<b><i>x</i>\r\n", part), 2)...))
	for name, unit := range map[string]string{
		"nested":  `<g transform="translate(1,1)" opacity=".9" fill="#fff">`,
		"uses":    `<symbol id=a><use href="#a"/></symbol>`,
		"spans":   `<text x=1 y=1><tspan dx=1 fill="white">x</tspan></text>`,
		"foreign": `<foreignObject><div xmlns="http://www.w3.org/1999/xhtml" style="display:none">x</div></foreignObject>`,
		"paths":   `<path d="M0 0h7v7H0z" fill="#000"/>`,
		"images":  `<image href="data:image/svg+xml;base64,PHN2Zz48YSBocmVmPSJodHRwczovL3gudGVzdCI+eDwvYT48L3N2Zz4="/>`,
	} {
		put("svg of "+name, mixed("mixed", times("Content-Type: image/svg+xml\r\n\r\n<svg>"+fill(unit, part-10), 2)...))
	}
	for name, unit := range map[string]string{"bin": `{\bin9 123456789}`, "pages": `{\f1\ansicpg932\'82\'a0}`, "colours": `{\colortbl;\red255\green255\blue255;}\cf1 x`, "pictures": `{\pict\pngblip 89504e47}`, "stars": `{\*\x{\*\y z}}`} {
		put("rtf of "+name, mixed("mixed", times("Content-Type: text/rtf\r\n\r\n{\\rtf1 "+fill(unit, part-10), 2)...))
	}
	table := "<table>" + strings.Repeat("<tr>"+strings.Repeat(`<td bgcolor=#000><td bgcolor=#fff>`, 88)+"</tr>", 42)
	put("tables of codes", mixed("mixed", times("Content-Type: text/html\r\n\r\n"+table, 2)...))

	// All bounds at once: pictures, text of all kinds, many small parts.
	jpeg := rawJPEG(1024, 1, 1, false, 1, -1, noisy)
	many := times("Content-Type: text/html; charset=iso-2022-kr\r\n\r\n"+fill("\x0e請點擊此處\x0f", 7<<10), 400)
	files := times(file("text/html; charset=iso-2022-kr", octets(255<<10)), 15)
	put("all together", mixed("mixed", append(append([]string{file("image/jpeg", jpeg)}, files...), many...)...))
	put("all together, text first", mixed("mixed", append(append(append([]string(nil), files...), many...), file("image/jpeg", jpeg))...))
	put("all together, a dense picture", mixed("mixed", append(append([]string{file("image/jpeg", dearest(900))}, files...), many...)...))
	put("all together, colours", mixed("mixed", append(append([]string{file("image/jpeg", rawJPEG(1024, 3, 2, false, 1, -1, noisy))}, files...), many...)...))
	put("all together, dense letters", mixed("mixed", append(append([]string{file("image/jpeg", dearest(700))}, files...), many...)...))
	put("all together, codes", mixed("mixed", append(append([]string{file("image/png", pngOf(manyCodes(wholeCode(), 2, 2)))}, files...), many...)...))
	put("all together, filtered", mixed("mixed", append(append([]string{file("image/png", filtered(1024, 6))}, files...), many...)...))
	put("all together, three", mixed("mixed", append(append(times(file("image/jpeg", dearest(500)), 3), files...), many...)...))
	before := "Content-Type: text/html; charset=iso-2022-kr\r\n\r\n" + fill("\x0e\x31\x45\x5a\x72\x3c\x21 \x0f", 64<<10) // as much as leaves all for a picture
	for name, p := range map[string]string{
		"colours": file("image/png", filtered(1024, 6)), "RGB": file("image/png", filtered(1024, 2)), "greys": file("image/png", filtered(1024, 0)), "a palette": file("image/png", filtered(1024, 3)),
		"passes": file("image/png", interlaced(591)), "inks": file("image/jpeg", rawJPEG(647, 4, 1, false, 1, 2, noisy)), "three colours": file("image/jpeg", rawJPEG(724, 3, 1, false, 1, 0, noisy)),
		"a clear palette": file("image/png", clearPalette(1024)), "frames": file("image/gif", gifOf(corners(1024, 2), 30)),
	} {
		put("all together, text before "+name, mixed("mixed", append(append([]string{before, p}, files...), many...)...))
	}
	tags := "Content-Type: text/html; charset=utf-8\r\n\r\n<style>.a~.b~.c i,.x~.c,.y~.c{color:red}</style>" + fill("<i class='a b c d e'>раурaӏ</i>", part)
	put("tags and octets", mixed("mixed", append([]string{tags, tags}, append(files, many...)...)...))
	put("octets and tags", mixed("mixed", append(append(append([]string(nil), files...), many...), tags, tags)...))
}

// pngWith is a PNG of these octets of lines.
func pngWith(w, h, kind, passes int, raw []byte) []byte {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	chunk(&b, "IHDR", append(head, 8, byte(kind), 0, 0, byte(passes)))
	if kind == 3 {
		chunk(&b, "PLTE", octets(3*64))
	}
	chunk(&b, "IDAT", deflated(raw))
	chunk(&b, "IEND", nil)
	return b.Bytes()
}

// clearPalette is a PNG of a palette that has a clear colour.
func clearPalette(side int) []byte {
	p := filtered(side, 3)
	at := bytes.Index(p, []byte("IDAT")) - 4
	var b bytes.Buffer
	b.Write(p[:at])
	chunk(&b, "tRNS", []byte{0, 128, 255})
	b.Write(p[at:])
	return b.Bytes()
}

// manyChunks is a picture in chunks of one octet.
func manyChunks() []byte {
	one := pngOf(image.NewGray(image.Rect(0, 0, 1000, 1000)))
	var b bytes.Buffer
	b.Write(one[:33])
	for range 20000 {
		chunk(&b, "tEXt", []byte("a"))
	}
	at := bytes.Index(one, []byte("IDAT"))
	n := int(binary.BigEndian.Uint32(one[at-4:]))
	for _, c := range one[at+4 : at+4+n] {
		chunk(&b, "IDAT", []byte{c})
	}
	chunk(&b, "IEND", nil)
	return b.Bytes()
}

func chunk(b *bytes.Buffer, name string, data []byte) {
	_ = binary.Write(b, binary.BigEndian, uint32(len(data)))
	body := append([]byte(name), data...)
	b.Write(body)
	_ = binary.Write(b, binary.BigEndian, crc32.ChecksumIEEE(body))
}

func deflated(raw []byte) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write(raw)
	_ = z.Close()
	return b.Bytes()
}

// blankWebP is a lossless WebP of one colour: no pixel has a bit.
func blankWebP(side int) []byte {
	var data []byte
	n := 0
	put := func(v uint32, bits int) {
		for i := range bits {
			if n%8 == 0 {
				data = append(data, 0)
			}
			data[n/8] |= byte(v>>i&1) << (n % 8)
			n++
		}
	}
	put(0x2f, 8)
	put(uint32(side-1), 14)
	put(uint32(side-1), 14)
	put(0, 1+3)
	for _, transform := range []uint32{0, 1, 2} { // prediction, colours, green
		put(1|transform<<1, 3)
		if transform < 2 {
			put(0, 3) // blocks of 4
			put(0, 1) // no cache
			for range 5 {
				put(1|0<<1|0<<2|0<<3, 4)
			}
		}
	}
	put(0, 1+1+1) // no more transforms, no cache, no meta codes
	for range 5 {
		put(1|0<<1|0<<2|0<<3, 4)
	}
	data = append(data, 0, 0, 0, 0)
	if len(data)%2 == 1 {
		data = append(data, 0)
	}
	out := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(12+len(data)))
	out = append(out, "WEBPVP8L"...)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(data))), data...)
}

// lossyWebP is a WebP of noise: whatever octets there are say something.
func lossyWebP(side int, noise []byte) []byte {
	first := append(make([]byte, 40), noise[:len(noise)/8]...)
	size := len(first)
	tag := uint32(1<<4 | size<<5) // a key frame that is shown
	data := []byte{byte(tag), byte(tag >> 8), byte(tag >> 16), 0x9d, 0x01, 0x2a, byte(side), byte(side >> 8), byte(side), byte(side >> 8)}
	data = append(append(data, first...), noise[len(noise)/8:]...)
	if len(data)%2 == 1 {
		data = append(data, 0)
	}
	out := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(12+len(data)))
	out = append(out, "WEBPVP8 "...)
	return append(binary.LittleEndian.AppendUint32(out, uint32(len(data))), data...)
}
