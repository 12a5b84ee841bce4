package outbound

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/outbound/mtasts"
	"github.com/gapura-mail/gapura/gateway/outbound/tlsrpt"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// What one host's failure allows does not hide what another one's forbids:
// mail that may have arrived, or for which TLS was demanded, does not go to the
// fallback because the first host was down.
func TestFallbackIsForNothingInDoubt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		host *sink
		opt  func(*Options)
		want string
	}{
		"may have arrived": {host: &sink{replies: map[string]string{"END": "!"}}, want: "deferred 451 4.4.2 local mx2.d.test 192.0.2.2"},
		"TLS is demanded":  {host: &sink{}, opt: func(o *Options) { o.TLS = "encrypt" }, want: "deferred 451 4.4.1 local dest mx1.d.test 192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Zone{
					"d.test":     {MX(10, "mx1.d.test"), MX(20, "mx2.d.test")},
					"mx1.d.test": {A("192.0.2.1")}, "mx2.d.test": {A("192.0.2.2")}, "b.test": {A("192.0.2.9")},
				})
				w.opt.Fallback = []string{"smtp://b.test"}
				if c.opt != nil {
					c.opt(&w.opt)
				}
				other := &sink{}
				w.hosts["192.0.2.2"], w.hosts["192.0.2.9"] = c.host.serve, other.serve
				wantOutcome(t, w.transport().Deliver(t.Context(), job("b@d.test")), c.want)
				if n := len(other.taken()); n != 0 {
					t.Errorf("the fallback got %d", n)
				}
			})
		})
	}
}

// stsOf are policies by domain.
type stsOf map[string]*mtasts.Policy

func (s stsOf) Policy(_ context.Context, domain string) mtasts.Result {
	return mtasts.Result{Policy: s[domain]}
}

// told is what TLS-RPT was told of all domains.
type told struct {
	mu   sync.Mutex
	list []string
}

func (h *told) Add(s tlsrpt.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, fmt.Sprintf("%s %s %s", s.Policy.Domain, s.Policy.Type, s.Result))
}

// A connection that mail to several domains goes over is reported to each by
// its own policy.
func TestKeptConnectionIsReportedByEachPolicy(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for _, order := range [][]string{{"d.test", "e.test", "d.test"}, {"e.test", "d.test", "e.test"}} {
		synctest.Test(t, func(t *testing.T) {
			w, h := newWorld(t, Zone{"d.test": {MX(10, "mx.test")}, "e.test": {MX(10, "mx.test")}, "mx.test": {A("192.0.2.1")}}), &told{}
			w.opt.CA = ca.file
			w.deps.Policies, w.deps.Reports = stsOf{"e.test": {Mode: mtasts.Testing, MX: []string{"mx.test"}}}, h
			s := &sink{cert: ca.issue(t, false, "else.test")}
			w.hosts["192.0.2.1"] = s.serve
			tr := w.transport()
			for _, d := range order {
				tr.Deliver(t.Context(), job("b@"+d))
			}
			if s.opened() != 1 {
				t.Errorf("%d connections", s.opened())
			}
			var want []string
			for _, d := range order {
				want = append(want, map[string]string{"d.test": "d.test no-policy-found ", "e.test": "e.test sts certificate-host-mismatch"}[d])
			}
			if !slices.Equal(h.list, want) {
				t.Errorf("%q, want %q", h.list, want)
			}
		})
	}
}

// A source that this machine does not have is no reason to pass over a
// destination for mail from other sources.
func TestDeadSourceIsNotTheDestinationsFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, one())
		w.opt.Pools = []Pool{{Name: "gone", Sources: []Source{{Address: addr("198.51.100.7")}}}, {Name: "default", Sources: []Source{{Address: addr("198.51.100.1")}}}}
		s := &sink{}
		w.hosts["192.0.2.1"] = s.serve
		w.refuse = func(source netip.Addr) error {
			if source == addr("198.51.100.7") {
				return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EADDRNOTAVAIL}
			}
			return nil
		}
		tr := w.transport()
		j := job("b@d.test")
		j.Queue.Pool = "gone"
		out := tr.Deliver(t.Context(), j)
		if out[0].Result != queue.Deferred || out[0].Destination {
			t.Errorf("from a source that is gone: %s", shows(out))
		}
		wantOutcome(t, tr.Deliver(t.Context(), job("b@d.test")), "delivered 250 2.0.0 relayed mx.d.test 192.0.2.1")
	})
}

