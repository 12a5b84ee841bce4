package link

import (
	"sync"
	"unicode/utf8"
)

// latinLike are letters and digits of other scripts that look like a Latin
// letter in common typefaces.
var latinLike = map[rune]byte{
	'а': 'a', 'в': 'b', 'с': 'c', 'ԁ': 'd', 'е': 'e', 'ё': 'e', 'є': 'e', 'һ': 'h', 'і': 'i', 'ї': 'i', 'ј': 'j', 'к': 'k', 'ӏ': 'l', 'м': 'm',
	'н': 'h', 'о': 'o', 'р': 'p', 'ԛ': 'q', 'г': 'r', 'ѕ': 's', 'т': 't', 'ц': 'u', 'ѵ': 'v', 'ԝ': 'w', 'ш': 'w', 'х': 'x', 'у': 'y', 'ү': 'y', 'ӡ': '3', 'з': '3', 'п': 'n', 'ь': 'b', 'ғ': 'f', 'ҽ': 'e',
	'α': 'a', 'ά': 'a', 'β': 'b', 'ε': 'e', 'έ': 'e', 'η': 'n', 'ι': 'i', 'ί': 'i', 'κ': 'k', 'ν': 'v', 'ο': 'o', 'ό': 'o', 'ρ': 'p', 'σ': 'o', 'τ': 't', 'υ': 'u', 'χ': 'x', 'ω': 'w', 'γ': 'y', 'μ': 'u',
	'օ': 'o', 'ո': 'n', 'ս': 'u', 'հ': 'h', 'ց': 'g', 'զ': 'q', 'ա': 'w',
	'ɑ': 'a', 'ɡ': 'g', 'ɩ': 'i', 'ɪ': 'i', 'ʟ': 'l',
}

// accents are the Latin letters with marks by their base letter.
var accents = [...]string{
	"aàáâãäåāăąǎǟǡǻȁȃȧḁạảấầẩẫậắằẳẵặ",
	"bḃḅḇ",
	"cçćĉċčḉ",
	"dďđḋḍḏḑḓ",
	"eèéêëēĕėęěȅȇȩḕḗḙḛḝẹẻẽếềểễệ",
	"fƒḟ",
	"gĝğġģǧǵḡ",
	"hĥħȟḣḥḧḩḫẖ",
	"iìíîïĩīĭįıǐȉȋḭḯỉị",
	"jĵǰ",
	"kķǩḱḳḵ",
	"lĺļľŀłḷḹḻḽ",
	"mḿṁṃ",
	"nñńņňŉŋǹṅṇṉṋ",
	"oòóôõöøōŏőơǒǫǭȍȏȫȭȯȱṍṏṑṓọỏốồổỗộớờởỡợ",
	"pṕṗ",
	"rŕŗřȑȓṙṛṝṟ",
	"sśŝşšșṡṣṥṧṩ",
	"tţťŧțṫṭṯṱẗ",
	"uùúûüũūŭůűųưǔǖǘǚǜȕȗṳṵṷṹṻụủứừửữự",
	"vṽṿ",
	"wŵẁẃẅẇẉẘ",
	"xẋẍ",
	"yýÿŷȳẏẙỳỵỷỹ",
	"zźżžẑẓẕ",
}

var folds = sync.OnceValue(func() map[rune]byte {
	m := make(map[rune]byte, 512)
	for r, c := range latinLike {
		m[r] = c
	}
	for _, s := range accents {
		for _, r := range s[1:] {
			m[r] = s[0]
		}
	}
	return m
})

// fold returns the ASCII letter or digit that r, in lower case, is or looks
// like, or 0 if there is none.
func fold(r rune) byte {
	if r < utf8.RuneSelf {
		return byte(r)
	}
	if c := confusable(r); c != 0 {
		return c
	}
	return folds()[r]
}

// confusable returns the ASCII letter that r looks like, or 0.
func confusable(r rune) byte {
	switch {
	case r < utf8.RuneSelf:
		return 0
	case 0xff41 <= r && r <= 0xff5a:
		return byte(r-0xff41) + 'a'
	case 0xff10 <= r && r <= 0xff19:
		return byte(r-0xff10) + '0'
	}
	return latinLike[r]
}
