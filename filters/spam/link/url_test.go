package link

import (
	"slices"
	"strings"
	"testing"
)

func TestTargetsAreReadAsBrowsersReadThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, scheme, host, domain, rest string }{
		{"https://www.Example.COM/a?b=c#d", "https", "www.example.com", "example.com", "/a?b=c#d"},
		{" \t\x00http://example.com", "http", "example.com", "example.com", ""},
		{"ht\ntp://exa\tmple.com/x\ry", "http", "example.com", "example.com", "/xy"},
		{`http:\\example.com\a\b`, "http", "example.com", "example.com", "/a/b"},
		{"http:example.com", "http", "example.com", "example.com", ""},
		{"https:////example.com/", "https", "example.com", "example.com", "/"},
		{"//example.com/x", "http", "example.com", "example.com", "/x"},
		{`\\example.com/x`, "http", "example.com", "example.com", "/x"},
		{"http://bank.example@evil.test:8080/", "http", "evil.test", "evil.test", "/"},
		{"http://a@b@evil.co.uk", "http", "evil.co.uk", "evil.co.uk", ""},
		{`http://bank.example\@evil.com`, "http", "bank.example", "bank.example", "/@evil.com"},
		{"http://%65xample%2ecom/", "http", "example.com", "example.com", "/"},
		{"http://example.com./", "http", "example.com", "example.com", "/"},
		{"http://2130706433/", "http", "127.0.0.1", "127.0.0.1", "/"},
		{"http://0x7f.1/", "http", "127.0.0.1", "127.0.0.1", "/"},
		{"http://0177.0.0.01/", "http", "127.0.0.1", "127.0.0.1", "/"},
		{"http://203.0.113.9/", "http", "203.0.113.9", "203.0.113.9", "/"},
		{"http://[2001:DB8::1]:81/", "http", "2001:db8::1", "2001:db8::1", "/"},
		{"http://[::ffff:1.2.3.4]/", "http", "::ffff:1.2.3.4", "::ffff:1.2.3.4", "/"},
		{"http://bücher.example/", "http", "xn--bcher-kva.example", "xn--bcher-kva.example", "/"},
		{"http://ｅｘａｍｐｌｅ。ｃｏｍ/", "http", "example.com", "example.com", "/"},
		{"http://exa\u00admple.com/", "http", "example.com", "example.com", "/"},
		{"http://someone.github.io/", "http", "someone.github.io", "someone.github.io", "/"},
		{"www.example.com", "http", "www.example.com", "example.com", ""},
		{"example.co.uk/x", "http", "example.co.uk", "example.co.uk", "/x"},
		{"example.com:8080/x", "http", "example.com", "example.com", "/x"},
		{"user@example.org", "mailto", "example.org", "example.org", ""},
		{"mailto:User%40example.org?subject=x", "mailto", "example.org", "example.org", "?subject=x"},
		{"tel:+1-(888)-555.0100", "tel", "", "", "+18885550100"},
		{"data:text/HTML;base64,AAAA", "data", "", "", "text/html"},
		{"JavaScript:alert(1)", "javascript", "", "", ""},
		{"cid:part1@x", "cid", "", "", "part1@x"},
		{"file://host.example/share", "file", "host.example", "host.example", "/share"},
		{"whatsapp://send?phone=123", "whatsapp", "send", "send", "?phone=123"},
		{"ms-word:ofe|u|https://evil.test/x.doc", "ms-word", "", "", "ofe|u|"},
	} {
		u, ok := Parse(c.target)
		rest := u.Path
		if u.Query != "" {
			rest += "?" + u.Query
		}
		if u.Fragment != "" {
			rest += "#" + u.Fragment
		}
		if !ok || u.Scheme != c.scheme || u.Host != c.host || u.Domain != c.domain || rest != c.rest {
			t.Errorf("%q: %v %+v, %q", c.target, ok, u, rest)
		}
	}
}

