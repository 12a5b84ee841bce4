package mailauth

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"blitiri.com.ar/go/spf"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/test/peers"
)

// oracleCase is a random world: a few names, some of them with records that
// refer to each other.
type oracleCase struct {
	zone dnstest.Zone
	in   SPFInput
}

var oracleNames = []string{"a.test", "b.test", "c.test", "d.test", "mx.a.test", "h.b.test", "gone.test"}

// randomCase makes the world number seed.
func randomCase(seed uint64) oracleCase {
	r := rand.New(rand.NewPCG(seed, 7208))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	c := oracleCase{zone: dnstest.Zone{}}
	ips4 := []string{"192.0.2.1", "192.0.2.77", "198.51.100.1", "203.0.113.9"}
	ips6 := []string{"2001:db8::1", "2001:db8::77", "2001:db8:1::1"}
	client := pick(append(ips4, ips6[:2]...)...)
	for _, name := range oracleNames[:len(oracleNames)-1] {
		if r.IntN(25) == 0 {
			c.zone[name] = []dns.ZoneRecord{dnstest.Timeout}
			continue
		}
		rr := []dns.ZoneRecord{}
		for range r.IntN(3) {
			rr = append(rr, dnstest.A(pick(ips4...)))
		}
		for range r.IntN(2) {
			rr = append(rr, dnstest.AAAA(pick(ips6...)))
		}
		for i := range r.IntN(3) {
			rr = append(rr, dnstest.MX(uint16(i), pick(oracleNames...)))
		}
		for n := r.IntN(20); n < 18; n += 17 { // mostly one record
			rr = append(rr, dnstest.TXT(randomRecord(r)))
		}
		c.zone[name] = rr
	}
	c.zone["why.test"] = []dns.ZoneRecord{dnstest.TXT(pick("no", "%{i} %{s} %{d} %{h} %{l}", "bad %", "%{p}|%{v}|%{o2}|%{D1}"))}
	for range r.IntN(3) {
		name := dns.ReverseName(netip.MustParseAddr(client))
		c.zone[name] = append(c.zone[name], dnstest.PTR(pick(oracleNames[:4]...)))
	}
	c.in = spfIn(client, pick("mx.a.test", "h.b.test", "localhost", "[192.0.2.1]"), pick("user@a.test", "a-b@b.test", "@c.test", "postmaster@d.test", ""))
	return c
}

// randomRecord makes an SPF record, now and then a malformed one.
func randomRecord(r *rand.Rand) string {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	domain := func() string {
		return pick(":", "") + pick(append(oracleNames, "%{d}", "%{o}", "%{h}", "x.%{d2}", "%{l}.a.test", "%{ir}.b.test", "")...)
	}
	spec := func() string { return pick(append(oracleNames, "%{d}", "%{o}", "%{l-}.b.test", "%{i}.a.test")...) }
	cidr := func() string { return pick("", "", "", "/24", "/0", "//64", "/24//64", "/33", "//129") }
	var terms []string
	for range 1 + r.IntN(5) {
		q := pick("", "", "+", "-", "~", "?")
		switch r.IntN(12) {
		case 0, 1:
			terms = append(terms, q+"ip4:"+pick("192.0.2.0/24", "198.51.100.1", "203.0.113.0/29", "192.0.2.1/32"))
		case 2:
			terms = append(terms, q+"ip6:"+pick("2001:db8::/32", "2001:db8::1", "::/0"))
		case 3:
			terms = append(terms, q+"a"+strings.TrimSuffix(domain(), ":")+cidr())
		case 4:
			terms = append(terms, q+"mx"+strings.TrimSuffix(domain(), ":")+cidr())
		case 5:
			terms = append(terms, q+"ptr"+pick("", ":"+spec()))
		case 6:
			terms = append(terms, q+"exists:"+spec())
		case 7, 8:
			terms = append(terms, q+"include:"+spec())
		case 9:
			terms = append(terms, pick("x-y=%{d}", "exp=why.test", "redirect="+spec(), "moo", "exp=", "ra=%{c}"))
		default:
			terms = append(terms, q+"all")
		}
	}
	return "v=spf1 " + strings.Join(terms, pick(" ", "  ")) + pick("", " ", " -all", " exp=why.test -all")
}

