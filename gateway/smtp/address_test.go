package smtp

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestIsemail runs the cases of github.com/dominicsayers/isemail.
func TestIsemail(t *testing.T) {
	t.Parallel()
	var cases []struct{ ID, Address, Category, Diagnosis string }
	data, err := os.ReadFile("testdata/isemail/addresses.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &cases); err != nil || len(cases) != 164 {
		t.Fatal(len(cases), err)
	}
	// RFC 5322 lets a label begin or end with a hyphen and RFC 6532 a
	// quoted-pair be non-ASCII; isemail does not.
	headerToo := map[string]bool{"30": true, "31": true, "102": true, "160": true}
	for _, c := range cases {
		ok, header, reason := CheckAddress([]byte(c.Address))
		want := c.Category == "ISEMAIL_VALID_CATEGORY" || c.Category == "ISEMAIL_DNSWARN" || c.Category == "ISEMAIL_RFC5321"
		if ok != want {
			t.Errorf("%s: %q: SMTP valid %v (%s), want %v", c.ID, c.Address, ok, c.Diagnosis, want)
		}
		if want := c.Category != "ISEMAIL_ERR" || headerToo[c.ID]; header != want {
			t.Errorf("%s: %q: header valid %v (%s), want %v", c.ID, c.Address, header, c.Diagnosis, want)
		}
		if (reason == "") != ok {
			t.Errorf("%s: %q: reason %q", c.ID, c.Address, reason)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		syn  Syntax
		path string // with brackets, "" for an error
		rest string
		err  string // start of the error
	}{
		{in: "<>", path: "<>"},
		{in: "<> SIZE=1", path: "<>", rest: " SIZE=1"},
		{in: "<>x", err: "501 5.1.7"},
		{in: "<a@b.example>", path: "<a@b.example>"},
		{in: "<A.b@B.Example> X", path: "<A.b@B.Example>", rest: " X"},
		{in: "<a@b.example>X", err: "501 5.1.7"},
		{in: "<a@b.example", err: "501 5.1.7"},
		{in: "a@b.example", err: "501 5.1.7"},
		{in: " <a@b.example>", err: "501 5.1.7"},
		{in: " <a@b.example>", syn: Lax, path: "<a@b.example>"},
		{in: " a@b.example X=1", syn: Lax, path: "<a@b.example>", rest: " X=1"},
		{in: "a@b.example>", syn: Lax, err: "501 5.1.7"},
		{in: "<@x.example,@y.example:a@b.example>", path: "<a@b.example>"},
		{in: "<@x.example:a@b.example>", path: "<a@b.example>"},
		{in: "<@x.example>", err: "501 5.1.7"},
		{in: "<@:a@b.example>", err: "501 5.1.7"},
		{in: `<"a b"@b.example>`, path: `<"a b"@b.example>`},
		{in: `<"a\b"@b.example>`, path: `<ab@b.example>`},
		{in: `<"a\"\\"@b.example>`, path: `<"a\"\\"@b.example>`},
		{in: `<"x@good> NOTIFY=NEVER <y"@evil.example>`, path: `<"x@good> NOTIFY=NEVER <y"@evil.example>`},
		{in: "<\"a\rb\"@b.example>", err: "501 5.1.7"},
		{in: "<a@b>c@d>", err: "501 5.1.7"},
		{in: "<a@b@c>", err: "501 5.1.7"},
		{in: "<a@[192.0.2.1]>", path: "<a@[192.0.2.1]>"},
		{in: "<a@[IPv6:2001:db8::1]>", path: "<a@[IPv6:2001:db8::1]>"},
		{in: "<a@[IPv6:fe80::1%eth0]>", err: "501 5.1.7"},
		{in: "<a@[192.0.2.01]>", err: "501 5.1.7"},
		{in: "<a@b_c.example>", err: "501 5.1.7"},
		{in: "<a@b_c.example>", syn: Underscore, path: "<a@b_c.example>"},
		{in: "<ñ@b.example>", err: "553 5.6.7"},
		{in: "<ñ@b.example>", syn: UTF8, path: "<ñ@b.example>"},
		{in: "<a@bücher.example>", err: "553 5.6.7"},
		{in: "<a@bücher.example>", syn: UTF8, path: "<a@bücher.example>"},
		{in: "<a@bücher。example>", syn: UTF8, err: "501 5.1.7"},
		{in: "<a@b\u00adc\u2028.example>", syn: UTF8, err: "501 5.1.7"},
		{in: "<a\xff@b.example>", syn: UTF8, err: "501 5.1.7"},
		{in: "<a\u0085@b.example>", syn: UTF8, err: "501 5.1.7"},
		{in: "<" + strings.Repeat("l", 64) + "@b.example>", path: "<" + strings.Repeat("l", 64) + "@b.example>"},
		{in: "<" + strings.Repeat("l", 65) + "@b.example>", err: "501 5.1.7 bad sender address: the local part is longer"},
		{in: "<a@" + strings.Repeat("b.", 128) + "c>", err: "501 5.1.7 bad sender address: the domain is longer"},
		{in: "<abc@" + strings.Repeat("b.", 125) + "c>", err: "501 5.1.7 bad sender address: the address is longer"},
		{in: "<ab@" + strings.Repeat("b.", 125) + "c>", path: "<ab@" + strings.Repeat("b.", 125) + "c>"},
		{in: "<pepe>", err: "501 5.1.7"},
		{in: "<a@xn--->", err: "501 5.1.7"},
	} {
		p, rest, err := ParseReversePath(c.in, c.syn)
		if c.path == "" {
			if r, ok := AsReply(err); !ok || !strings.HasPrefix(r.Error(), c.err) {
				t.Errorf("%q: %v, want %s", c.in, err, c.err)
			}
			continue
		}
		if err != nil || p.Path() != c.path || rest != c.rest {
			t.Errorf("%q: %q, %q, %v; want %q, %q", c.in, p.Path(), rest, err, c.path, c.rest)
		}
	}
}

func TestPostmasterHasNoDomain(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"<Postmaster>", "<postmaster>", "<POSTMASTER> NOTIFY=NEVER"} {
		p, _, err := ParseForwardPath(in, 0)
		if err != nil || !p.IsPostmaster() || p.Domain != "" {
			t.Errorf("%q: %+v, %v", in, p, err)
		}
	}
	for _, in := range []string{"<>", "<postmasters>", "<root>"} {
		if _, _, err := ParseForwardPath(in, 0); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
	if _, _, err := ParseReversePath("<postmaster>", 0); err == nil {
		t.Error("a sender without domain was taken")
	}
}

func TestDomainsAreComparedInEitherForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"Example.ORG", "example.org", true},
		{"bücher.example", "XN--BCHER-KVA.example", true},
		{"BÜCHER.example", "bücher.example", true},
		{"[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]", true},
		{"example.org", "example.com", false},
	} {
		if EqualDomain(c.a, c.b) != c.want {
			t.Errorf("%s, %s", c.a, c.b)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"a@b.example", `"a b"@[192.0.2.1]`, "ñ@bücher.example", `"\""@x`, `""@x`, "(c)a . b@\r\n x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		ok, header, _ := CheckAddress(raw)
		a, err := ParseMailbox(string(raw), UTF8)
		if ok != (err == nil) {
			t.Fatal("CheckAddress and ParseMailbox differ")
		}
		if err != nil {
			return
		}
		if !header {
			// "[IPv6:...]" and every Mailbox is an addr-spec.
			t.Fatalf("%q is a Mailbox and no addr-spec", raw)
		}
		s := a.String()
		if strings.ContainsAny(s, "\r\n\x00") || len(s) > len(raw) {
			t.Fatalf("%q printed as %q", raw, s)
		}
		b, err := ParseMailbox(s, UTF8)
		if err != nil || a != b {
			t.Fatalf("%q: %+v printed as %q read as %+v, %v", raw, a, s, b, err)
		}
		p, rest, err := ParseForwardPath(a.Path()+" X", UTF8)
		if err != nil || p.Address != a || rest != " X" {
			t.Fatalf("%q: path %q, %q, %v", raw, p.Path(), rest, err)
		}
	})
}
