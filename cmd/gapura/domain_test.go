package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	mdns "github.com/miekg/dns"
)

// TestDomainRecordsAreAZoneFile: another implementation reads what is printed,
// long keys in several strings included.
func TestDomainRecordsAreAZoneFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gapura.yaml")
	text := "hostname: mx1.example.org\ndata: data\nlisteners: [{protocol: submissions, address: \"127.0.0.1:465\"}]\ndomains: {example.org: {deliver: proxy, backends: [\"smtp://127.0.0.1:26\"]}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := runGapura("-c", file, "dkim", "generate", "example.org", "--selector", "s"); code != 0 {
		t.Fatal(errs)
	}
	code, out, errs := runGapura("-c", file, "domain", "dns", "Example.org", "--address", "192.0.2.1", "--address", "2001:db8::1")
	if code != 0 {
		t.Fatal(errs)
	}
	types := map[uint16]int{}
	p := mdns.NewZoneParser(strings.NewReader(out), ".", "zone")
	p.SetDefaultTTL(3600)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		types[rr.Header().Rrtype]++
		if key, ok := rr.(*mdns.TXT); ok && key.Hdr.Name == "s._domainkey.example.org." && (len(key.Txt) != 2 || !strings.HasPrefix(strings.Join(key.Txt, ""), "v=DKIM1; k=rsa; p=MII")) {
			t.Errorf("%q", key.Txt)
		}
	}
	if err := p.Err(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := map[uint16]int{mdns.TypeMX: 1, mdns.TypeA: 1, mdns.TypeAAAA: 1, mdns.TypePTR: 2, mdns.TypeTXT: 6, mdns.TypeTLSA: 1, mdns.TypeSRV: 1}
	for typ, n := range want {
		if types[typ] != n {
			t.Errorf("%s: %d, want %d\n%s", mdns.TypeToString[typ], types[typ], n, out)
		}
	}
}
