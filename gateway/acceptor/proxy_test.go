package acceptor

import "testing"

func FuzzProxy(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nEHLO x\r\n"))
	f.Add([]byte("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x00\x02x"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x24000000000000000000000000000000000000"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parseProxy(b)
		if n < 0 || n > len(b) || n > maxProxyV2 || err != nil && h != (proxied{}) {
			t.Fatal(h, n, err)
		}
		if n == 0 && err == nil && len(b) >= maxProxyV2 {
			t.Fatal("goes on without end")
		}
		if n == 0 {
			return
		}
		// However it is split, it is read once it is whole, and the same.
		for k := range min(n, 200) {
			if _, m, err := parseProxy(b[:k]); m != 0 || err != nil {
				t.Fatalf("after %d of %d octets: %d, %v", k, n, m, err)
			}
		}
		if again, m, err := parseProxy(b[:n]); again != h || m != n || err != nil {
			t.Fatal(again, m, err)
		}
	})
}

func TestProxyAddresses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n":                                                 "192.0.2.1:1 192.0.2.2:2",
		"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n":                                         "[2001:db8::1]:1 [2001:db8::2]:65535",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x00\x02": "192.0.2.1:1 192.0.2.2:2",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x21\x00\x240000000000000000111111111111111122\x01\x00":       "[3030:3030:3030:3030:3030:3030:3030:3030]:12850 [3131:3131:3131:3131:3131:3131:3131:3131]:256",
	} {
		h, n, err := parseProxy([]byte(in))
		if got := h.src.String() + " " + h.dst.String(); err != nil || n != len(in) || !h.known || got != want {
			t.Errorf("%q: %s, %d, %v", in, got, n, err)
		}
	}
}