func TestNoLink(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", " ", "#top", "/path", "?q", "./x", "page.html", "main.rs", "README.md", "foo.bar", "1.2.3", "3.14", "localhost", "https://", "tel:", "hello world.com x",
		"C:\\file.txt", "12:30", "mailto:", "user@host", "a.b", "index.php?x=1", "e.g",
	} {
		if u, ok := Parse(s); ok {
			t.Errorf("%q: %+v", s, u)
		}
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target    string
		with, not Flags
	}{
		{"http://2130706433/", Numeric | Obscured, Userinfo},
		{"http://203.0.113.9/", Numeric, Obscured},
		{"http://x@203.0.113.9:81/", Numeric | Userinfo | OddPort, Malformed},
		{"https://example.com:443/", 0, OddPort},
		{"https://bit.ly/abc", Shortener, LookAlike},
		{"https://abc.github.io/", FreeHost | Private, LookAlike},
		{"https://weebly.com/", 0, FreeHost},
		{"https://b.s3.amazonaws.com/x", Storage | Private, LookAlike},
		{"https://docs.google.com/forms/d/1", Form | Storage, LookAlike},
		{"https://docs.google.com/document/1", Storage, Form},
		{"https://a-b-c.trycloudflare.com/", Tunnel, 0},
		{"https://x.duckdns.org/", DynamicDNS, 0},
		{"https://t.me/x", Messenger, LookAlike},
		{"http://a.b.c.d.example.com/", DeepSubdomains, 0},
		{"http://www.example.xyz/", CheapTLD, DeepSubdomains | LookAlike},
		{"http://xkqzvbnt.com/", RandomHost, 0},
		{"http://wordsmith.com/", 0, RandomHost},
		{"http://раураl.com/", MixedScript | Punycode | LookAlike, 0},
		{"http://bücher.de/", Punycode, MixedScript | LookAlike},
		{"http://example.com/x.exe", Program, Archive},
		{"http://example.com/x.tar.gz?y", Archive, Program},
		{"http://example.com/.well-known/x/login", Intruded, 0},
		{"http://example.com/#victim@corp.example", MailAddress, 0},
		{"http://example.com/?e=dmljdGltQGNvcnAuZXhhbXBsZQ==", MailAddress, 0},
		{"http://example.com/?e=victim%40corp.example", MailAddress, 0},
		{"http://example.com/@user/post.html", 0, MailAddress},
		{"http://example.com/unsubscribe", Unsubscribe, 0},
		{"http://click.list-manage.com/track/click?u=1", Tracker, Redirector},
		{"https://www.google.com/", 0, Redirector},
		{"https://hacked.example.com/paypal/login", BrandInPath, LookAlike},
		{"https://example.com/?u=https://other.example.org/", Nested, Redirector},
		{"https://example.com/?u=https://www.example.com/", 0, Nested},
		{"http:///example.com", Malformed, 0},
		{"http://[::1", BadHost, 0},
		{"http://a b.com/", BadHost, 0},
		{"http://999.1.1.1/", BadHost, 0},
		{"http://256.1.1.1/", BadHost, 0},
		{"http://1.1.1.256/", BadHost, 0},
		{"http://a.b.c.example.com/", DeepSubdomains, 0},
		{"http://b.c.example.com/", 0, DeepSubdomains},
		{"http://x.invalidtldx/", UnknownTLD, 0},
		{"http://example.com/" + strings.Repeat("a", 600), Long, 0},
	} {
		u, ok := Parse(c.target)
		if !ok || !u.Flags.Has(c.with) || u.Flags.Any(c.not) {
			t.Errorf("%s: %v %v (%s), want %v not %v", c.target, ok, u.Flags, u.Brand, c.with, c.not)
		}
	}
	if got := slices.Collect((Numeric | Long).Names()); !slices.Equal(got, []string{"numeric", "long"}) {
		t.Error(got)
	}
	names := slices.Collect((^Flags(0)).Names())
	for i, name := range names {
		if name == "" || slices.Index(names, name) != i {
			t.Errorf("flag %d has the name %q", i, name)
		}
		if doc := (Flags(1) << i).Doc(); len(doc) < len("links that ") {
			t.Errorf("%s says %q", name, doc)
		}
	}
}

func TestRedirectorsAreRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, inner string }{
		{"https://www.google.com/url?sa=t&url=https%3A%2F%2Fevil.test%2Fa%3Fb&usg=x", "https://evil.test/a?b"},
		{"https://www.google.co.uk/url?q=http://evil.test/", "http://evil.test/"},
		{"https://www.google.com/amp/s/evil.test/x", "https://evil.test/x"},
		{"https://www.bing.com/ck/a?!&&p=1&u=a1aHR0cHM6Ly9ldmlsLnRlc3QveA&ntb=1", "https://evil.test/x"},
		{"https://www.youtube.com/redirect?event=x&q=https%3A%2F%2Fevil.test", "https://evil.test"},
		{"https://googleads.g.doubleclick.net/pcs/click?xai=1&adurl=https://evil.test/p", "https://evil.test/p"},
		{"https://eur01.safelinks.protection.outlook.com/?url=http%3A%2F%2Fevil.test%2F&data=05", "http://evil.test/"},
		{"https://urldefense.proofpoint.com/v2/url?u=http-3A__evil.test_a-5Fb&d=x", "http://evil.test/a_b"},
		{"https://urldefense.com/v3/__https://evil.test/a?b=*c__;Iw!!abc", "https://evil.test/a?b=#c"},
		{"https://urldefense.com/v3/__http://evil.test/**A*__;wqdhYg!!abc", "http://evil.test/§ab"},
		{"https://l.facebook.com/l.php?u=https%3A%2F%2Fevil.test%2F", "https://evil.test/"},
		{"https://r.search.yahoo.com/_ylt=A/RV=2/RU=https%3a%2f%2fevil.test%2f/RK=2", "https://evil.test/"},
		{"https://u1.awstrack.me/L0/https:%2F%2Fevil.test%2Fx/1/0101", "https://evil.test/x"},
		{"https://click.pstmrk.it/3s/evil.com%2Fx/abc", "http://evil.com/x"},
		{"https://evil-com.translate.goog/x", "https://evil.com/x"},
		{"https://e.customeriomail.com/e/c/eyJocmVmIjoiaHR0cHM6XC9cL2V2aWwudGVzdFwveCJ9/abc", "https://evil.test/x"},
		{"https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fevil.test&c=E", "https://evil.test"},
		{"https://web.archive.org/web/2020/http://evil.test/", "http://evil.test/"},
		{"https://example.com/out?to=http%253A%252F%252Fevil.test%252F&x=1", "http://evil.test/"},
		{"https://us-west-2.protection.sophos.com/?d=evil.test&u=aHR0cHM6Ly9ldmlsLnRlc3Qv&i=x", "https://evil.test/"},
	} {
		u, ok := Parse(c.target)
		inner := u.Inner
		// What follows in the path or query of a plain carrier belongs to it.
		if !ok || len(inner) == 0 || inner[0] != c.inner && !strings.HasPrefix(inner[0], c.inner+"/R") && !strings.HasPrefix(inner[0], c.inner+"/1/") {
			t.Errorf("%s:\n%q %v", c.target, inner, u.Flags)
		}
	}
	u, _ := Parse("https://www.google.com/url?q=https%3A%2F%2Fl.facebook.com%2Fl.php%3Fu%3Dhttps%253A%252F%252Fevil.co.uk%252F")
	if f := u.Final(); f.Host != "evil.co.uk" {
		t.Errorf("%+v", f)
	}
}

func TestOwnerLooksBehindPrivateSuffixes(t *testing.T) {
	t.Parallel()
	for host, want := range map[string][2]string{
		"a.someone.github.io": {"someone.github.io", "github.io"}, "x.example.co.uk": {"example.co.uk", "example.co.uk"},
		"com": {"com", "com"}, "b.s3.amazonaws.com": {"b.s3.amazonaws.com", "amazonaws.com"},
	} {
		if d, _ := Registrable(host); d != want[0] || Owner(host) != want[1] {
			t.Errorf("%s: %s, %s", host, d, Owner(host))
		}
	}
}
