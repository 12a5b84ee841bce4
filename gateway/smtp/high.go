package smtp

import (
	"encoding/binary"
	"unsafe"
)

// HasHigh tells whether there is an octet above 127 in p.
func HasHigh(p []byte) bool {
	if wide {
		n := len(p) &^ 63
		if highBlocks(unsafe.SliceData(p), n) {
			return true
		}
		p = p[n:]
	}
	for ; len(p) >= 8; p = p[8:] {
		if binary.NativeEndian.Uint64(p)&0x8080808080808080 != 0 {
			return true
		}
	}
	for _, c := range p {
		if c >= 0x80 {
			return true
		}
	}
	return false
}
