package text

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	// languageText is how many octets of text Language reads.
	languageText = 8 << 10
	// minLanguage is how many common words make a language sure.
	minLanguage = 2
)

// Language names the language of folded text by its ISO 639-1 code, or ""
// when it is not sure: by script first, then by the words that every text of
// a language holds.
func Language(folded []byte) string {
	b := folded[:min(len(folded), languageText)]
	c := countScripts(b)
	if l := c.alone(); l != "" {
		return l
	}
	return commonWords(b, &c)
}

// scriptCount counts letters by script.
type scriptCount struct {
	latin, cyrillic, ukrainian, serbian, bulgarian, russian, greek, hebrew, arabic, persian, han, kana, hangul, thai, devanagari int
}

func countScripts(b []byte) (c scriptCount) {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			n := asciiPrefix(b[i:])
			c.latin += countLetters(b[i : i+n])
			i += n
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		i += n
		c.add(r)
	}
	return c
}

func (c *scriptCount) add(r rune) {
	switch {
	case r < 0x370:
	case r < 0x400:
		c.greek++
	case r < 0x530:
		c.cyrillic++
		switch r {
		case 'і', 'ї', 'є', 'ґ':
			c.ukrainian++
		case 'ј', 'љ', 'њ', 'ћ', 'ђ', 'џ':
			c.serbian++
		case 'ы', 'э', 'ё':
			c.russian++
		case 'ъ':
			c.bulgarian++
		}
	case r < 0x590:
	case r < 0x600:
		c.hebrew++
	case r < 0x780:
		c.arabic++
		switch r {
		case 'پ', 'چ', 'ژ', 'گ', 'ی', 'ک':
			c.persian++
		}
	case r >= 0x900 && r < 0x980:
		c.devanagari++
	case r >= 0xe00 && r < 0xe80:
		c.thai++
	case r >= 0x3041 && r <= 0x30ff:
		c.kana++
	case r >= 0x3400 && r <= 0x9fff:
		c.han++
	case r >= 0xac00 && r <= 0xd7a3:
		c.hangul++
	}
}

// alone names the language of a text whose script says it.
func (c *scriptCount) alone() string {
	latin := c.latin / 2 // Latin names and addresses stand in every text
	east := c.han + c.kana + c.hangul
	switch {
	case east*3 > latin && c.hangul*2 > east:
		return "ko"
	case east*3 > latin && c.kana*10 > east:
		return "ja"
	case east*3 > latin && east > 0:
		return "zh"
	case c.greek > latin:
		return "el"
	case c.hebrew > latin:
		return "he"
	case c.thai > latin:
		return "th"
	case c.devanagari > latin:
		return "hi"
	case c.arabic > latin && c.persian*12 > c.arabic:
		return "fa"
	case c.arabic > latin:
		return "ar"
	case c.cyrillic > latin:
		return c.slavic()
	}
	return ""
}

func (c *scriptCount) slavic() string {
	switch {
	case c.ukrainian*40 > c.cyrillic && c.ukrainian > c.russian:
		return "uk"
	case c.serbian*40 > c.cyrillic && c.serbian > c.russian:
		return "sr"
	case c.bulgarian*80 > c.cyrillic && c.russian == 0:
		return "bg"
	}
	return "ru"
}

// languageNames are the languages of Latin script, in the order of the bits.
var languageNames = [...]string{
	"en", "de", "fr", "es", "pt", "it", "nl", "pl", "sv", "da", "no", "fi", "cs", "sk", "ro", "hu", "tr", "id", "vi", "hr", "ca", "lt", "lv", "et", "sl", "sw", "tl",
}

