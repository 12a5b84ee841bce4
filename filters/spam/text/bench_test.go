package text

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// newsletter is HTML as mailing programs write it: 60 KiB of nested tables
// with inline styles.
func newsletter() []byte {
	var b bytes.Buffer
	b.WriteString(`<!DOCTYPE html><html><head><title>News of the week</title><style>.btn{background:#0055aa;color:#fff}@media (max-width:600px){.w{width:100%!important}}</style></head><body style="margin:0;padding:0;background-color:#f4f4f4">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">What we made for you this week</div>`)
	for i := 0; b.Len() < 60<<10; i++ {
		fmt.Fprintf(&b, `<table width="100%%" border="0" cellspacing="0" cellpadding="0" style="border-collapse:collapse;background-color:#ffffff"><tr><td align="center" valign="top" style="padding:20px 30px 20px 30px;font-family:Arial,Helvetica,sans-serif;font-size:16px;line-height:24px;color:#333333">
<p style="margin:0 0 16px 0">Article %d &mdash; the quick brown fox jumps over the lazy dog, and then it&rsquo;s off to read the rest of the news that came in over night.</p>
<a class="btn" href="https://news.example/r?id=%d&amp;u=7" target="_blank" style="display:inline-block;padding:10px 20px;text-decoration:none">Read more</a><img src="https://img.example/%d.png" width="600" height="200" alt="Picture" style="display:block;border:0"></td></tr></table>
`, i, i, i)
	}
	return b.Bytes()
}

// soup is old HTML: short tags, little text.
func soup() []byte {
	return []byte(strings.Repeat(`<FONT color=red size=+2><B>Buy</B> <I>now</I></FONT><BR><TR><TD>only $5<TD>x</TR>`+"\n", 700))
}

func BenchmarkHTML(b *testing.B) {
	for _, c := range []struct {
		name string
		src  []byte
	}{{"newsletter", newsletter()}, {"soup", soup()}} {
		b.Run(c.name, func(b *testing.B) {
			p := new(Page)
			b.SetBytes(int64(len(c.src)))
			b.ReportAllocs()
			for b.Loop() {
				p.Reset()
				p.HTML(c.src)
			}
		})
	}
}

// BenchmarkTokenizer is the peer: golang.org/x/net/html at its raw level.
func BenchmarkTokenizer(b *testing.B) {
	for _, c := range []struct {
		name string
		src  []byte
	}{{"newsletter", newsletter()}, {"soup", soup()}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.src)))
			b.ReportAllocs()
			for b.Loop() {
				z := html.NewTokenizer(bytes.NewReader(c.src))
				for {
					k := z.Next()
					if k == html.ErrorToken {
						break
					}
					if k == html.StartTagToken {
						_, more := z.TagName()
						for more {
							_, _, more = z.TagAttr()
						}
					}
				}
			}
		})
	}
}

var proses = []struct{ name, text string }{
	{"english", strings.Repeat("The quick brown fox jumps over the lazy dog, and $500 buys 24 of them before 2025. ", 100)},
	{"french", strings.Repeat("Vous avez reçu une pièce jointe à l’été dernier, où êtes-vous ? ", 100)},
	{"russian", strings.Repeat("Здравствуйте, это письмо с вашим счётом, мы ждём оплаты до конца месяца. ", 100)},
	{"chinese", strings.Repeat("请查收附件中的发票，如有问题请与我们联系。", 100)},
	{"disguised", strings.Repeat("Yоur Раyраl ассоunt is l\u200bimi\u200bted ｎｏｗ ", 100)},
}

func BenchmarkFold(b *testing.B) {
	for _, c := range proses {
		b.Run(c.name, func(b *testing.B) {
			src, dst := []byte(c.text), []byte(nil)
			var m Marks
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				dst = Fold(dst[:0], src, &m)
			}
		})
	}
}

func BenchmarkWords(b *testing.B) {
	for _, c := range proses {
		b.Run(c.name, func(b *testing.B) {
			src := Fold(nil, []byte(c.text), nil)
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				for w := range Words(src) {
					n += len(w)
				}
			}
		})
	}
}

func BenchmarkLanguage(b *testing.B) {
	for _, c := range proses[:3] {
		b.Run(c.name, func(b *testing.B) {
			src := Fold(nil, []byte(c.text), nil)
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				Language(src)
			}
		})
	}
}

func BenchmarkUTF8(b *testing.B) {
	for _, c := range []struct{ name, charset, text string }{
		{"ascii", "us-ascii", proses[0].text},
		{"utf-8", "utf-8", proses[1].text},
		{"latin", "iso-8859-1", strings.Repeat("caf\xe9 au lait ", 400)},
		{"koi8", "koi8-r", strings.Repeat("\xf0\xd2\xc9\xd7\xc5\xd4 ", 800)},
	} {
		b.Run(c.name, func(b *testing.B) {
			src := []byte(c.text)
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				UTF8(src, c.charset)
			}
		})
	}
}
