package arc

import (
	"context"
	"io"
	"iter"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
)

// testMessage is a gateway.Message in memory.
type testMessage struct {
	header *message.Header
	body   string
	opened int
}

func (m *testMessage) Header() *message.Header { return m.header }

func (m *testMessage) Body() io.ReadCloser {
	m.opened++
	return io.NopCloser(strings.NewReader(m.body))
}

func (m *testMessage) Parts(context.Context) iter.Seq2[*gateway.Part, error] { return nil }

const testBody = "This is a test message.\r\n"

// sealed returns a message sealed by each of the hops in turn, "domain
// payload", and the zone with their keys.
func sealed(t *testing.T, hops ...string) (*testMessage, dns.Zone) {
	t.Helper()
	data, err := os.ReadFile("../../gateway/mailauth/testdata/dkim/dkimpy/ed25519test.key")
	if err != nil {
		t.Fatal(err)
	}
	key, err := mailauth.ParsePrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	zone := dns.Zone{}
	raw := "From: a@example.com\r\nSubject: Testing\r\n"
	hash := mailauth.NewBodyHasher(mailauth.BodyForm{Limit: -1})
	io.WriteString(hash, testBody)
	sum, _ := hash.Sum(mailauth.BodyForm{Limit: -1})
	cv := mailauth.None
	for _, hop := range hops {
		domain, payload, _ := strings.Cut(hop, " ")
		zone["s._domainkey."+domain] = []dns.ZoneRecord{dnstest.TXT("k=ed25519; p=yi50DjK5O9pqbFpNHklsv9lqaS0ArSYu02qp1S0DW1Y=")}
		h, err := message.ParseHeader([]byte(raw), message.HeaderLimits{})
		if err != nil {
			t.Fatal(err)
		}
		s := mailauth.Signer{Key: key, Domain: domain, Selector: "s", Time: time.Unix(1700000000, 0)}
		fields, err := s.Seal(h, cv, payload, sum)
		if err != nil {
			t.Fatal(err)
		}
		raw, cv = string(fields)+raw, mailauth.Pass
	}
	h, err := message.ParseHeader([]byte(raw), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return &testMessage{header: h, body: testBody}, zone
}

// judge runs the filter over a message.
func judge(t *testing.T, opt Options, r dns.Resolver, m *testMessage) (gateway.Facts, message.AuthResult) {
	t.Helper()
	f, err := New(opt, r)
	if err != nil {
		t.Fatal(err)
	}
	tx := &gateway.Transaction{Session: &gateway.Session{Remote: netip.MustParseAddrPort("192.0.2.1:1234")}}
	reading, err := f.Read(t.Context(), tx, m)
	if err != nil {
		t.Fatal(err)
	}
	v, err := reading.Conclude(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	for _, fact := range v.Facts {
		i := slices.IndexFunc(f.Fields(), func(d gateway.Field) bool { return d.Name == fact.Name })
		if i < 0 {
			t.Fatalf("%s is not declared", fact.Name)
		}
		if want := reflect.TypeOf(f.Fields()[i].Type.Zero()); reflect.TypeOf(fact.Value) != want {
			t.Errorf("%s is a %T, declared %v", fact.Name, fact.Value, want)
		}
	}
	return gateway.Facts{}.With(v.Facts...), v.Results[0]
}

const (
	first  = "list.example mx.list.example; spf=pass smtp.mailfrom=a@example.com; dkim=fail header.d=x.example; dkim=pass header.d=example.com; dmarc=pass header.from=example.com"
	second = "forwarder.example mx.forwarder.example; arc=pass; spf=fail; dmarc=fail header.from=example.com"
)

func TestTrustReachesAsFarBackAsTheRowOfTrustedSealers(t *testing.T) {
	t.Parallel()
	m, zone := sealed(t, first, second)
	for _, c := range []struct {
		name    string
		trusted []string
		ok      bool
		dmarc   string
	}{
		{"nobody", nil, false, ""},
		{"the newest", []string{"forwarder.example"}, true, "fail"},
		{"the oldest alone", []string{"list.example"}, false, ""},
		{"both", []string{"Example"}, true, "pass"},
		{"another", []string{"order.example", "warder.example"}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := *m
			facts, a := judge(t, Options{Trusted: c.trusted}, zone, &m)
			if a.Result != "pass" || facts.String("arc.result") != "pass" {
				t.Fatalf("result %+v", a)
			}
			if ok, _ := facts.Get("arc.trusted"); ok != c.ok || facts.String("arc.dmarc") != c.dmarc {
				t.Errorf("trusted %v, dmarc %q; want %v %q", ok, facts.String("arc.dmarc"), c.ok, c.dmarc)
			}
			if s, _ := facts.Get("arc.sealers"); !slices.Equal(s.([]string), []string{"forwarder.example", "list.example"}) {
				t.Errorf("sealers %q", s)
			}
		})
	}
}

func TestReportedResults(t *testing.T) {
	t.Parallel()
	m, zone := sealed(t, first)
	facts, a := judge(t, Options{Trusted: []string{"list.example"}}, zone, m)
	for name, want := range map[string]string{
		"arc.authserv": "mx.list.example", "arc.spf": "pass", "arc.dkim": "pass", "arc.dmarc": "pass", "arc.from": "example.com",
	} {
		if got := facts.String(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	field := message.AuthResults{ID: "mx.example", Results: []message.AuthResult{a}}
	if got := field.Value(); got != "mx.example;\r\n\tarc=pass header.oldest-pass=0 smtp.remote-ip=192.0.2.1" {
		t.Errorf("%q", got)
	}
}

func TestBrokenChainIsNotTrusted(t *testing.T) {
	t.Parallel()
	m, zone := sealed(t, first)
	m.body = "another body\r\n"
	facts, a := judge(t, Options{Trusted: []string{"list.example"}}, zone, m)
	if ok, _ := facts.Get("arc.trusted"); ok != false || a.Result != "fail" || facts.String("arc.dmarc") != "" {
		t.Errorf("%+v %+v", facts, a)
	}
}

func TestKeyThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	m, _ := sealed(t, first)
	facts, a := judge(t, Options{}, dns.Zone{"s._domainkey.list.example": {dnstest.Fail(0, dns.ErrTimeout)}}, m)
	if facts.String("arc.result") != "temperror" || a.Result != "fail" || a.Reason == "" {
		t.Errorf("%+v %+v", facts, a)
	}
}

func TestMailWithoutChainCostsNoPassOverTheBody(t *testing.T) {
	t.Parallel()
	m, _ := sealed(t)
	facts, a := judge(t, Options{}, dnstest.Hang(), m)
	if m.opened != 0 || a.Result != "none" || facts.String("arc.result") != "none" {
		t.Errorf("opened %d times, %+v", m.opened, a)
	}
}

func TestTrustedAreDomains(t *testing.T) {
	t.Parallel()
	for _, d := range []string{"", "*.example.com", "."} {
		if _, err := New(Options{Trusted: []string{d}}, dns.Zone{}); err == nil {
			t.Errorf("trusted: %q taken", d)
		}
	}
}
