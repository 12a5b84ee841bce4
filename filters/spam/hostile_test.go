package spam_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
)

const hostileHead = "From: \"PayPal Service\" <x@a.example>\r\nTo: me@b.example\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"

// letter is a message of one part.
func letter(kind, body string) []byte {
	return []byte(hostileHead + "Content-Type: " + kind + "\r\n\r\n" + body)
}

// fill repeats unit up to n octets.
func fill(unit string, n int) string { return strings.Repeat(unit, n/len(unit)) }

// mixed is a message of parts.
func mixed(kind string, parts ...string) []byte {
	var b strings.Builder
	b.WriteString(hostileHead + "Content-Type: multipart/" + kind + "; boundary=b\r\n\r\n")
	for _, p := range parts {
		b.WriteString("--b\r\n" + p + "\r\n")
	}
	b.WriteString("--b--\r\n")
	return []byte(b.String())
}

func file(kind string, data []byte) string {
	return "Content-Type: " + kind + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + wrap(base64.StdEncoding.EncodeToString(data))
}

func wrap(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	b.WriteString(s)
	return b.String()
}

// corners is a picture full of what looks like the corners of QR codes.
func corners(side, module int) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			cx, cy := x/module%9, y/module%9
			in := cx < 7 && cy < 7
			ring := in && cx > 0 && cx < 6 && cy > 0 && cy < 6
			dot := in && cx > 1 && cx < 5 && cy > 1 && cy < 5
			v := uint8(255)
			if in && (!ring || dot) {
				v = 0
			}
			img.SetGray(x, y, color.Gray{Y: v})
		}
	}
	return img
}

func noise(side int) *image.Gray {
	r := rand.New(rand.NewPCG(1, 2))
	img := image.NewGray(image.Rect(0, 0, side, side))
	for i := range img.Pix {
		img.Pix[i] = uint8(r.Uint32() & 0xff)
	}
	return img
}

func pngOf(img image.Image) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, img)
	return b.Bytes()
}

func jpegOf(img image.Image, quality int) []byte {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, img, &jpeg.Options{Quality: quality})
	return b.Bytes()
}

// dearest is a picture of noise that is just looked at.
func dearest(side int) []byte {
	img := noise(side)
	for quality := 80; ; quality-- {
		if data := jpegOf(img, quality); quality == 1 || side*side+5*len(data)+7<<15 <= 53<<15 {
			return data
		}
	}
}

func gifOf(img image.Image, frames int) []byte {
	g := &gif.GIF{}
	p := image.NewPaletted(img.Bounds(), color.Palette{color.White, color.Black})
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			p.Set(x, y, img.At(x, y))
		}
	}
	for range frames {
		g.Image, g.Delay = append(g.Image, p), append(g.Delay, 0)
	}
	var b bytes.Buffer
	_ = gif.EncodeAll(&b, g)
	return b.Bytes()
}

