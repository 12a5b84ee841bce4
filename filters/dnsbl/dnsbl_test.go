package dnsbl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const lists = `
2.0.0.203.zen.test: [{A: 127.0.0.2}, {A: 127.0.0.10}, {TXT: "https://list.test/q?ip=203.0.0.2"}]
3.0.0.203.zen.test: [{A: 127.0.0.10}, {TXT: TIMEOUT}]
3.0.0.203.allow.test: [{A: 127.0.10.2}]
4.0.0.203.zen.test: [{A: 127.255.255.254}]
5.0.0.203.zen.test: [TIMEOUT]
5.0.0.203.second.test: [{A: 127.0.0.3}]
6.0.0.203.zen.test: [SERVFAIL]
6.0.0.203.second.test: [{A: 203.0.113.1}]
6.0.0.203.allow.test: [TIMEOUT]
1.1.168.192.zen.test: [{A: 127.0.0.2}]
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.zen.test: [{A: 127.0.0.2}]
bad.example.dbl.test: [{A: 127.0.1.2}]
xn--bcher-kva.example.dbl.test: [{A: 127.0.1.4}]
helo.example.senders.test: [{A: 127.0.0.2}]
`

func score(f float64) *float64 { return &f }

func options() Options {
	return Options{Zones: []Zone{
		{Zone: "zen.test", Score: score(5)},
		{Zone: "Second.test.", Score: score(2.5)},
		{Zone: "allow.test", Score: score(-3), Type: "allow"},
		{Zone: "dbl.test", Kind: "domain", Score: score(4)},
		{Zone: "senders.test", Kind: "domain", On: []string{"sender"}},
	}}
}

func transaction(ip, heloName, from string) *gateway.Transaction {
	s := &gateway.Session{Listener: "smtp", Helo: heloName}
	if ip != "" {
		s.Remote = netip.AddrPortFrom(netip.MustParseAddr(ip), 4711)
	}
	local, dom, _ := strings.Cut(from, "@")
	return &gateway.Transaction{Session: s, From: smtp.ReversePath{Address: smtp.Address{Local: local, Domain: dom}}}
}

func check(t testing.TB, opt Options, r dns.Resolver, stage gateway.Stage, tx *gateway.Transaction) (map[string]any, gateway.Verdict, error) {
	t.Helper()
	f, err := New(opt, r)
	if err != nil {
		t.Fatal(err)
	}
	v, err := f.Check(t.Context(), stage, tx)
	facts := map[string]any{}
	for _, x := range v.Facts {
		facts[x.Name] = x.Value
	}
	for _, field := range f.Fields() {
		if got, there := facts[field.Name]; there && fmt.Sprintf("%T", got) != fmt.Sprintf("%T", field.Zero()) {
			t.Errorf("%s is %T, declared %s", field.Name, got, field.Type)
		}
	}
	if v.Facts != nil && len(v.Facts) != len(f.Fields()) {
		t.Errorf("%d facts, %d fields", len(v.Facts), len(f.Fields()))
	}
	return facts, v, err
}

