package urilist

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/link"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func score(f float64) *float64 { return &f }

// options are lists by the conventions of those that everybody asks.
func options() Options {
	return Options{Lists: []List{
		{Zone: "multi.uribl.test", Score: score(2), Addresses: true, Bits: map[string]Code{"2": {Score: score(3), Meaning: "black"}, "4": {Score: score(0.5), Meaning: "grey"}, "8": {Meaning: "red"}}},
		{Zone: "dbl.test", Kind: "host", Codes: map[string]Code{"127.0.1.[2-99]": {Score: score(4)}, "127.0.1.4": {Score: score(6), Meaning: "phish"}, "127.0.1.[102-106]": {Score: score(1), Meaning: "abused"}}},
		{Zone: "zrd.test", Kind: "host", On: []string{"sender"}, Codes: map[string]Code{"127.0.2.[2-24]": {Meaning: "new"}}},
		{Zone: "ip.test", Kind: "ip"},
		{Zone: "ebl.test", Kind: "address", Score: score(5)},
		{Zone: "_file.key.hbl.test", Kind: "file", Score: score(9)},
		{Zone: "good.test", Score: score(-2), On: []string{"link"}},
	}}
}

const zones = `
evil.example.multi.uribl.test: [{A: 127.0.0.6}]
red.example.multi.uribl.test: [{A: 127.0.0.8}]
other.example.multi.uribl.test: [{A: 127.0.0.16}]
blocked.example.multi.uribl.test: [{A: 127.0.0.1}]
all.example.multi.uribl.test: [{A: 127.0.0.255}]
9.0.0.203.multi.uribl.test: [{A: 127.0.0.2}]
www.evil.example.dbl.test: [{A: 127.0.1.4}]
abused.example.dbl.test: [{A: 127.0.1.105}]
wrong.example.dbl.test: [{A: 127.0.1.255}]
refused.example.dbl.test: [{A: 127.255.255.254}]
resolver.example.dbl.test: [{A: 127.255.255.252}, {A: 127.0.1.2}]
new.example.zrd.test: [{A: 127.0.2.4}]
hosted.example: [{A: 203.0.0.7}, {A: 10.0.0.1}]
7.0.0.203.ip.test: [{A: 127.0.0.2}]
1.0.0.10.ip.test: [{A: 127.0.0.2}]
fine.example.good.test: [{A: 127.0.0.2}]
docs.google.com.dbl.test: [{A: 127.0.1.4}]
mail.google.com.dbl.test: [{A: 127.0.1.4}]
slow.example.multi.uribl.test: [TIMEOUT]
paypal.com.multi.uribl.test: [{A: 127.0.0.2}]
skip.example.multi.uribl.test: [{A: 127.0.0.2}]
bucket.s3.amazonaws.com.multi.uribl.test: [{A: 127.0.0.2}]
`

func add(t testing.TB, q *Query, what string) {
	t.Helper()
	kind, s, ok := strings.Cut(what, " ")
	switch {
	case !ok:
		u, ok := link.Parse(what)
		if !ok {
			t.Fatalf("%q is no link", what)
		}
		q.Add(u)
	case kind == "from":
		q.AddSender(s)
	case kind == "address":
		q.AddAddress(s)
	default:
		sum := sha256.Sum256([]byte(s))
		q.AddHash(sum[:])
	}
}

// example answers like .example as a public suffix would be: the list of
// suffixes has none for tests, so names here end in two labels.
func parse(t testing.TB) dnstest.Zone {
	z := dnstest.Parse(t, strings.ReplaceAll(zones, ".example", ".com"))
	mail := sha1.Sum([]byte("lure@gmail.com"))
	z[fmt.Sprintf("%x.ebl.test", mail)] = []dns.ZoneRecord{dnstest.A("127.0.0.2")}
	// SHA-256 of "virus" in base32.
	sum := sha256.Sum256([]byte("virus"))
	z[(&list{base32: true}).label(sum[:])+"._file.key.hbl.test"] = []dns.ZoneRecord{dnstest.A("127.0.3.10")}
	return z
}

