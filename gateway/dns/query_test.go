package dns

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	wire "github.com/miekg/dns"
)

func TestQueryIsWhatTheLibraryReads(t *testing.T) {
	t.Parallel()
	q := newQuery("foo:bar/baz.example.com", TypeMX, true, true, true)
	m := new(wire.Msg)
	if err := m.Unpack(q.udp()); err != nil {
		t.Fatal(err)
	}
	if name := m.Question[0].Name; !strings.EqualFold(name, "foo:bar/baz.example.com.") || m.Question[0].Qtype != wire.TypeMX ||
		!m.RecursionDesired || !m.AuthenticatedData || m.IsEdns0().UDPSize() != ednsSize || m.IsEdns0().Do() {
		t.Errorf("%v", m)
	}
	if n := binary.BigEndian.Uint16(q.tcp()); int(n) != len(q.udp()) {
		t.Errorf("length %d before %d octets", n, len(q.udp()))
	}
	if q = newQuery("example.org", TypeA, false, false, false); m.Unpack(q.udp()) != nil || m.IsEdns0() != nil || m.AuthenticatedData || m.Question[0].Name != "example.org." {
		t.Errorf("%v", m)
	}
}

func TestAnsweredBy(t *testing.T) {
	t.Parallel()
	q := newQuery("example.org", TypeA, false, false, false)
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(q.udp())
		b[2] |= 0x80
		f(b)
		return b
	}
	for name, c := range map[string]struct {
		b    []byte
		want match
	}{
		"the answer":            {change(func([]byte) {}), exact},
		"a query":               {q.udp(), stray},
		"other id":              {change(func(b []byte) { b[0]++ }), stray},
		"other opcode":          {change(func(b []byte) { b[2] |= 8 }), stray},
		"other name":            {change(func(b []byte) { b[13] = 'f' }), stray},
		"other case":            {change(func(b []byte) { b[13] = 'E' }), folded},
		"other type":            {change(func(b []byte) { b[len(b)-3] = 28 }), stray},
		"type in other case":    {change(func(b []byte) { b[len(b)-4] = 'A' }), stray},
		"two questions":         {change(func(b []byte) { b[5] = 2 }), stray},
		"no question":           {change(func(b []byte) { b[5] = 0 }), stray},
		"no question, NXDOMAIN": {change(func(b []byte) { b[5] = 0; b[3] |= 3 }), stray},
		"no question, FORMERR":  {change(func(b []byte) { b[5] = 0; b[3] |= 1 }), exact},
		"cut":                   {change(func([]byte) {})[:20], stray},
		"nothing":               {nil, stray},
	} {
		if got := q.answeredBy(c.b); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func rrs(t *testing.T, lines ...string) []wire.RR {
	t.Helper()
	list := make([]wire.RR, len(lines))
	for i, l := range lines {
		rr, err := wire.NewRR(l)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = rr
	}
	return list
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	chain := func(n int) []string {
		list := []string{}
		for i := range n {
			list = append(list, "c"+strings.Repeat("x", i)+". 60 IN CNAME c"+strings.Repeat("x", i+1)+".")
		}
		return append(list, "c"+strings.Repeat("x", n)+". 30 IN A 192.0.2.1")
	}
	for name, c := range map[string]struct {
		answer, ns []string
		rcode      int
		want       string
		ttl        time.Duration
	}{
		"plain":                     {[]string{"c. 60 IN A 192.0.2.1"}, nil, 0, "192.0.2.1", time.Minute},
		"owner in other case":       {[]string{"C. 60 IN A 192.0.2.1"}, nil, 0, "192.0.2.1", time.Minute},
		"other owner":               {[]string{"d. 60 IN A 192.0.2.1"}, nil, 0, "no record", 0},
		"other class":               {[]string{"c. 60 CH A 192.0.2.1"}, nil, 0, "no record", 0},
		"least TTL":                 {[]string{"c. 60 IN A 192.0.2.1", "c. 0 IN A 192.0.2.1"}, nil, 0, "192.0.2.1", time.Second},
		"TTL above 2^31":            {[]string{"c. 4294967295 IN A 192.0.2.1"}, nil, 0, "192.0.2.1", time.Second},
		"chain":                     {chain(3), nil, 0, "192.0.2.1", 30 * time.Second},
		"chain of 11":               {chain(11), nil, 0, "192.0.2.1", 30 * time.Second},
		"chain too long":            {chain(12), nil, 0, "failure", 0},
		"loop":                      {[]string{"c. 60 IN CNAME c."}, nil, 0, "failure", 0},
		"chain into a dotted label": {[]string{`c. 60 IN CNAME a\.b.`, "a.b. 60 IN A 192.0.2.1"}, nil, 0, "failure", 0},
		"chain that ends early":     {[]string{"c. 60 IN CNAME d."}, nil, 0, "no record", 0},
		"chain to nothing":          {[]string{"c. 60 IN CNAME d."}, []string{". 900 IN SOA a. b. 1 2 3 4 300"}, 3, "no such domain", 5 * time.Minute},
		"NXDOMAIN beats records":    {[]string{"c. 60 IN A 192.0.2.1"}, nil, 3, "no such domain", 0},
		"SOA's own TTL":             {nil, []string{"c. 20 IN SOA a. b. 1 2 3 4 300"}, 0, "no record", 20 * time.Second},
		"SOA of elsewhere":          {nil, []string{"d. 20 IN SOA a. b. 1 2 3 4 300"}, 0, "no record", 0},
		"referral":                  {nil, []string{"c. 20 IN NS a."}, 0, "failure", 0},
		"server's failure":          {nil, nil, 2, "failure", 0},
	} {
		m := &wire.Msg{Answer: rrs(t, c.answer...), Ns: rrs(t, c.ns...)}
		m.Rcode = c.rcode
		a, err := readAnswer(m, "c", TypeA, false)
		got, ttl := "", a.TTL
		if n, ok := err.(*NotFound); ok {
			ttl = n.TTL
		}
		if err != nil {
			got = err.Error()
		} else {
			got = a.Records[0].IP.String()
		}
		if !strings.Contains(got, c.want) || ttl != c.ttl {
			t.Errorf("%s: %s, TTL %v; want %s, %v", name, got, ttl, c.want, c.ttl)
		}
	}
}

func TestRecordNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Example.ORG.":  "example.org",
		".":             "",
		`a\.b.org.`:     "!",
		`a\046b.org.`:   "!",
		`a\\.b.org.`:    `a\.b.org`,
		`a\010b.org.`:   "!",
		`a\ b.org.`:     "!",
		`a\255.org.`:    "!",
		`o\'b\@c.org.`:  "o'b@c.org",
		`a\065.org.`:    "aa.org",
		"_tcp.a-b.org.": "_tcp.a-b.org",
	} {
		if got, ok := hostName(in); ok && got != want || !ok && want != "!" {
			t.Errorf("%s: %q, %v", in, got, ok)
		}
	}
}

