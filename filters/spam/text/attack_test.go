package text

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// looksLike is written for the test from the shapes of letters, apart from
// the table that Fold has.
var looksLike = map[rune][]string{
	'a': {"а", "ａ", "𝐚", "𝗮", "ⓐ", "á", "à", "ä", "ɑ", "𝓪"},
	'b': {"ｂ", "𝐛", "𝕓", "ⓑ", "Β"},
	'c': {"с", "ｃ", "𝐜", "ⓒ", "ç", "ϲ", "ⅽ"},
	'd': {"ԁ", "ｄ", "𝐝", "ⓓ", "ⅾ"},
	'e': {"е", "ｅ", "𝐞", "ⓔ", "é", "ê", "ë"},
	'f': {"ｆ", "𝐟", "ⓕ"},
	'g': {"ｇ", "𝐠", "ⓖ", "ɡ"},
	'h': {"һ", "ｈ", "𝐡", "ⓗ"},
	'i': {"і", "ｉ", "𝐢", "ⓘ", "í", "ⅰ", "ı"},
	'j': {"ј", "ｊ", "𝐣", "ⓙ"},
	'k': {"ｋ", "𝐤", "ⓚ", "Κ"},
	'l': {"ｌ", "𝐥", "ⓛ", "ⅼ", "ӏ"},
	'm': {"ｍ", "𝐦", "ⓜ", "ⅿ", "Μ"},
	'n': {"ｎ", "𝐧", "ⓝ", "ñ", "Ν"},
	'o': {"о", "ο", "ｏ", "𝐨", "ⓞ", "ö", "ó", "օ"},
	'p': {"р", "ｐ", "𝐩", "ⓟ", "Ρ"},
	'q': {"ԛ", "ｑ", "𝐪", "ⓠ"},
	'r': {"ｒ", "𝐫", "ⓡ"},
	's': {"ѕ", "ｓ", "𝐬", "ⓢ", "š"},
	't': {"ｔ", "𝐭", "ⓣ", "Τ"},
	'u': {"ｕ", "𝐮", "ⓤ", "ü", "ú"},
	'v': {"ѵ", "ｖ", "𝐯", "ⓥ", "ⅴ"},
	'w': {"ԝ", "ｗ", "𝐰", "ⓦ"},
	'x': {"х", "ｘ", "𝐱", "ⓧ", "ⅹ"},
	'y': {"у", "ｙ", "𝐲", "ⓨ", "ý"},
	'z': {"ｚ", "𝐳", "ⓩ", "Ζ"},
}

var invisibles = []string{"\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u180e", "\u200e", "\u2062", "\ufe0f", "\U000e0041", "\u0301", "\u0336", "\u20e3", "\U000e0101"}

var plainTexts = []string{
	"your account has been limited please verify your payment details within the next days or we will suspend it",
	"congratulations you have won the prize of our lottery reply with your bank details to claim it today",
	"quick brown foxes jump over lazy dogs while zebras exit the box kept by waxy jovial queen",
	"dear customer the package could not be delivered because of an incomplete address update it here",
}

// disguise replaces letters and puts characters that show nothing between.
func disguise(rnd *rand.Rand, text string, glyphs, gaps int) string {
	var b strings.Builder
	for i, r := range text {
		if i > 0 && r != ' ' && text[i-1] != ' ' && rnd.IntN(100) < gaps {
			b.WriteString(invisibles[rnd.IntN(len(invisibles))])
		}
		if l := looksLike[r]; l != nil && rnd.IntN(100) < glyphs {
			b.WriteString(l[rnd.IntN(len(l))])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestDisguisedTextHasTheWordsOfPlainText(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		plain := plainTexts[rnd.IntN(len(plainTexts))]
		in := disguise(rnd, plain, rnd.IntN(101), rnd.IntN(101))
		if got, want := folded(in), folded(plain); !slices.Equal(got, want) {
			t.Fatalf("%q\nhas the words %q\nwant          %q", in, got, want)
		}
	}
}

func TestDisguisesInsideHTMLAreUndoneToo(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	tricks := []string{
		"<!-- x -->", "<b></b>", "&zwnj;", "&shy;", "&#8203;", `<span style="display:none">zq</span>`, `<font size=1 style="font-size:0">junk</font>`,
		`<i style="position:absolute;left:-9999px">no</i>`, "<wbr>", `<u style="color:#ffffff">w</u>`,
	}
	for range 500 {
		plain := plainTexts[rnd.IntN(len(plainTexts))]
		var b strings.Builder
		for i, r := range plain {
			if i > 0 && r != ' ' && plain[i-1] != ' ' && rnd.IntN(4) == 0 {
				b.WriteString(tricks[rnd.IntN(len(tricks))])
			}
			if rnd.IntN(5) == 0 {
				b.WriteString("&#" + itoa(int(r)) + ";")
			} else {
				b.WriteRune(r)
			}
		}
		if got, want := folded(string(page(b.String()).Text)), folded(plain); !slices.Equal(got, want) {
			t.Fatalf("%q\nhas the words %q\nwant          %q", b.String(), got, want)
		}
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

func TestRealTextOfOtherScriptsStaysItself(t *testing.T) {
	for _, in := range []string{
		"уважаемые коллеги, высылаю вам отчет по проекту и прошу ответить до пятницы. с уважением, анна сорока",
		"я работаю в ооо ромашка, а мой коллега работает с java и с python",
		"а он сам рос у моря, и все его хором хвалят",
		"шановні друзі, надсилаю вам рахунок і чекаю на оплату",
		"поштовани, шаљем вам рачун и очекујем уплату",
		"αγαπητε κυριε, σασ στελνω το τιμολογιο και περιμενω την πληρωμη",
		"οι νεοι ορισμοι ειναι εδω",
		"請查收附件中的發票 如有問題請與我們聯繫",
		"添付の請求書をご確認ください よろしくお願いいたします",
		"첨부된 청구서를 확인해 주세요",
		"שלום רב מצורפת החשבונית לתשלום",
		"مرحبا هذه الفاتورة المرفقة للدفع",
		"नमस्ते कृपया संलग्न चालान देखें",
		"กรุณาตรวจสอบใบแจ้งหนี้ที่แนบมา",
		"հարգելի գործընկեր խնդրում եմ ստուգել հաշիվը",
	} {
		if got := string(Fold(nil, []byte(in), nil)); got != in {
			t.Errorf("%q\nbecame %q", in, got)
		}
	}
}

// TestFoldTwiceIsFoldOnce: what was folded stays.
func TestFoldTwiceIsFoldOnce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		in := disguise(rnd, plainTexts[rnd.IntN(len(plainTexts))], 60, 30)
		once := Fold(nil, []byte(in), nil)
		if twice := Fold(nil, once, nil); string(twice) != string(once) || !utf8.Valid(once) {
			t.Fatalf("%q, then %q", once, twice)
		}
	}
}
