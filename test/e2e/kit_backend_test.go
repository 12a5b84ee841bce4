package e2e_test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	gosmtp "github.com/emersion/go-smtp"
)

// backend is a go-smtp server behind the gateway that does as it is told.
type backend struct {
	addr string
	srv  *gosmtp.Server

	mu       sync.Mutex
	messages []string
	froms    []string              // envelope senders of messages
	rcpt     func(to string) error // nil: everybody is known
	data     func() error          // nil: everything is taken
}

// quiet is a log that nobody reads.
var quiet = log.New(io.Discard, "", 0)

// startBackend serves on a port of its own; config may be nil.
func startBackend(t testing.TB, config *tls.Config) *backend {
	t.Helper()
	return startBackendAt(t, "127.0.0.1:0", config)
}

// startBackendAt serves at an address.
func startBackendAt(t testing.TB, addr string, config *tls.Config) *backend {
	t.Helper()
	b := &backend{}
	b.srv = gosmtp.NewServer(b)
	b.srv.Domain = "backend.test"
	b.srv.TLSConfig = config
	b.srv.EnableSMTPUTF8 = true
	b.srv.ErrorLog = quiet
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	go b.srv.Serve(l)
	t.Cleanup(func() { b.srv.Close() })
	return b
}

// set changes what the backend answers.
func (b *backend) set(rcpt func(string) error, data func() error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rcpt, b.data = rcpt, data
}

// find returns the messages in which mark occurs.
func (b *backend) find(mark string) (found []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.messages {
		if strings.Contains(m, mark) {
			found = append(found, m)
		}
	}
	return slices.Clone(found)
}

// NewSession implements gosmtp.Backend.
func (b *backend) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return &backendSession{b: b}, nil }

type backendSession struct {
	b    *backend
	from string
}

func (s *backendSession) Mail(from string, _ *gosmtp.MailOptions) error { s.from = from; return nil }
func (s *backendSession) Reset()                                        {}
func (s *backendSession) Logout() error                                 { return nil }

func (s *backendSession) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	s.b.mu.Lock()
	f := s.b.rcpt
	s.b.mu.Unlock()
	if f != nil {
		return f(to)
	}
	return nil
}

func (s *backendSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.b.mu.Lock()
	f := s.b.data
	s.b.mu.Unlock()
	if f != nil {
		if err := f(); err != nil {
			return err
		}
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.messages, s.b.froms = append(s.b.messages, string(text)), append(s.b.froms, s.from)
	return nil
}

// says is a backend's reply.
func says(code int, enhanced [3]int, text string) error {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// relay passes connections on, and can hold one up at a chosen place.
type relay struct {
	addr string

	mu     sync.Mutex
	target func() string
	hold   func(up bool, sent int64, chunk []byte) bool // sent upwards so far
	held   chan struct{}                                // closed when hold said yes
	cut    func(up bool, sent int64, chunk []byte) bool // closes the connection
}

func startRelay(t testing.TB, target func() string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: l.Addr().String(), target: target}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			wg.Go(func() { r.pass(c) })
		}
	})
	t.Cleanup(func() { l.Close() })
	return r
}

// holdWhen holds up the connection where f says yes first, and no other. The
// channel is closed then.
func (r *relay) holdWhen(f func(up bool, sent int64, chunk []byte) bool) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold, r.held = f, make(chan struct{})
	return r.held
}

// cutWhen closes every connection where f says yes.
func (r *relay) cutWhen(f func(up bool, sent int64, chunk []byte) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = f
}

func (r *relay) cuts(up bool, sent int64, chunk []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cut != nil && r.cut(up, sent, chunk)
}

func (r *relay) pass(c net.Conn) {
	defer c.Close()
	s, err := net.Dial("tcp", r.target())
	if err != nil {
		return
	}
	defer s.Close()
	var sent int64
	var mu sync.Mutex
	move := func(dst, src net.Conn, up bool) {
		defer c.Close()
		defer s.Close()
		b := make([]byte, 16<<10)
		for {
			n, err := src.Read(b)
			mu.Lock()
			if up {
				sent += int64(n)
			}
			at := sent
			mu.Unlock()
			if n > 0 && r.holds(up, at, b[:n]) {
				io.Copy(io.Discard, src) // until a side closes
				return
			}
			if n > 0 && r.cuts(up, at, b[:n]) {
				return
			}
			if _, werr := dst.Write(b[:n]); err != nil || werr != nil {
				return
			}
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { move(s, c, true) })
	wg.Go(func() { move(c, s, false) })
	wg.Wait()
}

func (r *relay) holds(up bool, sent int64, chunk []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hold == nil || !r.hold(up, sent, chunk) {
		return false
	}
	r.hold = nil
	close(r.held)
	return true
}
