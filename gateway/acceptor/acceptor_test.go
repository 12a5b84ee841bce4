package acceptor_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/gateway/acceptor"
	"github.com/gapura-mail/gapura/gateway/acceptor/acceptortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// talk is a protocol that is a function.
type talk func(c *acceptor.Conn)

func (f talk) Talk(c *acceptor.Conn) { f(c) }

func (talk) Farewell(r acceptor.Reason) []byte {
	return []byte([]string{"full", "network", "early", "failed"}[r] + "\r\n")
}

func newServer(t testing.TB, opt acceptor.Options, f talk) *acceptor.Server {
	t.Helper()
	s, err := acceptor.New(opt, f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// dial returns the client's end of a connection.
func dial(t testing.TB, s *acceptor.Server) net.Conn {
	nc, _ := acceptortest.Dial(t, s.ServeConn)
	return nc
}

func all(t testing.TB, nc net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(nc)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// echo answers lines until one is "bye".
func echo(c *acceptor.Conn) {
	l := acceptor.Line{Max: 100, Idle: time.Hour, Within: time.Minute}
	for {
		b, err := c.ReadLine(&l, false)
		if err != nil {
			c.WriteString(err.Error() + "\r\n")
			if !errors.Is(err, acceptor.ErrLineLong) && !errors.Is(err, acceptor.ErrWoken) {
				return
			}
			continue
		}
		c.WriteString(string(b) + "\n")
		if string(b) == "bye\r" {
			c.Quiet()
			return
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	s := newServer(t, acceptor.Options{}, echo)
	exact, over := strings.Repeat("x", 98), strings.Repeat("x", 99)
	nc := dial(t, s)
	go io.WriteString(nc, "one\r\ntwo\nthree\r\n"+exact+"\r\n"+over+"\r\n"+strings.Repeat("y", 100000)+"\r\nbye\r\n")
	long := acceptor.ErrLineLong.Error() + "\r\n"
	if got, want := all(t, nc), "one\r\ntwo\nthree\r\n"+exact+"\r\n"+long+long+"bye\r\n"; got != want {
		t.Errorf("%q", got)
	}
	nc = dial(t, s)
	go io.WriteString(nc, strings.Repeat("y", 300<<10))
	if got := all(t, nc); got != acceptor.ErrLineEndless.Error()+"\r\n" {
		t.Errorf("%q", got)
	}
}

// TestLongerLines: some may be longer than others.
func TestLongerLines(t *testing.T) {
	t.Parallel()
	s := newServer(t, acceptor.Options{}, func(c *acceptor.Conn) {
		l := acceptor.Line{Max: 10, Idle: time.Hour, Within: time.Minute, Longer: func(b []byte) int {
			if bytes.HasPrefix(b, []byte("L")) {
				return 20000
			}
			return 0
		}}
		for range 3 {
			b, err := c.ReadLine(&l, false)
			c.WriteString(strings.Repeat("r", len(b)))
			if err != nil {
				c.WriteString("E")
			}
		}
		c.Quiet()
	})
	nc := dial(t, s)
	go io.WriteString(nc, "L"+strings.Repeat("x", 19998)+"\n"+"L"+strings.Repeat("x", 19999)+"\n1234567890\n")
	if got := all(t, nc); got != strings.Repeat("r", 19999)+"EE" {
		t.Errorf("%d octets", len(got))
	}
}

// TestWake wakes the wait that is, or the next one.
func TestWake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conns := make(chan *acceptor.Conn, 1)
		s := newServer(t, acceptor.Options{}, func(c *acceptor.Conn) {
			c.Wake()
			conns <- c
			echo(c)
		})
		nc := dial(t, s)
		r := bufio.NewReader(nc)
		woken := func() {
			t.Helper()
			if l, err := r.ReadString('\n'); err != nil || l != acceptor.ErrWoken.Error()+"\r\n" {
				t.Errorf("%q, %v", l, err)
			}
		}
		c := <-conns
		woken()
		synctest.Wait()
		for range 3 {
			c.Wake()
			woken()
		}
		// An idle timeout counts from then on.
		began := time.Now()
		l, _ := r.ReadString('\n')
		if d := time.Since(began); !strings.Contains(l, "timeout") || d < time.Hour || d > time.Hour*5/4 {
			t.Errorf("%q after %v", l, d)
		}
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := acceptor.NewMetrics(reg, "test")
	s := newServer(t, acceptor.Options{Metrics: m, Limits: acceptor.Limits{Connections: 3, ConnectionsPerIP: 2}}, func(c *acceptor.Conn) {
		c.WriteString("hello")
		if b, _ := c.ReadLine(&acceptor.Line{Max: 10, Idle: time.Hour, Within: time.Hour}, false); string(b) == "panic" {
			panic("test")
		}
	})
	hello := make([]byte, 5)
	var open []net.Conn
	for range 2 {
		nc := dial(t, s)
		if _, err := io.ReadFull(nc, hello); err != nil {
			t.Fatal(err)
		}
		open = append(open, nc)
	}
	if got := all(t, dial(t, s)); got != "network\r\n" {
		t.Errorf("%q", got)
	}
	io.WriteString(open[0], "panic\n")
	if got := all(t, open[0]); got != "failed\r\n" {
		t.Errorf("%q", got)
	}
	if err := s.Reconfigure(acceptor.Options{Limits: acceptor.Limits{Connections: 1}}); err != nil {
		t.Fatal(err)
	}
	if got := all(t, dial(t, s)); got != "full\r\n" {
		t.Errorf("%q", got)
	}
}

func TestEarlyTalkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, acceptor.Options{EarlyTalker: time.Second}, func(c *acceptor.Conn) { c.WriteString("hello") })
		nc := dial(t, s)
		go io.WriteString(nc, "x")
		if got := all(t, nc); got != "early\r\n" {
			t.Errorf("%q", got)
		}
		began := time.Now()
		if got := all(t, dial(t, s)); got != "hello" || time.Since(began) < time.Second {
			t.Errorf("%q after %v", got, time.Since(began))
		}
	})
}

