package smtpd_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

// client is one end of a net.Pipe whose other end a server has.
type client struct {
	net.Conn
	t    *testing.T
	r    *bufio.Reader
	done chan struct{} // closed when the server is done with it
}

func newServer(t *testing.T, opt smtpd.Options, h smtpd.Handler) *smtpd.Server {
	t.Helper()
	opt.Hostname = "mx.example.test"
	if opt.Protocol == "" {
		opt.Protocol = "smtp"
	}
	s, err := smtpd.New(opt, h)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func dial(t *testing.T, s *smtpd.Server) *client {
	a, b := net.Pipe()
	c := &client{Conn: a, t: t, r: bufio.NewReader(a), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		s.ServeConn(addressed{b})
	}()
	return c
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("sending %q: %v", s, err)
	}
}

// expect reads replies and compares their codes.
func (c *client) expect(codes ...string) {
	c.t.Helper()
	for _, code := range codes {
		for {
			line, err := c.r.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, code) {
				c.t.Fatalf("got %q, %v; want %s", line, err, code)
			}
			if line[3] == ' ' {
				break
			}
		}
	}
}

// expectEnd waits until the server has closed the connection.
func (c *client) expectEnd() {
	c.t.Helper()
	if b, err := io.ReadAll(c.r); err != nil || len(b) > 0 {
		c.t.Fatalf("at the end: %q, %v", b, err)
	}
	<-c.done
}

func (c *client) hello() {
	c.t.Helper()
	c.expect("220")
	c.send("EHLO client.example.org\r\n")
	c.expect("250")
}

func (c *client) envelope() {
	c.t.Helper()
	c.send("MAIL FROM:<a@example.org>\r\n")
	c.expect("250")
	c.send("RCPT TO:<b@example.test>\r\n")
	c.expect("250")
}

func between(t *testing.T, got, low, high time.Duration) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("after %v, want %v to %v", got, low, high)
	}
}

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, smtpd.Options{Limits: smtpd.Limits{IdleTimeout: time.Minute}}, &smtpdtest.Handler{})
		c := dial(t, s)
		c.hello()
		began := time.Now()
		for range 3 {
			time.Sleep(50 * time.Second)
			c.send("NOOP\r\n")
			c.expect("250")
		}
		c.expect("421 4.4.2")
		between(t, time.Since(began)-150*time.Second, time.Minute, time.Minute*5/4)
		c.expectEnd()
	})
}

// TestCommandTimeout: a command line that comes octet by octet does not keep
// a connection.
func TestCommandTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, smtpd.Options{Limits: smtpd.Limits{CommandTimeout: time.Minute}}, &smtpdtest.Handler{})
		c := dial(t, s)
		c.hello()
		began := time.Now()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		c.expect("421 4.4.2")
		between(t, time.Since(began), time.Minute, time.Minute*5/4)
		c.expectEnd()
		<-stopped
	})
}

// TestMinimumRate: an upload that comes slowly is cut off, however steadily,
// one that comes just fast enough is not.
func TestMinimumRate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate, octets int
		ok           bool
	}{{100, 90, false}, {100, 110, true}, {-1, 1, true}, {-1, 0, false}} {
		synctest.Test(t, func(t *testing.T) {
			h := &smtpdtest.Handler{}
			s := newServer(t, smtpd.Options{Limits: smtpd.Limits{MinRate: c.rate, RateWindow: time.Minute, TextLine: -1}}, h)
			p := dial(t, s)
			p.hello()
			p.envelope()
			p.send("DATA\r\n")
			p.expect("354")
			stop := make(chan struct{})
			go func() {
				defer close(stop)
				for range 600 {
					time.Sleep(time.Second)
					if _, err := io.WriteString(p, strings.Repeat("x", c.octets)); err != nil {
						return
					}
				}
				io.WriteString(p, "\r\n.\r\n")
			}()
			began := time.Now()
			if c.ok {
				p.expect("250")
			} else {
				p.expect("421 4.4.2")
				between(t, time.Since(began), time.Minute, 2*time.Minute)
				p.expectEnd()
			}
			p.Close()
			<-stop
			<-p.done
			if n := len(h.Messages()); (n == 1) != c.ok {
				t.Errorf("%d messages", n)
			}
		})
	}
}

// TestSlowHandlerIsNotASlowClient: time that the handler takes does not count
// against the client.
func TestSlowHandlerIsNotASlowClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &slowHandler{delay: time.Hour}
		s := newServer(t, smtpd.Options{}, h)
		c := dial(t, s)
		c.hello()
		c.envelope()
		c.send("DATA\r\n")
		c.expect("354")
		for range 3 {
			c.send(strings.Repeat("text\r\n", 10))
		}
		c.send(".\r\n")
		c.expect("250")
		c.send("QUIT\r\n")
		c.expect("221")
		c.expectEnd()
	})
}