func TestFacts(t *testing.T) {
	t.Parallel()
	z := dnstest.Parse(t, lists)
	for _, c := range []struct {
		name           string
		stage          gateway.Stage
		ip, helo, from string
		want           string // score, zones, allowed by, errors, reason
	}{
		{"not listed", gateway.StageConnect, "203.0.0.1", "", "", "0 [] [] [] "},
		{
			"listed twice, counts once", gateway.StageConnect, "203.0.0.2", "", "",
			"5 [zen.test] [] [] 203.0.0.2 is listed by zen.test: https://list.test/q?ip=203.0.0.2",
		},
		{"v4-mapped address", gateway.StageConnect, "::ffff:203.0.0.2", "", "", "5 [zen.test] [] [] 203.0.0.2 is listed by zen.test: https://list.test/q?ip=203.0.0.2"},
		{"listed and allowed, no text", gateway.StageConnect, "203.0.0.3", "", "", "2 [zen.test] [allow.test] [] 203.0.0.3 is listed by zen.test"},
		{"a refusal is no listing", gateway.StageConnect, "203.0.0.4", "", "", "0 [] [] [zen.test: the list answered 127.255.255.254, which is no listing] "},
		{
			"one fails, another counts", gateway.StageConnect, "203.0.0.5", "", "",
			"2.5 [second.test] [] [zen.test: name servers did not answer] 203.0.0.5 is listed by second.test",
		},
		{"all fail", gateway.StageConnect, "203.0.0.6", "", "", "error"},
		{"private", gateway.StageConnect, "192.168.1.1", "", "", "none"},
		{"IPv6", gateway.StageConnect, "2000::1", "", "", "5 [zen.test] [] [] 2000::1 is listed by zen.test"},
		{"unix socket", gateway.StageConnect, "", "", "", "none"},
		{"HELO", gateway.StageHelo, "203.0.0.1", "Bad.example", "", "4 [dbl.test] [] [] bad.example is listed by dbl.test"},
		{"HELO at connect", gateway.StageConnect, "203.0.0.1", "bad.example", "", "0 [] [] [] "},
		{"HELO and client add up", gateway.StageHelo, "203.0.0.3", "bad.example", "", "6 [zen.test dbl.test] [allow.test] [] 203.0.0.3 is listed by zen.test"},
		{"HELO literal is not asked", gateway.StageHelo, "192.168.1.1", "[203.0.0.2]", "", "none"},
		{"HELO address is not asked", gateway.StageHelo, "192.168.1.1", "203.0.0.2", "", "none"},
		{"HELO of one label is not asked", gateway.StageHelo, "192.168.1.1", "localhost", "", "none"},
		{"sender", gateway.StageMail, "203.0.0.1", "x.example", "a@bad.example", "4 [dbl.test] [] [] bad.example is listed by dbl.test"},
		{"sender as U-label", gateway.StageMail, "203.0.0.1", "x.example", "a@bücher.example", "4 [dbl.test] [] [] xn--bcher-kva.example is listed by dbl.test"},
		{"HELO and sender alike count once", gateway.StageMail, "203.0.0.1", "bad.example", "a@BAD.example", "4 [dbl.test] [] [] bad.example is listed by dbl.test"},
		{"list of senders only", gateway.StageMail, "203.0.0.1", "helo.example", "a@helo.example", "1 [senders.test] [] [] helo.example is listed by senders.test"},
		{"null sender", gateway.StageMail, "203.0.0.1", "helo.example", "", "0 [] [] [] "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, _, err := check(t, options(), z, c.stage, transaction(c.ip, c.helo, c.from))
			got := fmt.Sprint(f["dnsbl.score"], f["dnsbl.zones"], f["dnsbl.allow_zones"], f["dnsbl.errors"]) + " " + fmt.Sprint(f["dnsbl.reason"])
			switch {
			case err != nil:
				got = "error"
			case len(f) == 0:
				got = "none"
			}
			if got != c.want {
				t.Errorf("%s\nwant %s (%v)", got, c.want, err)
			}
			if err == nil && len(f) > 0 && f["dnsbl.listed"] != (len(f["dnsbl.zones"].([]string)) > 0) {
				t.Error("listed and zones differ")
			}
		})
	}
}

func TestAnswersAndAuthenticationResults(t *testing.T) {
	t.Parallel()
	z := dnstest.Parse(t, lists)
	f, v, err := check(t, options(), z, gateway.StageConnect, transaction("203.0.0.3", "", ""))
	if err != nil {
		t.Fatal(err)
	}
	if got := f["dnsbl.answers"].([]string); !slices.Equal(got, []string{"client zen.test 127.0.0.10", "client allow.test 127.0.10.2"}) {
		t.Errorf("%q", got)
	}
	if got, _ := json.Marshal(v.Results); string(got) != `[{"Method":"dnswl","Result":"pass","Reason":"","Props":[{"Type":"dns","Name":"zone","Value":"allow.test"},{"Type":"policy","Name":"ip","Value":"127.0.10.2"}]}]` {
		t.Errorf("%s", got)
	}
	if _, v, _ = check(t, options(), z, gateway.StageMail, transaction("203.0.0.3", "", "")); len(v.Results) != 0 {
		t.Errorf("told again: %v", v.Results)
	}
}

