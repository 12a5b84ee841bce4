package link

import (
	"strings"
	"testing"
)

func TestLookAlikes(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"paypal.com.evil.test": "paypal", "paypal-secure.example.com": "paypal", "securepaypallogin.com": "paypal", "paypa1.com": "paypal",
		"paypai.com": "paypal", "papyal.com": "paypal", "arnazon.com": "amazon", "rnicrosoft.com": "microsoft", "micros0ft-login.com": "microsoft",
		"micro-soft.com": "microsoft", "wells-fargo.example.com": "wellsfargo", "apple-support.com": "apple", "appleid.example.com": "apple",
		"chase-secure.com": "chase", "chaseonline.example.org": "chase", "netfIix.com": "netflix", "paypal-login.web.app": "paypal",
		"dhl-paket.example": "dhl", "xn--pypal-4ve.com": "paypal", "usps.com-track.top": "usps", "amazon.evil.xyz": "amazon", "faceb00k.com": "facebook",
		"gооgle.com": "google", "bankofamerica.secure-x.com": "bankofamerica", "login-microsoftonline.com": "microsoft", "sparkasse-tan.com": "sparkasse",
		// Their own, and words of their own.
		"www.paypal.com": "", "paypal.co.uk": "", "amazon.de": "", "s3.amazonaws.com": "", "b.s3.amazonaws.com": "", "apple.com": "", "pineapple.com": "",
		"purchase.com": "", "chase-johnson.com": "", "finance.com": "", "panel.example.com": "", "trust.org": "", "target-shooting.com": "",
		"hmrc.gov.uk": "", "paypal.google.com": "", "paypal.gov": "", "google.evil.gov": "", "example.com": "", "visa-to-china.com": "", "sparkasse-bonn.de": "", "shoppe.com": "", "advisa.com": "",
		"metal.com": "", "ebay.co.uk": "", "login.microsoftonline.com": "", "docs.google.com": "", "mail.yahoo.co.jp": "", "blog.orange-county.com": "",
		"optusnet.com.au": "", "users.optusnet.com.au": "", "paypal-login.optusnet.com.au": "paypal",
	} {
		u, ok := Parse("http://" + host + "/")
		if !ok || u.Brand != want || u.Flags.Has(LookAlike) != (want != "") {
			t.Errorf("%s: %q, want %q", host, u.Brand, want)
		}
	}
}

func TestBrandOfDisplayNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"PayPal": "paypal", "PayPal Service": "paypal", "PayPaI": "paypal", "Р а y": "", "Рауpal Inc": "paypal", "P\u200bayPal": "paypal", "Wells Fargo Online": "wellsfargo",
		"Bank of America": "bankofamerica", "Apple": "apple", "Apple Support": "apple", "Fiona Apple": "", "Chase Johnson": "", "Chase Alerts": "chase",
		"Micros0ft 365": "microsoft", "Crédit Agricole": "creditagricole", "Jane Doe": "", "": "", "DHL Express": "dhl", "La Banque Postale": "labanquepostale",
		"HM Revenue & Customs": "hmrc", "T-Mobile": "tmobile", "AT&T Mail": "att", "Amazon.com": "amazon", "Geek Squad Billing": "bestbuy", "Norton Support Team": "norton",
		"Finance Department": "", "The Trust": "", "Ｎｅｔｆｌｉｘ": "netflix", "Team": "", "Teams": "microsoft", "Outlook Team": "microsoft",
	} {
		if got := Brand(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	Brand(strings.Repeat("x ", 1<<12))
}

func TestDomainsOfBrands(t *testing.T) {
	t.Parallel()
	if Owns("nobody", "paypal.com") || Owns("paypal", "paypal.com.evil.test") || Owns("paypal", "paypal.tk") {
		t.Error("owns too much")
	}
	if !Owns("paypal", "mail.paypal.com") || !Owns("paypal", "paypal.me") || !Owns("amazon", "www.amazon.co.uk") || !Owns("hmrc", "x.tax.service.gov.uk") {
		t.Error("owns too little")
	}
	b := &lists().brands
	for _, w := range b.words {
		if w.text == "" || strings.Trim(w.text, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Errorf("the word %q of %s cannot be found", w.text, b.list[w.brand].key)
		}
		if w.mode&inside != 0 && len(w.text) < 5 {
			t.Errorf("%q is too short to be looked for inside others", w.text)
		}
	}
	for _, x := range b.list {
		if len(x.domains) == 0 {
			t.Errorf("%s has no domain", x.key)
		}
	}
	if len(b.list) < 300 || len(b.byKey) != len(b.list) {
		t.Errorf("%d brands, %d keys", len(b.list), len(b.byKey))
	}
}

func TestMismatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, target string
		want         bool
	}{
		{"https://www.bank.com/login", "http://evil.com/", true},
		{"www.bank.com", "https://login.bank.com/", false},
		{"Visit bank.com now", "http://evil.com/", true},
		{"Click here", "http://evil.com/", false},
		{"amazon.com", "https://www.amazon.de/", false},
		{"paypal.com", "https://www.paypal.me/x", false},
		{"bank.com", "https://www.google.com/url?q=https://bank.com/", false},
		{"bank.com", "https://www.google.com/url?q=https://evil.com/", true},
		{"bank.com", "https://click.list-manage.com/x", false},
		{"a@bank.com", "mailto:a@evil.com", true},
		{"a@bank.com", "mailto:b@bank.com", false},
		{"See main.rs and v1.2", "http://evil.com/", false},
		{"bank.com", "tel:+123456789", false},
		{"report.pdf", "http://evil.com/", false},
		{"Dr. Smith", "http://evil.com/", false},
		{"Node.js", "http://evil.com/", false},
	} {
		u, ok := Parse(c.target)
		if got := Mismatch(c.text, u); !ok || got != c.want {
			t.Errorf("%q to %s: %v", c.text, c.target, got)
		}
	}
}

