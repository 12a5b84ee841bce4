package dns_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/gapura-mail/gapura/gateway/dns"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]bool{
		"8.8.8.8": true, "2a00:1450::1": true, "64:ff9b::808:808": true, "2002:808:808::1": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.31.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "0.0.0.0": false, "0.1.2.3": false,
		"100.64.0.1": false, "192.0.2.1": false, "198.18.0.1": false, "203.0.113.9": false, "224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false,
		"::1": false, "::": false, "fe80::1%eth0": false, "fd00::1": false, "ff02::1": false, "2001:db8::1": false, "fec0::1": false, "::ffff:10.0.0.1": false,
		"64:ff9b::7f00:1": false, "2002:7f00:1::1": false, "2002:a00:1::": false, "::7f00:1": false, "2001::1": false,
	} {
		if got := dns.Public(netip.MustParseAddr(ip)); got != want {
			t.Errorf("Public(%s) = %v", ip, got)
		}
	}
	if dns.Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestDialerRefusesWhatIsNotPublic(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	zone := dns.Zone{"inside.test": {{Type: dns.TypeA, Record: dns.Record{IP: netip.MustParseAddr("127.0.0.1")}}}}
	for _, host := range []string{"inside.test", "127.0.0.1", "::1"} {
		_, err = dns.Dialer{Resolver: zone}.DialContext(context.Background(), "tcp", net.JoinHostPort(host, port))
		if !errors.Is(err, dns.ErrNotPublic) {
			t.Errorf("%s: %v", host, err)
		}
	}
	conn, err := dns.Dialer{Resolver: zone, AllowPrivate: true}.DialContext(context.Background(), "tcp", "inside.test:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if _, err = (dns.Dialer{Resolver: zone}).DialContext(context.Background(), "tcp", "nowhere.test:25"); !dns.IsNotFound(err) {
		t.Errorf("unknown name: %v", err)
	}
}
