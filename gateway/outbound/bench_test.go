package outbound

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/dns"
	. "github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/queue"
)

// quickSink takes mail over loopback without looking at it.
func quickSink(b testing.TB, chunking bool) netip.AddrPort {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	ehlo := "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE\r\n"
	if chunking {
		ehlo = "250-CHUNKING\r\n" + ehlo[len("250-sink\r\n"):]
		ehlo = "250-sink\r\n" + ehlo
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go quickServe(c, ehlo)
		}
	}()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func quickServe(c net.Conn, ehlo string) {
	defer c.Close()
	in := bufio.NewReaderSize(c, 64<<10)
	out := bufio.NewWriter(c)
	out.WriteString("220 sink\r\n")
	for {
		if in.Buffered() == 0 {
			out.Flush()
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch string(line[:4]) {
		case "EHLO":
			out.WriteString(ehlo)
		case "DATA":
			out.WriteString("354 go\r\n")
			out.Flush()
			for {
				l, err := in.ReadSlice('\n')
				if err != nil {
					return
				}
				if string(l) == ".\r\n" {
					break
				}
			}
			out.WriteString("250 2.0.0 ok\r\n")
		case "BDAT":
			n, _ := strconv.Atoi(string(bytes.Fields(line)[1]))
			in.Discard(n)
			out.WriteString("250 2.0.0 ok\r\n")
		case "QUIT":
			out.WriteString("221 bye\r\n")
			out.Flush()
			return
		default:
			out.WriteString("250 2.0.0 ok\r\n")
		}
	}
}

type ready struct{ *strings.Reader }

func (ready) Close() error { return nil }

// A 4 KiB message over a kept connection.
func BenchmarkDeliver(b *testing.B) {
	for name, chunking := range map[string]bool{"bdat": true, "data": false} {
		b.Run(name, func(b *testing.B) {
			to := quickSink(b, chunking)
			w := newWorld(b, Zone{"d.test": {MX(10, "mx.d.test")}, "mx.d.test": {A("127.0.0.1")}})
			w.opt.Port, w.opt.Families = int(to.Port()), []string{"ipv4"}
			w.opt.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			w.opt.IdleTime = 1e9
			w.loopback = true
			tr := w.transport()
			body := strings.Repeat("A line of text as it comes in real messages, of seventy-eight characters.....\r\n", 52)
			j := job("b@d.test")
			j.Size = int64(len(body))
			j.Open = func() (io.ReadCloser, error) { return ready{strings.NewReader(body)}, nil }
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if out := tr.Deliver(ctx, j); out[0].Result != queue.Delivered {
					b.Fatal(shows(out))
				}
			}
		})
	}
}

// A message to a destination of its own: DNS from memory, a new connection.
func BenchmarkManyDestinations(b *testing.B) {
	to := quickSink(b, true)
	w := newWorld(b, nil)
	w.deps.Resolver = Func(func(_ context.Context, name string, t dns.Type) (dns.Answer, error) {
		a := dns.Answer{Name: name, TTL: 1e9, Records: []dns.Record{{IP: netip.MustParseAddr("127.0.0.1"), Host: "mx." + name}}}
		if t != dns.TypeMX && t != dns.TypeA {
			return dns.Answer{}, &dns.NotFound{Name: name, Type: t, Err: dns.ErrNoData}
		}
		return a, nil
	})
	w.opt.Port, w.opt.Allow, w.loopback = int(to.Port()), []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, true
	tr := w.transport()
	body := strings.Repeat("A line of text as it comes in real messages, of seventy-eight characters.....\r\n", 52)
	j := job("b@d.test")
	j.Size = int64(len(body))
	j.Open = func() (io.ReadCloser, error) { return ready{strings.NewReader(body)}, nil }
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		j.Destination = "d" + strconv.Itoa(n) + ".test"
		if out := tr.Deliver(b.Context(), j); out[0].Result != queue.Delivered {
			b.Fatal(shows(out))
		}
	}
}
