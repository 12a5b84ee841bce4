package spam_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/specimen"
)

// sized returns n messages of our own making: as they are or, of about so many
// KiB, several forwarded in one.
func sized(tb testing.TB, kib, n int) [][]byte {
	tb.Helper()
	list, err := specimen.Generate(specimen.Test, 1, 2*n)
	if err != nil {
		tb.Fatal(err)
	}
	var all [][]byte
	for next := 0; len(all) < n; {
		if kib == 0 {
			all = append(all, list[len(all)].Raw)
			continue
		}
		var parts []string
		for size := 0; size < kib<<10; next++ {
			raw := list[next%len(list)].Raw
			if bytes.Contains(raw, []byte("\nContent-Type: image/")) { // their cost is another matter
				continue
			}
			parts = append(parts, "Content-Type: message/rfc822\r\n\r\n"+string(raw[:min(len(raw), kib<<10-size)]))
			size += len(raw)
		}
		all = append(all, mixed("mixed", parts...))
	}
	return all
}

// BenchmarkMessage tells what whole messages cost with the shipped model and
// rules: about so many each second, and what the slowest hundredth takes.
func BenchmarkMessage(b *testing.B) {
	base, err := spam.Shipped()
	if err != nil {
		b.Fatal(err)
	}
	set := shippedRules(b)
	for _, c := range []struct {
		name string
		kib  int
	}{{"mixed", 0}, {"4KiB", 4}, {"20KiB", 20}, {"100KiB", 100}} {
		b.Run(c.name, func(b *testing.B) {
			all := sized(b, c.kib, 200)
			j := newJudge(b, set)
			j.base, j.own = base, nil
			octets := 0
			for _, raw := range all {
				j.ask(raw)
				octets += len(raw)
			}
			b.SetBytes(int64(octets / len(all)))
			b.ReportAllocs()
			took := make([]time.Duration, 0, 1<<16)
			i := 0
			for b.Loop() {
				began := time.Now()
				j.ask(all[i%len(all)])
				if len(took) < cap(took) {
					took = append(took, time.Since(began))
				}
				i++
			}
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
