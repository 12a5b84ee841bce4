package text

import "bytes"

// script counts what scripts, handlers and javascript: targets are made of,
// and notes the URLs and locations in them. It understands nothing: words.
func (r *renderer) script(src []byte) {
	m := &r.p.Shape.Smuggle
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case isLetter(c) || c == '_' || c == '$':
			j := i + 1
			for j < len(src) && scriptWord(src[j]) {
				j++
			}
			if j-i >= MinBlob {
				m.Long++
				m.LongBytes += j - i
			} else {
				m.word(src[i:j], i > 0 && src[i-1] == '.', src[j:])
				j = r.scriptURL(src, i, j)
			}
			i = j
		case isDigit(c), c == '+', c == '/':
			j := i + 1
			for j < len(src) && (scriptWord(src[j]) || src[j] == '+' || src[j] == '/' || src[j] == '=') {
				j++
			}
			if j-i >= MinBlob {
				m.Long++
				m.LongBytes += j - i
			} else {
				j = i + 1
			}
			i = j
		case c == '\\' && i+1 < len(src) && (src[i+1] == 'x' || src[i+1] == 'u'), c == '%' && i+2 < len(src) && hexValue(src[i+1]) >= 0 && hexValue(src[i+2]) >= 0:
			m.Escapes++
			i += 2
		default:
			i++
		}
	}
}

func scriptWord(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c == '$' }

// scriptURL notes the URL at src[i:], whose first word ends at j, and gives
// where it ends.
func (r *renderer) scriptURL(src []byte, i, j int) int {
	if j-i > 5 || !(equalFold(src[i:j], "http") || equalFold(src[i:j], "https")) || !bytes.HasPrefix(src[j:], []byte("://")) {
		return j
	}
	end := j + 3
	for end < len(src) && end < j+MaxTarget && src[end] > ' ' && src[end] != '"' && src[end] != '\'' && src[end] != '`' && src[end] != '<' && src[end] != '\\' {
		end++
	}
	if end > j+3 {
		r.p.links.add(linkEntry{kind: Script, hidden: true}, src[i:end])
	}
	return end
}

// word knows the names that builders of files and hidden scripts need.
func (m *Smuggle) word(w []byte, member bool, rest []byte) {
	if len(w) < 3 || len(w) > 24 {
		return
	}
	switch string(w) {
	case "atob", "unescape", "decodeURIComponent", "decodeURI", "fromCharCode", "fromCodePoint", "TextDecoder", "b64toBlob", "base64ToArrayBuffer", "inflate", "pako":
		m.Decoders++
	case "Blob", "createObjectURL", "msSaveBlob", "msSaveOrOpenBlob", "Uint8Array", "ArrayBuffer", "saveAs", "FileReader", "webkitURL":
		m.Blobs++
	case "download":
		if member {
			m.Downloads++
		}
	case "eval", "execScript", "setTimeout", "setInterval", "write", "writeln", "innerHTML", "outerHTML", "insertAdjacentHTML", "appendChild", "ActiveXObject":
		m.Evals++
	case "Function":
		if len(rest) > 0 && rest[0] == '(' {
			m.Evals++
		}
	case "location", "open", "replace", "assign", "href":
		if string(w) == "location" || member && string(w) == "assign" {
			m.Moves++
		}
	case "CryptoJS", "AES", "subtle", "decrypt", "charCodeAt", "xor", "crypto", "Rabbit":
		m.Keys++
	case "fetch", "XMLHttpRequest", "sendBeacon", "ajax", "axios", "WebSocket":
		m.Senders++
	}
}
