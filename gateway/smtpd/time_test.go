package smtpd_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

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