// TestWritesAreBig, and what was queued comes in order.
func TestWritesAreBig(t *testing.T) {
	t.Parallel()
	s := newServer(t, acceptor.Options{}, func(c *acceptor.Conn) {
		for range 1000 {
			c.WriteString("0123456789")
		}
		c.Write(make([]byte, 100<<10))
		b, err := c.Room(1000)
		if err != nil || cap(b)-len(b) < 1000 {
			t.Error(cap(b), err)
		}
		c.SetOutput(append(b, "end"...))
		b, err = c.Room(1 << 20)
		if err != nil || len(b) != 0 || cap(b) != 64<<10 {
			t.Error(len(b), cap(b), err)
		}
		c.Quiet()
	})
	nc := &acceptortest.Script{}
	s.ServeConn(nc)
	if w := nc.Writes; len(w) != 3 || w[0] != 10000 || w[1] != 100<<10 || w[2] != 3 {
		t.Error(w)
	}
}

// TestWritingFailsForEver, so that nobody goes on working for a client that has
// gone.
func TestWritingFailsForEver(t *testing.T) {
	t.Parallel()
	s := newServer(t, acceptor.Options{}, func(c *acceptor.Conn) {
		for i := range 3 {
			c.WriteString("x")
			if c.Flush() == nil {
				t.Error(i)
			}
		}
		if _, err := c.Write(make([]byte, 1<<20)); err == nil {
			t.Error("taken")
		}
	})
	a, b := net.Pipe()
	a.Close()
	s.ServeConn(acceptortest.Addressed{Conn: b})
}

// TestLayer: what had been read already is the layer's.
func TestLayer(t *testing.T) {
	t.Parallel()
	s := newServer(t, acceptor.Options{}, func(c *acceptor.Conn) {
		l := acceptor.Line{Max: 100, Idle: time.Hour, Within: time.Hour}
		c.ReadLine(&l, false)
		c.WriteString("plain ")
		if err := c.Layer(func(under net.Conn) net.Conn { return rot{under} }); err != nil {
			t.Error(err)
		}
		b, _ := c.ReadLine(&l, false)
		c.WriteString(string(b))
		c.Quiet()
	})
	nc := dial(t, s)
	go io.WriteString(nc, "layer\nbcd\x0b")
	if got := all(t, nc); got != "plain bcd" {
		t.Errorf("%q", got)
	}
}