func TestListings(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]string{
		"http://x.evil.com/":          "3 [x: evil.com is listed by multi.uribl.test (black, grey)]",
		"http://red.com/":             "2 [x: red.com is listed by multi.uribl.test (red)]",
		"http://other.com/":           "0 []",
		"http://fine.com/":            "-2 [x: fine.com is listed by good.test]",
		"http://www.evil.com/":        "9 [x: evil.com is listed by multi.uribl.test (black, grey) x: www.evil.com is listed by dbl.test (phish)]",
		"http://abused.com/":          "1 [x: abused.com is listed by dbl.test (abused)]",
		"http://203.0.0.9/":           "3 [x: 203.0.0.9 is listed by multi.uribl.test (black, grey)]",
		"http://0xcb000009/":          "3 [x: 203.0.0.9 is listed by multi.uribl.test (black, grey)]",
		"http://192.168.1.1/":         "0 []",
		"http://hosted.com/":          "1 [x: hosted.com is listed by ip.test]",
		"https://paypal.com/":         "0 []",
		"https://mail.google.com/":    "0 []",
		"https://docs.google.com/d/1": "6 [x: docs.google.com is listed by dbl.test (phish)]",
		"http://a.skip.com/":          "0 []",
		"from new.com":                "1 [x: new.com is listed by zrd.test (new)]",
		"http://new.com/":             "0 []",
		"address L.u.r.e+1@GMail.com": "5 [x: lure@gmail.com is listed by ebl.test]",
		"mailto:lure@googlemail.com":  "5 [x: lure@gmail.com is listed by ebl.test]",
		"address lure@gmail.org":      "0 []",
		"file virus":                  "9 [x: " + fmt.Sprintf("%x", sha256.Sum256([]byte("virus"))) + " is listed by _file.key.hbl.test]",
		"file other":                  "0 []",
		"https://www.google.com/url?q=http%3A%2F%2Fred.com%2F": "2 [x: red.com is listed by multi.uribl.test (red)]",
		"https://bucket.s3.amazonaws.com/x":                    "3 [x: bucket.s3.amazonaws.com is listed by multi.uribl.test (black, grey)]",
		"http://blocked.com/":                                  "0 [] multi.uribl.test: the list answered 127.0.0.1, which is no listing",
		"http://all.com/":                                      "0 [] multi.uribl.test: the list answered 127.0.0.255, which is no listing",
		"http://wrong.com/":                                    "0 [] dbl.test: the list answered 127.0.1.255, which is no listing",
		"http://refused.com/":                                  "0 [] dbl.test: the list answered 127.255.255.254, which is no listing",
		"http://resolver.com/":                                 "4 [x: resolver.com is listed by dbl.test]",
		"http://slow.com/":                                     "0 [] multi.uribl.test: name servers did not answer",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			opt := options()
			opt.Skip = []string{"Skip.com."}
			l, err := New(opt, parse(t))
			if err != nil {
				t.Fatal(err)
			}
			q := l.Start(t.Context())
			add(t, q, what)
			add(t, q, what) // asked once
			hits, err := q.Wait(t.Context())
			var says []string
			for _, h := range hits {
				says = append(says, "x: "+h.String())
			}
			want = strings.ReplaceAll(want, "203.0.0.9 is listed by multi.uribl.test (black, grey)", "203.0.0.9 is listed by multi.uribl.test (black)")
			want = strings.ReplaceAll(want, "amazonaws.com is listed by multi.uribl.test (black, grey)", "amazonaws.com is listed by multi.uribl.test (black)")
			got := fmt.Sprint(Score(hits), " ", says)
			if err != nil {
				got += " " + err.Error()
			}
			if got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
		})
	}
}

