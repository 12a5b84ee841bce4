package text

// tag is a name that the renderer knows; 0 is any other.
type tag uint8

const (
	tagOther tag = iota
	tagA
	tagAddress
	tagApplet
	tagArea
	tagArticle
	tagAside
	tagAudio
	tagB
	tagBase
	tagBig
	tagBlockquote
	tagBody
	tagBr
	tagButton
	tagCaption
	tagCenter
	tagCode
	tagCol
	tagColgroup
	tagDatalist
	tagDd
	tagDel
	tagDetails
	tagDialog
	tagDiv
	tagDl
	tagDt
	tagEm
	tagEmbed
	tagFieldset
	tagFigure
	tagFont
	tagFooter
	tagForm
	tagFrame
	tagH1
	tagH2
	tagH3
	tagH4
	tagH5
	tagH6
	tagHead
	tagHeader
	tagHr
	tagHTML
	tagI
	tagIframe
	tagImage
	tagImg
	tagInput
	tagLi
	tagLink
	tagMain
	tagMap
	tagMarquee
	tagMeta
	tagNav
	tagNobr
	tagNoembed
	tagNoframes
	tagNoscript
	tagObject
	tagOl
	tagOptgroup
	tagOption
	tagP
	tagParam
	tagPlaintext
	tagPre
	tagS
	tagScript
	tagSection
	tagSelect
	tagSmall
	tagSource
	tagSpan
	tagStrike
	tagStrong
	tagStyle
	tagSub
	tagSummary
	tagSup
	tagSvg
	tagTable
	tagTbody
	tagTd
	tagTemplate
	tagTextarea
	tagTfoot
	tagTh
	tagThead
	tagTitle
	tagTr
	tagTrack
	tagTt
	tagU
	tagUl
	tagVideo
	tagWbr
	tagXmp
	tagKnown // other names of HTML, without meaning here
	tagCount
)

// tagHashes are the hashes of tagNames.
var tagHashes = func() (h [tagCount]uint32) {
	for i, n := range tagNames {
		h[i] = hashFold([]byte(n))
	}
	return h
}()

var tagNames = [tagCount]string{
	"", "a", "address", "applet", "area", "article", "aside", "audio", "b", "base", "big", "blockquote", "body", "br", "button",
	"caption", "center", "code", "col", "colgroup", "datalist", "dd", "del", "details", "dialog", "div", "dl", "dt", "em", "embed", "fieldset", "figure",
	"font", "footer", "form", "frame", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "i", "iframe", "image",
	"img", "input", "li", "link", "main", "map", "marquee", "meta", "nav", "nobr", "noembed", "noframes", "noscript", "object", "ol",
	"optgroup", "option", "p", "param", "plaintext", "pre", "s", "script", "section", "select", "small", "source", "span", "strike",
	"strong", "style", "sub", "summary", "sup", "svg", "table", "tbody", "td", "template", "textarea", "tfoot", "th", "thead",
	"title", "tr", "track", "tt", "u", "ul", "video", "wbr", "xmp", "",
}

// otherNames are names of HTML that mean nothing to the renderer.
var otherNames = []string{
	"abbr", "acronym", "bdi", "bdo", "blink", "canvas", "cite", "data", "dfn", "dir", "figcaption", "frameset",
	"hgroup", "ins", "kbd", "keygen", "label", "legend", "mark", "math", "menu", "meter", "output", "picture", "progress", "q", "rp",
	"rt", "ruby", "samp", "slot", "time", "var", "basefont", "bgsound", "isindex", "layer", "search", "spacer", "g", "path",
}

// tagKind says how the renderer treats an element.
type tagKind uint8

const (
	void       tagKind = 1 << iota // has no content
	block                          // begins and ends a line
	formatting                     // is opened again when a block around it ends
	special                        // an end tag of another element does not reach through it
	scope                          // an end tag of a block does not reach through it
	cell                           // a space before and after
	closesP                        // its start ends an open paragraph
	hiddenTag                      // its content is never shown
)

