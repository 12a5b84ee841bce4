package smtpd_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/gateway/acceptor/acceptortest"
	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

// from is a connection from an address of choice.
type from struct {
	net.Conn
	addr string
}

func (f from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(f.addr), 50000))
}

// greet connects from addr and returns the first line.
func greet(t *testing.T, s *smtpd.Server, addr string) (string, net.Conn, *sync.WaitGroup) {
	t.Helper()
	a, b := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { s.ServeConn(from{b, addr}) })
	line := make([]byte, 200)
	n, err := a.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	return string(line[:n]), a, &wg
}

func TestConnectionsAreLimitedByNetwork(t *testing.T) {
	t.Parallel()
	s := newServer(t, smtpd.Options{Limits: smtpd.Limits{ConnectionsPerIP: 2}}, &smtpdtest.Handler{})
	for _, c := range []struct {
		addr, want string
	}{
		{"192.0.2.1", "220"},
		{"192.0.2.1", "220"},
		{"192.0.2.1", "421 4.7.0"},
		{"192.0.2.2", "220"},
		{"::ffff:192.0.2.1", "421"},
		{"2001:db8::1", "220"},
		{"2001:db8::2:1", "220"},
		{"2001:db8::ffff:3", "421"},
		{"2001:db8:0:1::1", "220"},
	} {
		if got, _, _ := greet(t, s, c.addr); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %s", c.addr, got, c.want)
		}
	}
}

func TestPlacesAreGivenBack(t *testing.T) {
	t.Parallel()
	conns := smtpd.NewConnections(2, 1)
	s := newServer(t, smtpd.Options{Connections: conns}, &smtpdtest.Handler{})
	for range 5 {
		line, c, wg := greet(t, s, "192.0.2.1")
		if !strings.HasPrefix(line, "220") || conns.Open() != 1 {
			t.Fatal(line, conns.Open())
		}
		c.Close()
		wg.Wait()
	}
	if conns.Open() != 0 {
		t.Error(conns.Open())
	}
}

func TestConnectionsAreLimitedInAllAcrossServers(t *testing.T) {
	t.Parallel()
	conns := smtpd.NewConnections(2, 0)
	a := newServer(t, smtpd.Options{Connections: conns}, &smtpdtest.Handler{})
	b := newServer(t, smtpd.Options{Connections: conns, Protocol: "lmtp"}, &smtpdtest.Handler{})
	for i, c := range []struct {
		s    *smtpd.Server
		want string
	}{{a, "220"}, {b, "220"}, {a, "421 4.7.0"}, {b, "421 4.7.0"}} {
		if got, _, _ := greet(t, c.s, "192.0.2.1"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%d: %q, want %s", i, got, c.want)
		}
	}
}

