package account

import (
	"context"
	"testing"
)

// BenchmarkPlain is a login with a password that is remembered: what a client
// costs that connects for each message.
func BenchmarkPlain(b *testing.B) {
	a := openWith(b, testOptions())
	response := plainResponse("", ana, anaPass)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(context.Background(), peer, "PLAIN", response, noAsk); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDerive is what a password costs that is not.
func BenchmarkDerive(b *testing.B) {
	opt := DefaultOptions()
	p := opt.params().newSalt()
	for b.Loop() {
		p.derive(anaPass)
	}
}

func BenchmarkMaySend(b *testing.B) {
	a := openWith(b, testOptions())
	must(b, a.AddAlias(context.Background(), Alias{"info@example.org", []string{ana}}))
	for _, address := range []string{ana, "info@example.org", "x@elsewhere.example"} {
		b.Run(address, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.MaySend(context.Background(), ana, address); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
