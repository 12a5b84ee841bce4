package main

import (
	"crypto/tls"
	"net/netip"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// TestAccountsKnowTheirPeer: the log tells the session of an authentication,
// and SCRAM can be bound to the certificate that was shown.
func TestAccountsKnowTheirPeer(t *testing.T) {
	t.Parallel()
	start := time.Now()
	a := newSMTPAccounts(nil, func(name string, connected time.Time) []byte {
		if name != "mx.example.org" || !connected.Equal(start) {
			t.Error(name, connected)
		}
		return []byte("certificate")
	})
	info := smtpd.Info{Remote: netip.MustParseAddrPort("[::ffff:192.0.2.1]:25"), Session: "01S", Started: start}
	if p := a.peer(info); p.Session != "01S" || p.Certificate != nil || p.Addr != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("%+v", p)
	}
	info.TLS = &tls.ConnectionState{ServerName: "mx.example.org"}
	if p := a.peer(info); string(p.Certificate) != "certificate" || p.TLS != info.TLS {
		t.Errorf("%+v", p)
	}
}