func TestFreemail(t *testing.T) {
	t.Parallel()
	for domain, want := range map[string]bool{
		"gmail.com": true, "Yahoo.co.uk": true, "outlook.de": true, "t-online.de": true, "yandex.ru": true, "example.com": false,
		"yahoo.tk": false, "mail.gmail.com": false, "live.com": true, "live.net": false, "": false,
	} {
		if Freemail(domain) != want {
			t.Errorf("%s: %v", domain, !want)
		}
	}
	if n := len(lists().freemail); n < 500 {
		t.Error(n)
	}
}

func TestPhones(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Call +1 (888) 555-0123 now":                   "+18885550123",
		"Call 1-888-555-0123.":                         "+18885550123",
		"Call (888) 555 0123, or 888.555.0199":         "+18885550123 +18885550199",
		"8O8 555-O123 x":                               "+18085550123",
		"+44 (0)20 7946 0958":                          "+442079460958",
		"0044 20 7946 0958":                            "+442079460958",
		"Tel. 020 7946 0958":                           "02079460958",
		"Tel: 030/1234567":                             "0301234567",
		"+49 89 123456-0":                              "+49891234560",
		"+1 — 8 8 8 — 5 5 5 — 0 1 2 3":                 "+18885550123",
		"＋１ ８８８ ５５５ ０１２３":                              "+18885550123",
		"+1\u200b888\u200b5550123":                     "+18885550123",
		"+1*888*555*0123":                              "+18885550123",
		"order 8885550123, id 1234567890123":           "",
		"2024-01-02 10:20:30":                          "",
		"10.20.30.40 192.168.100.200":                  "",
		"4111 1111 1111 1111":                          "",
		"$1,234,567.89 and 1 000 000 000":              "",
		"01.02.2024":                                   "",
		"01.05.2024 10:20, 01 05 2024 08":              "",
		"(192.168.100.20) 1 255.255.255.0":             "",
		"(192.168.30.83)":                              "",
		"(01.05.2024) 10:20":                           "",
		"01 05 2024 08":                                "",
		"888 155 0123, 188 555 0123":                   "",
		"0000 206 2015":                                "",
		"888 555 01 23":                                "+18885550123",
		"1800-123-4567, 1800 123 456":                  "18001234567 1800123456",
		"400-123-4567, 138 0013 8000":                  "4001234567 13800138000",
		"800 123 456, 900 123 456":                     "800123456 900123456",
		"+1⁃888⁃555⁃0123":                              "+18885550123",
		"800.123.456, 123 456 789, 1200-123-4567":      "",
		"ABC0301234567 id=030-1234567":                 "",
		"+1 (888) 555-0123 and again +1 888 555 0123!": "+18885550123",
		"": "",
	} {
		if got := strings.Join(Phones([]byte(text)), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func BenchmarkParse30(b *testing.B) {
	targets := make([]string, 0, 30)
	for range 6 {
		targets = append(targets, "https://www.example.com/news/2024/some-article-title?utm_source=newsletter&utm_medium=email", "https://click.list-manage.com/track/click?u=0123456789abcdef&id=abcdef0123&e=0123456789",
			"https://cdn.example-images.net/assets/logo-small.png", "mailto:someone@example.org", "https://secure-paypal-login.weebly.com/")
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, s := range targets {
			Parse(s)
		}
	}
}

func BenchmarkPhones(b *testing.B) {
	text := []byte(strings.Repeat("The quick brown fox jumps over 13 lazy dogs on 2024-01-02, call +1 (888) 555-0123. ", 50))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		Phones(text)
	}
}
