package smtpd_test

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

// Each test here shows a defect of github.com/emersion/go-smtp, for which it
// is not our server, and its absence in ours. When one says that a defect is
// gone, the decision can be looked at again.

// peer is a server under test: where to connect, and what it took.
type peer struct {
	dial  func() net.Conn
	taken func() []taken
	stop  func()
}

type taken struct {
	rcpts []string
	body  string
}

// compare runs the same dialogue against both; defect tells from what happened
// whether the defect showed.
func compare(t *testing.T, dialogue func(t *testing.T, p peer) (defect bool)) {
	t.Helper()
	for _, c := range []struct {
		name string
		peer func(t *testing.T) peer
		want bool
	}{{"go-smtp", newGoSMTP, true}, {"ours", newOurs, false}} {
		synctest.Test(t, func(t *testing.T) {
			p := c.peer(t)
			got := dialogue(t, p)
			p.stop()
			switch {
			case got && !c.want:
				t.Errorf("our server has this defect")
			case !got && c.want:
				t.Errorf("go-smtp does not have this defect any more: gateway/smtpd was written because of it, the decision can be looked at again")
			}
		})
	}
}

func newOurs(t *testing.T) peer {
	h := &smtpdtest.Handler{}
	s := newServer(t, smtpd.Options{Limits: smtpd.Limits{RateWindow: 10 * time.Minute, IdleTimeout: 10 * time.Minute}}, &closingHandler{h})
	return peer{
		dial: func() net.Conn {
			a, b := net.Pipe()
			go s.ServeConn(addressed{counted{b}})
			return a
		},
		taken: func() (list []taken) {
			for _, m := range h.Messages() {
				x := taken{body: m.Data}
				for _, r := range m.Rcpts {
					x.rcpts = append(x.rcpts, r.String())
				}
				list = append(list, x)
			}
			return list
		},
		stop: func() { s.Shutdown(context.Background()) },
	}
}

// closingHandler says 421 for the recipient gone.
type closingHandler struct{ *smtpdtest.Handler }

func (h *closingHandler) Connect(ctx context.Context, info smtpd.Info) (smtpd.Session, smtp.Reply, error) {
	s, r, err := h.Handler.Connect(ctx, info)
	return closingSession{s}, r, err
}

type closingSession struct{ smtpd.Session }

func (s closingSession) Mail(ctx context.Context, from smtp.ReversePath, p smtp.MailParams) (smtpd.Transaction, smtp.Reply, error) {
	tx, r, err := s.Session.Mail(ctx, from, p)
	return closingTx{tx}, r, err
}

type closingTx struct{ smtpd.Transaction }

func (x closingTx) Rcpt(ctx context.Context, to smtp.ForwardPath, p smtp.RcptParams) (smtp.Reply, error) {
	if to.Local == "gone" {
		return smtp.NewReply(421, smtp.EnhancedCode{4, 3, 0}, "gone"), nil
	}
	return x.Transaction.Rcpt(ctx, to, p)
}

func newGoSMTP(t *testing.T) peer {
	b := &goBackend{}
	s := gosmtp.NewServer(b)
	s.Domain = "mx.example.test"
	s.ReadTimeout = 5 * time.Minute
	s.ErrorLog = log.New(io.Discard, "", 0)
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(l)
	}()
	return peer{
		dial: func() net.Conn {
			a, c := net.Pipe()
			l.conns <- counted{c}
			return a
		},
		taken: func() []taken {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.taken
		},
		stop: func() { s.Close(); <-done },
	}
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

type goBackend struct {
	mu    sync.Mutex
	taken []taken
}

func (b *goBackend) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return &goSession{b: b}, nil }

type goSession struct {
	b *goBackend
	m taken
}