type slowHandler struct {
	smtpdtest.Handler
	delay time.Duration
}

func (h *slowHandler) Connect(ctx context.Context, info smtpd.Info) (smtpd.Session, smtp.Reply, error) {
	s, r, err := h.Handler.Connect(ctx, info)
	return slowSession{s, h.delay}, r, err
}

type slowSession struct {
	smtpd.Session
	delay time.Duration
}

func (s slowSession) Mail(ctx context.Context, from smtp.ReversePath, p smtp.MailParams) (smtpd.Transaction, smtp.Reply, error) {
	tx, r, err := s.Session.Mail(ctx, from, p)
	return slowTransaction{tx, s.delay}, r, err
}

type slowTransaction struct {
	smtpd.Transaction
	delay time.Duration
}

func (s slowTransaction) Data(ctx context.Context, r io.Reader) ([]smtp.Reply, error) {
	return s.Transaction.Data(ctx, slowReader{r, ctx, s.delay})
}

type slowReader struct {
	r     io.Reader
	ctx   context.Context
	delay time.Duration
}

func (s slowReader) Read(p []byte) (int, error) {
	select {
	case <-time.After(s.delay):
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
	return s.r.Read(p)
}

func TestEarlyTalker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, smtpd.Options{Limits: smtpd.Limits{EarlyTalker: 5 * time.Second}}, &smtpdtest.Handler{})
		c := dial(t, s)
		c.send("EHLO x\r\n")
		c.expect("554 5.5.1")
		c.expectEnd()

		began := time.Now()
		c = dial(t, s)
		c.hello()
		between(t, time.Since(began), 5*time.Second, 6*time.Second)
		c.send("QUIT\r\n")
		c.expect("221")
		c.expectEnd()
	})
}

func TestTarpit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, smtpd.Options{Limits: smtpd.Limits{Tarpit: 3 * time.Second}}, &smtpdtest.Handler{})
		c := dial(t, s)
		c.hello()
		began := time.Now()
		c.send("NOOP\r\n")
		c.expect("250")
		between(t, time.Since(began), 0, 0)
		c.send("LALA\r\n")
		c.expect("500")
		between(t, time.Since(began), 3*time.Second, 3*time.Second)
		c.send("QUIT\r\n")
		c.expect("221")
		c.expectEnd()
	})
}

// TestClientThatDoesNotRead loses its connection.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, smtpd.Options{Limits: smtpd.Limits{WriteTimeout: time.Minute}}, &smtpdtest.Handler{})
		began := time.Now()
		c := dial(t, s)
		<-c.done
		between(t, time.Since(began), time.Minute, time.Minute*5/4)
	})
}

func TestTLSHandshakeTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, smtpd.Options{TLS: testTLS(), ImplicitTLS: true, Limits: smtpd.Limits{TLSTimeout: time.Minute}}, &smtpdtest.Handler{})
		began := time.Now()
		c := dial(t, s)
		<-c.done
		between(t, time.Since(began), time.Minute, time.Minute+6*time.Second) // close_notify has 5 s
	})
}

func TestShutdownTellsIdleConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &smtpdtest.Handler{}
		s := newServer(t, smtpd.Options{}, h)
		idle, busy := dial(t, s), dial(t, s)
		idle.hello()
		busy.hello()
		busy.envelope()
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(context.Background()) }()
		idle.expect("421 4.3.2")
		idle.expectEnd()

		// A transaction goes on to its end.
		synctest.Wait()
		busy.send("RCPT TO:<c@example.test>\r\n")
		busy.expect("250")
		busy.send("BDAT 3\r\na\r\n")
		busy.expect("250")
		busy.send("BDAT 3 LAST\r\nb\r\n")
		busy.expect("250", "421 4.3.2")
		busy.expectEnd()
		if err := <-ended; err != nil || len(h.Messages()) != 1 {
			t.Errorf("%v, %d messages", err, len(h.Messages()))
		}
	})
}

func TestShutdownCutsShortWhatLastsTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &slowHandler{delay: time.Hour}
		s := newServer(t, smtpd.Options{}, h)
		data, waits, slow := dial(t, s), dial(t, s), dial(t, s)
		for _, c := range []*client{data, waits, slow} {
			c.hello()
			c.envelope()
		}
		data.send("DATA\r\n")
		data.expect("354")
		slow.send("DATA\r\n")
		slow.expect("354")
		go slow.Write([]byte("text\r\n.\r\n"))
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(ctx) }()
		var wg sync.WaitGroup
		for _, c := range []*client{data, waits, slow} {
			wg.Go(func() {
				c.expect("4") // 421, after 451 perhaps
				io.ReadAll(c.r)
				<-c.done
			})
		}
		wg.Wait()
		if err := <-ended; err != context.DeadlineExceeded {
			t.Error(err)
		}
		if sessions, _, _ := h.Counts(); sessions != 0 || len(h.Messages()) != 0 {
			t.Errorf("%d sessions, %d messages", sessions, len(h.Messages()))
		}
		c := dial(t, s)
		c.expectEnd()
	})
}