func TestWhoIsNotAsked(t *testing.T) {
	t.Parallel()
	z := dnstest.Parse(t, lists)
	for name, change := range map[string]func(s *gateway.Session){
		"user":        func(s *gateway.Session) { s.User = "u" },
		"submission":  func(s *gateway.Session) { s.Listener = "submission" },
		"submissions": func(s *gateway.Session) { s.Listener = "submissions" },
		"relay":       func(s *gateway.Session) { s.Relay = true },
	} {
		tx := transaction("203.0.0.2", "", "")
		change(tx.Session)
		if f, _, err := check(t, options(), z, gateway.StageConnect, tx); err != nil || len(f) != 0 {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	opt := options()
	opt.Private = true
	if f, _, err := check(t, opt, z, gateway.StageConnect, transaction("192.168.1.1", "", "")); err != nil || f["dnsbl.listed"] != true {
		t.Errorf("private: %v, %v", f, err)
	}
	no := false
	opt = Options{Zones: []Zone{{Zone: "zen.test", IPv6: &no}}}
	if f, _, err := check(t, opt, z, gateway.StageConnect, transaction("2000::1", "", "")); err != nil || len(f) != 0 {
		t.Errorf("a list without IPv6: %v, %v", f, err)
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	opt := Options{Zones: []Zone{{Zone: "l.test", Score: score(1), Codes: map[string]Code{
		"127.0.0.2":        {Meaning: "spam\r\nsource"},
		"127.0.0.[4-7]":    {Score: score(3), Meaning: "exploited"},
		"127.0.0.[10..11]": {Score: score(0), Meaning: "dynamic"},
		"127.0.1.0/24":     {Score: score(2)},
		"127.255.255.254":  {Score: score(9)},
	}}}}
	for answers, want := range map[string]string{
		"127.0.0.2":           "1 true 192.0.2.1 is listed by l.test (spam source)",
		"127.0.0.4":           "3 true 192.0.2.1 is listed by l.test (exploited)",
		"127.0.0.7":           "3 true 192.0.2.1 is listed by l.test (exploited)",
		"127.0.0.8":           "0 false ",
		"127.0.0.11":          "0 true 192.0.2.1 is listed by l.test (dynamic)",
		"127.0.1.255":         "2 true 192.0.2.1 is listed by l.test",
		"127.255.255.254":     "9 true 192.0.2.1 is listed by l.test",
		"127.0.0.2 127.0.0.5": "3 true 192.0.2.1 is listed by l.test (exploited)",
		"127.0.0.5 127.0.0.2": "3 true 192.0.2.1 is listed by l.test (exploited)",
		"127.0.0.8 127.0.0.2": "1 true 192.0.2.1 is listed by l.test (spam source)",
		"10.0.0.1":            "error",
		"127.255.255.252":     "error",
	} {
		var recs []dns.ZoneRecord
		for _, a := range strings.Fields(answers) {
			recs = append(recs, dnstest.A(a))
		}
		f, _, err := check(t, opt, dnstest.Zone{"1.2.0.192.l.test": recs}, gateway.StageConnect, transaction("192.0.2.1", "", ""))
		got := "error"
		if err == nil {
			got = fmt.Sprint(f["dnsbl.score"], f["dnsbl.listed"]) + " " + f["dnsbl.reason"].(string)
		}
		if got != want {
			t.Errorf("%s: %s, want %s (%v)", answers, got, want, err)
		}
	}
}

func TestAllListsAreAskedAtOnceAndNoLongerThanWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := dnstest.Parse(t, lists)
		slow := dnstest.Func(func(ctx context.Context, name string, typ dns.Type) (dns.Answer, error) {
			d := time.Second
			if strings.HasSuffix(name, ".second.test") {
				d = time.Hour
			}
			return dnstest.Slow(z, d).Lookup(ctx, name, typ)
		})
		opt := options()
		opt.NoText = true
		start := time.Now()
		f, _, err := check(t, opt, slow, gateway.StageConnect, transaction("203.0.0.3", "", ""))
		if err != nil || f["dnsbl.score"] != 2.0 || fmt.Sprint(f["dnsbl.errors"]) != "[second.test: name servers did not answer]" || time.Since(start) != 3*time.Second {
			t.Errorf("%v, %v after %v", f, err, time.Since(start))
		}
		filter, _ := New(opt, dnstest.Hang())
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start = time.Now()
		if _, err = filter.Check(ctx, gateway.StageConnect, transaction("203.0.0.3", "", "")); !errors.Is(err, dns.ErrTimeout) || time.Since(start) != 1800*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestStagesAreThoseWithSomethingNew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zones []Zone
		want  string
	}{
		{[]Zone{{Zone: "a.test"}}, "[connect]"},
		{[]Zone{{Zone: "a.test"}, {Zone: "b.test", Kind: "domain", On: []string{"sender"}}}, "[connect mail]"},
		{[]Zone{{Zone: "b.test", Kind: "domain"}}, "[helo mail]"},
	} {
		f, err := New(Options{Zones: c.zones}, nil)
		if err != nil || fmt.Sprint(f.Stages()) != c.want {
			t.Errorf("%v, want %s (%v)", f.Stages(), c.want, err)
		}
	}
}

func TestOptionErrors(t *testing.T) {
	t.Parallel()
	codes := func(k string) Options { return Options{Zones: []Zone{{Zone: "a.test", Codes: map[string]Code{k: {}}}}} }
	for want, o := range map[string]Options{
		"no zones":                {},
		"more than 64 zones":      {Zones: make([]Zone, 65)},
		"not a domain name":       {Zones: []Zone{{Zone: "a..test"}}},
		"neither block nor":       {Zones: []Zone{{Zone: "a.test", Type: "grey"}}},
		"neither ip nor":          {Zones: []Zone{{Zone: "a.test", Kind: "uri"}}},
		"neither helo nor":        {Zones: []Zone{{Zone: "a.test", Kind: "domain", On: []string{"rcpt"}}}},
		"for lists of kind":       {Zones: []Zone{{Zone: "a.test", On: []string{"helo"}}}},
		"is not negative":         {Zones: []Zone{{Zone: "a.test", Type: "allow", Score: score(1)}}},
		"is it of type allow":     {Zones: []Zone{{Zone: "a.test", Score: score(-1)}}},
		"there twice":             {Zones: []Zone{{Zone: "a.test"}, {Zone: "A.test."}}},
		"no IPv4 address":         codes("127.0.0"),
		"no octet or range":       codes("127.0.0.256"),
		`"7-4" is no octet`:       codes("127.0.0.[7-4]"),
		"an octet is missing":     codes("127.0.0.[]"),
		"[ without ]":             codes("127.0.0.[2"),
		"addresses in 127.0":      codes("10.0.0.2"),
		`"10.0.0.0/8": lists`:     codes("10.0.0.0/8"),
		`code "127..0.0.2" is no`: codes("127..0.0.2"),
		`zone "a.test": code "x`:  codes("x"),
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func BenchmarkThreeZonesCached(b *testing.B) {
	cache := dns.NewCache(dnstest.Parse(b, lists), dns.CacheOptions{})
	defer cache.Close()
	f, err := New(Options{Zones: []Zone{{Zone: "zen.test"}, {Zone: "second.test"}, {Zone: "allow.test", Type: "allow"}}}, cache)
	if err != nil {
		b.Fatal(err)
	}
	tx := transaction("203.0.0.1", "", "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Check(b.Context(), gateway.StageConnect, tx); err != nil {
			b.Fatal(err)
		}
	}
}
