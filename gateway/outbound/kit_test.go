package outbound

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a network of tests: its DNS, and what listens at which address.
type world struct {
	t        testing.TB
	zone     dnstest.Zone
	hosts    map[string]func(net.Conn) // by address:port or address
	opt      Options
	deps     Deps
	state    *State
	db       *sqldb.DB
	log      *strings.Builder
	loopback bool // dial really

	refuse func(source netip.Addr) error // nil: no source is refused

	mu    sync.Mutex
	dials []string
	wg    sync.WaitGroup
}

func newWorld(t testing.TB, zone dnstest.Zone) *world {
	return &world{t: t, zone: zone, hosts: map[string]func(net.Conn){}, log: &strings.Builder{}}
}

// transport makes the Transport; everything ends with the test.
func (w *world) transport() *Transport {
	w.t.Helper()
	if w.state == nil {
		var err error
		if w.state, err = NewState(w.t.Context(), w.db, nil, slog.Default()); err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() { w.state.Close(); w.wg.Wait() })
	}
	d := w.deps
	d.Hello, d.State, d.Dial = "gw.test", w.state, w.dial
	if w.loopback {
		d.Dial = nil
	}
	d.Addresses = []netip.Addr{netip.MustParseAddr("198.51.100.1")}
	if d.Resolver == nil {
		d.Resolver = w.zone
	}
	d.Log = slog.New(slog.NewTextHandler(&locked{w: w.log}, nil))
	tr, err := New(w.opt, d)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(tr.Close)
	return tr
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// dial connects to whatever is in hosts: nothing there refuses, nil hangs.
func (w *world) dial(ctx context.Context, source netip.Addr, to netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	line := to.Addr().String()
	if source.IsValid() {
		line = source.String() + ">" + line
	}
	w.dials = append(w.dials, line)
	w.mu.Unlock()
	if w.refuse != nil {
		if err := w.refuse(source); err != nil {
			return nil, err
		}
	}
	serve, ok := w.hosts[to.String()]
	if !ok {
		serve, ok = w.hosts[to.Addr().String()]
	}
	switch {
	case !ok:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case serve == nil:
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	}
	near, far := net.Pipe()
	eager := &eager{far, make(chan []byte, 1000), make(chan struct{})}
	w.wg.Go(func() {
		defer far.Close()
		gone := false
		for b := range eager.out {
			if _, err := far.Write(b); err != nil && !gone {
				gone = true
				close(eager.gone)
			}
		}
	})
	w.wg.Go(func() {
		defer close(eager.out)
		serve(eager)
	})
	return near, nil
}

// eager is a side of a pipe that has room for what it writes, as sockets do.
type eager struct {
	net.Conn
	out  chan []byte
	gone chan struct{}
}

func (e *eager) Write(p []byte) (int, error) {
	select {
	case e.out <- bytes.Clone(p):
		return len(p), nil
	case <-e.gone:
		return 0, net.ErrClosed
	}
}

// Close is for those who speak TLS on it: it ends when the server does.
func (e *eager) Close() error { return nil }

func (w *world) dialled() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.dials, " ")
}

// sink is a server that takes mail, but for what it is told to answer.
type sink struct {
	ext     []string
	cert    *tls.Certificate
	replies map[string]string // verb, or verb and argument, or END: reply
	hello   string            // the greeting

	mu    sync.Mutex
	mails []mail
	conns int
	lines []string
}

type mail struct{ from, rcpts, text string }

func (s *sink) taken() []mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails
}

// said tells what line with a prefix was heard last.
func (s *sink) said(prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.lines) - 1; i >= 0; i-- {
		if strings.HasPrefix(s.lines[i], prefix) {
			return s.lines[i]
		}
	}
	return ""
}

func (s *sink) opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

// set changes what is said.
func (s *sink) set(line, reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replies[line] = reply
}

// answer finds what is said to a line.
func (s *sink) answer(line, otherwise string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	verb, _, _ := strings.Cut(line, " ")
	if r, ok := s.replies[line]; ok {
		return r
	}
	if r, ok := s.replies[strings.ToUpper(verb)]; ok {
		return r
	}
	return otherwise
}