// turningAway refuses every connection.
type turningAway struct{ reply smtp.Reply }

func (h turningAway) Connect(context.Context, smtpd.Info) (smtpd.Session, smtp.Reply, error) {
	return nil, smtp.Reply{}, h.reply
}

// TestTurnedAwayClientsSayQuit: RFC 5321 section 3.1.
func TestTurnedAwayClientsSayQuit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, smtpd.Options{}, turningAway{smtp.NewReply(554, smtp.EnhancedCode{5, 7, 1}, "no")})
		c := dial(t, s)
		c.expect("554")
		c.send("EHLO x\r\nMAIL FROM:<>\r\n")
		c.expect("503", "503")
		c.send("QUIT\r\n")
		c.expect("221")
		c.expectEnd()
		c = dial(t, s)
		c.expect("554")
		began := time.Now()
		c.expect("421")
		c.expectEnd()
		if d := time.Since(began); d < 9*time.Second || d > 15*time.Second {
			t.Errorf("waited for %v", d)
		}
		c = dial(t, s)
		c.expect("554")
		for range 10 {
			c.send("NOOP\r\n")
			c.expect("503")
		}
		c.send("NOOP\r\n")
		c.expect("421")
		c.expectEnd()
	})
}

// TestTurnedAwayForAWhile: 421 closes at once.
func TestTurnedAwayForAWhile(t *testing.T) {
	t.Parallel()
	c := dial(t, newServer(t, smtpd.Options{}, turningAway{smtp.NewReply(421, smtp.EnhancedCode{4, 7, 0}, "later")}))
	c.expect("421")
	c.expectEnd()
}

// TestChunksThatTrickleInAreSlow: a message that comes in tiny chunks is
// measured as any other.
func TestChunksThatTrickleInAreSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, smtpd.Options{Limits: smtpd.Limits{MinRate: 100, RateWindow: time.Minute}}, &smtpdtest.Handler{})
		chunk := strings.Repeat("a", 1000)
		for _, c := range []struct {
			pause time.Duration
			slow  bool
		}{{5 * time.Second, false}, {20 * time.Second, true}} {
			k := dial(t, s)
			k.hello()
			k.send("MAIL FROM:<a@b.example>\r\n")
			k.expect("250")
			k.send("RCPT TO:<c@d.example>\r\n")
			k.expect("250")
			k.send("BDAT 100000\r\n" + strings.Repeat(chunk[:98]+"\r\n", 1000))
			k.expect("250")
			slow := false
			for range 60 {
				time.Sleep(c.pause)
				k.send("BDAT 1000\r\n" + chunk[:998] + "\r\n")
				line, err := k.r.ReadString('\n')
				if slow = strings.HasPrefix(line, "421 4.4.2"); slow || err != nil {
					break
				}
			}
			if slow != c.slow {
				t.Errorf("a chunk each %v: slow is %v", c.pause, slow)
			}
			k.Close()
			<-k.done
		}
	})
}

// TestTinyChunksAreNoProgress: each makes the server answer for a few octets.
func TestTinyChunksAreNoProgress(t *testing.T) {
	t.Parallel()
	c := dial(t, newServer(t, smtpd.Options{Limits: smtpd.Limits{IdleCommands: 10}}, &smtpdtest.Handler{}))
	c.hello()
	c.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nBDAT 600\r\n" + strings.Repeat("a", 600))
	c.expect("250", "250", "250")
	for range 9 { // EHLO is one
		c.send("BDAT 1\r\na")
		c.expect("250")
	}
	c.send("BDAT 1\r\na")
	c.expect("421 4.7.0")
	c.expectEnd()
}

// TestHasteAtFirstIsNoCredit: each window of the minimum rate stands alone.
func TestHasteAtFirstIsNoCredit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, newServer(t, smtpd.Options{Limits: smtpd.Limits{MinRate: 100, RateWindow: time.Minute}}, &smtpdtest.Handler{}))
		c.hello()
		c.send("MAIL FROM:<a@b.example>\r\n")
		c.expect("250")
		c.send("RCPT TO:<c@d.example>\r\n")
		c.expect("250")
		c.send("DATA\r\n")
		c.expect("354")
		for range 1000 {
			c.send(strings.Repeat("a", 98) + "\r\n")
		}
		began := time.Now()
		c.expect("421 4.4.2")
		if d := time.Since(began); d > 3*time.Minute {
			t.Errorf("after %v", d)
		}
		c.Close()
		<-c.done
	})
}