func TestRefusalsNeverCount(t *testing.T) {
	t.Parallel()
	for _, l := range []List{
		{Zone: "l.test"},
		{Zone: "l.test", Codes: map[string]Code{"127.0.0.0/8": {}}},
		{Zone: "l.test", Codes: map[string]Code{"127.255.255.254": {}}},
		{Zone: "l.test", Bits: map[string]Code{"2": {}, "4": {}, "128": {}}},
	} {
		for _, a := range []string{"127.255.255.252", "127.255.255.254", "127.255.255.255", "127.255.255.2", "10.0.0.2", "192.0.2.1"} {
			lists, err := New(Options{Lists: []List{l}}, dnstest.Zone{"evil.com.l.test": {dnstest.A(a)}})
			if err != nil {
				t.Fatal(err)
			}
			q := lists.Start(t.Context())
			add(t, q, "http://evil.com/")
			hits, err := q.Wait(t.Context())
			var failed *ListError
			if len(hits) != 0 || !errors.As(err, &failed) || failed.Zone != "l.test" {
				t.Errorf("%+v, %s: %v, %v", l, a, hits, err)
			}
		}
	}
}

func TestQuestionsAreBoundedAndTheLastAreAsked(t *testing.T) {
	t.Parallel()
	r := dnstest.Record(dnstest.Zone{"last.com.l.test": {dnstest.A("127.0.0.2")}})
	l, err := New(Options{Lists: []List{{Zone: "l.test"}}, MaxLookups: 8}, r)
	if err != nil {
		t.Fatal(err)
	}
	q := l.Start(t.Context())
	for i := range 1000 {
		add(t, q, fmt.Sprintf("http://name%d.com/", i))
	}
	add(t, q, "http://last.com/")
	hits, err := q.Wait(t.Context())
	if n := len(r.Queries()); err != nil || len(hits) != 1 || n != 8 || q.Lost() != 993 {
		t.Errorf("%v, %v, %d queries, %d lost", hits, err, n, q.Lost())
	}
	add(t, q, "http://name2000.com/")
	q.AddSender("name2001.com")
	q.Close()
	if n := len(r.Queries()); n != 8 {
		t.Errorf("%d queries after the end", n)
	}
}

// TestAddressesOfHostsAreQuestionsToo: a host has up to four that are asked about.
func TestAddressesOfHostsAreQuestionsToo(t *testing.T) {
	t.Parallel()
	z := dnstest.Zone{}
	for i := range 100 {
		for k := range 4 {
			name := fmt.Sprintf("name%d.com", i)
			z[name] = append(z[name], dnstest.A(fmt.Sprintf("203.0.%d.%d", i, k)))
		}
	}
	r := dnstest.Record(z)
	l, err := New(Options{Lists: []List{{Zone: "l.test", Kind: "ip"}}, MaxLookups: 8}, r)
	if err != nil {
		t.Fatal(err)
	}
	q := l.Start(t.Context())
	defer q.Close()
	for i := range 100 {
		add(t, q, fmt.Sprintf("http://name%d.com/", i))
	}
	if _, err := q.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	n := 0
	for _, x := range r.Queries() {
		if strings.Contains(fmt.Sprint(x), "l.test") {
			n++
		}
	}
	if n == 0 || n > 8 {
		t.Errorf("%d questions", n)
	}
}

