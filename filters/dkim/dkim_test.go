package dkim

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
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
	body   io.Reader
	opened int
}

func (m *testMessage) Header() *message.Header { return m.header }

func (m *testMessage) Body() io.ReadCloser {
	m.opened++
	return io.NopCloser(m.body)
}

func (m *testMessage) Parts(context.Context) iter.Seq2[*gateway.Part, error] { return nil }

// sample reads a message of the core's test data.
func sample(t *testing.T, file string) *testMessage {
	t.Helper()
	b, err := os.ReadFile("../../gateway/mailauth/testdata/dkim/" + file)
	if err != nil {
		t.Fatal(err)
	}
	header, body := message.Split([]byte(strings.ReplaceAll(string(b), "\n", "\r\n")))
	h, err := message.ParseHeader(header, message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return &testMessage{header: h, body: strings.NewReader(string(body))}
}

const (
	edKey  = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	rsaKey = "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
	ourKey = "v=DKIM1; k=ed25519; p=SvoPT692bVrQBT8UNxt6SF538O3snA4fE3/i/glCxwQ="
)

func zone() dns.Zone {
	return dns.Zone{
		"brisbane._domainkey.football.example.com": {dnstest.TXT(edKey)},
		"test._domainkey.football.example.com":     {dnstest.TXT(rsaKey)},
		"selector._domainkey.example.com":          {dnstest.TXT(ourKey)},
	}
}

// judge runs the filter over a message.
func judge(t *testing.T, opt Options, z dns.Resolver, m *testMessage) gateway.Verdict {
	t.Helper()
	f, err := New(opt, z)
	if err != nil {
		t.Fatal(err)
	}
	tx := &gateway.Transaction{}
	r, err := f.Read(t.Context(), tx, m)
	if err != nil {
		t.Fatal(err)
	}
	v, err := r.Conclude(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	checkDeclared(t, f, v)
	return v
}

// checkDeclared tests that every fact is declared with its type.
func checkDeclared(t *testing.T, f gateway.Filter, v gateway.Verdict) {
	t.Helper()
	for _, fact := range v.Facts {
		i := slices.IndexFunc(f.Fields(), func(d gateway.Field) bool { return d.Name == fact.Name })
		if i < 0 {
			t.Errorf("%s is not declared", fact.Name)
		} else if want := reflect.TypeOf(f.Fields()[i].Type.Zero()); reflect.TypeOf(fact.Value) != want {
			t.Errorf("%s is a %T, declared %v", fact.Name, fact.Value, want)
		}
	}
}

func TestFactsOfPassingSignatures(t *testing.T) {
	t.Parallel()
	v := judge(t, Options{}, zone(), sample(t, "chasquid/08-our_signature.msg"))
	facts := gateway.Facts{}.With(v.Facts...)
	if got := facts.String("dkim.result"); got != "pass" {
		t.Errorf("result %q", got)
	}
	if got, _ := facts.Get("dkim.domains"); !slices.Equal(got.([]string), []string{"example.com", "football.example.com", "football.example.com"}) {
		t.Errorf("domains %q", got)
	}
	if got, _ := facts.Get("dkim.partial"); got != false {
		t.Errorf("partial %v", got)
	}
	a := message.AuthResults{ID: "mx.example", Results: v.Results}
	if got, want := a.Value(), "dkim=pass header.d=football.example.com header.s=test header.a=rsa-sha256 header.b=F45dVWDf"; !strings.Contains(got, want) {
		t.Errorf("%s\nlacks %s", got, want)
	}
}

func TestUnsignedMailCostsNoPassOverTheBody(t *testing.T) {
	t.Parallel()
	m := sample(t, "dkimpy/test.message")
	v := judge(t, Options{}, dnstest.Hang(), m)
	if m.opened != 0 {
		t.Error("the body was opened")
	}
	facts := gateway.Facts{}.With(v.Facts...)
	if facts.String("dkim.result") != "none" || len(v.Results) != 1 || v.Results[0].Result != "none" {
		t.Errorf("%+v", v)
	}
}

func TestPartlySignedBodyIsTold(t *testing.T) {
	t.Parallel()
	only := zone()
	delete(only, "brisbane._domainkey.football.example.com")
	delete(only, "test._domainkey.football.example.com")
	facts := gateway.Facts{}.With(judge(t, Options{}, only, sample(t, "chasquid/09-limited_body.msg")).Facts...)
	if p, _ := facts.Get("dkim.partial"); p != true || facts.String("dkim.result") != "pass" {
		t.Errorf("%+v", facts)
	}
	facts = gateway.Facts{}.With(judge(t, Options{RefusePartial: true}, only, sample(t, "chasquid/09-limited_body.msg")).Facts...)
	if got, _ := facts.Get("dkim.domains"); got.([]string) != nil || facts.String("dkim.result") != "policy" {
		t.Errorf("with refuse_partial: %+v", facts)
	}
}

func TestFailuresAreListed(t *testing.T) {
	t.Parallel()
	z := dns.Zone{
		"brisbane._domainkey.football.example.com": {dnstest.Fail(0, dns.ErrTimeout)},
		"test._domainkey.football.example.com":     {dnstest.TXT(rsaKey)},
	}
	m := sample(t, "chasquid/01-rfc8463.msg")
	m.body = strings.NewReader("another body\r\n")
	facts := gateway.Facts{}.With(judge(t, Options{}, z, m).Facts...)
	failed, _ := facts.Get("dkim.failed")
	later, _ := facts.Get("dkim.temperror")
	want := []string{"football.example.com"}
	if facts.String("dkim.result") != "temperror" || !slices.Equal(failed.([]string), want) || !slices.Equal(later.([]string), want) {
		t.Errorf("%+v", facts)
	}
}

func TestReadFailsWithTheBody(t *testing.T) {
	t.Parallel()
	f, err := New(Options{}, zone())
	if err != nil {
		t.Fatal(err)
	}
	m := sample(t, "chasquid/01-rfc8463.msg")
	broken := errors.New("connection lost")
	m.body = io.MultiReader(m.body, iotest.ErrReader(broken))
	if _, err := f.Read(t.Context(), &gateway.Transaction{}, m); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, n := range []int{-1, maxSignatures + 1} {
		if _, err := New(Options{Signatures: n}, zone()); err == nil {
			t.Errorf("signatures: %d taken", n)
		}
	}
	if _, err := New(Options{Signatures: maxSignatures}, zone()); err != nil {
		t.Error(err)
	}
	if _, err := New(Options{}, nil); err == nil {
		t.Error("no resolver taken")
	}
}

// TestSignaturesAreToldApart: header.b is as long as it must be (RFC 6008
// section 4), and no longer than it may be.
func TestSignaturesAreToldApart(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("z", 60)
	list := []mailauth.DKIMSignature{{B: "abcdefghijKLMNO"}, {B: "abcdefghijkLMNO"}, {B: "abcdefghxxxxxxx"}, {B: "short"}, {B: long + "1"}, {B: long + "2"}}
	for i, want := range []string{"abcdefghijK", "abcdefghijk", "abcdefghx", "short", long[:40], long[:40]} {
		if got := beginning(list, i); got != want {
			t.Errorf("%s of %s, want %s", got, list[i].B, want)
		}
	}
}

// TestStrangersKeyCostsNoTimeOfOthers: a key that does not come is a temperror
// before the filter's time is over, and the others keep their results.
func TestStrangersKeyCostsNoTimeOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := dnstest.Func(func(ctx context.Context, name string, typ dns.Type) (dns.Answer, error) {
			if strings.HasPrefix(name, "test.") {
				return dnstest.Hang().Lookup(ctx, name, typ)
			}
			return zone().Lookup(ctx, name, typ)
		})
		f, err := New(Options{}, slow)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		r, err := f.Read(t.Context(), &gateway.Transaction{Now: time.Date(2018, 7, 1, 0, 0, 0, 0, time.UTC)}, sample(t, "chasquid/01-rfc8463.msg"))
		if err != nil || time.Since(start) >= 5*time.Second {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		v, err := r.Conclude(t.Context(), nil)
		facts := gateway.Facts{}.With(v.Facts...)
		later, _ := facts.Get("dkim.temperror")
		if err != nil || facts.String("dkim.result") != "pass" || len(later.([]string)) != 1 {
			t.Errorf("%v, %v", v.Facts, err)
		}
	})
}
