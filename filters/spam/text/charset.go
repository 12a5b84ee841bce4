package text

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	euckr "golang.org/x/text/encoding/korean"
	"golang.org/x/text/transform"
)

// UTF8 gives src in valid UTF-8, read in the named charset as a browser
// understands names (WHATWG Encoding, and UTF-7, EBCDIC and others of IANA's that mail programs read). Text
// that is UTF-8 already wins over a wrong or missing name; what fits nothing
// is windows-1252. At most MaxSource octets are read. The result may be src
// itself.
func UTF8(src []byte, charset string) []byte {
	src = src[:min(len(src), MaxSource)]
	name := trimSpace([]byte(charset))
	if b, ok := marked(src, hasPrefixFold(name, "utf-16")); ok {
		return b
	}
	if zeros(src) > 0 {
		if b, ok := wide(src, hasPrefixFold(name, "utf-16")); ok {
			return b
		}
	}
	if len(name) == 0 && !utf8.Valid(src) {
		name = metaCharset(src)
	}
	if b, ok := wideByName(src, name); ok {
		return b
	}
	switch {
	case equalFold(name, "utf-7"), equalFold(name, "unicode-1-1-utf-7"), equalFold(name, "utf7"):
		return utf7(src)
	case len(name) == 0, hasPrefixFold(name, "utf-16"), hasPrefixFold(name, "utf-8"), equalFold(name, "us-ascii"):
		return guess(src)
	}
	enc, err := htmlindex.Get(string(name))
	if err != nil { // no browser's, but mail programs': EBCDIC, old code pages
		enc, err = ianaindex.MIME.Encoding(string(name))
	}
	if err != nil || enc == nil || enc == encoding.Replacement { // which browsers do not read
		if equalFold(name, "iso-2022-kr") || equalFold(name, "csiso2022kr") {
			return korean(src)
		}
		return guess(src)
	}
	if escapes(src) || !isUTF8(src) {
		return decodeWith(enc, src)
	}
	return src
}

// IsUTF16 tells whether UTF8 reads what begins with src as UTF-16.
func IsUTF16(src []byte, charset string) bool {
	src = src[:min(len(src), 512)]
	named := hasPrefixFold(trimSpace([]byte(charset)), "utf-16")
	if _, ok := marked(src, named); ok {
		return src[0] >= 0xfe
	}
	if zeros(src) > 0 {
		if _, ok := wide(src, named); ok {
			return true
		}
	}
	_, ok := wideByName(src, trimSpace([]byte(charset)))
	return ok
}

// isUTF8 tells that src cannot be meant otherwise. Two-octet charsets make
// short texts that are UTF-8 by chance.
func isUTF8(src []byte) bool {
	if !utf8.Valid(src) {
		return false
	}
	n := 0
	for _, c := range src {
		if c >= 0xc0 {
			if n++; n >= 3 {
				return true
			}
		}
	}
	return n == 0
}

// escapes tells of the seven-bit charsets of East Asia.
func escapes(src []byte) bool {
	return bytes.IndexByte(src, 0x1b) >= 0 || bytes.Contains(src, []byte("~{"))
}

// guess is for text without a name, or with one that says nothing.
func guess(src []byte) []byte {
	if utf8.Valid(src) {
		return src
	}
	if mostlyUTF8(src) {
		return bytes.ToValidUTF8(src, []byte("\uFFFD"))
	}
	return latin(src)
}

// mostlyUTF8 tells that broken octets are few among good sequences: cut text.
func mostlyUTF8(src []byte) bool {
	good, bad := 0, 0
	for i := 0; i < len(src); {
		if src[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			if bad++; 4*bad >= good+(len(src)-i)/2 {
				return false // whatever follows
			}
		} else {
			good++
		}
		i += n
	}
	return good > 4*bad
}

// latin reads windows-1252.
func latin(src []byte) []byte {
	n := len(src)
	for _, c := range src {
		n += int(c >> 7)
	}
	out := make([]byte, 0, n+n/16) // few have three octets
	for _, c := range src {
		switch {
		case c < utf8.RuneSelf:
			out = append(out, c)
		case c < 0xa0:
			out = utf8.AppendRune(out, windows1252[c-0x80])
		default:
			out = append(out, 0xc0|c>>6, 0x80|c&0x3f)
		}
	}
	return out
}

func decodeWith(enc encoding.Encoding, src []byte) []byte {
	out := make([]byte, 3*len(src)+utf8.UTFMax) // enough for all but odd text
	n, _, err := enc.NewDecoder().Transform(out, src, true)
	if out = out[:n]; errors.Is(err, transform.ErrShortDst) {
		out, err = enc.NewDecoder().Bytes(src)
	}
	if err != nil {
		return guess(src)
	}
	return out
}

// korean reads ISO-2022-KR (RFC 1557): between SO and SI are the characters of
// EUC-KR without their high bits.
func korean(src []byte) []byte {
	out, shifted, w := bytes.Clone(bytes.TrimPrefix(src, []byte("\x1b$)C"))), byte(0), 0
	for _, c := range out {
		if c <= 0x0f {
			switch c {
			case 0x0e:
				shifted = 0x80
				continue
			case 0x0f:
				shifted = 0
				continue
			case '\n':
				shifted = 0
			}
		}
		out[w] = c | shifted&graphic[c]
		w++
	}
	out = out[:w]
	return decodeWith(euckr.EUCKR, out)
}

