package dns_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/prometheus/client_golang/prometheus"
)

func cached(t testing.TB, next dns.Resolver, opt dns.CacheOptions) *dns.Cache {
	c := dns.NewCache(next, opt)
	t.Cleanup(c.Close)
	return c
}

func TestCacheKeepsForTheTTL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		typ    dns.Type
		zone   string
		holds  time.Duration
		failed bool
	}{
		{"record", dns.TypeA, "a.test: [{A: 192.0.2.1, TTL: 100}]", 100 * time.Second, false},
		{"least TTL", dns.TypeA, "a.test: [{A: 192.0.2.1, TTL: 1}]", 5 * time.Second, false},
		{"largest TTL", dns.TypeA, "a.test: [{A: 192.0.2.1, TTL: 86400}]", 6 * time.Hour, false},
		{"no data", dns.TypeMX, "a.test: [{SOA: [a, b, 1, 2, 3, 4, 50]}]", 50 * time.Second, true},
		{"no data for long", dns.TypeMX, "a.test: [{SOA: [a, b, 1, 2, 3, 4, 86400], TTL: 86400}]", time.Hour, true},
		{"no domain, no SOA", dns.TypeMX, "b.test: []", 5 * time.Second, true},
		{"failure", dns.TypeMX, "a.test: [SERVFAIL]", 5 * time.Second, true},
		{"time-out", dns.TypeMX, "a.test: [TIMEOUT]", 5 * time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rec := dnstest.Record(dnstest.Parse(t, c.zone))
				cache := cached(t, rec, dns.CacheOptions{})
				ask := func() int {
					a, err := cache.Lookup(t.Context(), "A.test.", c.typ)
					if (err != nil) != c.failed {
						t.Errorf("%+v, %v", a, err)
					}
					return len(rec.Queries())
				}
				ask()
				time.Sleep(c.holds - time.Nanosecond)
				if n := ask(); n != 1 {
					t.Errorf("%d queries while it holds", n)
				}
				time.Sleep(time.Nanosecond)
				if n := ask(); n != 2 {
					t.Errorf("%d queries after it expired", n)
				}
			})
		})
	}
}

func TestCacheTellsTheTTLThatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := cached(t, dnstest.Zone{"a.test": {dnstest.A("192.0.2.1"), dnstest.Authentic}}, dns.CacheOptions{})
		_, _ = cache.Lookup(t.Context(), "a.test", dns.TypeA)
		time.Sleep(20 * time.Second)
		if a, err := cache.Lookup(t.Context(), "a.test", dns.TypeA); err != nil || a.TTL != 40*time.Second || !a.Authentic {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

func TestCacheAsksOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := dnstest.Record(dnstest.Slow(dnstest.Zone{"a.test": {dnstest.A("192.0.2.1")}}, time.Second))
		cache := cached(t, rec, dns.CacheOptions{})
		hurried, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := cache.Lookup(hurried, "a.test", dns.TypeA); !errors.Is(err, context.Canceled) {
				t.Errorf("the first, who left: %v", err)
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				if a, err := cache.Lookup(t.Context(), "A.TEST", dns.TypeA); err != nil || len(a.Records) != 1 {
					t.Errorf("one who waited: %+v, %v", a, err)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		if q := rec.Queries(); len(q) != 1 {
			t.Errorf("queries %q", q)
		}
	})
}

func TestCacheLearnsWhatNobodyWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := cached(t, dnstest.Slow(dnstest.Zone{"a.test": {dnstest.A("192.0.2.1")}}, 10*time.Second), dns.CacheOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := cache.Lookup(ctx, "a.test", dns.TypeA); !errors.Is(err, dns.ErrTimeout) {
			t.Error(err)
		}
		time.Sleep(10 * time.Second)
		if _, err := cache.Lookup(ctx, "a.test", dns.TypeA); err != nil {
			t.Error(err)
		}
	})
}

func TestCacheEndsHangingQuestions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := cached(t, dnstest.Hang(), dns.CacheOptions{})
		start := time.Now()
		if _, err := cache.Lookup(t.Context(), "a.test", dns.TypeA); !errors.Is(err, dns.ErrTimeout) || time.Since(start) != 20*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = cache.Lookup(ctx, "b.test", dns.TypeA) // still under way: Close has to end it
		cache.Close()
		if d := time.Since(start); d != 21*time.Second {
			t.Errorf("closed after %v", d)
		}
	})
}

func TestCacheBoundsQuestionsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := cached(t, dnstest.Hang(), dns.CacheOptions{MaxFlights: 2})
		var busy atomic.Int32
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				if _, err := cache.Lookup(t.Context(), fmt.Sprintf("%d.test", i), dns.TypeA); errors.Is(err, dns.ErrBusy) && errors.Is(err, dns.ErrServFail) {
					busy.Add(1)
				}
			})
		}
		wg.Wait()
		if n := busy.Load(); n != 3 {
			t.Errorf("%d of 5 were refused, want 3", n)
		}
	})
}

func TestCacheSurvivesAPanic(t *testing.T) {
	t.Parallel()
	cache := cached(t, dnstest.Func(func(context.Context, string, dns.Type) (dns.Answer, error) { panic("asked") }), dns.CacheOptions{})
	if _, err := cache.Lookup(t.Context(), "a.test", dns.TypeA); !errors.Is(err, dns.ErrServFail) || !strings.Contains(err.Error(), "asked") {
		t.Error(err)
	}
	for _, name := range []string{"", ".", "a..b", "a\x00b", strings.Repeat("a", 64)} {
		if _, err := cache.Lookup(t.Context(), name, dns.TypeA); !errors.Is(err, dns.ErrNXDomain) {
			t.Errorf("%q is no name and was asked: %v", name, err)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	m := dns.NewMetrics(reg)
	text := strings.Repeat("x", 1000)
	rec := dnstest.Record(dnstest.Func(func(_ context.Context, name string, _ dns.Type) (dns.Answer, error) {
		return dns.Answer{Name: name, Records: []dns.Record{{Text: text}}, TTL: time.Hour}, nil
	}))
	const size = 1 << 20
	cache := cached(t, rec, dns.CacheOptions{Size: size, Metrics: m})
	for i := range 5000 {
		_, _ = cache.Lookup(t.Context(), fmt.Sprintf("%d.test", i), dns.TypeTXT)
		_, _ = cache.Lookup(t.Context(), "popular.test", dns.TypeTXT)
	}
	popular := 0
	for _, q := range rec.Queries() {
		if strings.HasPrefix(q, "popular") {
			popular++
		}
	}
	held := gauge(t, reg, "gapura_dns_cache_bytes")
	if entries := gauge(t, reg, "gapura_dns_cache_entries"); held > size || held < size/2 || entries*1400 > size || popular != 1 {
		t.Errorf("%v octets in %v entries; the popular one was asked for %d times", held, entries, popular)
	}
}

func gauge(t *testing.T, reg prometheus.Gatherer, name string) float64 {
	t.Helper()
	list, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestCacheHitsDoNotAllocate(t *testing.T) {
	cache := cached(t, dnstest.Zone{"a.test": {dnstest.A("192.0.2.1")}}, dns.CacheOptions{})
	for _, name := range []string{"a.test", "b.test"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = cache.Lookup(t.Context(), name, dns.TypeA) }); n != 0 {
			t.Errorf("%s: %v allocations a hit", name, n)
		}
	}
}

func BenchmarkCacheHit(b *testing.B) {
	cache := cached(b, dnstest.Zone{"mail.example.org": {dnstest.A("192.0.2.1")}}, dns.CacheOptions{Metrics: dns.NewMetrics(nil)})
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := cache.Lookup(ctx, "mail.example.org", dns.TypeA); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkCacheMiss(b *testing.B) {
	cache := cached(b, dnstest.Zone{"*.example.org": {dnstest.A("192.0.2.1")}}, dns.CacheOptions{Size: 1 << 20})
	names := make([]string, 1<<14)
	for i := range names {
		names[i] = fmt.Sprintf("host%d.example.org", i)
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		_, _ = cache.Lookup(b.Context(), names[i%len(names)], dns.TypeA)
		i++
	}
}

// TestCacheAsksNothingWhenTheTimeIsOver: a message may name a hundred keys in
// zones that do not answer, and its look-ups end together.
func TestCacheAsksNothingWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	rec := dnstest.Record(dnstest.Zone{"a.test": {dnstest.A("192.0.2.1")}})
	cache := cached(t, rec, dns.CacheOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := cache.Lookup(ctx, "a.test", dns.TypeA); !errors.Is(err, context.Canceled) || !errors.Is(err, dns.ErrTimeout) {
		t.Error(err)
	}
	if q := rec.Queries(); len(q) > 0 {
		t.Errorf("asked %v", q)
	}
}