func TestReconfigureIsForNewConnections(t *testing.T) {
	t.Parallel()
	s := newServer(t, smtpd.Options{}, &smtpdtest.Handler{})
	_, old, wg := greet(t, s, "192.0.2.1")
	if err := s.Reconfigure(smtpd.Options{Hostname: "new.example.test", Limits: smtpd.Limits{Recipients: 7}}, &smtpdtest.Handler{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Reconfigure(smtpd.Options{Hostname: "x", Limits: smtpd.Limits{CommandLine: 1}}, &smtpdtest.Handler{}); err == nil {
		t.Error("bad options were taken")
	}
	if line, _, _ := greet(t, s, "192.0.2.1"); !strings.HasPrefix(line, "220 new.example.test") {
		t.Error(line)
	}
	io.WriteString(old, "EHLO x\r\n")
	b := make([]byte, 1000)
	n, _ := old.Read(b)
	if !strings.Contains(string(b[:n]), "RCPTMAX=100") {
		t.Errorf("%q", b[:n])
	}
	old.Close()
	wg.Wait()
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	ok := smtpd.Options{Hostname: "mx.example.test"}
	for name, change := range map[string]func(o *smtpd.Options){
		"hostname":     func(o *smtpd.Options) { o.Hostname = "" },
		"tls":          func(o *smtpd.Options) { o.ImplicitTLS = true },
		"extension":    func(o *smtpd.Options) { o.Disable = []string{"EHLO"} },
		"line ends":    func(o *smtpd.Options) { o.BareLineEnds = 2 },
		"command line": func(o *smtpd.Options) { o.Limits.CommandLine = 9000 },
		"text line":    func(o *smtpd.Options) { o.Limits.TextLine = 999 },
		"message":      func(o *smtpd.Options) { o.Limits.Message = 1000 },
		"recipients":   func(o *smtpd.Options) { o.Limits.Recipients = -1 },
		"idle":         func(o *smtpd.Options) { o.Limits.IdleTimeout = -1 },
		"tarpit":       func(o *smtpd.Options) { o.Limits.Tarpit = -1 },
		"long tarpit":  func(o *smtpd.Options) { o.Limits.Tarpit = time.Minute + 1 },
		"early talker": func(o *smtpd.Options) { o.Limits.EarlyTalker = time.Minute + 1 },
	} {
		o := ok
		change(&o)
		if _, err := smtpd.New(o, &smtpdtest.Handler{}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := smtpd.New(ok, &smtpdtest.Handler{}); err != nil {
		t.Error(err)
	}
}

func TestMetricsAndLog(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := smtpd.NewMetrics(reg)
	var log syncBuilder
	h := &smtpdtest.Handler{}
	s := newServer(t, smtpd.Options{Metrics: m, Logger: slog.New(slog.NewTextHandler(&log, nil))}, h)
	c := dial(t, s)
	c.hello()
	c.envelope()
	c.send("RCPT TO:<error@example.test>\r\n")
	c.expect("451 4.3.0")
	c.send("BDAT 3 LAST\r\na\r\n")
	c.expect("250")
	c.send("QUIT\r\n")
	c.expect("221")
	c.expectEnd()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"gapura_smtp_message_octets_total smtp": 3, "gapura_smtp_connections_open smtp": 0, "gapura_smtp_connections_total smtp accepted": 1,
		"gapura_smtp_commands_total 2 smtp RCPT": 1, "gapura_smtp_commands_total 4 smtp RCPT": 1, "gapura_smtp_commands_total 2 smtp END": 1, "gapura_smtp_commands_total 2 smtp QUIT": 1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
	if !strings.Contains(log.String(), "a secret of the server") || !strings.Contains(log.String(), "remote=127.0.0.1:50000") {
		t.Errorf("log: %s", log.String())
	}
}

type syncBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuilder) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuilder) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// An administrator finds what the server refused by the session as well as by
// the id in the reply.
func TestLinesOfTheLogNameTheSession(t *testing.T) {
	t.Parallel()
	var log syncBuilder
	opt := smtpd.Options{TLS: testTLS(), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	c := dial(t, newServer(t, opt, &smtpdtest.Handler{}))
	c.hello()
	c.send("MAIL FROM:<a@example.test> NOSUCH=1\r\n")
	c.expect("555")
	c.send("STARTTLS\r\nMAIL FROM:<inject@example.test>\r\n")
	c.expect("220")
	c.Conn.Close()
	<-c.done
	for _, msg := range []string{"msg=refused id=S1 ", `msg="dropped what was pipelined after STARTTLS"`, `msg="TLS handshake failed"`} {
		_, line, found := strings.Cut(log.String(), msg)
		line, _, _ = strings.Cut(line, "\n")
		if !found || !strings.Contains(line, " session=S1 ") {
			t.Errorf("%s: %q in\n%s", msg, line, log.String())
		}
	}
}

func TestClosingAListenerLeavesItsConnections(t *testing.T) {
	t.Parallel()
	s := newServer(t, smtpd.Options{}, &smtpdtest.Handler{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	b := make([]byte, 500)
	if n, err := nc.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "220") {
		t.Fatal(err)
	}
	l.Close()
	if err := <-done; err == nil || err == smtpd.ErrServerClosed {
		t.Error(err)
	}
	io.WriteString(nc, "NOOP\r\n")
	if n, err := nc.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "250") {
		t.Error(err)
	}
	go s.Shutdown(context.Background())
	if n, err := nc.Read(b); err != nil || !strings.HasPrefix(string(b[:n]), "421") {
		t.Errorf("%q, %v", b[:n], err)
	}
}

// TestIdleConnectionsHoldNoBuffers bounds what an idle connection costs on
// the heap and on stacks.
func TestIdleConnectionsHoldNoBuffers(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("opens many sockets; the race detector needs memory of its own")
	}
	s := newServer(t, smtpd.Options{Limits: smtpd.Limits{ConnectionsPerIP: -1, Connections: -1}}, nothing{})
	acceptortest.IdleHoldsLittle(t, s, func(int) []string {
		return []string{"EHLO x\r\n", "MAIL FROM:<a@example.org>\r\n"}
	})
}

func ExampleConnections() {
	c := smtpd.NewConnections(2000, 20)
	fmt.Println(c.Open())
	// Output: 0
}

// TestASlowClientFindsTheHandlerOfNow: one that takes its time over the PROXY
// header while the configuration changes, or says XCLIENT afterwards. The
// handler it was accepted under may be closed by then.
func TestASlowClientFindsTheHandlerOfNow(t *testing.T) {
	t.Parallel()
	old, now, later := &smtpdtest.Handler{}, &smtpdtest.Handler{}, &smtpdtest.Handler{}
	opt := smtpd.Options{ProxyFrom: []netip.Prefix{loopback}, XClientFrom: []netip.Prefix{loopback}, Hostname: "mx.example.test"}
	s := newServer(t, opt, old)
	c := dial(t, s)
	c.send("PROXY ")
	if err := s.Reconfigure(opt, now); err != nil {
		t.Fatal(err)
	}
	c.send("UNKNOWN\r\n")
	c.expect("220")
	if err := s.Reconfigure(opt, later); err != nil {
		t.Fatal(err)
	}
	c.send("XCLIENT ADDR=192.0.2.1\r\n")
	c.expect("220")
	c.send("QUIT\r\n")
	c.expect("221")
	c.expectEnd()
	if len(old.Infos()) != 0 || len(now.Infos()) != 1 || len(later.Infos()) != 1 {
		t.Error(len(old.Infos()), len(now.Infos()), len(later.Infos()))
	}
}