// hostileMessages are made to cost as much as they can.
func hostileMessages(put func(name string, raw []byte)) {
	const part = 256 << 10
	for name, unit := range map[string]string{
		"tags":           "<b>x</b>",
		"empty tags":     "<p>",
		"shortest tags":  "<b><i>",
		"tables":         "<table><tr><td>",
		"misnested":      "<b><i><u><a href=x></b>",
		"attributes":     "<a b c d e f g h i j k l m n o p q r s t u v w x y z>",
		"styles":         `<p style="display:block;color:#fff;font-size:0;width:1px">x`,
		"classes":        `<i class="a b c d e f g h i j k l m n o p q r s t u v w x y z">x</i>`,
		"sheet":          "<style>.a .b .c>.d{color:red;display:none}</style><i class='a b c d'>x</i>",
		"neighbours":     "<style>.a~.b~.c i,.x~.c,.y~.c{color:red}</style><i class='a b c d e'>x</i><i class=c></i>",
		"places":         "<style>.a:nth-child(2n+1):is(.b,.c,.d,.e):not(.f,.g){color:red}</style><i class='a e'>x</i>",
		"colours":        `<p style="color:` + strings.Repeat("light-dark(", 9000) + "red" + strings.Repeat(",x)", 9000) + `">x`,
		"mixed colours":  `<p style="color:color-mix(in srgb,color-mix(in srgb,red,blue),rgb(from red r g b));mask:linear-gradient(#0000,#0000,#0000)">x`,
		"media":          "<style>@media tv,screen and (min-width:1px) and (color){.a{color:red}}</style><i class=a>x</i>",
		"drawn letters":  `<svg fill=none stroke=red opacity=1 width=9 height=9 transform="scale(1) rotate(9)"><text fill-opacity=0 x=1 y=1 fill="rgb(1 2 3)">x</text></svg>`,
		"links":          `<a href="https://www.paypal.com.login.a%d.example/x?u=https%3A%2F%2Fb.example">https://bank.example</a>`,
		"long links":     `<a href="https://a.example/` + fill("u=http://b.c/&", 2000) + `">` + fill("www.bank.example ", 250) + `</a>`,
		"redirects":      `<a href="https://www.google.com/url?q=` + strings.Repeat("https://www.google.com/url?q=", 60) + `http://x.test/">x</a>`,
		"escaped":        `<a href="https://a.example/?u=` + strings.Repeat("%2525", 380) + `">x</a>`,
		"puny":           `<a href="http://` + strings.Repeat("xn--80ak6aa92e.", 16) + `com/">pаypаl.com</a>`,
		"labels":         `<a href="http://` + strings.Repeat("a.", 120) + `com/">a.b</a>`,
		"look-alikes":    `<a href="http://paypa1-arnazon-rnicrosoft-g00gle-app1e-netf1ix-faceb00k.com/">paypal</a>`,
		"bare":           "www.a.example b.example/x c.test ",
		"entities":       "&notin;&zzzzzz;&amp&#x41;",
		"confusables":    "раурaӏ аррӏе ",
		"zero width":     "p\u200ba\u200by\u200bp\u200ba\u200bl ",
		"math":           "𝐩𝐚𝐲𝐩𝐚𝐥 ",
		"overrides":      "\u202elapyap\u202c ",
		"combining":      "p\u0301a\u0302y\u0303",
		"ligature":       "\ufdfa",
		"single letters": "p a y p a l ",
		"leet":           "p4yp4l@cc0unt$ ",
		"digits":         "+1 (800) 555-0199 x1 ",
		"digit mess":     "1-8OO-l2 3/",
		"separators":     "1 - ",
		"bracket":        "( + ",
		"spaces":         "\u00a0\u200b ",
		"cjk":            "請點擊此處驗證您的帳戶",
		"cyrillic":       "срочно подтвердите ваш аккаунт ",
		"arabic":         "،،؛",
		"comments":       "pay<!-- x -->pal ",
		"svg":            `<svg><a xlink:href="https://x.test/">x</a><script>x</script></svg>`,
		"script":         "<script>atob('x');location='https://a.test/'+x;new Blob(</script>",
		"base64 script":  "<script>atob('" + fill("QUJD", 4000) + "')</script>",
		"cells":          `<td bgcolor="#000000" width=4 height=4></td>`,
		"conditional":    "<!--[if mso]><v:rect><![endif]-->",
		"hidden":         `<div style="display:none">hidden words </div>`,
		"images":         `<img src="https://x.test/a.png" width=1 height=1 alt="pay pal">`,
		"forms":          `<form action="https://x.test/"><input type=password>`,
		"frames":         `<iframe srcdoc="<a href=x>">`,
		"mails":          `<a href="mailto:a@b.example?subject=x">a@b.example</a>`,
		"data":           `<img src="data:image/png;base64,` + fill("QUJD", 1000) + `">`,
		"block letters":  "█▀▄ ▌▐\n",
		"phrases":        "verify your account immediately bitcoin wallet gift card wire transfer ",
		"prefixes":       "veri verif verify verifyi confirmations ",
		"addresses":      "me@b.example a@b.example ",
		"bitcoin":        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq ",
		"near bitcoin":   "1A1zP1eP5QGefi2DMPTfTL5SLmv7Divf0a0x ",
	} {
		if strings.Contains(unit, "%d") {
			var b strings.Builder
			for i := 0; b.Len() < part; i++ {
				b.WriteString(strings.Replace(unit, "%d", fmt.Sprint(i), 1))
			}
			unit = b.String()
		}
		body := unit
		if len(unit) < part {
			body = fill(unit, part)
		}
		half := "Content-Type: text/html\r\n\r\n" + body
		put("html "+name, mixed("mixed", half, half)) // 512 KiB
		late := "Content-Type: text/html\r\n\r\nx" + body[:len(body)-100] + "<style>.zz{display:none}</style>"
		put("late "+name, mixed("mixed", late, late)) // is read twice
		plain := "Content-Type: text/plain\r\n\r\n" + body
		put("plain "+name, mixed("mixed", plain, plain))
		put("alternative "+name, mixed("alternative", plain, half))
	}
	var sheet strings.Builder
	sheet.WriteString("<style>")
	for i := range 6000 {
		fmt.Fprintf(&sheet, ".c%d .d%d>#e%d{display:none;color:#%06x}", i%300, i, i, i)
	}
	sheet.WriteString("</style>")
	for i := range 3000 {
		fmt.Fprintf(&sheet, "<i class='c%d d%d' id=e%d>x</i>", i%300, i, i)
	}
	put("sheet rules", letter("text/html", sheet.String()))
	var same strings.Builder
	same.WriteString("<style>" + strings.Repeat(".a .b .c{color:red}", 300) + "</style>")
	same.WriteString(fill("<i class='a b c a b c a b c'>", 240<<10))
	put("sheet matches", letter("text/html", same.String()))
	same.Reset()
	for i := range 96 { // of each element 16 are put in order, the worst last
		fmt.Fprintf(&same, ".%c:not(.x%d){color:red}", 'f'-i/16, i)
	}
	put("sheet order", letter("text/html", "<style>"+same.String()+"</style>"+fill("<i class='a b c d e f'>x</i>", 240<<10)))
	for name, sheet := range map[string]string{
		"nested selectors":  fill("a"+strings.Repeat(":is(", 1000)+"{color:red}", 128<<10),
		"escaped selectors": strings.Repeat(`\a{color:red}`, 2048),
		"attribute rules":   strings.Repeat(`[x*="zz"]{color:red}i[x*="zz"]{color:red}.a[x~="yy"]{color:red}`, 16),
	} {
		page := "Content-Type: text/html\r\n\r\n<style>" + sheet + "</style>" + fill(`<i class="a a a a a a" x="`+fill("&a ", 1000)+`">`, part-len(sheet)-20)
		put(name, mixed("mixed", page, page))
	}
	put("brackets", letter("text/html", `<i style="a:`+strings.Repeat("(", 250<<10)+`">x`))
	full := "Content-Type: text/html\r\n\r\n" + fill("word ", part-4095)
	put("parts when nothing is left", mixed("mixed", append([]string{full, full}, times("Content-Type: text/plain\r\n\r\n"+fill("word ", 8<<10), 500)...)...))
	put("long word", letter("text/plain", strings.Repeat("a", 512<<10)))
	put("long digits", letter("text/plain", strings.Repeat("1", 512<<10)))
	put("long line of tags", letter("text/html", "<a "+fill("x=y ", 512<<10)+">"))
	put("many charsets", letter("text/html; charset=iso-2022-jp", fill("\x1b$B$3$l\x1b(B", 512<<10)))
	put("utf-7", letter("text/plain; charset=utf-7", fill("+AGE-", 512<<10)))
	put("gb18030", letter("text/plain; charset=gb18030", fill("\x81\x30\x81\x30", 512<<10)))
	for name, unit := range map[string]string{"groups": `{\rtf1 `, "unicode": `\u1072?`, "links": `{\field{\*\fldinst HYPERLINK "https://x.test/"}{\fldrslt x}}`, "hex": `\'e9`, "hidden": `{\v x}`} {
		put("rtf "+name, letter("application/rtf", `{\rtf1 `+fill(unit, 512<<10)))
	}
	for name, unit := range map[string]string{
		"events": "BEGIN:VEVENT\r\nDESCRIPTION:https://x.test/ pay\\npal\r\nEND:VEVENT\r\n", "folds": " x\r\n", "html": "X-ALT-DESC;FMTTYPE=text/html:<a href=https://x.test>x</a>\r\n",
		"params": "DESCRIPTION;a=b;c=\"d\":x\r\n",
	} {
		put("ics "+name, letter("text/calendar", "BEGIN:VCALENDAR\r\n"+fill(unit, 512<<10)))
	}
	put("parts", mixed("mixed", times("Content-Type: text/html; name=\"a.pdf.exe\"\r\n\r\n<a href=https://x.test/>x</a>", 1000)...))
	put("alternatives", mixed("alternative", times("Content-Type: text/plain\r\n\r\n"+fill("word ", 512), 1000)...))
	put("named parts", mixed("mixed", times("Content-Type: application/octet-stream; name=\""+fill("invoice.pdf ", 900)+".exe\"\r\n\r\nx", 1000)...))
	var deep strings.Builder
	deep.WriteString(hostileHead + "Content-Type: multipart/mixed; boundary=b0\r\n\r\n")
	for i := range 200 {
		fmt.Fprintf(&deep, "--b%d\r\nContent-Type: multipart/alternative; boundary=b%d\r\n\r\n", i, i+1)
	}
	deep.WriteString(fill("--b200\r\nContent-Type: text/html\r\n\r\n<p>x\r\n", 256<<10))
	put("deep", []byte(deep.String()))
	var nested strings.Builder
	nested.WriteString(hostileHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n")
	for i := range 300 {
		fmt.Fprintf(&nested, "--b\r\nContent-Type: multipart/alternative; boundary=c%d\r\n\r\n--c%d\r\nContent-Type: text/plain\r\n\r\nx\r\n--c%d\r\nContent-Type: text/html\r\n\r\n<p>y\r\n--c%d--\r\n", i, i, i, i)
	}
	put("many alternatives", []byte(nested.String()))
	put("messages", []byte(hostileHead+fill("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n", 256<<10)))
	for name, line := range map[string]string{
		"X-Priority": "1 highest " + "x", "To": fill("Péter <a@b.example>, ", 400), "From": fill("PayPal <a@b.example>, ", 400), "Reply-To": fill("x <a@b.example>, ", 400),
		"Received": fill("from a (b [1.2.3.4]) by c ", 400), "Subject": fill("=?utf-8?q?=D0=B0?= ", 400), "Sender": fill("x <a@b.example>, ", 400), "X-A": "b", "Cc": fill("\"a\\\" (b) c\" <", 400),
		"List-Id": "x", "Importance": fill("high ", 400), "X": "", "DKIM-Signature": fill("v=1; a=b; ", 400), "Authentication-Results": fill("a.example; dkim=pass header.d=x.y; ", 400),
	} {
		put("fields "+name, []byte(strings.Repeat(name+": "+line+"\r\n", 2000)+"\r\nx"))
		put("long field "+name, []byte(name+":"+strings.Repeat(" "+line+"\r\n", max(1, 60000/(len(line)+3)))+"\r\nx"))
	}
	put("giant header", []byte("X-A: "+strings.Repeat(fill("x ", 900)+"\r\n ", 200)+"\r\n\r\nx"))
	put("name of brands", []byte("From: \""+fill("paypal аррӏе g00gle ", 500)+"\" <"+fill("paypal.", 200)+"com@"+strings.Repeat("paypal-", 8)+"a."+strings.Repeat("a.", 100)+"com>\r\nReply-To: <a@"+strings.Repeat("xn--80ak6aa92e.", 15)+"com>\r\n\r\nx"))
	put("subject of marks", []byte(hostileHead+"Subject: =?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(fill("p\u0301\u202e", 900)))+"?=\r\n\r\nx"))
	for name, img := range map[string][]byte{
		"corners": pngOf(corners(1024, 2)), "corners 1": pngOf(corners(1000, 1)), "corners 3": pngOf(corners(1024, 3)), "corners jpeg": jpegOf(corners(1024, 4), 5),
		"noise": pngOf(noise(700)), "gif": gifOf(corners(1024, 2), 1), "gif frames": gifOf(image.NewGray(image.Rect(0, 0, 512, 512)), 40),
		"wide": pngOf(image.NewGray(image.Rect(0, 0, 8192, 128))), "too large": pngOf(image.NewGray(image.Rect(0, 0, 2000, 2000))),
		"dense noise": dearest(700), "small noise": jpegOf(noise(500), 15), "large noise": dearest(900), "largest noise": dearest(1024), "16 bit": pngOf(image.NewNRGBA64(image.Rect(0, 0, 1024, 1024))),
	} {
		put("picture "+name, mixed("mixed", times(file("image/png", img), 5)...))
	}
	put("many drawings", mixed("mixed", times("Content-Type: text/plain\r\n\r\n"+fill("█▀▄ ▌▐█▀▄ ▌▐\n", 512<<10), 16)...))
	octets := noise(505).Pix
	for _, charset := range []string{"utf-8", "utf-16", "iso-2022-kr", "shift_jis", "koi8-r"} {
		put("octets as "+charset, mixed("mixed", times(file("text/plain; charset="+charset, octets), 20)...))
		put("many parts in "+charset, mixed("mixed", times("Content-Type: text/html; charset="+charset+"\r\n\r\n"+fill("請點擊此處驗證您的帳戶", 7<<10), 990)...))
	}
	for name, img := range map[string][]byte{"dense": dearest(700), "large": dearest(900), "largest": dearest(1024)} {
		words := "Content-Type: text/plain\r\n\r\n" + fill("раурaӏ аррӏе ", part)
		pic := file("image/jpeg", img)
		put("text and a picture, "+name, mixed("mixed", append(times(words, 6), pic)...))
		put("a picture and text, "+name, mixed("mixed", append([]string{pic}, times(words, 6)...)...))
		put("a picture and long texts, "+name, mixed("mixed", append([]string{pic}, times(strings.Replace(words, "plain", "html", 1), 6)...)...))
		blanks := "Content-Type: text/html\r\n\r\n<p>" + fill("раурaӏ аррӏе ", 16<<10) + fill("&nbsp; &#8203;", part-32<<10)
		put("a picture and blanks, "+name, mixed("mixed", append([]string{pic}, times(blanks, 6)...)...))
	}
}

func times(s string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

// judge is all that the filter does with a message, without waiting for others.
type judge struct {
	m    anatomy.Message
	v    *model.Vector
	base *model.Model
	own  *model.Layer
	set  *rule.Set
}

func newJudge(tb testing.TB, set *rule.Set) *judge {
	tb.Helper()
	j := &judge{v: model.NewVector(), base: model.Empty(), own: model.NewLayer(), set: set}
	j.ask([]byte("From: a@b.example\r\n\r\nx")) // makes the tables that all share
	return j
}

func shippedRules(tb testing.TB) *rule.Set {
	tb.Helper()
	set, err := rule.Load(nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

func (j *judge) ask(raw []byte) {
	_ = j.m.Parse(raw)
	model.Features(&j.m, j.v, spam.Signals(j.set.Match(&j.m, gateway.Facts{}))...)
	if j.own == nil { // the base alone, and its score alone
		j.base.Score(j.v)
		return
	}
	if j.base.Score(j.v, j.own).Class == model.Spam {
		j.base.Explain(&j.m, j.v, 10, j.own)
	}
}

// learn makes every feature of the message known, so that it is explained too.
func (j *judge) learn() {
	for range 3 {
		j.own.Learn(j.base, nil, j.v, true, 1)
	}
}

// maxCost is what a hostile message may take beyond its body.
const maxCost = 8 << 20

// TestHostileMessagesTakeLittleMemory counts all octets that are allocated,
// which is more than are held at a time.
func TestHostileMessagesTakeLittleMemory(t *testing.T) {
	set := shippedRules(t)
	j := newJudge(t, set)
	fresh := anatomy.Message{}
	within := func(name string, raw []byte, n int64) {
		if n > maxCost {
			t.Errorf("%s, %d KiB: %d KiB", name, len(raw)>>10, n>>10)
		}
	}
	hostileMessages(func(name string, raw []byte) { // even with reading
		j.m = fresh // no buffer has grown yet
		within(name, raw, int64(allocated(func() { j.ask(raw) })))
	})
	hostileKinds(func(name string, raw []byte) {
		j.m = fresh
		within(name, raw, beyondReading(j, raw))
	})
}

// beyondReading is what is allocated beyond what reading takes.
func beyondReading(j *judge, raw []byte) int64 {
	return int64(allocated(func() { j.ask(raw) })) - int64(allocated(func() { readOnly(raw) }))
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// BenchmarkHostile tells what each costs once it was learned as spam, beyond what
// any gateway does to read it: filter-ms is all-ms less read-ms, which is for the
// header, the MIME walk and decoding. The policy asks for those without this filter
// too. All are processor time, the middle of several runs. filter-MiB is what the
// first such message allocates, less what reading does. The last two rows have the
// dearest of all.
func BenchmarkHostile(b *testing.B) {
	set := shippedRules(b)
	var slowest, largest cost
	for name, raw := range allHostile {
		name = strings.ReplaceAll(name, " ", "-")
		b.Run(name, func(b *testing.B) {
			j := newJudge(b, set)
			j.m = anatomy.Message{} // no buffer has grown yet
			c := cost{name: name, mib: float64(beyondReading(j, raw)) / (1 << 20)}
			j.learn()
			var took, read []float64
			for b.Loop() {
				began := cpuTime()
				readOnly(raw)
				halfway := cpuTime()
				j.ask(raw)
				read, took = append(read, (halfway-began).Seconds()), append(took, (cpuTime()-halfway).Seconds())
			}
			all, reading := 1000*median(took), 1000*median(read)
			c.ms = all - reading
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(all, "all-ms")
			b.ReportMetric(reading, "read-ms")
			c.report(b)
			if c.ms > slowest.ms {
				slowest = c
			}
			if c.mib > largest.mib {
				largest = c
			}
		})
	}
	for _, c := range []cost{slowest, largest} {
		b.Run("dearest:"+c.name, func(b *testing.B) {
			for b.Loop() {
			}
			b.ReportMetric(0, "ns/op")
			c.report(b)
		})
	}
}

// cost is what a message costs beyond reading it.
type cost struct {
	name    string
	ms, mib float64
}

func (c cost) report(b *testing.B) {
	b.ReportMetric(c.ms, "filter-ms")
	b.ReportMetric(c.mib, "filter-MiB")
}

// allHostile are all messages that are made to cost much, one at a time.
func allHostile(yield func(string, []byte) bool) {
	put := func(name string, raw []byte) { _ = yield(name, raw) } // nobody ends it
	hostileMessages(put)
	hostileKinds(put)
}

// cpuTime is what this process has taken of processors.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// readOnly reads a message as a gateway does that has no filter: it takes the
// header and all parts apart, decodes them, and keeps nothing.
func readOnly(raw []byte) {
	block, body := message.Split(raw)
	h, _ := message.ParseHeader(block, message.HeaderLimits{})
	if h != nil {
		_ = message.NewWalker(h, message.WalkLimits{}).Walk(bytes.NewReader(body), passing{})
	}
}

// passing wants the content of all parts.
type passing struct{}

func (passing) Part(*message.PartInfo) io.Writer { return io.Discard }
func (passing) PartEnd(*message.PartInfo)        {}
func (passing) Defect(message.Defect)            {}