// rot moves octets by one.
type rot struct{ net.Conn }

func (r rot) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	for i := range p[:n] {
		p[i]--
	}
	return n, err
}

func (r rot) Write(p []byte) (int, error) {
	q := bytes.Clone(p)
	for i := range q {
		q[i]++
	}
	return r.Conn.Write(q)
}

// TestRead reads what is buffered, then the connection.
func TestRead(t *testing.T) {
	t.Parallel()
	s := newServer(t, acceptor.Options{}, func(c *acceptor.Conn) {
		c.ReadLine(&acceptor.Line{Max: 100, Idle: time.Hour, Within: time.Hour}, false)
		var got []byte
		for len(got) < 100000 {
			b := make([]byte, 3000)
			n, err := c.Read(b, time.Hour)
			if err != nil {
				t.Error(err)
				return
			}
			got = append(got, b[:n]...)
		}
		if len(got) != 100000 || !bytes.Equal(got, bytes.Repeat([]byte("0123456789"), 10000)) {
			t.Error(len(got))
		}
		c.Quiet()
	})
	nc := dial(t, s)
	io.WriteString(nc, "go\n"+strings.Repeat("0123456789", 10000))
	all(t, nc)
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, acceptor.Options{}, func(c *acceptor.Conn) {
			err := c.Wait(time.Hour, false)
			c.WriteString(err.Error())
		})
		busy := newServer(t, acceptor.Options{}, func(c *acceptor.Conn) {
			err := c.Wait(time.Hour, true)
			if !c.Stopped() || c.Context().Err() == nil {
				t.Error("not cut short")
			}
			c.WriteString(err.Error())
		})
		a, b := dial(t, s), dial(t, busy)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go s.Shutdown(ctx)
		ended := make(chan error, 1)
		go func() { ended <- busy.Shutdown(ctx) }()
		for _, nc := range []net.Conn{a, b} {
			if got := all(t, nc); got != acceptor.ErrDraining.Error() {
				t.Errorf("%q", got)
			}
		}
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]acceptor.Options{
		"tls":     {ImplicitTLS: true},
		"early":   {EarlyTalker: -1},
		"timeout": {Limits: acceptor.Limits{TLSTimeout: -1}},
	} {
		if _, err := acceptor.New(o, talk(nil)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestTheConnectionsOfAUserEnd, those of others go on.
func TestTheConnectionsOfAUserEnd(t *testing.T) {
	t.Parallel()
	s := newServer(t, acceptor.Options{}, func(c *acceptor.Conn) {
		l := acceptor.Line{Max: 100, Idle: time.Hour, Within: time.Minute}
		b, err := c.ReadLine(&l, false)
		if err != nil {
			return
		}
		c.LogIn(strings.Fields(string(b))...)
		echo(c)
	})
	login := func(user string) (net.Conn, *bufio.Reader) {
		nc := dial(t, s)
		r := bufio.NewReader(nc)
		io.WriteString(nc, user+"\r\nhello\r\n")
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "hello") {
			t.Fatalf("%q, %v", line, err)
		}
		return nc, r
	}
	_, ana := login("ana")
	bobs, bob := login("bob")
	_, eve := login("carl ana") // who acts for carl
	if n := s.End("ana"); n != 2 {
		t.Errorf("%d ended", n)
	}
	if b, _ := io.ReadAll(ana); len(b) > 40 {
		t.Errorf("ana hears %q", b)
	}
	if b, _ := io.ReadAll(eve); len(b) > 40 {
		t.Errorf("ana, as carl, hears %q", b)
	}
	if s.End("") != 0 || s.End("nobody") != 0 {
		t.Error("somebody was nobody")
	}
	io.WriteString(bobs, "bye\r\n")
	if b, err := io.ReadAll(bob); err != nil || !strings.HasPrefix(string(b), "bye") {
		t.Errorf("bob: %q, %v", b, err)
	}
}