// Addresses that stand for IPv4 addresses are where those are.
func TestPlacesBehindTranslation(t *testing.T) {
	t.Parallel()
	o := newOwn(nil, []netip.Addr{addr("198.51.100.1")}, []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")})
	for a, want := range map[string]place{
		"127.0.0.1": ourselves, "::1": ourselves, "::ffff:127.0.0.1": ourselves, "::ffff:198.51.100.1": ourselves, "::ffff:203.0.113.9": ourselves,
		"64:ff9b::7f00:1": ourselves, "64:ff9b::c633:6401": ourselves, "64:ff9b::cb00:7109": ourselves, "2002:7f00:1::1": ourselves,
		"::127.0.0.1": nowhere, "64:ff9b::": nowhere, "64:ff9b::ffff:ffff": nowhere, "64:ff9b::a9fe:a9fe": nowhere, "::": nowhere, "0.0.0.0": nowhere, "0.1.2.3": nowhere, "169.254.169.254": nowhere,
		"fe80::1": nowhere, "fec0::1": nowhere, "224.0.0.1": nowhere, "ff02::1": nowhere, "255.255.255.255": nowhere,
		"127.0.0.2": elsewhere, "64:ff9b::808:808": elsewhere, "192.0.2.1": elsewhere, "10.0.0.1": elsewhere, "2001:db8::1": elsewhere,
	} {
		if got := o.place(addr(a)); got != want {
			t.Errorf("%s: %d, want %d", a, got, want)
		}
	}
}

// Mail whose header says TLS-Required: No (RFC 8689 section 5) arrives where a
// policy that the recipient's domain published cannot be met, and nowhere
// where the configuration is not.
func TestTLSIsNotRequired(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	good, wrong := ca.issue(t, false, "mx.d.test"), ca.issue(t, false, "else.test")
	signed := one()
	signed["$authentic"] = Zone{"x": {A("192.0.2.1")}}["x"]
	signed["$authentic"][0].Host = "test"
	signed["_25._tcp.mx.d.test"] = append(signed["none"], ee(good))
	nowhere := one()
	nowhere["$authentic"] = signed["$authentic"]
	nowhere["_25._tcp.mx.d.test"] = append(nowhere["none"], ServFail)
	const ok, no = "delivered 250 2.0.0 relayed mx.d.test 192.0.2.1", "deferred 451 4.7.5 local dest mx.d.test 192.0.2.1"
	const noHost = "deferred 451 4.7.5 local dest mx.d.test"
	enforce := policy(mtasts.Enforce, "mx.d.test")
	for name, c := range map[string]struct {
		header  string
		zone    Zone
		sts     Policies
		s       *sink
		opt     func(*Options)
		require bool
		want    string
		how     string
	}{
		"STS, no STARTTLS":                {header: "TLS-Required: No", sts: enforce, s: &sink{}, want: ok},
		"STS, another name":               {header: "tls-required:\r\n no ", sts: enforce, s: &sink{cert: wrong}, want: ok, how: "unverified"},
		"STS, TLS breaks":                 {header: "TLS-Required: No", sts: enforce, s: &sink{cert: good, replies: map[string]string{"STARTTLS": "220 go\nnothing of TLS!"}}, want: ok},
		"STS, all is well":                {header: "TLS-Required: No", sts: enforce, s: &sink{cert: good}, want: ok, how: "mta-sts"},
		"STS, another host":               {header: "TLS-Required: No", sts: policy(mtasts.Enforce, "else.test"), s: &sink{cert: good}, want: ok, how: "unverified"},
		"DANE":                            {header: "TLS-Required: No", zone: signed, s: &sink{cert: wrong}, want: ok, how: "unverified"},
		"DANE, no STARTTLS":               {header: "TLS-Required: No", zone: signed, s: &sink{}, want: ok},
		"DANE cannot be found out":        {header: "TLS-Required: No", zone: nowhere, s: &sink{}, want: ok},
		"not said":                        {header: "X-TLS-Required: No", sts: enforce, s: &sink{}, want: no},
		"another word":                    {header: "TLS-Required: None", sts: enforce, s: &sink{}, want: no},
		"said twice":                      {header: "TLS-Required: No\r\nTLS-Required: No", sts: enforce, s: &sink{}, want: no},
		"in the body":                     {header: "X: y\r\n\r\nTLS-Required: No", sts: enforce, s: &sink{}, want: no},
		"REQUIRETLS counts more":          {header: "TLS-Required: No", sts: enforce, s: &sink{cert: wrong}, require: true, want: no},
		"we want encryption":              {header: "TLS-Required: No", s: &sink{}, opt: func(o *Options) { o.TLS = "encrypt" }, want: no},
		"we want encryption, whatever":    {header: "TLS-Required: No", sts: enforce, s: &sink{cert: wrong}, opt: func(o *Options) { o.TLS = "encrypt" }, want: no},
		"we want a certificate":           {header: "TLS-Required: No", s: &sink{cert: wrong}, opt: func(o *Options) { o.TLS = "verify" }, want: no},
		"we want DANE":                    {header: "TLS-Required: No", s: &sink{cert: wrong}, opt: func(o *Options) { o.TLS = "dane-only" }, want: noHost},
		"we want a certificate of a host": {header: "TLS-Required: No", s: &sink{cert: wrong}, opt: rule("verify", "mx.d.test"), want: no},
		"a smart host":                    {header: "TLS-Required: No", s: &sink{}, opt: func(o *Options) { o.Route = "smtp+starttls://mx.d.test:25" }, want: no},
		"a header that does not end":      {header: strings.Repeat("X: y\r\n", 100_000) + "TLS-Required: No", sts: enforce, s: &sink{}, want: no},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if c.zone == nil {
					c.zone = one()
				}
				w := newWorld(t, c.zone)
				w.opt.CA, w.deps.Policies = ca.file, c.sts
				if c.opt != nil {
					c.opt(&w.opt)
				}
				w.hosts["192.0.2.1"] = func(conn net.Conn) {
					if c.s.replies != nil {
						brokenTLS(conn)
						return
					}
					c.s.serve(conn)
				}
				if c.s.replies != nil {
					n := 0
					w.hosts["192.0.2.1"] = func(conn net.Conn) {
						if n++; n <= 2 { // by the policy, and without
							brokenTLS(conn)
						} else {
							(&sink{}).serve(conn)
						}
					}
				}
				j := jobOf(c.header + "\r\nSubject: x\r\n\r\nHello\r\n")
				j.Params.RequireTLS = c.require
				out := w.transport().Deliver(t.Context(), j)
				if wantOutcome(t, out, c.want); !strings.HasSuffix(out[0].TLS, c.how) || c.want == ok && (c.how == "") != (out[0].TLS == "") {
					t.Errorf("TLS %q, want %q", out[0].TLS, c.how)
				}
			})
		})
	}
}

