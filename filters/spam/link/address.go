package link

import (
	"bytes"
	"strings"
)

// maxAddresses bounds how many mail addresses of a text are read.
const maxAddresses = 16

// Addresses returns the mail addresses that a text names, the first ones, as they
// are written. Those below no known top-level domain are none.
func Addresses(text []byte) (list []string) {
	from := 0
	for len(list) < maxAddresses {
		at := bytes.IndexByte(text[from:], '@')
		if at < 0 {
			break
		}
		at += from
		begin, end := at, at+1
		for begin > from && (inHost(text[begin-1]) || strings.IndexByte("_+%~", text[begin-1]) >= 0) {
			begin--
		}
		for end < len(text) && inHost(text[end]) {
			end++
		}
		local, host := strings.TrimLeft(string(text[begin:at]), ".-"), strings.TrimRight(string(text[at+1:end]), ".-")
		slash := begin > from && text[begin-1] == '/' // the user of a URL
		if from = end; local == "" || slash {
			continue
		}
		if u, ok := Parse(local + "@" + host); ok && u.Scheme == "mailto" && !u.Flags.Any(BadHost|UnknownTLD) {
			list = append(list, local+"@"+host)
		}
	}
	return list
}

// inHost tells whether an octet may be of a host's name.
func inHost(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '-'
}
