// Package acceptortest is the test kit of servers above gateway/acceptor.
package acceptortest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// TLS returns a server's configuration with a self-signed certificate for
// localhost and 127.0.0.1.
func TLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate()}}
}

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// Everywhere is all IPv4 addresses.
var Everywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}

// Addressed is a connection from 127.0.0.1:50000 to 127.0.0.1:50001.
type Addressed struct{ net.Conn }

// RemoteAddr implements net.Conn.
func (Addressed) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:50000"))
}

// LocalAddr implements net.Conn.
func (Addressed) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:50001"))
}

// Dial has serve serve one end of a pipe, Addressed, and returns the other one.
// done is closed when serve has returned, which the end of the test waits for.
func Dial(t testing.TB, serve func(net.Conn)) (nc net.Conn, done <-chan struct{}) {
	a, b := net.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		serve(Addressed{b})
	}()
	t.Cleanup(func() { a.Close(); <-ended })
	return a, ended
}

// Script is a connection that plays the client: it gives In, Size octets at a
// time, then the end, and keeps what is written.
type Script struct {
	Addressed
	In     []byte
	Size   int // at least 1 is given
	Out    []byte
	Writes []int // how long each was
}

// Read implements net.Conn.
func (s *Script) Read(p []byte) (int, error) {
	if len(s.In) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.In[:min(len(s.In), max(s.Size, 1))])
	s.In = s.In[n:]
	return n, nil
}

// Write implements net.Conn.
func (s *Script) Write(p []byte) (int, error) {
	s.Writes = append(s.Writes, len(p))
	s.Out = append(s.Out, p...)
	return len(p), nil
}

// SetReadDeadline implements net.Conn.
func (s *Script) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (s *Script) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn.
func (s *Script) SetDeadline(time.Time) error { return nil }

// Close implements net.Conn.
func (s *Script) Close() error { return nil }