func TestListsAreAskedWhileTheBodyArrivesAndNoLongerThanWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := parse(t)
		r := dnstest.Func(func(ctx context.Context, name string, typ dns.Type) (dns.Answer, error) {
			d := time.Second
			if strings.HasSuffix(name, ".dbl.test") {
				d = time.Hour
			}
			return dnstest.Slow(z, d).Lookup(ctx, name, typ)
		})
		opt := options()
		opt.Lists = opt.Lists[:2]
		l, err := New(opt, r)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		q := l.Start(t.Context())
		add(t, q, "http://www.evil.com/")
		add(t, q, "http://red.com/")
		time.Sleep(5 * time.Second) // the body
		hits, err := q.Wait(t.Context())
		if len(hits) != 2 || !errors.Is(err, dns.ErrTimeout) || time.Since(start) != 7*time.Second {
			t.Errorf("%v, %v after %v", hits, err, time.Since(start))
		}
		// Own time that is nearly over, a caller that gives up, a message that breaks off.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		q = l.Start(t.Context())
		add(t, q, "http://www.evil.com/")
		if _, err = q.Wait(ctx); !errors.Is(err, dns.ErrTimeout) || time.Since(start) != 900*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start = time.Now()
		q = l.Start(t.Context())
		add(t, q, "http://www.evil.com/")
		if _, err = q.Wait(ctx); err == nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		start = time.Now()
		q = l.Start(t.Context())
		add(t, q, "http://www.evil.com/")
		q.Close()
		q.Close()
		if time.Since(start) != 0 {
			t.Error(time.Since(start))
		}
	})
}

func TestOptionErrors(t *testing.T) {
	t.Parallel()
	one := func(l List) Options { return Options{Lists: []List{l}} }
	for want, o := range map[string]Options{
		"more than 32":                   {Lists: make([]List, 33)},
		"max_lookups":                    {MaxLookups: 501},
		"wait is negative":               {Wait: -1},
		"skip":                           {Skip: []string{"a..b"}},
		"\"not a domain!\" is no domain": {Skip: []string{"not a domain!"}},
		"\"not a zone!\"":                {Lists: []List{{Zone: "not a zone!"}}},
		"not a domain":                   one(List{Zone: "a..test"}),
		"not one of domain":              one(List{Zone: "a.test", Kind: "uri"}),
		"addresses is for":               one(List{Zone: "a.test", Kind: "ip", Addresses: true}),
		"on is for":                      one(List{Zone: "a.test", Kind: "file", On: []string{"link"}}),
		"neither link":                   one(List{Zone: "a.test", On: []string{"helo"}}),
		"hash and encoding":              one(List{Zone: "a.test", Hash: "sha1"}),
		"not one of sha1":                one(List{Zone: "a.test", Kind: "file", Hash: "crc"}),
		"neither hex":                    one(List{Zone: "a.test", Kind: "file", Encoding: "base64"}),
		"longer than a label":            one(List{Zone: "a.test", Kind: "file", Encoding: "hex"}),
		"cannot both":                    one(List{Zone: "a.test", Codes: map[string]Code{"127.0.0.2": {}}, Bits: map[string]Code{"2": {}}}),
		"not one of 2, 4":                one(List{Zone: "a.test", Bits: map[string]Code{"1": {}}}),
		`bits: "3"`:                      one(List{Zone: "a.test", Bits: map[string]Code{"3": {}}}),
		"no IPv4 address":                one(List{Zone: "a.test", Codes: map[string]Code{"127.0": {}}}),
		"there twice":                    {Lists: []List{{Zone: "a.test"}, {Zone: "A.test."}}},
		"is no number":                   one(List{Zone: "a.test", Score: score(inf())}),
		"code 127.0.0.2: the ":           one(List{Zone: "a.test", Codes: map[string]Code{"127.0.0.2": {Score: score(inf())}}}),
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if err := DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
	if err := options().Validate(); err != nil {
		t.Error(err)
	}
}

func inf() float64 { f := 1e308; return f * 10 }

func BenchmarkThirtyLinksCached(b *testing.B) {
	cache := dns.NewCache(parse(b), dns.CacheOptions{})
	defer cache.Close()
	opt := options()
	opt.Lists = opt.Lists[:3]
	l, err := New(opt, cache)
	if err != nil {
		b.Fatal(err)
	}
	var urls []link.URL
	for i := range 30 {
		u, _ := link.Parse(fmt.Sprintf("https://www.host%d.com/x", i%10))
		urls = append(urls, u)
	}
	b.ReportAllocs()
	for b.Loop() {
		q := l.Start(b.Context())
		for _, u := range urls {
			q.Add(u)
		}
		if _, err := q.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
