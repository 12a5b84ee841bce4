package link

import (
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"https://www.example.com/a?b=c#d", `http:\\x@%65vil.test:80\`, "http://0x7f.1/", "http://[::ffff:1.2.3.4]:81/", "http://ｅｘ。ｃｏｍ", "//h/x", "www.a.co.uk",
		"https://www.google.com/url?q=https%3A%2F%2Fevil.test", "https://urldefense.com/v3/__https://e.test/**A*__;wqdhYg!!a", "https://www.bing.com/ck/a?u=a1aHR0cHM6Ly9ldmlsLnRlc3QveA",
		"mailto:a%40b.c?x", "tel:+1(888)555", "data:text/html,x", "https://x-y.translate.goog/", "http://xn--pypal-4ve.com/#YUBiLmNv", "+1 (8O8) 555-0123 ８", "\u200bPаyPal sup\u00adport",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, ok := Parse(s)
		if len(u.Inner) > maxInner {
			t.Fatalf("%d inner URLs", len(u.Inner))
		}
		u.Final()
		Mismatch(s, u)
		Brand(s)
		if n := len(Phones([]byte(s))); n > maxPhones {
			t.Fatalf("%d numbers", n)
		}
		if !ok || u.Flags.Has(BadHost) || u.Scheme != "http" && u.Scheme != "https" {
			return
		}
		host := u.Host
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		v, ok := Parse(u.Scheme + "://" + host + "/")
		if !ok || v.Host != u.Host || v.Domain != u.Domain || v.Brand != u.Brand && !u.Flags.Has(BrandInPath) {
			t.Fatalf("%q: host %q became %q (%v), %q became %q", s, u.Host, v.Host, v.Flags, u.Domain, v.Domain)
		}
	})
}