// Whom a server cannot be asked for takes nobody's place in a transaction.
func TestRefusedBeforehandTakesNoPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(t, one()), &sink{ext: []string{"PIPELINING", "LIMITS RCPTMAX=1"}}
		w.hosts["192.0.2.1"] = s.serve
		out := w.transport().Deliver(t.Context(), job("ü@d.test", "b@d.test", "c@d.test"))
		wantOutcome(t, out, "failed 553 5.6.7 local mx.d.test 192.0.2.1; delivered 250 2.0.0 relayed mx.d.test 192.0.2.1; delivered 250 2.0.0 relayed mx.d.test 192.0.2.1")
	})
}

// A connection on which one domain's rule was met is not used for a domain
// with another rule.
func TestKeptConnectionMeetsOneRule(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Zone{"d.test": {MX(10, "mx.test")}, "e.test": {MX(10, "mx.test")}, "mx.test": {A("192.0.2.1")}})
		w.opt.CA, w.opt.TLS = ca.file, "verify"
		w.opt.TLSPolicy = []TLSPolicy{{Domains: []string{"d.test"}, Level: "verify", Names: []string{"else.test"}}}
		s := &sink{cert: ca.issue(t, false, "else.test")}
		w.hosts["192.0.2.1"] = s.serve
		tr := w.transport()
		wantOutcome(t, tr.Deliver(t.Context(), job("b@d.test")), "delivered 250 2.0.0 relayed mx.test 192.0.2.1")
		wantOutcome(t, tr.Deliver(t.Context(), job("b@e.test")), "deferred 451 4.7.5 local dest mx.test 192.0.2.1")
		if len(s.taken()) != 1 {
			t.Errorf("%d taken", len(s.taken()))
		}
	})
}

