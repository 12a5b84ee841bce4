package main

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/route"
)

// TestProgramsFindTheirServers by all the ways that they look.
func TestProgramsFindTheirServers(t *testing.T) {
	cfg, err := config.Parse("f.yaml", []byte(`hostname: mx.home.test
listeners:
  - {protocol: imaps, address: ":993"}
  - {protocol: submission, address: "0.0.0.0:587"}
  - {protocol: pop3, address: "127.0.0.1:0"}
domains:
  home.test: {deliver: mailbox}
  other.test: {deliver: proxy, backends: ["smtp://10.0.0.1:25"]}
`))
	if err != nil {
		t.Fatal(err)
	}
	routes, err := route.NewTable([]string{"home.test", "other.test"})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{}
	s.gen.Store(&generation{cfg: cfg, routes: routes, local: map[string]bool{"home.test": true}})
	srv := httptest.NewServer(s.publicHandler())
	defer srv.Close()
	ask := func(method, host, path, body string) (int, string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Host = host
		w := httptest.NewRecorder()
		s.publicHandler().ServeHTTP(w, r)
		b, _ := io.ReadAll(w.Body)
		return w.Code, string(b)
	}
	outlook := func(address string) string {
		return `<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>` + address +
			`</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`
	}
	for _, c := range []struct {
		method, host, path, body string
		code                     int
		want                     string
	}{
		{"GET", "autoconfig.home.test", "/mail/config-v1.1.xml", "", 200, "<port>993</port>"},
		{"GET", "autoconfig.home.test:80", "/mail/config-v1.1.xml", "", 200, "<domain>home.test</domain>"},
		{"GET", "HOME.test", "/.well-known/autoconfig/mail/config-v1.1.xml", "", 200, "<port>587</port>"},
		{"GET", "x", "/mail/config-v1.1.xml?emailaddress=ana@home.test", "", 200, "mx.home.test"},
		{"GET", "autoconfig.other.test", "/mail/config-v1.1.xml", "", 404, "no mailboxes"},
		{"GET", "autoconfig.", "/mail/config-v1.1.xml", "", 404, "no mailboxes"},
		{"POST", "x", "/autodiscover/autodiscover.xml", outlook("ana@home.test"), 200, "<LoginName>ana@home.test</LoginName>"},
		{"POST", "x", "/Autodiscover/Autodiscover.xml", outlook("ana@other.test"), 200, "<ErrorCode>600"},
		{"POST", "x", "/autodiscover/autodiscover.xml", "what", 200, "<ErrorCode>600"},
		{"POST", "x", "/autodiscover/autodiscover.xml", strings.Repeat("x", 100_000), 413, ""},
		{"GET", "x", "/autodiscover/autodiscover.json?Email=ana@home.test&Protocol=AutodiscoverV1", "", 200, "https://autodiscover.home.test/"},
		{"GET", "x", "/autodiscover/autodiscover.json/v1.0/ana@home.test?Protocol=ActiveSync", "", 404, ""},
		{"GET", "x", "/mail.mobileconfig?email=ana@home.test", "", 200, "<string>ana@home.test</string>"},
		{"GET", "x", "/mail.mobileconfig?email=ana@other.test", "", 404, ""},
		{"GET", "x", "/mail.mobileconfig", "", 400, ""},
		{"GET", "x", "/metrics", "", 404, ""},
	} {
		if code, body := ask(c.method, c.host, c.path, c.body); code != c.code || !strings.Contains(body, c.want) {
			t.Errorf("%s %s of %s: %d %s", c.method, c.path, c.host, code, body)
		}
	}
	if _, body := ask("GET", "home.test", "/mail/config-v1.1.xml", ""); strings.Contains(body, "pop3") {
		t.Error("a port that nobody knows is told")
	}
}