// TestSPFAgreesWithPySPF compares with pyspf (Debian's python3-spf) on random
// worlds.
func TestSPFAgreesWithPySPF(t *testing.T) {
	t.Parallel()
	if exec.Command("/usr/bin/python3", "-c", "import spf").Run() != nil {
		peers.Missing(t, "python3-spf is not installed")
	}
	const n = 4000
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for seed := range uint64(n) {
		c := randomCase(seed)
		if err := enc.Encode(map[string]any{"zone": pyZone(c.zone), "ip": c.in.IP.String(), "helo": c.in.Helo, "from": c.in.MailFrom}); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/usr/bin/python3", "testdata/spf/pyspf.py")
	cmd.Stdin = &in
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	results, known := map[Result]int{}, 0
	for seed := range uint64(n) {
		c := randomCase(seed)
		var want struct{ Result, Explanation string }
		if !lines.Scan() {
			t.Fatalf("pyspf stopped before case %d: %s", seed, stderr.String())
		}
		if err := json.Unmarshal(lines.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		got := CheckSPF(context.Background(), c.zone, c.in, SPFOptions{})
		results[got.Result]++
		if string(got.Result) == want.Result && (got.Result != Fail || got.Explanation == want.Explanation) {
			continue
		}
		if pySPFDiffers(c, got, want.Result, want.Explanation) {
			known++
			continue
		}
		t.Errorf("case %d: got %+v, pyspf %+v for %s\n%s", seed, got, want, describe(c.in), describeZone(c.zone))
	}
	t.Logf("%d cases, %d known differences, results %v", n, known, results)
	if len(results) != 7 || known > n/20 {
		t.Errorf("the worlds are too dull: %v, %d known differences", results, known)
	}
}

// pySPFDiffers tells differences that are meant, by what pyspf says.
func pySPFDiffers(c oracleCase, got SPFResult, result, text string) bool {
	world := describeZone(c.zone)
	ptr := strings.Contains(world, "ptr") || strings.Contains(world, "%{p}")
	switch {
	case result == "permerror":
		// It looks for loops ahead of evaluation, wants unknown modifiers once at
		// most, and counts void forward look-ups of PTR names.
		return strings.Contains(text, "trivial recursion") || strings.Contains(text, "at most once: x-y") ||
			strings.Contains(text, "at most once: ra") || ptr && strings.Contains(text, "Void lookup limit")
	case result == "temperror": // RFC 7208 section 5.5: such a name is skipped
		return ptr && strings.Contains(text, "DNS timeout")
	case result == "fail" && got.Result == Fail: // %{s} without a local part; %{p} after its void look-ups
		return strings.HasPrefix(c.in.MailFrom, "@") || strings.HasPrefix(got.Explanation, "unknown|")
	}
	return false
}

// pyZone is the zone in the words of pyspf.py.
func pyZone(z dnstest.Zone) map[string]map[string]any {
	out := map[string]map[string]any{}
	for name, rrs := range z {
		e := map[string]any{}
		add := func(t string, v any) {
			list, _ := e[t].([]any)
			e[t] = append(list, v)
		}
		for _, r := range rrs {
			switch {
			case r.Fail != nil:
				e["fail"] = true
			case r.Type == dns.TypeMX:
				add("MX", []any{r.Preference, r.Host})
			case r.Type == dns.TypePTR:
				add("PTR", r.Host)
			case r.Type == dns.TypeTXT:
				add("TXT", r.Text)
			default:
				add(r.Type.String(), r.IP.String())
			}
		}
		out[name] = e
	}
	return out
}

func describe(in SPFInput) string { return fmt.Sprintf("%s %q %q", in.IP, in.Helo, in.MailFrom) }

func describeZone(z dnstest.Zone) string {
	b, _ := json.Marshal(pyZone(z))
	return string(b)
}

// blitiriDNS lets blitiri.com.ar/go/spf ask a Resolver.
type blitiriDNS struct{ r dns.Resolver }

func (b blitiriDNS) ask(ctx context.Context, name string, t dns.Type) ([]dns.Record, error) {
	a, err := b.r.Lookup(ctx, name, t)
	if err != nil {
		return nil, &net.DNSError{Err: err.Error(), Name: name, IsNotFound: dns.IsNotFound(err), IsTemporary: !dns.IsNotFound(err), IsTimeout: errors.Is(err, dns.ErrTimeout)}
	}
	return a.Records, nil
}

func (b blitiriDNS) LookupTXT(ctx context.Context, name string) (out []string, err error) {
	rr, err := b.ask(ctx, name, dns.TypeTXT)
	for _, r := range rr {
		out = append(out, r.Text)
	}
	return out, err
}

func (b blitiriDNS) LookupMX(ctx context.Context, name string) (out []*net.MX, err error) {
	rr, err := b.ask(ctx, name, dns.TypeMX)
	for _, r := range rr {
		out = append(out, &net.MX{Host: r.Host, Pref: r.Preference})
	}
	return out, err
}

func (b blitiriDNS) LookupIPAddr(ctx context.Context, name string) (out []net.IPAddr, err error) {
	rr4, err := b.ask(ctx, name, dns.TypeA)
	rr6, err6 := b.ask(ctx, name, dns.TypeAAAA)
	for _, r := range append(rr4, rr6...) {
		out = append(out, net.IPAddr{IP: r.IP.AsSlice()})
	}
	if len(out) > 0 || err6 == nil {
		err = nil
	}
	return out, err
}

func (b blitiriDNS) LookupAddr(ctx context.Context, addr string) (out []string, err error) {
	rr, err := b.ask(ctx, dns.ReverseName(netip.MustParseAddr(addr)), dns.TypePTR)
	for _, r := range rr {
		out = append(out, r.Host)
	}
	return out, err
}

// TestSPFAgreesWithBlitiri compares with blitiri.com.ar/go/spf on random
// worlds without what is known to differ there: it checks no syntax ahead of
// evaluation, ends differently on errors, counts void look-ups by both address
// families at once, and has no %{p}. So only clear verdicts of both count.
func TestSPFAgreesWithBlitiri(t *testing.T) {
	t.Parallel()
	clear := func(r Result) bool { return r == Pass || r == Fail || r == SoftFail || r == Neutral }
	both := 0
	for seed := range uint64(4000) {
		c := randomCase(seed)
		got := CheckSPF(context.Background(), c.zone, c.in, SPFOptions{})
		res, _ := spf.CheckHostWithSender(c.in.IP.AsSlice(), c.in.Helo, c.in.MailFrom, spf.WithResolver(blitiriDNS{c.zone}), spf.OverrideVoidLookupLimit(100))
		if !clear(got.Result) || !clear(Result(res)) ||
			c.in.MailFrom == "" && strings.Contains(describeZone(c.zone), "%{o}") { // empty there
			continue
		}
		both++
		if got.Result != Result(res) {
			t.Errorf("case %d: got %+v, blitiri %s for %s\n%s", seed, got, res, describe(c.in), describeZone(c.zone))
		}
	}
	t.Logf("%d clear verdicts of both", both)
	if both < 500 {
		t.Errorf("only %d cases", both)
	}
}