// graphic has the high bit of the octets that make characters of two.
var graphic = func() (t [256]byte) {
	for c := 0x21; c < 0x7f; c++ {
		t[c] = 0x80
	}
	return t
}()

// marked reads text with a byte order mark. Of ASCII behind one of UTF-16, where
// that is not its name, the mark says nothing: most programs show it as it is.
func marked(src []byte, named bool) ([]byte, bool) {
	switch {
	case bytes.HasPrefix(src, []byte("\xef\xbb\xbf")):
		return guess(src[3:]), true
	case !bytes.HasPrefix(src, []byte("\xff\xfe")) && !bytes.HasPrefix(src, []byte("\xfe\xff")), !named && mostlyASCII(src):
		return nil, false
	case src[0] == 0xff:
		return utf16Text(src[2:], binary.LittleEndian), true
	}
	return utf16Text(src[2:], binary.BigEndian), true
}

// zeros counts NULs at the beginning of src.
func zeros(src []byte) int { return bytes.Count(src[:min(len(src), 512)], []byte{0}) }

// mostlyASCII tells that letters and spaces of ASCII follow each other: of
// UTF-16 they do not, nor of Han characters.
func mostlyASCII(src []byte) bool {
	n := 0
	for _, c := range src {
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\r' || c == '\t' {
			n++
		}
	}
	return n*8 > len(src)*7
}

// wide reads UTF-16 without a mark: of Western text half the octets are NUL,
// all in even or all in odd places. That is so from beginning to end, where the
// name does not say it: NULs in front of other text show nothing.
func wide(src []byte, named bool) ([]byte, bool) {
	le, be := true, true
	for at := 0; at < len(src) && (at == 0 || !named); at += 512 {
		block := src[at:min(len(src), at+512)]
		n, even := bytes.Count(block, []byte{0}), 0
		if n*4 < len(block)-1 {
			return nil, false
		}
		for i := 0; i < len(block); i += 2 {
			if block[i] == 0 {
				even++
			}
		}
		be, le = be && even*10 >= n*9, le && even*10 <= n
	}
	switch {
	case be:
		return utf16Text(src, binary.BigEndian), true
	case le:
		return utf16Text(src, binary.LittleEndian), true
	}
	return nil, false
}

// wideByName reads UTF-16 that nothing but its name tells of: not of Western
// text, without a mark. Much that is named so is no UTF-16.
func wideByName(src, name []byte) ([]byte, bool) {
	control := func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' }
	if !hasPrefixFold(name, "utf-16") || mostlyASCII(src) || utf8.Valid(src) && !bytes.ContainsFunc(src, control) {
		return nil, false
	}
	if equalFold(name, "utf-16be") {
		return utf16Text(src, binary.BigEndian), true
	}
	return utf16Text(src, binary.LittleEndian), true // as in browsers
}

func utf16Text(src []byte, order binary.ByteOrder) []byte {
	out := make([]byte, 0, len(src))
	for len(src) >= 2 {
		r := rune(order.Uint16(src))
		src = src[2:]
		if utf16.IsSurrogate(r) && len(src) >= 2 {
			if p := utf16.DecodeRune(r, rune(order.Uint16(src))); p != utf8.RuneError {
				r, src = p, src[2:]
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// metaCharset finds the charset that HTML names in its first kilobyte.
func metaCharset(src []byte) []byte {
	head := src[:min(len(src), 2048)]
	i := indexFold(head, "charset=")
	if i < 0 {
		return nil
	}
	head = bytes.TrimLeft(head[i+8:], `"' `)
	n := 0
	for n < len(head) && n < 40 && bytes.IndexByte([]byte("\"'; />"), head[n]) < 0 {
		n++
	}
	return head[:n]
}

// utf7 reads RFC 2152.
func utf7(src []byte) []byte {
	out := make([]byte, 0, len(src))
	for len(src) > 0 {
		i := bytes.IndexByte(src, '+')
		if i < 0 {
			return append(out, guess(src)...)
		}
		out = append(out, guess(src[:i])...)
		src = src[i+1:]
		n := 0
		for n < len(src) && base64Char(src[n]) {
			n++
		}
		switch {
		case n == 0 && len(src) > 0 && src[0] == '-':
			out = append(out, '+')
		case n == 0:
			out = append(out, '+')
			continue
		default:
			out = append(out, shifted(src[:n])...)
		}
		src = src[n:]
		if len(src) > 0 && src[0] == '-' {
			src = src[1:]
		}
	}
	return out
}

func base64Char(c byte) bool { return isLetter(c) || isDigit(c) || c == '+' || c == '/' }

// shifted reads the UTF-16 in the base64 of UTF-7.
func shifted(b []byte) []byte {
	if len(b)%4 == 1 {
		b = b[:len(b)-1]
	}
	raw := make([]byte, base64.RawStdEncoding.DecodedLen(len(b)))
	n, _ := base64.RawStdEncoding.Decode(raw, b)
	return utf16Text(raw[:n&^1], binary.BigEndian)
}
