package imapd_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// held is what the process has from the system for its heap and stacks.
func held() uint64 {
	runtime.GC()
	runtime.GC() // empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// TestIdleConnectionsAreSmall: at most 16 KiB each in plaintext, 32 in TLS,
// and the client's half of TLS, which is in this process, too.
func TestIdleConnectionsAreSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector needs memory of its own")
	}
	for name, most := range map[string]int{"plaintext": 16 << 10, "TLS": 40 << 10} {
		t.Run(name, func(t *testing.T) {
			const n = 300
			opt := imapd.Options{TLS: testTLS(), ImplicitTLS: name == "TLS"}
			opt.Limits.Accepting = acceptor.Limits{Connections: -1, ConnectionsPerIP: -1}
			s := newServer(t, opt, openStore(t, mailbox.Options{}))
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() { s.Serve(l) })
			defer wg.Wait()
			conns := make([]net.Conn, 0, n)
			defer func() {
				for _, c := range conns {
					c.Close()
				}
				s.Shutdown(t.Context())
			}()
			for i := range 20 {
				conns = append(conns, idler(t, l.Addr().String(), opt.ImplicitTLS, i))
			}
			before := held()
			for i := range n {
				conns = append(conns, idler(t, l.Addr().String(), opt.ImplicitTLS, i))
			}
			each := int(held()-before) / n
			t.Logf("%d octets each", each)
			if each > most {
				t.Errorf("%d octets each, more than %d", each, most)
			}
		})
	}
}

var clientTLS = &tls.Config{InsecureSkipVerify: true}

// idler is a connection in IDLE.
func idler(t *testing.T, addr string, secure bool, i int) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if secure {
		c = tls.Client(c, clientTLS)
	}
	r := bufio.NewReaderSize(c, 2048)
	fmt.Fprintf(c, "a LOGIN u%d@example.test secret\r\nb SELECT INBOX\r\nc IDLE\r\n", i%20)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, "+ ") {
			return c
		}
	}
}
