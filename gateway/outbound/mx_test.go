package outbound

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gapura-mail/gapura/gateway/dns"
	. "github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

// Where mail goes by RFC 5321 section 5.1 and RFC 7505: who is asked in which
// order, and what is told when nobody is left.
func TestWhereMailGoes(t *testing.T) {
	t.Parallel()
	const a1, a2, a3 = "192.0.2.1", "192.0.2.2", "192.0.2.3"
	for name, c := range map[string]struct {
		zone  Zone
		up    string // addresses that take mail
		dials string
		want  string
		opt   func(*Options)
		to    string
	}{
		"by preference": {
			zone: Zone{"d.test": {MX(20, "b.d.test"), MX(10, "a.d.test")}, "a.d.test": {A(a1)}, "b.d.test": {A(a2)}},
			up:   a1 + a2, dials: a1, want: "delivered 250 2.0.0 relayed a.d.test " + a1,
		},
		"the next one when the first is down": {
			zone: Zone{"d.test": {MX(20, "b.d.test"), MX(10, "a.d.test")}, "a.d.test": {A(a1)}, "b.d.test": {A(a2)}},
			up:   a2, dials: a1 + " " + a2, want: "delivered 250 2.0.0 relayed b.d.test " + a2,
		},
		"both kinds of addresses": {
			zone: Zone{"d.test": {MX(10, "a.d.test")}, "a.d.test": {A(a1), AAAA("2001:db8::1")}},
			up:   a1, dials: "2001:db8::1 " + a1, want: "delivered 250 2.0.0 relayed a.d.test " + a1,
		},
		"IPv4 first": {
			zone: Zone{"d.test": {MX(10, "a.d.test")}, "a.d.test": {A(a1), AAAA("2001:db8::1")}},
			up:   a1, dials: a1, want: "delivered 250 2.0.0 relayed a.d.test " + a1,
			opt: func(o *Options) { o.Families = []string{"ipv4", "ipv6"} },
		},
		"IPv4 only": {
			zone: Zone{"d.test": {MX(10, "a.d.test")}, "a.d.test": {AAAA("2001:db8::1")}},
			want: "failed 550 5.4.4 local dest a.d.test",
			opt:  func(o *Options) { o.Families = []string{"ipv4"} },
		},
		"one kind of addresses cannot be found out": {
			zone: Zone{"d.test": {MX(10, "a.d.test")}, "a.d.test": {A(a1), Fail(dns.TypeAAAA, dns.ErrServFail)}},
			up:   a1, dials: a1, want: "delivered 250 2.0.0 relayed a.d.test " + a1,
		},
		"the domain itself without MX": {
			zone: Zone{"d.test": {A(a1)}},
			up:   a1, dials: a1, want: "delivered 250 2.0.0 relayed d.test " + a1,
		},
		"not the domain itself with a dead MX": {
			zone: Zone{"d.test": {A(a1), MX(10, "a.d.test")}},
			up:   a1, want: "failed 550 5.4.4 local dest a.d.test",
		},
		"neither MX nor address": {
			zone: Zone{"d.test": {TXT("x")}},
			want: "failed 550 5.1.2 local dest",
		},
		"no such domain": {
			zone: Zone{"e.test": {A(a1)}},
			want: "failed 550 5.1.2 local dest",
		},
		"null MX": {
			zone: Zone{"d.test": {A(a1), MX(0, "")}},
			up:   a1, want: "failed 556 5.1.10 local dest",
		},
		"null MX among others is passed over": {
			zone: Zone{"d.test": {MX(0, ""), MX(10, "a.d.test")}, "a.d.test": {A(a1)}},
			up:   a1, dials: a1, want: "delivered 250 2.0.0 relayed a.d.test " + a1,
		},
		"MX cannot be found out": {
			zone: Zone{"d.test": {A(a1), Fail(dns.TypeMX, dns.ErrServFail)}},
			up:   a1, want: "deferred 451 4.4.3 local dest",
		},
		"the exchanger's address cannot be found out": {
			zone: Zone{"d.test": {MX(10, "a.d.test")}, "a.d.test": {Timeout}},
			want: "deferred 451 4.4.3 local dest a.d.test",
		},
		"one exchanger is nowhere, another down": {
			zone: Zone{"d.test": {MX(10, "a.d.test"), MX(20, "b.d.test")}, "b.d.test": {A(a2)}},
			want: "deferred 451 4.4.1 local dest b.d.test " + a2, dials: a2,
		},
		"CNAME": {
			zone: Zone{"d.test": {CNAME("e.test")}, "e.test": {MX(10, "a.e.test")}, "a.e.test": {A(a1)}},
			up:   a1, dials: a1, want: "delivered 250 2.0.0 relayed a.e.test " + a1,
		},
		"MX is a CNAME": {
			zone: Zone{"d.test": {MX(10, "a.d.test")}, "a.d.test": {CNAME("b.d.test")}, "b.d.test": {A(a1)}},
			up:   a1, dials: a1, want: "delivered 250 2.0.0 relayed a.d.test " + a1,
		},
		"MX is an address": {
			zone: Zone{"d.test": {MX(10, a1)}},
			up:   a1, want: "failed 550 5.4.4 local dest " + a1,
		},
		"our name, and worse, are dropped": {
			zone: Zone{"d.test": {MX(10, "a.d.test"), MX(20, "gw.test"), MX(30, "c.d.test")}, "a.d.test": {A(a1)}, "c.d.test": {A(a3)}},
			up:   a3, dials: a1, want: "deferred 451 4.4.1 local dest a.d.test " + a1,
		},
		"our equals are dropped": {
			zone: Zone{"d.test": {MX(20, "a.d.test"), MX(20, "GW.test")}, "a.d.test": {A(a1)}},
			up:   a1, want: "failed 554 5.4.6 local dest",
		},
		"a CNAME of ours, and worse, are dropped": {
			zone: Zone{"d.test": {MX(10, "a.d.test"), MX(20, "b.d.test"), MX(30, "c.d.test")}, "a.d.test": {A(a1)}, "b.d.test": {CNAME("x.d.test")}, "x.d.test": {CNAME("GW.test")}, "gw.test": {A(a2)}, "c.d.test": {A(a3)}},
			up:   a3, dials: a1, want: "deferred 451 4.4.1 local dest a.d.test " + a1,
		},
		"a CNAME of ours": {
			zone: Zone{"d.test": {MX(10, "a.d.test")}, "a.d.test": {CNAME("gw.test")}, "gw.test": {A(a1)}},
			up:   a1, want: "failed 554 5.4.6 local dest",
		},
		"a CNAME of ours without an address": {
			zone: Zone{"d.test": {MX(10, "a.d.test"), MX(20, "b.d.test")}, "a.d.test": {CNAME("gw.test")}, "gw.test": {TXT("x")}, "b.d.test": {A(a1)}},
			up:   a1, want: "failed 554 5.4.6 local dest",
		},
		"a domain that is a CNAME of ours": {
			zone: Zone{"d.test": {CNAME("gw.test")}, "gw.test": {A(a1)}},
			up:   a1, want: "failed 554 5.4.6 local dest",
		},
		"our address": {
			zone: Zone{"d.test": {MX(10, "a.d.test"), MX(20, "b.d.test")}, "a.d.test": {A("127.0.0.1")}, "b.d.test": {A(a1)}},
			up:   a1, want: "failed 554 5.4.6 local dest",
		},
		"our address by translation": {
			zone: Zone{"d.test": {MX(10, "a.d.test")}, "a.d.test": {A(a1)}},
			up:   a1, want: "failed 554 5.4.6 local dest",
			opt: func(o *Options) { o.Own = []netip.Prefix{netip.MustParsePrefix(a1 + "/32")} },
		},
		"our address without MX": {
			zone: Zone{"d.test": {A("127.0.0.1")}},
			want: "failed 554 5.4.6 local dest",
		},
		"loopback where it is allowed": {
			zone: Zone{"d.test": {A("127.0.0.1")}},
			up:   "127.0.0.1", dials: "127.0.0.1", want: "delivered 250 2.0.0 relayed d.test 127.0.0.1",
			opt: func(o *Options) { o.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} },
		},
		"nowhere": {
			zone: Zone{"d.test": {MX(10, "a.d.test")}, "a.d.test": {A("0.0.0.0"), A("224.0.0.1"), AAAA("fe80::1"), A("255.255.255.255")}},
			want: "failed 550 5.4.4 local dest a.d.test",
		},
		"nowhere and somewhere": {
			zone: Zone{"d.test": {MX(10, "a.d.test")}, "a.d.test": {A("0.0.0.0"), A(a1)}},
			up:   a1, dials: a1, want: "delivered 250 2.0.0 relayed a.d.test " + a1,
		},
		"address literal": {
			to: "b@[192.0.2.1]", up: a1, want: "failed 550 5.1.2 local dest",
		},
		"address literal where it is allowed": {
			to: "b@[192.0.2.1]", up: a1, dials: a1, want: "delivered 250 2.0.0 relayed 192.0.2.1 " + a1,
			opt: func(o *Options) { o.AddressLiterals = true },
		},
		"address literal of ours": {
			to: "b@[127.0.0.1]", up: "127.0.0.1", want: "failed 554 5.4.6 local dest",
			opt: func(o *Options) { o.AddressLiterals = true },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.zone)
				for _, a := range []string{a1, a2, a3, "127.0.0.1"} {
					if strings.Contains(c.up, a) {
						w.hosts[a] = (&sink{}).serve
					}
				}
				if c.opt != nil {
					c.opt(&w.opt)
				}
				if c.to == "" {
					c.to = "b@d.test"
				}
				wantOutcome(t, w.transport().Deliver(t.Context(), job(c.to)), c.want)
				if got := w.dialled(); got != c.dials {
					t.Errorf("dialled %q, want %q", got, c.dials)
				}
			})
		})
	}
}