// A destination recovers while nothing is sent to it, and no pause is for ever.
func TestRecoveryWithoutMail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s sites
		k, x := siteKey{name: "d.test"}, &Shape{Connections: 20}
		for range 6 {
			s.obey(k, &action{slow: true, fewer: true}, x, "450 slow down")
			time.Sleep(troubleTime)
		}
		if limit, _, _ := s.admit(k, x); limit != 1 {
			t.Errorf("%d connections", limit)
		}
		time.Sleep(20 * recoverTime)
		for range 2 {
			if limit, wait, _ := s.admit(k, x); limit != 20 || wait != 0 {
				t.Errorf("%d connections, wait %s", limit, wait)
			}
		}
		s.obey(k, &action{pause: 1000 * time.Hour}, x, "450 go away")
		if _, wait, why := s.admit(k, x); wait != maxPause || why == "" {
			t.Errorf("wait %s because %q", wait, why)
		}
	})
}

// A server cannot keep a message for years by its text.
func TestToldWaitIsBounded(t *testing.T) {
	t.Parallel()
	a, err := newAnswer(Answer{Name: "busy", Text: `in (?P<minutes>\d+) minutes(?: (?P<seconds>\d+) seconds)?`})
	if err != nil {
		t.Fatal(err)
	}
	const most = maxTold + maxTold/5 + time.Second
	for text, want := range map[string]time.Duration{
		"in 10 minutes": 11*time.Minute + time.Second, "in 0 minutes": 0, "in 99999999999999999999 minutes": 0,
		"in 1000000 minutes": most, "in 240 minutes 14400 seconds": most, "in 9000000000000000 minutes 9000000000000000 seconds": most,
	} {
		act := means([]answer{a}, "mx.test", smtp.NewReply(450, smtp.EnhancedCode{4, 7, 1}, text))
		if act == nil || act.retry > most || act.retry < 0 || want != most && act.retry != want {
			t.Errorf("%s: %+v", text, act)
		}
	}
}

// However busy a connection is, it ends: the address may have changed.
func TestConnectionsDoNotGetOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, s := newWorld(t, one()), &sink{}
		w.hosts["192.0.2.1"] = s.serve
		w.opt.Messages = 1000
		tr := w.transport()
		for range 100 {
			tr.Deliver(t.Context(), job("b@d.test"))
			time.Sleep(4 * time.Second)
		}
		if n := s.opened(); n != 2 {
			t.Errorf("%d connections in %s", n, 400*time.Second)
		}
	})
}

// A token is not used in the last minute of its life, nor in the second half
// of a short one.
func TestTokensAreReplacedInTime(t *testing.T) {
	t.Parallel()
	for life, until := range map[int]time.Duration{3600: 59 * time.Minute, 40: 20 * time.Second} {
		var asked atomic.Int32
		endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"access_token": "t%d", "expires_in": "%d"}`, asked.Add(1), life)
		}))
		tok, err := newTokens(OAuth{Endpoint: endpoint.URL, ClientID: "x"})
		if err != nil {
			t.Fatal(err)
		}
		tok.use(nil)
		start := time.Now()
		if _, err := tok.get(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left := tok.until.Sub(start); left < until || left > until+10*time.Second {
			t.Errorf("%d seconds: used for %s", life, left)
		}
		endpoint.Close()
	}
}

// At midnight, in UTC, the allowance begins anew.
func TestWarmupOfTheNextDay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := day(time.Now())
		s := &source{addr: addr("198.51.100.2"), start: start, days: []int{1, 2}}
		wu := warmup{used: map[netip.Addr][]*usage{}}
		for _, c := range []struct {
			at   time.Duration
			want bool
		}{{0, true}, {time.Hour, false}, {24*time.Hour - 1, false}, {24 * time.Hour, true}, {25 * time.Hour, true}, {26 * time.Hour, false}, {48 * time.Hour, true}, {49 * time.Hour, true}} {
			if got := wu.take(s, start.Add(c.at)); got != c.want {
				t.Errorf("after %s: %v", c.at, got)
			}
		}
	})
}
