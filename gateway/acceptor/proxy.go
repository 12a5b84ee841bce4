package acceptor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Bounds of a PROXY header.
const (
	maxProxyV1 = 107
	maxProxyV2 = 4096 // with its TLVs, which are not looked at
)

var (
	proxySignature = []byte("\r\n\r\n\x00\r\nQUIT\n")
	errProxy       = errors.New("acceptor: malformed PROXY header")
	errProxyLong   = errors.New("acceptor: PROXY header is too long")
)

// proxyHeader reads the PROXY protocol header, version 1 or 2, that a peer of
// ProxyFrom must begin with.
func (c *Conn) proxyHeader() error {
	deadline := time.Now().Add(c.set.Limits.TLSTimeout)
	for {
		h, n, err := parseProxy(c.Buffered())
		if err != nil {
			return err
		}
		if n > 0 {
			c.Discard(n)
			if h.known {
				c.Remote, c.Local = h.src, h.dst
			}
			return nil
		}
		if err := c.Fill(max(time.Until(deadline), time.Nanosecond), false); err != nil {
			return err
		}
	}
}

// proxied is what a header says; the addresses are not known for LOCAL and
// UNKNOWN.
type proxied struct {
	known    bool
	src, dst netip.AddrPort
}

// parseProxy parses a header at the start of b and returns its length, 0 when
// more octets are needed.
func parseProxy(b []byte) (proxied, int, error) {
	if bytes.HasPrefix(b, proxySignature) || bytes.HasPrefix(proxySignature, b) {
		return parseProxyV2(b)
	}
	const v1 = "PROXY "
	if !bytes.HasPrefix(b, []byte(v1)) {
		if strings.HasPrefix(v1, string(b)) {
			return proxied{}, 0, nil
		}
		return proxied{}, 0, errProxy
	}
	i := bytes.IndexByte(b, '\n')
	if i >= maxProxyV1 || i < 0 && len(b) >= maxProxyV1 {
		return proxied{}, 0, errProxyLong
	}
	if i < 0 {
		return proxied{}, 0, nil
	}
	if b[i-1] != '\r' {
		return proxied{}, 0, errProxy
	}
	h, err := parseProxyV1(string(b[len(v1) : i-1]))
	if err != nil {
		return proxied{}, 0, err
	}
	return h, i + 1, nil
}

func parseProxyV1(s string) (proxied, error) {
	if s == "UNKNOWN" || strings.HasPrefix(s, "UNKNOWN ") {
		return proxied{}, nil
	}
	f := strings.Split(s, " ")
	if len(f) != 5 || f[0] != "TCP4" && f[0] != "TCP6" {
		return proxied{}, errProxy
	}
	src, ok1 := proxyAddr(f[1], f[3], f[0] == "TCP4")
	dst, ok2 := proxyAddr(f[2], f[4], f[0] == "TCP4")
	if !ok1 || !ok2 {
		return proxied{}, errProxy
	}
	return proxied{true, src, dst}, nil
}

func proxyAddr(addr, port string, v4 bool) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(addr)
	if err != nil || ip.Is4() != v4 || ip.Zone() != "" {
		return netip.AddrPort{}, false
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(p)), true
}

func parseProxyV2(b []byte) (proxied, int, error) {
	const head = 16
	if len(b) < head {
		return proxied{}, 0, nil
	}
	n := head + int(binary.BigEndian.Uint16(b[14:]))
	if n > maxProxyV2 {
		return proxied{}, 0, errProxyLong
	}
	if len(b) < n {
		return proxied{}, 0, nil
	}
	body := b[head:n]
	switch b[12] {
	case 0x20: // LOCAL: the proxy speaks for itself
		return proxied{}, n, nil
	case 0x21:
	default:
		return proxied{}, 0, errProxy
	}
	size := 4
	switch b[13] {
	case 0x11:
	case 0x21:
		size = 16
	case 0x00, 0x31: // not said, or a unix socket
		return proxied{known: b[13] == 0x31}, n, nil
	default:
		return proxied{}, 0, errProxy
	}
	if len(body) < 2*size+4 {
		return proxied{}, 0, errProxy
	}
	src, _ := netip.AddrFromSlice(body[:size])
	dst, _ := netip.AddrFromSlice(body[size : 2*size])
	ports := body[2*size:]
	return proxied{
		true, netip.AddrPortFrom(src.Unmap(), binary.BigEndian.Uint16(ports)),
		netip.AddrPortFrom(dst.Unmap(), binary.BigEndian.Uint16(ports[2:])),
	}, n, nil
}