func TestSystemResolvers(t *testing.T) {
	t.Parallel()
	var o Options
	o.system([]byte("# x\nnameserver 192.0.2.1\nnameserver ::1 # y\nnameserver what\nsearch example.org\noptions timeout:3 attempts:0 trust-ad ndots:5\n"))
	list, err := o.servers()
	if err != nil || len(list) != 2 || list[0].addr != "192.0.2.1:53" || list[1].addr != "[::1]:53" || !list[0].trusted ||
		o.Timeout != 3*time.Second || o.Attempts != defaultAttempts {
		t.Errorf("%+v, %+v, %v", o, list, err)
	}
	o = Options{}
	o.system(nil)
	if o.Resolvers[0] != "127.0.0.1" {
		t.Errorf("%q", o.Resolvers)
	}
	o = Options{Resolvers: []string{"192.0.2.1:5353", "127.0.0.5", "[2001:db8::1]:53", "[2001:db8::1]", "fe80::1%eth0"}}
	list, err = o.servers()
	if err != nil || list[0].trusted || !list[1].trusted || list[2].addr != "[2001:db8::1]:53" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, bad := range []string{"", "localhost", "192.0.2.1:0", "192.0.2.1:dns", "192.0.2.300"} {
		if _, err := NewClient(Options{Resolvers: []string{bad}}); err == nil {
			t.Errorf("%q is taken for an address", bad)
		}
	}
	if _, err := NewClient(Options{Resolvers: make([]string, 17)}); err == nil {
		t.Error("17 resolvers")
	}
}

func FuzzAnswer(f *testing.F) {
	m := new(wire.Msg).SetQuestion("c.", wire.TypeTXT)
	m.Response = true
	m.Answer = []wire.RR{
		&wire.CNAME{Hdr: wire.RR_Header{Name: "c.", Rrtype: 5, Class: 1, Ttl: 6}, Target: "d."},
		&wire.TXT{Hdr: wire.RR_Header{Name: "d.", Rrtype: 16, Class: 1, Ttl: 6}, Txt: []string{"a", "\\200"}},
	}
	b, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, "c", uint16(16))
	f.Fuzz(func(t *testing.T, b []byte, name string, typ uint16) {
		m := new(wire.Msg)
		if m.Unpack(b) != nil {
			return
		}
		name, ok := Normal(name)
		if !ok {
			return
		}
		a, err := readAnswer(m, name, Type(typ), true)
		if (err == nil) != (len(a.Records) > 0) || err == nil && a.TTL <= 0 {
			t.Errorf("%+v, %v", a, err)
		}
		for _, r := range a.Records {
			if n, ok := Normal(r.Host); r.Host != "" && (!ok || n != r.Host) {
				t.Errorf("host %q", r.Host)
			}
			if r.IP != (netip.Addr{}) && !r.IP.IsValid() {
				t.Errorf("address %v", r.IP)
			}
		}
	})
}
