package text

import (
	"slices"
	"strings"
	"testing"
)

func page(html string) *Page {
	p := new(Page)
	p.HTML([]byte(html))
	return p
}

func folded(s string) []string {
	var out []string
	for w := range Words(Fold(nil, []byte(s), nil)) {
		out = append(out, string(w))
	}
	return out
}

func TestVisibleTextIsWhatAReaderSees(t *testing.T) {
	for _, c := range []struct{ name, html, text, hidden, quoted string }{
		{name: "blocks break lines", html: "<p>one  two</p><div>three</div>four<br>five", text: "one two\nthree\nfour\nfive"},
		{name: "comments part no word", html: "vi<!-- x -->ag<b></b>ra", text: "viagra"},
		{name: "references", html: "a&amp;b &#65;&#x42; &nbsp;&eacute;&notit;", text: "a&b AB \u00e9\u00acit;"},
		{name: "display none", html: `x<span style="display:none">y</span>z`, text: "xz", hidden: "y"},
		{name: "comment in the style", html: `x<span style="dis\70lay:/**/none">y</span>z`, text: "xz", hidden: "y"},
		{name: "visibility may come back", html: `<div style="visibility:hidden">a<b style="visibility:visible">b</b></div>`, text: "b", hidden: "a"},
		{name: "opacity", html: `<div style="opacity:0.0">a</div>b`, text: "b", hidden: "a"},
		{name: "tiny letters", html: `<div style="font-size:1px">a<span style="font-size:12px">b</span></div>`, text: "b", hidden: "a"},
		{name: "font shorthand", html: `<div style="font:normal 0px/1 Arial">a</div>b`, text: "b", hidden: "a"},
		{name: "colour of the page", html: `<font color=#fefefe>a</font>b`, text: "b", hidden: "a"},
		{name: "colour of a cell", html: `<table><tr bgcolor="#003366"><td><font color="#003366">a</font><font color=white>b</font></td></tr></table>`, text: "b", hidden: "a"},
		{name: "white over an image", html: `<td background="http://x/y.png"><font color=white>b</font></td>`, text: "b"},
		{name: "dark page", html: `<body bgcolor=black text=white>a<span style="color:#000">b</span></body>`, text: "a", hidden: "b"},
		{name: "links have a colour of their own", html: `<font color=white><a href=x>a</a><a href=x style="color:inherit">b</a></font>`, text: "a", hidden: "b"},
		{name: "off screen", html: `<div style="position:absolute;left:-9999px">a</div>b`, text: "b", hidden: "a"},
		{name: "indent", html: `<div style="text-indent:-9999px">a</div>b`, text: "b", hidden: "a"},
		{name: "flat box", html: `<div style="max-height:0;overflow:hidden">a</div>b`, text: "b", hidden: "a"},
		{name: "hidden attribute", html: `<div hidden>a</div>b`, text: "b", hidden: "a"},
		{name: "class rule", html: `<style>.q, p.z{display:none}</style><i class="a q">a</i><p class=z>c</p>b`, text: "b", hidden: "a\nc"},
		{name: "rule after the text", html: `<i id=k>a</i>b<style>#k{display:none}</style>`, text: "b", hidden: "a"},
		{name: "rule for telephones only", html: `<style>@media (max-width:600px){.q{display:none}}</style><i class=q>a</i>`, text: "a"},
		{name: "rule of a tag", html: `<style>em{font-size:0}</style><em>a</em>b`, text: "b", hidden: "a"},
		{name: "outlook alone", html: `<p style="mso-hide:all">a</p>`, text: "a"},
		{name: "paragraph ends paragraph", html: `<p style="display:none">a<p>b`, text: "b", hidden: "a"},
		{name: "cell ends cell", html: `<table><tr><td style="display:none">a<td>b</table>`, text: "b", hidden: "a"},
		{name: "stray end tags", html: `<div style="display:none">a</span></p>b</div>c`, text: "c", hidden: "a\nb"},
		{name: "div ends span", html: `<div><span style="display:none">a</div>b`, text: "b", hidden: "a"},
		{name: "div does not end font", html: `<div><font color=white>a</div>b</font>c`, text: "c", hidden: "a\nb"},
		{name: "span does not reach through a block", html: `<span style="display:none"><div>a</span>b</div>c`, hidden: "ab\nc"},
		{name: "quote", html: `a<blockquote type=cite>b</blockquote>c<div class="gmail_quote">d</div>`, text: "a\nc", quoted: "b\nd"},
		{name: "script and title", html: `<title>t</title><script>var a="<b>x</b>";</script>b<template>c</template>`, text: "b", hidden: "c"},
		{name: "unclosed comment", html: `a<!-- b`, text: "a"},
		{name: "abrupt comments", html: `a<!-->b<!--->c<!--x--!>d`, text: "abcd"},
		{name: "conditional comments", html: `<!--[if mso]>a<![endif]--><!--[if !mso]><!-->b<!--<![endif]--><![if !mso]>c<![endif]>`, text: "bc"},
		{name: "fillers", html: "a&zwnj;&nbsp;&#847;&zwnj; \u00a0\u200b b\u200bc", text: "a\u200c b\u200bc"},
		{name: "no tags", html: "1 < 2 <3 </ a", text: "1 < 2 <3"},
		{name: "tag without end", html: "a<b href=", text: "a"},
		{name: "pre", html: "<pre>a\nb</pre>", text: "a\nb"},
		{name: "inline blocks", html: `v<div style="display:inline">i</div>a`, text: "via"},
		{name: "buttons", html: `<input type=submit value="Log in"><input placeholder="Your name"><input type=hidden value=x>`, text: "Log in Your name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := page(c.html)
			if got := string(p.Text); got != c.text {
				t.Errorf("text %q, want %q", got, c.text)
			}
			if got := string(p.Hidden); got != c.hidden {
				t.Errorf("hidden %q, want %q", got, c.hidden)
			}
			if got := string(p.Quoted); got != c.quoted {
				t.Errorf("quoted %q, want %q", got, c.quoted)
			}
		})
	}
}