// languageWords are common words of each, folded.
var languageWords = [len(languageNames)]string{
	"the of and to in is you that it for was on are with as your have be at this from or an by we not but what all were when can there their if will our has more please been would about which",
	"der die und in den von zu das mit sich des auf fur ist im dem nicht ein eine als auch es an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem uber einen so zum haben nur oder ihre ihr ich wir sie bitte",
	"le la les de des et un une du est que dans pour qui au par sur pas plus ne se ce il sont avec vous nous votre notre cette ou mais vos ses aux ont etre leur bien sans",
	"el la los las de que y en un una por con para se del al lo no es su como mas pero sus le ya o este ha si porque esta entre cuando muy sin sobre tambien me hasta usted nuestro hay donde",
	"o a os as de que e do da em um uma para com nao por mais dos das se na no como mas ao ele seu sua ou quando muito nos ja esta voce pelo pela ate isso sao foi tem nosso",
	"il lo la i gli le di che e un una in per con non si da del della sono come piu ma al alla dei delle nel anche ha questo se suo o cui dalla tutti loro essere ci vi nostro grazie",
	"de het een en van ik te dat die in is niet op aan met als voor zijn er maar om hem dan zou of wat mijn men dit zo door over ze zich bij ook tot je mij uit naar heb hoe heeft uw wij u deze worden",
	"w i na z do sie nie to jest ze o jak po co za od przez dla oraz ale tak czy jego juz lub tego by byc ma pan tym przy tylko ich pani ktore moze bardzo",
	"och i att det som en pa ar av for med den till inte har de om ett han men var jag sig fran vi kan nar man sa du eller din ditt dig vara",
	"og i at det er en den til af de som pa med han for der ikke jeg et var har vi om dig din kan sig eller hvis skal vil blev efter",
	"og i det er en til av som pa for at med han de ikke jeg har den om et var vi seg fra ikkje deg din kan eller hvis skal vil ble etter",
	"ja on ei se etta oli han mutta ovat kun niin myos kuin hanen ole tai joka sen ollut mita voi vain ne jos ettei nyt sita olen sinun",
	"a se v na je ze o s z do i to jako za by ale si po podle od jsem tak jsou nebo ktery bude jeho pro jste byl prosim vas",
	"a sa v na je ze o s z do i to ako za by ale si po podla od som tak su alebo ktory bude jeho pre ste bol prosim vas",
	"si in de la cu a nu pe ca este un o din care sa mai pentru au fi ce dar lui ale fost dupa sau sunt prin cel acest dumneavoastra va",
	"a az es hogy nem is egy ez meg csak de ha mint volt azt vagy ki mar el van sem kell lehet ezt minden majd on onnek kerjuk",
	"ve bir bu da de icin ile ne cok daha gibi ama o en kadar olarak var her olan sonra ya degil mi siz lutfen tarafindan kendi",
	"yang dan di ini itu dengan untuk tidak dari dalam akan pada juga ke karena saya anda ada atau oleh kami sudah bisa telah dapat lebih adalah",
	"va cua la co cho khong duoc trong nguoi cac voi mot nhung da nay khi de nhu toi ban den tai ve o lai neu ra chung",
	"i u je se na da su za od s a koji sto kao ne ili iz bi ali ako po sam te smo biti samo hvala molimo vas",
	"de la i el que a en un una per amb no es del les els al mes com per si han aquest aquesta pero seva tambe molt",
	"ir i kad su is yra o bet tai kaip jis buvo nuo apie ar jo iki uz tik mes jus jusu jei",
	"un ir uz no ar ka par ir bet to tas lai ja jus jusu ka vai pie ari kas mes tikai",
	"ja on ei et see kui oli ka oma aga mis ta nad siis voi selle mille teie meie kes olen ning",
	"in je na v se da so za ki s z pa ne ali tudi kot iz bi po od sem bo ce vas vam prosimo",
	"na ya wa kwa ni katika za la kuwa hii ya yake hiyo sana lakini kama ili wewe mimi yako tafadhali",
	"ang ng sa na mga ay at ko mo ka ito hindi siya para kung may namin niya naman ikaw ako po",
}

// maxCommon is the longest word that is looked up, in letters.
const maxCommon = 14

// common is a word that languages have in common, its letters as two numbers.
type common struct {
	a, b  uint64
	set   uint32 // of languages; 0: none
	share uint32 // that each of them has
}

// commonTable finds common words by hash; one that is taken stands in the next
// free place.
type commonTable [commonSlots]common

const commonSlots = 1 << 11

func commonHash(a, b uint64) uint64 {
	return (a*0x9e3779b97f4a7c15 ^ b*0xd6e8feb86659fd93) >> 40 % commonSlots
}

// find returns the place of a word, or a free one.
func (t *commonTable) find(a, b uint64) *common {
	for i := commonHash(a, b); ; i = (i + 1) % commonSlots {
		if e := &t[i]; e.set == 0 || e.a == a && e.b == b {
			return e
		}
	}
}

// wordNumbers returns the letters of b[from:to], maxCommon at most, as two
// numbers.
func wordNumbers(b []byte, from, to int) (x, y uint64) {
	n := to - from
	if from+16 > len(b) {
		var buf [16]byte
		copy(buf[:], b[from:to])
		return binary.LittleEndian.Uint64(buf[:]), binary.LittleEndian.Uint64(buf[8:])
	}
	x = binary.LittleEndian.Uint64(b[from:])
	if n < 8 {
		return x & (1<<(8*n) - 1), 0
	}
	return x, binary.LittleEndian.Uint64(b[from+8:]) & (1<<(8*(n-8)) - 1)
}

var theCommonWords = sync.OnceValue(func() *commonTable {
	t := new(commonTable)
	for i, ws := range languageWords {
		for _, w := range strings.Fields(ws) {
			a, b := wordNumbers([]byte(w), 0, len(w))
			e := t.find(a, b)
			e.a, e.b, e.set = a, b, e.set|1<<i
		}
	}
	for i := range t {
		if n := bits.OnesCount32(t[i].set); n > 0 {
			t[i].share = uint32(12 / n)
		}
	}
	return t
})

// commonWords names the language of Latin text. A word counts by how few
// languages have it.
func commonWords(b []byte, c *scriptCount) string {
	if c.latin == 0 {
		return ""
	}
	known := theCommonWords()
	var score, hits [len(languageNames)]int
	total := 0
	for i := 0; i < len(b); {
		if !isLetter(b[i]) {
			i++
			continue
		}
		from := i
		for i < len(b) && isLetter(b[i]) {
			i++
		}
		total++
		if i-from > maxCommon {
			continue
		}
		e := known.find(wordNumbers(b, from, i))
		for set := e.set; set != 0; set &= set - 1 {
			l := bits.TrailingZeros32(set) % len(score)
			score[l] += int(e.share)
			hits[l]++
		}
	}
	best, second := 0, -1
	for l := 1; l < len(score); l++ {
		switch {
		case score[l] > score[best]:
			best, second = l, best
		case second < 0 || score[l] > score[second]:
			second = l
		}
	}
	if hits[best] < minLanguage || score[best]*10 < score[second]*11 || hits[best]*25 < total {
		return ""
	}
	return languageNames[best]
}
