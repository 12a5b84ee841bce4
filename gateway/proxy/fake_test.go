package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a backend on net.Pipe. Its behaviour may be changed at any time.
type fake struct {
	mu    sync.Mutex
	dials int
	open  int
	most  int      // connections at once
	log   []string // commands of all connections, in order
	mails []string // messages taken

	offer string // after PIPELINING, separated by spaces with _ for a space
	// on answers a command, "." being the end of the message; "" : the usual
	// answer; "drop" closes, "hang" says nothing more.
	on func(f *fake, line string) string
	// refuse is the error of dialling.
	refuse error
}

func (f *fake) set(on func(f *fake, line string) string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = on
}

func (f *fake) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = err
}

// count counts the commands that begin with verb.
func (f *fake) count(verb string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.log {
		if strings.HasPrefix(l, verb) {
			n++
		}
	}
	return n
}

func (f *fake) taken() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mails
}

func (f *fake) dialled() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials
}

func (f *fake) dial() (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials++
	if f.refuse != nil {
		return nil, f.refuse
	}
	f.open++
	f.most = max(f.most, f.open)
	near, far := net.Pipe()
	go func() {
		f.serve(far)
		far.Close()
		f.mu.Lock()
		f.open--
		f.mu.Unlock()
	}()
	return near, nil
}

// answer is what f says to a command.
func (f *fake) answer(line string) string {
	f.mu.Lock()
	f.log = append(f.log, line)
	on := f.on
	f.mu.Unlock()
	if on != nil {
		if s := on(f, line); s != "" {
			return s
		}
	}
	verb, _, _ := strings.Cut(line, " ")
	switch verb {
	case "connect":
		return "220 fake"
	case "EHLO", "LHLO":
		s := "250-fake\r\n250-PIPELINING"
		for word := range strings.FieldsSeq(f.offer) {
			s += "\r\n250-" + strings.ReplaceAll(word, "_", " ")
		}
		return s + "\r\n250 HELP"
	case "DATA":
		return "354 go"
	case "QUIT":
		return "221 bye"
	case ".":
		return "250 2.0.0 taken"
	}
	return "250 2.1.0 Ok"
}

func (f *fake) serve(conn net.Conn) {
	in := bufio.NewReaderSize(conn, 1<<20)
	var out strings.Builder
	say := func(line string) (goOn bool) {
		s := f.answer(line)
		switch s {
		case "drop":
			return false
		case "hang":
			_, _ = io.Copy(io.Discard, in)
			return false
		}
		out.WriteString(s + "\r\n")
		return !strings.HasPrefix(s, "421") && line != "QUIT"
	}
	goOn := say("connect")
	rcpts, lmtp := 0, false
	for {
		if in.Buffered() == 0 || !goOn {
			_, _ = io.WriteString(conn, out.String())
			out.Reset()
		}
		if !goOn {
			return
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSuffix(line, "\r\n")
		goOn = say(line)
		switch {
		case strings.HasPrefix(line, "LHLO"):
			lmtp = true
		case strings.HasPrefix(line, "MAIL"):
			rcpts = 0
		case strings.HasPrefix(line, "RCPT") && strings.Contains(out.String()[max(0, out.Len()-40):], "250"):
			rcpts++
		case goOn && line == "DATA" && strings.HasSuffix(out.String(), "354 go\r\n"):
			_, _ = io.WriteString(conn, out.String())
			out.Reset()
			text, err := readText(in)
			if err != nil {
				return
			}
			f.mu.Lock()
			f.mails = append(f.mails, text)
			f.mu.Unlock()
			n := 1
			if lmtp {
				n = rcpts
			}
			for range n {
				if goOn = goOn && say("."); !goOn {
					break
				}
			}
		}
	}
}

func readText(in *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == ".\r\n" {
			return b.String(), nil
		}
		b.WriteString(line)
	}
}

// group makes a group whose backends are fakes, in a bubble.
func group(t *testing.T, opt Options, fakes ...*fake) *Group {
	t.Helper()
	hosts := map[string]*fake{}
	for i, f := range fakes {
		name := string(rune('a'+i)) + ".test:25"
		hosts[name] = f
		scheme := "smtp://"
		if strings.HasPrefix(f.offer, "LMTP") {
			scheme = "lmtp://"
		}
		opt.Backends = append(opt.Backends, scheme+name)
	}
	g, err := New("y.test", opt, Deps{
		Hello: "me", Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(nil),
		Dialer: func(_ context.Context, _, addr string) (net.Conn, error) { return hosts[addr].dial() },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// bubble runs a test in virtual time, at the same time as others.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f(t)
	})
}

var errRefusedConn = errors.New("connection refused")

func sender(s string) smtp.ReversePath {
	return smtp.ReversePath{Address: smtp.Address{Local: s, Domain: "x.test"}}
}

func rcpt(s string) smtp.ForwardPath {
	return smtp.ForwardPath{Address: smtp.Address{Local: s, Domain: "y.test"}}
}

func verify(t *testing.T, g *Group, from, to string) smtp.Reply {
	t.Helper()
	r, err := g.Verify(t.Context(), sender(from), smtp.MailParams{}, rcpt(to), smtp.RcptParams{})
	if err != nil {
		t.Error(err)
	}
	return r
}

func copyTo(from string, to ...string) *gateway.Copy {
	const text = "Subject: x\r\n\r\nHello.\r\n"
	c := &gateway.Copy{
		ID: "01J", From: sender(from), Size: int64(len(text)),
		Open: func() io.ReadCloser { return io.NopCloser(strings.NewReader(text)) },
	}
	for _, s := range to {
		c.Rcpts = append(c.Rcpts, gateway.Recipient{To: rcpt(s)})
	}
	return c
}

func commit(t *testing.T, g *Group, c *gateway.Copy) []smtp.Reply {
	t.Helper()
	d := g.Delivery()
	defer d.Abort()
	rs, err := d.Commit(t.Context(), c)
	if err != nil {
		t.Error(err)
	}
	if len(rs) != len(c.Rcpts) {
		t.Fatalf("%d replies for %d recipients", len(rs), len(c.Rcpts))
	}
	return rs
}

func want(t *testing.T, r smtp.Reply, code int, e smtp.EnhancedCode) {
	t.Helper()
	if r.Code != code || r.Enhanced != e {
		t.Errorf("reply is %s, want %d %s", r.Error(), code, e)
	}
}

// sayTo answers line with s.
func sayTo(prefix, s string) func(*fake, string) string {
	return func(_ *fake, line string) string {
		if strings.HasPrefix(line, prefix) {
			return s
		}
		return ""
	}
}
