package text

// glyph is what a letter of another script looks like.
type glyph struct {
	latin byte
	kind  scripts
}

// glyphLists are letters of other scripts, in both cases, each before the
// Latin letter that it looks like. Twins look the same in most typefaces,
// rough ones only beside Latin letters.
var glyphLists = []struct {
	pairs string
	kind  scripts
}{
	// Cyrillic that common languages write.
	{"аa Аa еe Еe оo Оo рp Рp сc Сc хx Хx уy Уy іi Іi јj Јj", twin},
	{"кk Кk мm Мm тt Тt вb Вb нh Нh гr Гr пn Пn иu Иu ьb Ьb яr Яr з3 З3 шw Шw ч4 Ч4 лn Лn б6 Б6 дd Дd", rough},
	{"ѕs Ѕs һh Һh ԁd Ԁd ԛq Ԛq ԝw Ԝw ӏl Ӏl үy Үy ѵv Ѵv ҽe Ҽe ӕa ҝk ҟk ӿx ғf ҫc ҳx ӄk ԍg ԑe", twin | exotic},
	// Greek.
	{"οo Οo Αa Βb Εe Ζz Ηh Ιi Κk Μm Νn Ρp Τt Υy Χx ϲc Ϲc ϳj Ϳj", twin},
	{"αa βb γy εe ηn ιi κk νv ρp ςc σo τt υu χx ωw μu θo Δa Λa Σe Ωo λl πn", rough},
	// Armenian, Coptic, Cherokee, Lisu and others.
	{"օo Օo ոn Սu սu հh ցg գq քp զq Տs", rough | exotic},
	{"ⲟo Ⲟo ⲣp Ⲣp ⲥc Ⲥc ⲕk Ⲕk ⲙm Ⲙm ⲛn Ⲛn ⲧt Ⲧt ⲭx Ⲭx ⲁa Ⲁa ⲉe Ⲉe ⲓi Ⲓi", twin | exotic},
	{"Ꭺa Ᏼb Ꮟb Ꮯc Ꭰd Ꮷd Ꭼe Ꮐg Ᏻg Ꮋh Ꮒh Ꭵi Ꮖi Ꭻj Ꮶk Ꮮl Ꮇm Ꮲp Ꭱr Ꮢr Ꮪs Ꮥs Ꭲt Ꮩv Ꮃw Ꮤw Ꭹy Ꮍy Ꮓz Ꮞ4 Ꮾ6", twin | exotic},
	{"Ꭴo Ꮎo Ꮻo Ꮜu Ꮛe Ꮁr Ᏸb", rough | exotic},
	{"ꓐb ꓑp ꓓd ꓖg ꓗk ꓙj ꓚc ꓜz ꓝf ꓟm ꓠn ꓡl ꓢs ꓣr ꓦv ꓧh ꓪw ꓫx ꓬy ꓮa ꓰe ꓲi ꓳo ꓴu ꓔt", twin | exotic},
}

// cyrillicTwin is the Cyrillic letter that looks like an ASCII letter, in
// lower case; 0 for none.
func cyrillicTwin(r rune) rune {
	switch r {
	case 'a', 'A':
		return 'а'
	case 'b', 'B':
		return 'в'
	case 'c', 'C':
		return 'с'
	case 'e', 'E':
		return 'е'
	case 'h', 'H':
		return 'н'
	case 'k', 'K':
		return 'к'
	case 'm', 'M':
		return 'м'
	case 'o', 'O', '0':
		return 'о'
	case 'p', 'P':
		return 'р'
	case 't', 'T':
		return 'т'
	case 'x', 'X':
		return 'х'
	case 'y', 'Y':
		return 'у'
	case 'i', 'I':
		return 'і'
	case '3':
		return 'з'
	}
	return 0
}

// cyrillicWord tells whether all Latin letters of a mixed word have Cyrillic
// twins, so that it is a Cyrillic word in disguise.
func (t *foldTable) cyrillicWord(word []rune) bool {
	for _, r := range word {
		if r < 0x80 && isLetter(byte(r)) && cyrillicTwin(r) == 0 {
			return false
		}
		if k := t.entry(r).kind; k&greek != 0 || r >= 0x80 && k&(ascii|latin_) != 0 {
			return false
		}
	}
	return true
}

