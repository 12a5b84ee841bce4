package dns_test

import (
	"reflect"
	"testing"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

func TestSRVRecords(t *testing.T) {
	t.Parallel()
	zone := dnstest.Parse(t, `_submissions._tcp.example.org: [{SRV: [5, 7, 465, MX.example.org]}, {SRV: [0, 0, 0, ""]}]`)
	if !reflect.DeepEqual(zone, dns.Zone{"_submissions._tcp.example.org": {dnstest.SRV(5, 7, 465, "mx.example.org"), dnstest.SRV(0, 0, 0, "")}}) {
		t.Errorf("%+v", zone)
	}
	client, err := dns.NewClient(dns.Options{Resolvers: []string{dnstest.Serve(t, zone).Addr}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := client.Lookup(t.Context(), "_Submissions._tcp.example.org", dns.TypeSRV)
	want := []dns.Record{{Preference: 5, Weight: 7, Port: 465, Host: "mx.example.org"}, {}}
	if err != nil || !reflect.DeepEqual(a.Records, want) {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := dns.ParseZone("z", []byte(`a.b: [{SRV: [1, 2, host]}]`)); err == nil {
		t.Error("three fields are taken")
	}
}
