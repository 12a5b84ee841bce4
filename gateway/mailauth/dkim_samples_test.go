package mailauth

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/test/peers"
)

// dkimDNS reads chasquid's format: "name: value", a backslash before a line
// end joins lines; TEMPERROR and PERMERROR are how a look-up ends.
func dkimDNS(text string) dns.Zone {
	z := dns.Zone{}
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\\\n", ""), "\n") {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			continue
		}
		r := dnstest.TXT(strings.Join(strings.Fields(value), " "))
		switch strings.TrimSpace(value) {
		case "TEMPERROR":
			r = dnstest.Fail(dns.TypeTXT, dns.ErrServFail)
		case "PERMERROR":
			r = dnstest.Fail(dns.TypeTXT, dns.ErrNXDomain)
		}
		z[name] = append(z[name], r)
	}
	return z
}

func readSample(t testing.TB, elem ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"testdata", "dkim"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// dkimResults verifies msg and returns "result domain selector algorithm bits"
// for each signature.
func dkimResults(t testing.TB, msg string, z dns.Resolver, now time.Time) []string {
	t.Helper()
	h, body := splitMessage(t, msg)
	r, err := VerifyDKIM(t.Context(), h, strings.NewReader(body), z, VerifyOptions{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range r.Signatures {
		if (s.Result == Pass) != (s.Reason == "") {
			t.Errorf("%s with reason %q", s.Result, s.Reason)
		}
		t.Logf("%s %s %s: %s", s.Result, s.Domain, s.Selector, s.Reason)
		out = append(out, fmt.Sprintf("%s %s %s %s %d", s.Result, s.Domain, s.Selector, s.Algorithm, s.KeyBits))
	}
	return out
}

// footballZone has the keys of RFC 8463 appendix A.
func footballZone(t testing.TB) dns.Zone {
	return dkimDNS(readSample(t, "chasquid", "01-rfc8463.dns"))
}

const (
	edPass  = "pass football.example.com brisbane ed25519-sha256 256"
	rsaPass = "pass football.example.com test rsa-sha256 1024"
	ourPass = "pass example.com selector ed25519-sha256 256"
)

func TestDKIMSamplesOfOthers(t *testing.T) {
	t.Parallel()
	football := footballZone(t)
	chasquid := func(name string) dns.Zone { return dkimDNS(readSample(t, "chasquid", name)) }
	key := func(name, file string) dns.Zone {
		return dns.Zone{name: {dnstest.TXT(strings.TrimSpace(readSample(t, "dkimpy", file)))}}
	}
	first := func(file string) (zone dns.Zone, msg string) {
		keys, msg, _ := strings.Cut(readSample(t, "mail-auth", file), "\n\n")
		zone = dns.Zone{}
		for line := range strings.SplitSeq(keys, "\n") {
			name, txt, _ := strings.Cut(line, " ")
			zone[name] = append(zone[name], dnstest.TXT(txt))
		}
		return zone, msg
	}
	z001, m001 := first("001.txt")
	z002, m002 := first("002.txt")
	cases := []struct {
		name, msg string
		zone      dns.Zone
		want      []string
	}{
		{"chasquid 01: RFC 8463 appendix A", readSample(t, "chasquid", "01-rfc8463.msg"), football, []string{edPass, rsaPass}},
		{"chasquid 02: seven signatures, all within our bound", readSample(t, "chasquid", "02-too_many_headers.msg"), football, append(slices.Repeat([]string{edPass}, 6), rsaPass)},
		{"chasquid 03: no message", readSample(t, "chasquid", "03-bad_message.msg"), nil, nil},
		{"chasquid 04: version 8", readSample(t, "chasquid", "04-bad_dkim_signature_header.msg"), football, []string{"neutral football.example.com brisbane ed25519-sha256 0"}},
		{"chasquid 05: one key does not answer", readSample(t, "chasquid", "05-dns_temp_error.msg"), chasquid("05-dns_temp_error.dns"), []string{"temperror football.example.com brisbane ed25519-sha256 0", rsaPass}},
		{"chasquid 06: one key is not there", readSample(t, "chasquid", "06-dns_perm_error.msg"), chasquid("06-dns_perm_error.dns"), []string{"permerror football.example.com brisbane ed25519-sha256 0", rsaPass}},
		{"chasquid 07: two keys under a selector", readSample(t, "chasquid", "01-rfc8463.msg"), chasquid("07-algo_mismatch.dns"), []string{edPass, rsaPass}},
		{"chasquid 08: three signatures", readSample(t, "chasquid", "08-our_signature.msg"), chasquid("08-our_signature.dns"), []string{ourPass, edPass, rsaPass}},
		{"chasquid 09: l=17", readSample(t, "chasquid", "09-limited_body.msg"), chasquid("08-our_signature.dns"), []string{ourPass, edPass, rsaPass}},
		{"chasquid 10: t=s kept", readSample(t, "chasquid", "01-rfc8463.msg"), chasquid("10-strict_domain_check_pass.dns"), []string{edPass, rsaPass}},
		{"chasquid 11: t=s broken", readSample(t, "chasquid", "11-strict_domain_check_fail.msg"), chasquid("11-strict_domain_check_fail.dns"), []string{"permerror example.com selector ed25519-sha256 256"}},

		{"dkimpy rfc6376.signed.msg", readSample(t, "dkimpy", "rfc6376.signed.msg"), football, []string{edPass, rsaPass}},
		{"dkimpy rfc6376.signed.rsa.msg", readSample(t, "dkimpy", "rfc6376.signed.rsa.msg"), football, []string{rsaPass}},
		{"dkimpy rfc6376.signed.no_t.msg: t= taken out, x= put in", readSample(t, "dkimpy", "rfc6376.signed.no_t.msg"), football, []string{"fail football.example.com test rsa-sha256 1024"}},
		{"dkimpy ed25519test2.msg: of Exim", readSample(t, "dkimpy", "ed25519test2.msg"), key("sed._domainkey.test.ex", "eximtest.dns"), []string{"pass test.ex sed ed25519-sha256 256"}},
		{"dkimpy test.message.baddomain: no domain", readSample(t, "dkimpy", "test.message.baddomain"), football, []string{"neutral  test rsa-sha256 0"}},
		{"dkimpy test2.message: another's key", readSample(t, "dkimpy", "test2.message"), key("20120113._domainkey.gmail.com", "test2.txt"), []string{"fail gmail.com 20120113 rsa-sha256 1024"}},
		{"dkimpy test_bad.txt: key that is no DER", readSample(t, "dkimpy", "rfc6376.signed.rsa.msg"), key("test._domainkey.football.example.com", "test_bad.txt"), []string{"permerror football.example.com test rsa-sha256 0"}},
		{"dkimpy badversion.txt", readSample(t, "dkimpy", "rfc6376.signed.rsa.msg"), key("test._domainkey.football.example.com", "badversion.txt"), []string{"permerror football.example.com test rsa-sha256 0"}},
		{"dkimpy badk.txt", readSample(t, "dkimpy", "rfc6376.signed.rsa.msg"), key("test._domainkey.football.example.com", "badk.txt"), []string{"permerror football.example.com test rsa-sha256 0"}},
		{"dkimpy test_tlsrpt.txt: key not for email", readSample(t, "dkimpy", "rfc6376.signed.rsa.msg"), key("test._domainkey.football.example.com", "test_tlsrpt.txt"), []string{"permerror football.example.com test rsa-sha256 1024"}},
		{"dkimpy test.txt: the right key with g=", readSample(t, "dkimpy", "rfc6376.signed.rsa.msg"), key("test._domainkey.football.example.com", "test.txt"), []string{rsaPass}},
		{"dkimpy 2048: another key", readSample(t, "dkimpy", "rfc6376.signed.rsa.msg"), key("test._domainkey.football.example.com", "2048_testkey_wo_markers.pub.txt"), []string{"fail football.example.com test rsa-sha256 2048"}},
		{"dkimpy test.message: unsigned", readSample(t, "dkimpy", "test.message"), football, nil},

		{"mail-auth 001: RFC 8463", m001, z001, []string{edPass, rsaPass}},
		{"mail-auth 002: RFC 6376 appendix A, key in PKCS #1", m002, z002, []string{"pass example.com newengland rsa-sha256 1024"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := dkimResults(t, c.msg, c.zone, time.Time{}); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestDKIMRealMail(t *testing.T) {
	t.Parallel()
	dir := peers.Suite(t, "conformance/dkim-basic")
	signed, err := os.ReadFile(filepath.Join(dir, "mailauth-ec", "signed.eml"))
	if err != nil {
		t.Fatal(err)
	}
	if got := dkimResults(t, string(signed), footballZone(t), time.Time{}); !slices.Equal(got, []string{edPass, rsaPass}) {
		t.Errorf("mailauth-ec: %q", got)
	}
	for file, want := range map[string][]string{
		"003.txt": {"pass ietf.org ietf1 rsa-sha256 1024", "pass ietf.org ietf1 rsa-sha256 1024"},
		"004.txt": {"pass facebookmail.com s1024-2013-q3 rsa-sha256 1024"},
		"005.txt": {"pass topicbox.com sysmsg-1 rsa-sha256 1024"},
		"006.txt": {"pass github.com dk2016 rsa-sha256 1024"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(filepath.Join(dir, "mail-auth", file))
			if err != nil {
				t.Fatal(err)
			}
			keys, msg, _ := strings.Cut(string(data), "\n\n")
			name, txt, _ := strings.Cut(keys, " ")
			z := dns.Zone{name: {dnstest.TXT(txt)}}
			if got := dkimResults(t, msg, z, time.Unix(1667870000, 0)); !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}