// plainForms are letters and signs that Unicode does not decompose.
var plainForms = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'Æ': "ae", 'œ': "oe", 'Œ': "oe", 'ø': "o", 'Ø': "o", 'đ': "d", 'Đ': "d", 'ð': "d", 'Ð': "d", 'þ': "th", 'Þ': "th",
	'ł': "l", 'Ł': "l", 'ħ': "h", 'Ħ': "h", 'ı': "i", 'ŧ': "t", 'Ŧ': "t", 'ŋ': "n", 'Ŋ': "n", 'ĸ': "k", 'ƀ': "b", 'ƃ': "b", 'ƈ': "c", 'ƒ': "f", 'ɠ': "g",
	'ƙ': "k", 'ƚ': "l", 'ƞ': "n", 'ƥ': "p", 'ƭ': "t", 'ƴ': "y", 'ƶ': "z", 'ȡ': "d", 'ȼ': "c", 'ɇ': "e", 'ɉ': "j", 'ɍ': "r", 'ɏ': "y", 'ɐ': "a", 'ɑ': "a",
	'ɒ': "a", 'ɓ': "b", 'ɔ': "c", 'ɕ': "c", 'ɖ': "d", 'ɗ': "d", 'ɘ': "e", 'ə': "e", 'ɛ': "e", 'ɜ': "e", 'ɡ': "g", 'ɢ': "g", 'ɣ': "y", 'ɦ': "h", 'ɨ': "i",
	'ɩ': "i", 'ɪ': "i", 'ɫ': "l", 'ɬ': "l", 'ɭ': "l", 'ɯ': "m", 'ɱ': "m", 'ɲ': "n", 'ɳ': "n", 'ɴ': "n", 'ɵ': "o", 'ɶ': "oe", 'ɼ': "r", 'ɽ': "r", 'ɾ': "r",
	'ʀ': "r", 'ʁ': "r", 'ʂ': "s", 'ʈ': "t", 'ʉ': "u", 'ʋ': "u", 'ʌ': "v", 'ʍ': "m", 'ʏ': "y", 'ʐ': "z", 'ʑ': "z", 'ʒ': "z", 'ʙ': "b", 'ʛ': "g", 'ʜ': "h",
	'ʝ': "j", 'ʟ': "l", 'ʠ': "q", 'ᴀ': "a", 'ᴁ': "ae", 'ᴄ': "c", 'ᴅ': "d", 'ᴇ': "e", 'ᴊ': "j", 'ᴋ': "k", 'ᴌ': "l", 'ᴍ': "m", 'ᴏ': "o", 'ᴘ': "p", 'ᴛ': "t",
	'ᴜ': "u", 'ᴠ': "v", 'ᴡ': "w", 'ᴢ': "z", 'ꜰ': "f", 'ꜱ': "s", 'ꞯ': "q", 'ǀ': "l", 'ⱥ': "a", 'ⱡ': "l", 'ⱨ': "h", 'ⱪ': "k", 'ⱬ': "z", 'ɀ': "z", 'ℓ': "l",
	'ς': "σ", '’': "'", '‘': "'", '‛': "'", 'ʼ': "'", '′': "'", '`': "'", '“': "\"", '”': "\"", '„': "\"", '‟': "\"", '″': "\"", '«': "\"", '»': "\"",
	'‐': "-", '‑': "-", '‒': "-", '–': "-", '—': "-", '―': "-", '−': "-", '⁃': "-", '﹣': "-", '•': "*", '∙': "*", '·': "*", '⁄': "/", '∕': "/", '⁎': "*",
	'‚': ",", '،': ",", '、': ",", '。': ".", '｡': ".", '։': ":", '∶': ":", '¡': "!", '¿': "?", 'ǃ': "!", '￠': "¢", '￡': "£", '￥': "¥", '￦': "₩",
	'¨': " ", '¯': " ", '´': "'", '¸': " ", '½': "1/2", '¼': "1/4", '¾': "3/4", '№': "no",
}
