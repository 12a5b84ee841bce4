package search

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// manyWords is a message of words that hardly another has.
func manyWords(r *rand.Rand) string {
	words := func(n int) string {
		var b strings.Builder
		for range n {
			fmt.Fprintf(&b, "%s%x ", vocabulary[r.Intn(len(vocabulary))], r.Intn(1<<28))
		}
		return b.String()
	}
	return "Subject: " + words(60) + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + words(300) + "\r\n"
}

// TestSignaturesSpareReading looks for the inside of words in a segment of
// many pages, and finds what is there in few of them; also without signatures,
// as a segment of an older version.
func TestSignaturesSpareReading(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, dir, url string) {
		ctx := t.Context()
		r := rand.New(rand.NewSource(7))
		f := newFake()
		x := openIndex(t, f, dir, url)
		defer x.Close()
		for range fanIn {
			for range 25 {
				f.add(manyWords(r))
			}
			x.all(t)
		}
		large := slices.MaxFunc(x.eng.live, func(a, b *segment) int { return len(a.objects) - len(b.objects) })
		var wanted [][]byte
		for range 30 {
			words := strings.Fields(f.mail[int64(r.Intn(len(f.mail))+1)])
			w := []byte(strings.ToLower(words[r.Intn(len(words))]))
			if len(w) > 7 {
				w = w[r.Intn(len(w)-5):]
			}
			wanted = append(wanted, w)
		}
		wanted = append(wanted, []byte("nowhereatall"), []byte("ab"), []byte("e"))
		check := func(when string) {
			t.Helper()
			for _, w := range wanted {
				for where := range Where(3) {
					got, err := x.Search(ctx, where, string(w), f)
					if want := f.scan(t, where, string(w)); err != nil || !slices.Equal(got, want) {
						t.Fatalf("%s: %q in %d: %v, want %v; %v", when, w, where, got, want, err)
					}
				}
			}
		}
		check("signed")
		q := query{ctx: ctx, eng: x.eng, s: large}
		n := 0
		if err := q.pages(func(int64, []byte) { n++ }, sqlPages, q.s.id, []byte{kindHeader}, []byte{kindBody + 1}); err != nil {
			t.Fatal(err)
		}
		pages, ok, err := q.signed([]byte("nowhereatall"), []byte{kindHeader}, []byte{kindBody + 1})
		if err != nil || !ok || n < 50 || len(pages) > n/20 {
			t.Errorf("%d of %d pages are read: %t, %v", len(pages), n, ok, err)
		}
		// Where one page begins a range, it is not left out.
		all, _, err := q.signed([]byte("000"), []byte{kindBody}, []byte{kindBody + 1})
		if err != nil || slices.ContainsFunc(all[min(1, len(all)):], func(first []byte) bool { return first[0] != kindBody }) {
			t.Errorf("%q, %v", all, err)
		}
		if _, err := x.eng.write.ExecContext(ctx, sqlDropSigns, q.s.id); err != nil {
			t.Fatal(err)
		}
		check("without signatures")
	})
}
