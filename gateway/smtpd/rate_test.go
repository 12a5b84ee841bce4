package smtpd_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

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