var tagKinds = kindsOfTags()

func kindsOfTags() (k [tagCount]tagKind) {
	set := func(kind tagKind, tags ...tag) {
		for _, t := range tags {
			k[t] |= kind
		}
	}
	set(void, tagArea, tagBase, tagBr, tagCol, tagEmbed, tagFrame, tagHr, tagImg, tagImage, tagInput, tagLink, tagMeta, tagParam, tagSource, tagTrack, tagWbr)
	set(block|special|closesP, tagAddress, tagArticle, tagAside, tagBlockquote, tagCenter, tagDetails, tagDialog, tagDiv, tagDl, tagFieldset, tagFigure, tagFooter,
		tagForm, tagH1, tagH2, tagH3, tagH4, tagH5, tagH6, tagHeader, tagHr, tagMain, tagNav, tagOl, tagP, tagPre, tagSection, tagSummary,
		tagUl, tagLi, tagDd, tagDt, tagXmp, tagPlaintext, tagTable)
	set(block|special, tagBody, tagHTML, tagHead, tagCaption, tagTr, tagTbody, tagThead, tagTfoot, tagOption, tagOptgroup, tagTitle, tagColgroup)
	set(special, tagButton, tagDatalist, tagSelect, tagIframe, tagNoembed, tagNoframes, tagNoscript, tagObject, tagApplet, tagMarquee, tagScript, tagStyle, tagTemplate, tagTextarea, tagTd, tagTh)
	set(scope, tagTable, tagTd, tagTh, tagCaption, tagHTML, tagObject, tagApplet, tagMarquee, tagTemplate, tagButton)
	set(cell, tagTd, tagTh)
	set(formatting, tagA, tagB, tagBig, tagCode, tagEm, tagFont, tagI, tagNobr, tagS, tagSmall, tagStrike, tagStrong, tagTt, tagU)
	set(hiddenTag, tagScript, tagStyle, tagTitle, tagIframe, tagNoembed, tagNoframes, tagTemplate)
	return k
}

// tagsByName is the table that tagOf asks: names of up to 10 letters packed
// into 64 bits, five each, in a table without collisions on its low bits.
var tagsByName = indexTags()

const tagTableBits = 10

type tagSlot struct {
	key uint64
	tag tag
}

type nameTable struct{ slots [1 << tagTableBits]tagSlot }

func indexTags() *nameTable {
	t := new(nameTable)
	for i, n := range tagNames {
		if n != "" {
			t.put(packName([]byte(n)), tag(i))
		}
	}
	for _, n := range otherNames {
		t.put(packName([]byte(n)), tagKnown)
	}
	return t
}

func slotOf(key uint64) uint64 { return key * 0x9E3779B97F4A7C15 >> (64 - tagTableBits) }

func (t *nameTable) put(key uint64, v tag) {
	i := slotOf(key)
	for t.slots[i].key != 0 {
		i = (i + 1) % uint64(len(t.slots))
	}
	t.slots[i] = tagSlot{key, v}
}

// packName packs letters and digits of a name in lower case, 6 bits each; 0
// when it is none or too long.
func packName(name []byte) uint64 {
	if len(name) > 10 {
		return 0
	}
	var key uint64
	for _, c := range name {
		switch {
		case isLetter(c):
			key = key<<6 | uint64(c&0x1f)
		case isDigit(c):
			key = key<<6 | uint64(c-'0'+32)
		default:
			return 0
		}
	}
	return key
}

// tagOf knows a name, in any case.
func tagOf(name []byte) tag {
	key := packName(name)
	if key == 0 {
		return tagOther
	}
	for i := slotOf(key); ; i = (i + 1) % (1 << tagTableBits) {
		switch tagsByName.slots[i].key {
		case key:
			return tagsByName.slots[i].tag
		case 0:
			return tagOther
		}
	}
}
