package learned

import (
	"github.com/gapura-mail/gapura/filters/spam/model"
)

// A digest is bands of MinHash (Broder 1997): messages whose words are the
// same for nine tenths share a band nearly always, those with half of
// their words in common one time in five, others hardly ever.
const (
	bands    = 4
	bandRows = 4
)

type digest [bands]int64

// digestOf returns the digest of a message's words and pairs.
func digestOf(v *model.Vector) digest {
	var low [bands * bandRows]uint64
	for i := range low {
		low[i] = ^uint64(0)
	}
	words := v.Of(model.Words)
	if len(words) == 0 {
		words = v.Of(model.Tokens)
	}
	for _, id := range words {
		h := spread(uint64(id))
		for i := range low {
			h = spread(h + 0x9E3779B97F4A7C15)
			low[i] = min(low[i], h)
		}
	}
	var d digest
	for i := range d {
		h := uint64(i + 1)
		for _, x := range low[i*bandRows : (i+1)*bandRows] {
			h = spread(h ^ x)
		}
		d[i] = int64(h)
	}
	return d
}

// spread is the finalizer of SplitMix64.
func spread(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