// serve speaks SMTP until QUIT. A reply that ends in "!" closes behind it.
func (s *sink) serve(conn net.Conn) {
	s.mu.Lock()
	s.conns++
	s.mu.Unlock()
	in := bufio.NewReader(conn)
	ok := true
	say := func(text string) {
		text, end := strings.CutSuffix(text, "!")
		for i, l := range strings.Split(text, "\n") {
			sep := "\r\n"
			if i == 0 && text == "" {
				break
			}
			if _, err := io.WriteString(conn, l+sep); err != nil {
				ok = false
			}
		}
		if end {
			ok = false
		}
	}
	greeting := s.hello
	if greeting == "" {
		greeting = "220 sink ESMTP"
	}
	say(greeting)
	var m mail
	secure := false
	for ok {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, arg, _ := strings.Cut(line, " ")
		s.mu.Lock()
		s.lines = append(s.lines, line)
		s.mu.Unlock()
		switch strings.ToUpper(verb) {
		case "EHLO":
			ext := append([]string{"sink"}, s.ext...)
			if s.cert != nil && !secure {
				ext = append(ext, "STARTTLS")
			}
			for i := range ext {
				sep := "-"
				if i == len(ext)-1 {
					sep = " "
				}
				ext[i] = "250" + sep + ext[i]
			}
			say(s.answer(line, strings.Join(ext, "\n")))
		case "STARTTLS":
			r := s.answer(line, "220 go")
			say(r)
			if !strings.HasPrefix(r, "220") {
				continue
			}
			tc := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*s.cert}})
			if tc.Handshake() != nil {
				return
			}
			conn, in, secure = tc, bufio.NewReader(tc), true
		case "MAIL":
			m = mail{from: arg}
			say(s.answer(line, "250 2.1.0 ok"))
		case "RCPT":
			r := s.answer(line, "250 2.1.5 ok")
			if strings.HasPrefix(r, "2") {
				m.rcpts += arg
			}
			say(r)
		case "DATA":
			if m.rcpts == "" {
				say("554 5.5.1 nobody")
				continue
			}
			r := s.answer(line, "354 go")
			say(r)
			if r == "" {
				_, _ = io.Copy(io.Discard, in)
				return
			}
			if r[0] != '3' {
				continue
			}
			m.text, err = readDots(in)
			if err != nil {
				return
			}
			s.end(m, say)
		case "BDAT":
			n, _ := strconv.Atoi(strings.Fields(arg)[0])
			b := make([]byte, n)
			if _, err := io.ReadFull(in, b); err != nil {
				return
			}
			if m.rcpts == "" {
				say("554 5.5.1 nobody")
				continue
			}
			m.text = string(b)
			s.end(m, say)
		case "QUIT":
			say(s.answer(line, "221 bye"))
			return
		default:
			say(s.answer(line, "250 ok"))
		}
	}
}

func (s *sink) end(m mail, say func(string)) {
	r := s.answer("END", "250 2.0.0 taken")
	if strings.HasPrefix(r, "2") {
		s.mu.Lock()
		s.mails = append(s.mails, m)
		s.mu.Unlock()
	}
	say(r)
}

func readDots(in *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		l, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if l == ".\r\n" {
			return b.String(), nil
		}
		b.WriteString(strings.TrimPrefix(l, "."))
	}
}

const text = "Subject: hi\r\n\r\nHello\r\n"

// job is a message from a@from.test.
func job(to ...string) *queue.Job {
	j := &queue.Job{
		ID: "01TEST", Route: queue.Outbound, Attempt: 1, Queued: time.Now(), Size: int64(len(text)),
		From: smtp.ReversePath{Address: smtp.Address{Local: "a", Domain: "from.test"}},
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}
	for _, s := range to {
		local, domain, _ := strings.Cut(s, "@")
		j.Rcpts = append(j.Rcpts, gateway.Recipient{To: smtp.ForwardPath{Address: smtp.Address{Local: local, Domain: domain}}})
		j.Destination, _ = smtp.ASCIIDomain(domain)
	}
	return j
}

// jobOf is a message of any text to b@d.test.
func jobOf(text string) *queue.Job {
	j := job("b@d.test")
	j.Size = int64(len(text))
	j.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
	return j
}

// show writes an outcome in short: "deferred 451 4.4.1 local dest mx.test 192.0.2.1".
func show(o queue.Outcome) string {
	b := []string{[...]string{"deferred", "delivered", "failed"}[o.Result], fmt.Sprint(o.Reply.Code), o.Reply.Enhanced.String()}
	for _, x := range []struct {
		on   bool
		word string
	}{{o.Local, "local"}, {o.Destination, "dest"}, {o.Relayed, "relayed"}, {o.MTA != "", o.MTA}, {o.Addr != "", o.Addr}} {
		if x.on {
			b = append(b, x.word)
		}
	}
	return strings.Join(b, " ")
}

func shows(out []queue.Outcome) string {
	s := make([]string, len(out))
	for i := range out {
		s[i] = show(out[i])
	}
	return strings.Join(s, "; ")
}

func wantOutcome(t *testing.T, out []queue.Outcome, want string) {
	t.Helper()
	if got := shows(out); got != want {
		t.Errorf("outcome\n got %s\nwant %s\n%s", got, want, out[0].Reply.Text)
	}
}

// contextFor is cancelled, not past its deadline, after d.
func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(d, cancel)
	return ctx, func() { timer.Stop(); cancel() }
}