// Equal preferences take turns: each of them is the first once in a while.
func TestEqualPreferencesAreRandom(t *testing.T) {
	t.Parallel()
	zone := Zone{"d.test": {}}
	var want []string
	for _, n := range []string{"1", "2", "3", "4"} {
		zone["d.test"] = append(zone["d.test"], MX(10, "mx"+n+".test"))
		zone["mx"+n+".test"] = []dns.ZoneRecord{A("192.0.2." + n)}
		want = append(want, "mx"+n+".test")
	}
	zone["d.test"] = append(zone["d.test"], MX(5, "best.test"))
	zone["best.test"] = []dns.ZoneRecord{A("192.0.2.9")}
	w := newWorld(t, zone)
	tr := w.transport()
	first := map[string]int{}
	for range 400 {
		p := tr.mxPlan(t.Context(), "d.test")
		if p.hops[0].host != "best.test" || len(p.hops) != 5 {
			t.Fatal("the best preference is not first")
		}
		first[p.hops[1].host]++
	}
	for _, h := range want {
		if first[h] < 50 {
			t.Errorf("%s is first %d times of 400", h, first[h])
		}
	}
}

// A destination with many dead hosts costs a bounded number of connections.
func TestTriesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		zone := Zone{}
		for i := range 50 {
			host := fmt.Sprintf("mx%d.test", i)
			zone["d.test"] = append(zone["d.test"], MX(uint16(i), host))
			for k := range 10 {
				zone[host] = append(zone[host], A(fmt.Sprintf("10.1.%d.%d", i, k)))
			}
		}
		w := newWorld(t, zone)
		w.transport().Deliver(t.Context(), job("b@d.test"))
		if n := strings.Count(w.dialled(), "10.1."); n != maxTries {
			t.Errorf("%d addresses were dialled", n)
		}
	})
}
