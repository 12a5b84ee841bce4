package suppress

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSentIsKnownForDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, db := open(t, DefaultOptions())
		ctx := t.Context()
		was := func(l *List, domain, address string, want bool) {
			t.Helper()
			if got := l.WasSent(ctx, domain, address); got != want {
				t.Errorf("%s to %s: %v", domain, address, got)
			}
		}
		was(l, "example.org", "bob@far.example", false)
		l.Sent(ctx, "Example.org", "Bob@FAR.example")
		l.Sent(ctx, "example.org", "no address")
		was(l, "example.org", "bob@far.example", true)
		was(l, "example.org", "eve@far.example", false)
		was(l, "two.test", "bob@far.example", false)
		was(l, "example.org", "no address", false)
		other := reopen(t, db, DefaultOptions())
		was(other, "example.org", "bob@far.example", false) // not saved yet
		time.Sleep(sentSaved + time.Second)
		l.Sent(ctx, "example.org", "carl@far.example")
		other = reopen(t, db, DefaultOptions())
		was(other, "example.org", "bob@far.example", true)
		l.Sent(ctx, "example.org", "dan@far.example")
		if err := l.Close(ctx); err != nil {
			t.Fatal(err)
		}
		l = reopen(t, db, DefaultOptions())
		was(l, "example.org", "dan@far.example", true)
		time.Sleep(sentFor)
		l.Sent(ctx, "example.org", "later@far.example") // another part
		was(l, "example.org", "dan@far.example", true)
		time.Sleep(sentFor)
		l.Sent(ctx, "example.org", "last@far.example")
		time.Sleep(time.Minute)
		was(l, "example.org", "dan@far.example", false)
		was(l, "example.org", "last@far.example", true)
		db.Close()
	})
}

// TestSentIsBounded: a gateway that writes to millions forgets the first, and
// what it keeps has a bound.
func TestSentIsBounded(t *testing.T) {
	t.Parallel()
	s, now := &sent{}, time.Unix(1e9, 0)
	octets := func() (n int) {
		for _, p := range s.parts {
			n += len(p.bloom.words) * 8
		}
		return n
	}
	for i := range 12_000_000 / 64 {
		p := s.young(now)
		p.bloom.addHash(uint64(i) * 0x9e3779b97f4a7c15)
		p.bloom.n.Add(63)
	}
	if len(s.parts) != maxSentParts || octets() > maxSentParts*maxSentBits/8 || s.parts[0].bloom.mask < s.parts[maxSentParts-1].bloom.mask/2 {
		t.Errorf("%d parts of %d octets", len(s.parts), octets())
	}
	seen := 0
	for i := range 10_000 {
		if s.parts[maxSentParts-1].bloom.hasHash(uint64(i+1e9) * 0xd6e8feb86659fd93) {
			seen++
		}
	}
	if seen > 100 {
		t.Errorf("%d of 10000 that were not sent to", seen)
	}
}

func BenchmarkSent(b *testing.B) {
	l, _ := open(b, DefaultOptions())
	b.ReportAllocs()
	for b.Loop() {
		l.Sent(b.Context(), "example.org", "bob@far.example")
	}
}
