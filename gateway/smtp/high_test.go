package smtp

import (
	"bytes"
	"testing"
)

func TestHasHigh(t *testing.T) {
	for n := range 300 {
		p := bytes.Repeat([]byte{0x7f}, n+1)
		p[n] = 0xff // behind
		p = p[:n]
		if HasHigh(p) {
			t.Fatalf("%d octets: has none", n)
		}
		for i := range p {
			p[i] = 0x80
			if !HasHigh(p) {
				t.Fatalf("%d octets: the one at %d", n, i)
			}
			p[i] = 0
		}
	}
}

func BenchmarkHasHigh(b *testing.B) {
	p := make([]byte, 64<<10)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if HasHigh(p) {
			b.Fatal("has none")
		}
	}
}