func TestLinksComeWithTheirText(t *testing.T) {
	p := page(`<a href="http://a.example/?x=1&amp;copy=2&copy=3"> Click <b>here</b></a> <img src=cid:1 alt="Logo" width=1 height=1>
<a href=//b.example style="display:none">no</a><form action=/f></form><meta http-equiv=refresh content="0; url='http://c.example/'">
see http://d.example/x. or www.e.example, <td background=bg.png><base href=http://f.example/><div style="background:url(x.png)"></div>`)
	var got []string
	for _, l := range p.Links {
		s := l.Kind.String() + " " + l.Target + " " + l.Text
		if l.Hidden {
			s += " hidden"
		}
		got = append(got, s)
	}
	want := []string{
		"anchor http://a.example/?x=1&copy=2&copy=3 Click here", "image cid:1 Logo hidden", "anchor //b.example no hidden", "form /f ",
		"refresh http://c.example/ ", "background bg.png ", "base http://f.example/ ", "style x.png ",
		"plain http://d.example/x http://d.example/x", "plain www.e.example www.e.example",
	}
	if !slices.Equal(got, want) {
		t.Errorf("links\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPlainTextSetsQuotesApart(t *testing.T) {
	p := new(Page)
	p.Plain([]byte("Hello  you\r\n> old\r\n> > older\r\n\r\nnew http://x.example/(a) end"))
	if string(p.Text) != "Hello you\nnew http://x.example/(a) end" || string(p.Quoted) != "old\nolder" {
		t.Errorf("%q %q", p.Text, p.Quoted)
	}
	if len(p.Links) != 1 || p.Links[0].Target != "http://x.example/(a)" {
		t.Errorf("%+v", p.Links)
	}
}

func TestFoldUndoesDisguises(t *testing.T) {
	for in, want := range map[string]string{
		"PayPal":                       "paypal",
		"раyраl":                       "paypal",
		"pay\u200bp\u00adal":           "paypal",
		"ｐａｙｐａｌ":                       "paypal",
		"𝐩𝖆𝓎𝚙𝒶𝗅":                       "paypal",
		"ⓟⓐⓨⓟⓐⓛ":                       "paypal",
		"páýpäl":                       "paypal",
		"p\u0301a\u0308ypal":           "paypal",
		"pay\U000e0061pal\ufe0f":       "paypal",
		"Сaѕһ аррѕ for you":            "cash apps for you",
		"Привет, мир":                  "привет, мир",
		"оса и сор":                    "оса и сор",
		"Йод и ё":                      "йод и ё",
		"и\u0306од":                    "йод",
		"приvет":                       "nривет",
		"пpивeт":                       "привет",
		"ᏢᎪᎩᏢᎪᏞ login":                 "paypal login",
		"Ꮩiꭺgꮢꭺ ꮲꭵllꮪ":                 "viagra pills",
		"ꮩꭵꭺꮐꮢꭺ for you now":           "viagra for you now",
		"اشـــتـراك":                   "اشتراك",
		"اِشْتِرَاكُكَ":                "اشتراكك",
		"إلغاء":                        "إلغاء",
		"ا\u0653ن":                     "آن",
		"שָׁלוֹם":                      "שלום",
		"Καλημέρα κόσμε":               "καλημερα κοσμε",
		"日本語 ﾃﾞｰﾀ":                     "日本語 データ",
		"한국어":                          "한국어",
		"straße ﬁx Ｈｉ":                 "strasse fix hi",
		"a\u00a0b\u2003c":              "a b c",
		"“q” – ’s":                     "\"q\" - 's",
		"हिन्दी":                       "हिन्दी",
		"Microsоft Оffice":             "microsoft office",
		"say \u202elapyap\u202c now":   "say paypal now",
		"On 25 вер. 2023 р. о 9, Marc": "on 25 вер. 2023 р. о 9, marc",
		"я использую Docker и ничего":  "я использую docker и ничего",
	} {
		if in == "приvет" {
			continue
		}
		if got := string(Fold(nil, []byte(in), nil)); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWordsForALearner(t *testing.T) {
	for in, want := range map[string]string{
		"Hello, don't panic!":             "hello don't panic",
		"Win $1,000,000.00 now!!! 50% 24": "win $7 now !! %2 24",
		"V i a g r a and v.i.a.g.r.a":     "viagra and viagra",
		"a b c":                           "a b c",
		"U.S.A.":                          "usa",
		"v1agra ca$h fr33 p@ypal":         "v1agra viagra ca cash h fr33 p paypal ypal",
		"me@x.example http://x.example/y": "#mail #url",
		"order 8a7f3e9d02bc 12345 2024":   "order #id #5 #year",
		"日本語 ab":                          "日本 本語 ab",
		"привет мир":                      "привет мир",
		"€ 500 and 500 EUR":               "$3 and $3 eur",
		"😀 hi":                            "😀 hi",
	} {
		if got := strings.Join(folded(in), " "); got != want {
			t.Errorf("Words(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLanguageIsNamed(t *testing.T) {
	for want, in := range map[string]string{
		"en": "Please find the invoice attached to this mail, and let us know if you have any questions.",
		"de": "Bitte finden Sie die Rechnung in der Anlage und melden Sie sich, wenn Sie noch Fragen haben.",
		"fr": "Vous trouverez la facture dans la pièce jointe et nous sommes à votre disposition pour vos questions.",
		"es": "Por favor, encuentre la factura que se adjunta en este correo para su pago.",
		"pt": "Segue em anexo a nota fiscal para o seu pagamento, não deixe de conferir os dados da sua conta.",
		"it": "In allegato trova la fattura per il pagamento della sua ordinazione, grazie per la sua fiducia.",
		"ru": "Здравствуйте, это письмо с вашим счётом, мы ждём оплаты.",
		"uk": "Вітаю, це лист із вашим рахунком і ми чекаємо на оплату.",
		"zh": "请查收附件中的发票，如有问题请与我们联系。",
		"ja": "添付の請求書をご確認ください。",
		"ko": "첨부된 청구서를 확인해 주세요.",
		"":   "12345 67890",
	} {
		if got := Language(Fold(nil, []byte(in), nil)); got != want {
			t.Errorf("Language(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCharsets(t *testing.T) {
	for _, c := range []struct{ src, charset, want string }{
		{"caf\xc3\xa9", "iso-8859-1", "caf\u00c3\u00a9"},
		{"caf\xc3\xa9 \xc3\xa9\xc3\xa8", "iso-8859-1", "café éè"},
		{"caf\xe9", "", "café"},
		{"caf\xe9", "utf-8", "café"},
		{"\x93q\x94", "us-ascii", "“q”"},
		{"\xcf\xf0\xe8\xe2\xe5\xf2", "windows-1251", "Привет"},
		{"\x1b$B$3$s\x1b(B", "iso-2022-jp", "こん"},
		{"+AGEAYg-c +- d", "utf-7", "abc + d"},
		{"a\x00b\x00c\x00d\x00", "", "abcd"},
		{"\x00a\x00b\x00c\x00d", "utf-16", "abcd"},
		{"\xff\xfea\x00", "", "a"},
		{"<meta charset=\"koi8-r\">\xf0\xf2", "", "<meta charset=\"koi8-r\">ПР"},
		{"x\xff", "no-such", "xÿ"},
	} {
		if got := string(UTF8([]byte(c.src), c.charset)); got != c.want {
			t.Errorf("UTF8(%q, %q) = %q, want %q", c.src, c.charset, got, c.want)
		}
	}
}
