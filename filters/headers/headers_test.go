package headers

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/message"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const names = `
1.2.0.192.in-addr.arpa: [{PTR: other.test}, {PTR: "bad name.test"}, {PTR: mail.test}]
2.2.0.192.in-addr.arpa: [{PTR: other.test}]
3.2.0.192.in-addr.arpa: [{PTR: nothing.test}]
4.2.0.192.in-addr.arpa: [{PTR: slow.test}, {PTR: other.test}]
5.2.0.192.in-addr.arpa: [SERVFAIL]
7.2.0.192.in-addr.arpa: [{PTR: slow.test}, {PTR: seven.test}]
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa: [{PTR: mail.test}]
mail.test: [{A: 192.0.2.1}, {AAAA: 2001:db8::1}]
other.test: [{A: 192.0.2.200}]
slow.test: [TIMEOUT]
seven.test: [{A: 192.0.2.7}]
mxonly.test: [{MX: [10, mail.test]}]
ours.test: [{A: 192.0.2.25}]
localname: [{A: 192.0.2.200}]
`

func newFilter(t testing.TB, r dns.Resolver) *Filter {
	t.Helper()
	f, err := New(Options{OwnNames: []string{"192.0.2.99", "Alias.test."}}, []string{"mx.ours.test", "ours.test"}, r)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func session(ip string) *gateway.Session {
	s := &gateway.Session{Listener: "smtp", Local: netip.MustParseAddrPort("192.0.2.25:25")}
	if ip != "" {
		s.Remote = netip.AddrPortFrom(netip.MustParseAddr(ip), 4711)
	}
	return s
}

// facts returns a verdict's facts by name, after comparing them with Fields.
func facts(t testing.TB, f *Filter, v gateway.Verdict) map[string]any {
	t.Helper()
	m := map[string]any{}
	for _, x := range v.Facts {
		i := slices.IndexFunc(f.Fields(), func(d gateway.Field) bool { return d.Name == x.Name })
		if i < 0 {
			t.Errorf("%s is not declared", x.Name)
			continue
		}
		if d := f.Fields()[i]; fmt.Sprintf("%T", x.Value) != fmt.Sprintf("%T", d.Zero()) {
			t.Errorf("%s is %T, declared %s", x.Name, x.Value, d.Type)
		}
		m[strings.TrimPrefix(x.Name, "headers.")] = x.Value
	}
	return m
}

func TestClientName(t *testing.T) {
	t.Parallel()
	f := newFilter(t, dnstest.Parse(t, names))
	for ip, want := range map[string]string{
		"192.0.2.1":        "pass mail.test [other.test mail.test] iprev=pass policy.iprev=192.0.2.1",
		"::ffff:192.0.2.1": "pass mail.test [other.test mail.test] iprev=pass policy.iprev=192.0.2.1",
		"2001:db8::1":      "pass mail.test [mail.test] iprev=pass policy.iprev=2001:db8::1",
		"192.0.2.2":        "fail  [other.test] iprev=fail policy.iprev=192.0.2.2",
		"192.0.2.3":        "fail  [nothing.test] iprev=fail policy.iprev=192.0.2.3",
		"192.0.2.4":        "temperror  [slow.test other.test] iprev=temperror policy.iprev=192.0.2.4",
		"192.0.2.5":        "temperror  [] iprev=temperror policy.iprev=192.0.2.5",
		"192.0.2.6":        "none  [] iprev=permerror policy.iprev=192.0.2.6",
		"192.0.2.7":        "pass seven.test [slow.test seven.test] iprev=pass policy.iprev=192.0.2.7",
		"":                 "",
	} {
		v, err := f.Check(t.Context(), gateway.StageConnect, &gateway.Transaction{Session: session(ip)})
		m, got := facts(t, f, v), ""
		if err == nil && len(v.Results) == 1 {
			r := v.Results[0]
			got = fmt.Sprint(m["fcrdns"], " ", m["client_name"], " ", m["ptr"], " ", r.Method, "=", r.Result, " ", r.Props[0].Type, ".", r.Props[0].Name, "=", r.Props[0].Value)
		}
		if got != want {
			t.Errorf("%s: %s, want %s (%v)", ip, got, want, err)
		}
	}
}

func TestClientNameLooksAtTenNames(t *testing.T) {
	t.Parallel()
	z := dnstest.Zone{}
	for i := range 20 {
		name := fmt.Sprintf("n%d.test", i)
		z["1.2.0.192.in-addr.arpa"] = append(z["1.2.0.192.in-addr.arpa"], dnstest.PTR(name))
		z[name] = []dns.ZoneRecord{dnstest.A("192.0.2.200")}
	}
	rec := dnstest.Record(z)
	f := newFilter(t, rec)
	if _, err := f.Check(t.Context(), gateway.StageConnect, &gateway.Transaction{Session: session("192.0.2.1")}); err != nil || len(rec.Queries()) != 1+maxPTR {
		t.Errorf("%d queries, %v", len(rec.Queries()), err)
	}
}

func TestHelo(t *testing.T) {
	t.Parallel()
	f := newFilter(t, dnstest.Parse(t, names))
	for _, c := range []struct{ ip, helo, want string }{
		{"192.0.2.1", "mail.test", "ok match false"},
		{"192.0.2.1", "Mail.Test.", "ok match false"},
		{"192.0.2.1", "other.test", "ok other false"},
		{"192.0.2.1", "mxonly.test", "ok other false"},
		{"192.0.2.1", "nowhere.test", "ok none false"},
		{"192.0.2.1", "slow.test", "ok temperror false"},
		{"192.0.2.1", "with_underscore.test", "ok none false"},
		{"192.0.2.1", "[192.0.2.1]", "ok  false"},
		{"::ffff:192.0.2.1", "[192.0.2.1]", "ok  false"},
		{"2001:db8::1", "[IPv6:2001:db8::1]", "ok  false"},
		{"2001:db8::1", "mail.test", "ok match false"},
		{"192.0.2.1", "[192.0.2.2]", "literal-mismatch  false"},
		{"192.0.2.1", "[192.0.2]", "invalid  false"},
		{"192.0.2.1", "192.0.2.1", "ip  false"},
		{"192.0.2.1", "2001:db8::1", "ip  false"},
		{"192.0.2.1", "192.0.2", "invalid  false"},
		{"192.0.2.1", "a..b", "invalid  false"},
		{"192.0.2.1", "-a.test", "invalid  false"},
		{"192.0.2.1", "a b", "invalid  false"},
		{"192.0.2.1", "", "invalid  false"},
		{"192.0.2.1", "localname", "unqualified other false"},
		{"192.0.2.1", "WIN-ABC", "unqualified none false"},
		{"192.0.2.1", "MX.ours.test", "ok none true"},
		{"192.0.2.1", "ours.test", "ok other true"},
		{"192.0.2.25", "ours.test", "ok match false"},
		{"192.0.2.1", "alias.test", "ok none true"},
		{"192.0.2.1", "[192.0.2.25]", "literal-mismatch  true"},
		{"192.0.2.1", "192.0.2.99", "ip  true"},
		{"192.0.2.99", "192.0.2.99", "ip  false"},
	} {
		s := session(c.ip)
		s.Helo = c.helo
		v, err := f.Check(t.Context(), gateway.StageHelo, &gateway.Transaction{Session: s})
		m := facts(t, f, v)
		if got := fmt.Sprintf("%v %v %v", m["helo"], m["helo_dns"], m["helo_forged"]); got != c.want || err != nil {
			t.Errorf("%s from %s: %s, want %s (%v)", c.helo, c.ip, got, c.want, err)
		}
	}
	for name, change := range map[string]func(s *gateway.Session){
		"user": func(s *gateway.Session) { s.User = "u" }, "relay": func(s *gateway.Session) { s.Relay = true },
		"lmtp": func(s *gateway.Session) { s.Listener = "lmtp" }, "submission": func(s *gateway.Session) { s.Listener = "submission" },
	} {
		s := session("192.0.2.1")
		s.Helo = "ours.test"
		change(s)
		if v, err := f.Check(t.Context(), gateway.StageHelo, &gateway.Transaction{Session: s}); err != nil || v.Facts != nil {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

func TestLookupsEndBeforeTheFilterIsOverdue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFilter(t, dnstest.Hang())
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		v, err := f.Check(ctx, gateway.StageConnect, &gateway.Transaction{Session: session("192.0.2.1")})
		if facts(t, f, v)["fcrdns"] != "temperror" || err != nil || time.Since(start) != 1800*time.Millisecond {
			t.Errorf("%v, %v after %v", v, err, time.Since(start))
		}
	})
}

// mail is a message of which only the header is there.
type mail struct{ h *message.Header }

func (m mail) Header() *message.Header { return m.h }
func (m mail) Body() io.ReadCloser     { panic("the body is not read") }
func (m mail) Parts(context.Context) iter.Seq2[*gateway.Part, error] {
	panic("the body is not read")
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func judge(t testing.TB, f *Filter, header string, utf8 bool) map[string]any {
	t.Helper()
	h, err := message.ParseHeader([]byte(strings.ReplaceAll(header, "\n", "\r\n")), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	tx := &gateway.Transaction{Session: session(""), Header: h, Now: now}
	tx.Params.SMTPUTF8 = utf8
	r, err := f.Read(t.Context(), tx, mail{h})
	if err != nil {
		t.Fatal(err)
	}
	v, err := r.Conclude(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	return facts(t, f, v)
}

const wellFormed = `Date: Sun, 1 Mar 2026 11:59:00 +0000
From: Anna <anna@Example.test>
To: b@example.test
Message-ID: <1@example.test>
Subject: hello
MIME-Version: 1.0
Content-Type: text/plain
`

func TestMessage(t *testing.T) {
	t.Parallel()
	f := newFilter(t, dnstest.Zone{})
	for _, c := range []struct{ name, header, fact, want string }{
		{"all well", wellFormed, "from_count", "1"},
		{"all well", wellFormed, "from_mailboxes", "1"},
		{"all well", wellFormed, "from_domain", "example.test"},
		{"all well", wellFormed, "from_domains", "[example.test]"},
		{"all well", wellFormed, "from_valid", "true"},
		{"all well", wellFormed, "sender", "none"},
		{"all well", wellFormed, "date", "ok"},
		{"all well", wellFormed, "date_skew", "-60"},
		{"all well", wellFormed, "message_id", "ok"},
		{"all well", wellFormed, "mime_version", "ok"},
		{"all well", wellFormed, "duplicates", "[]"},
		{"all well", wellFormed, "no_recipients", "false"},
		{"all well", wellFormed, "eightbit", "false"},
		{"all well", wellFormed, "list", "false"},

		{"no field at all", "", "from_count", "0"},
		{"no field at all", "", "from_valid", "false"},
		{"no field at all", "", "from_domain", ""},
		{"no field at all", "", "date", "missing"},
		{"no field at all", "", "message_id", "missing"},
		{"no field at all", "", "mime_version", "none"},
		{"no field at all", "", "no_recipients", "true"},

		{"two From", "From: a@one.test\nFrom: b@two.test\n", "from_count", "2"},
		{"two From", "From: a@one.test\nFROM: b@two.test\n", "from_valid", "false"},
		{"two From", "From: a@one.test\nFrom: b@two.test\n", "from_domains", "[one.test two.test]"},
		{"two From", "From: a@one.test\nFrom: b@two.test\n", "duplicates", "[from]"},
		{"two authors", "From: a@one.test, b@one.test\n", "from_mailboxes", "2"},
		{"two authors", "From: a@one.test, b@one.test\n", "from_valid", "true"},
		{"two authors", "From: a@one.test, b@one.test\n", "from_domains", "[one.test]"},
		{"two authors", "From: a@one.test, b@one.test\n", "sender", "required"},
		{"two authors", "From: a@one.test, b@one.test\nSender: c@one.test\n", "sender", "ok"},
		{"two senders", "From: a@one.test\nSender: c@one.test, d@one.test\n", "sender", "invalid"},
		{"sender without domain", "From: a@one.test\nSender: c\n", "sender", "invalid"},
		{"empty From", "From: \n", "from_valid", "false"},
		{"From without address", "From: Anna\n", "from_valid", "false"},
		{"From with broken domain", "From: a@b..c\n", "from_valid", "false"},
		{"From with literal", "From: a@[192.0.2.1]\n", "from_valid", "true"},
		{"From with broken literal", "From: a@[192.0.2]\n", "from_valid", "false"},
		{"From with U-label", "From: a@bücher.test\n", "from_domain", "xn--bcher-kva.test"},
		{"From not closed", "From: \"Anna <a@one.test>\n", "from_valid", "false"},
		{"too many authors", "From: " + strings.Repeat("a@one.test, ", maxMailboxes) + "b@two.test\n", "from_valid", "false"},
		{"many authors", "From: " + strings.Repeat("a@one.test, ", maxMailboxes-1) + "b@two.test\n", "from_valid", "true"},

		{"broken date", "Date: yesterday\n", "date", "invalid"},
		{"date just ahead", "Date: Mon, 2 Mar 2026 12:00:00 +0000\n", "date", "ok"},
		{"date too far ahead", "Date: Mon, 2 Mar 2026 12:00:01 +0000\n", "date", "future"},
		{"date too far ahead", "Date: Mon, 2 Mar 2026 12:00:01 +0000\n", "date_skew", "86401"},
		{"date just within", "Date: Fri, 30 Jan 2026 12:00:00 +0000\n", "date", "ok"},
		{"date too old", "Date: Fri, 30 Jan 2026 11:59:59 +0000\n", "date", "past"},
		{"broken Message-ID", "Message-ID: 1@example.test\n", "message_id", "invalid"},
		{"empty Message-ID", "Message-ID:\n", "message_id", "invalid"},
		{"MIME without version", "Content-Type: text/plain\n", "mime_version", "missing"},
		{"version with comments", "MIME-Version: 1.(really \\) ) 0 (x)\n", "mime_version", "ok"},
		{"other version", "MIME-Version: 1.01\n", "mime_version", "invalid"},
		{"version in a comment", "MIME-Version: (1.0)\n", "mime_version", "invalid"},
		{"open comment", "MIME-Version: 1.0 (\n", "mime_version", "invalid"},
		{"twice", "Subject: a\nTo: a@b.test\nsubject: b\nReceived: x\nReceived: y\nX: 1\nX: 2\nTo: c@d.test\n", "duplicates", "[to subject]"},
		{"Bcc", "Bcc:\n", "no_recipients", "false"},
		{"8-bit", "Subject: grüße\n", "eightbit", "true"},
		{"8-bit at the end", "Subject: 12345678\xff\n", "eightbit", "true"},
		{"list", "List-Id: <x.y>\n", "list", "true"},
		{"list", "Precedence: List\n", "list", "true"},
		{"bulk", "Precedence: bulk\nList-Unsubscribe: <mailto:a@b.test>\n", "list", "false"},
	} {
		if got := fmt.Sprint(judge(t, f, c.header, false)[c.fact]); got != c.want {
			t.Errorf("%s: %s = %s, want %s", c.name, c.fact, got, c.want)
		}
	}
	if judge(t, f, "Subject: grüße\n", true)["eightbit"] != false {
		t.Error("8-bit with SMTPUTF8")
	}
}

func TestEveryFieldIsFoundOnce(t *testing.T) {
	t.Parallel()
	f := newFilter(t, dnstest.Parse(t, names))
	found := judge(t, f, wellFormed, false)
	s := session("192.0.2.1")
	s.Helo = "mail.test"
	for _, stage := range f.Stages() {
		v, err := f.Check(t.Context(), stage, &gateway.Transaction{Session: s})
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range facts(t, f, v) {
			if _, twice := found[name]; twice {
				t.Errorf("%s is found twice", name)
			}
			found[name] = value
		}
	}
	if len(found) != len(f.Fields()) {
		t.Errorf("%d facts of %d fields", len(found), len(f.Fields()))
	}
}

func TestOptionErrors(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a b", "-a.test", "[192.0.2]"} {
		if _, err := New(Options{OwnNames: []string{name}}, nil, nil); err == nil {
			t.Errorf("own name %q", name)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	f := newFilter(b, dnstest.Zone{})
	raw := strings.Repeat("Received: from a.test by b.test; Sun, 1 Mar 2026 11:59:00 +0000\n", 8) + wellFormed + strings.Repeat("X-Other: value\n", 10)
	h, err := message.ParseHeader([]byte(strings.ReplaceAll(raw, "\n", "\r\n")), message.HeaderLimits{})
	if err != nil {
		b.Fatal(err)
	}
	tx := &gateway.Transaction{Session: session(""), Header: h, Now: now}
	b.ReportAllocs()
	for b.Loop() {
		f.judge(h, tx)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add([]byte(wellFormed), false)
	f.Add([]byte("From: a@b, \"c\" <d@[1.2.3.4]>\r\nMIME-Version: 1(\\).0\r\nDate: x\r\n"), true)
	filter := newFilter(f, dnstest.Zone{})
	f.Fuzz(func(t *testing.T, raw []byte, utf8 bool) {
		h, err := message.ParseHeader(raw, message.HeaderLimits{})
		if err != nil {
			return
		}
		tx := &gateway.Transaction{Session: session(""), Header: h, Now: now}
		tx.Params.SMTPUTF8 = utf8
		facts(t, filter, gateway.Verdict{Facts: filter.judge(h, tx)})
	})
}