func (s *goSession) Reset()                                 { s.m = taken{} }
func (s *goSession) Logout() error                          { return nil }
func (s *goSession) Mail(string, *gosmtp.MailOptions) error { return nil }
func (s *goSession) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if strings.HasPrefix(to, "gone@") {
		return &gosmtp.SMTPError{Code: 421, EnhancedCode: gosmtp.EnhancedCode{4, 3, 0}, Message: "gone"}
	}
	s.m.rcpts = append(s.m.rcpts, to)
	return nil
}

func (s *goSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.m.body = string(b)
	s.b.taken = append(s.b.taken, s.m)
	return nil
}

// writes counts what servers write.
var writes atomic.Int64

type counted struct{ net.Conn }

func (c counted) Write(b []byte) (int, error) {
	writes.Add(1)
	return c.Conn.Write(b)
}

// talker is a client that reads all the time.
type talker struct {
	net.Conn
	mu  sync.Mutex
	got strings.Builder
}

func (p peer) talk() *talker {
	c := &talker{Conn: p.dial()}
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			c.mu.Lock()
			c.got.Write(b[:n])
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

// say sends text and returns what comes back until the server has nothing
// more to say.
func (c *talker) say(text string) string {
	c.mu.Lock()
	c.got.Reset()
	c.mu.Unlock()
	go io.WriteString(c, text)
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got.String()
}

const helloAndSender = "EHLO x\r\nMAIL FROM:<a@example.org>\r\n"

func TestGoSMTPTakesAShortChunkForAMessage(t *testing.T) {
	compare(t, func(t *testing.T, p peer) bool {
		c := p.talk()
		c.say(helloAndSender + "RCPT TO:<b@example.test>\r\nBDAT 100 LAST\r\nSubject: short\r\n\r\n")
		c.Close()
		synctest.Wait()
		return len(p.taken()) == 1
	})
}

func TestGoSMTPRunsABodyAsCommandsAfterATimeout(t *testing.T) {
	compare(t, func(t *testing.T, p peer) bool {
		c := p.talk()
		c.say(helloAndSender + "RCPT TO:<b@example.test>\r\nDATA\r\nSubject: x\r\n\r\n")
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		got := c.say("NOOP as text\r\n")
		c.Close()
		synctest.Wait()
		return strings.Contains(got, "250 ")
	})
}

func TestGoSMTPKeepsRecipientsAfterASecondMail(t *testing.T) {
	compare(t, func(t *testing.T, p peer) bool {
		c := p.talk()
		c.say(helloAndSender + "RCPT TO:<b@example.test>\r\n")
		second := c.say("MAIL FROM:<c@example.org>\r\n")
		c.say("RCPT TO:<d@example.test>\r\nDATA\r\n")
		c.say("x\r\n.\r\n")
		c.Close()
		synctest.Wait()
		m := p.taken()
		if len(m) != 1 {
			t.Fatal(m)
		}
		return strings.HasPrefix(second, "250 ") && len(m[0].rcpts) == 2
	})
}

func TestGoSMTPLosesTheQuotesOfLocalParts(t *testing.T) {
	compare(t, func(t *testing.T, p peer) bool {
		c := p.talk()
		c.say(helloAndSender + "RCPT TO:<\"x@good> NOTIFY=NEVER <y\"@example.test>\r\nDATA\r\n")
		c.say("x\r\n.\r\n")
		c.Close()
		synctest.Wait()
		m := p.taken()
		if len(m) != 1 || len(m[0].rcpts) != 1 {
			t.Fatal(m)
		}
		return m[0].rcpts[0] == "x@good> NOTIFY=NEVER <y@example.test"
	})
}

func TestGoSMTPLosesOctetsAfterADot(t *testing.T) {
	compare(t, func(t *testing.T, p peer) bool {
		c := p.talk()
		c.say(helloAndSender + "RCPT TO:<b@example.test>\r\nDATA\r\n")
		c.say("a\r\n.\rx\r\n.\r\n")
		c.Close()
		synctest.Wait()
		m := p.taken()
		return len(m) == 1 && m[0].body == "a\r\nx\r\n"
	})
}

func TestGoSMTPGoesOnAfter421(t *testing.T) {
	compare(t, func(t *testing.T, p peer) bool {
		c := p.talk()
		c.say(helloAndSender + "RCPT TO:<gone@example.test>\r\n")
		got := c.say("NOOP\r\n")
		c.Close()
		synctest.Wait()
		return strings.Contains(got, "250 ")
	})
}

func TestGoSMTPTakesAnyNumberOfNOOP(t *testing.T) {
	compare(t, func(t *testing.T, p peer) bool {
		c := p.talk()
		got := c.say("EHLO x\r\n" + strings.Repeat("NOOP\r\n", 1000))
		c.Close()
		synctest.Wait()
		return !strings.Contains(got, "421 ")
	})
}

func TestGoSMTPWritesEveryLineOfAReplyByItself(t *testing.T) {
	compare(t, func(t *testing.T, p peer) bool {
		c := p.talk()
		defer c.Close()
		c.say("")
		before := writes.Load()
		c.say("EHLO x\r\n")
		return writes.Load()-before > 1
	})
}

// TestGoSMTPAlwaysOffersChunking: its Server has no field that could switch it
// off. Ours is in testdata/dialogues/extensions-switched-off.smtp.
func TestGoSMTPAlwaysOffersChunking(t *testing.T) {
	typ := reflect.TypeFor[gosmtp.Server]()
	for i := range typ.NumField() {
		if name := strings.ToUpper(typ.Field(i).Name); strings.Contains(name, "CHUNK") || strings.Contains(name, "BDAT") {
			t.Errorf("go-smtp has %s now", typ.Field(i).Name)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		p := newGoSMTP(t)
		defer p.stop()
		c := p.talk()
		defer c.Close()
		if got := c.say("EHLO x\r\n"); !strings.Contains(got, "CHUNKING") {
			t.Errorf("go-smtp says %q", got)
		}
	})
}

// TestTextComesInLargePieces is no timed test: it says that text comes in pieces as
// large as the buffer, where go-smtp reads octet by octet.
func TestTextComesInLargePieces(t *testing.T) {
	t.Parallel()
	h := &pieceHandler{}
	addr, _ := serve(t, smtpd.Options{Protocol: "smtp"}, h)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go io.WriteString(c, helloAndSender+"RCPT TO:<b@example.test>\r\nDATA\r\n"+strings.Repeat("text of a line\r\n", 1<<16)+".\r\nQUIT\r\n")
	io.Copy(io.Discard, bufio.NewReader(c))
	if h.octets != 1<<20 || h.pieces > 600 {
		t.Errorf("%d octets in %d pieces", h.octets, h.pieces)
	}
}

type pieceHandler struct{ pieces, octets int }

func (h *pieceHandler) Connect(context.Context, smtpd.Info) (smtpd.Session, smtp.Reply, error) {
	return h, smtp.Reply{}, nil
}

func (h *pieceHandler) Helo(context.Context, smtpd.Info) (smtp.Reply, error) {
	return smtp.Reply{}, nil
}

func (h *pieceHandler) Mail(context.Context, smtp.ReversePath, smtp.MailParams) (smtpd.Transaction, smtp.Reply, error) {
	return h, smtp.Reply{}, nil
}

func (h *pieceHandler) Rcpt(context.Context, smtp.ForwardPath, smtp.RcptParams) (smtp.Reply, error) {
	return smtp.Reply{}, nil
}

func (h *pieceHandler) Data(_ context.Context, r io.Reader) ([]smtp.Reply, error) {
	_, err := r.(io.WriterTo).WriteTo(h)
	return nil, err
}
func (h *pieceHandler) Reset() {}
func (h *pieceHandler) Close() {}
func (h *pieceHandler) Write(p []byte) (int, error) {
	h.pieces++
	h.octets += len(p)
	return len(p), nil
}
