package inbound

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// slow is a client that takes its time before it sends.
type slow struct {
	d time.Duration
	r io.Reader
}

func (s *slow) Read(p []byte) (int, error) {
	time.Sleep(s.d) // of the bubble's clock
	s.d = 0
	return s.r.Read(p)
}

// TestTookIsTheTransactionsOwnTime: from MAIL on, in seconds, however old the
// connection is.
func TestTookIsTheTransactionsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		ctx := t.Context()
		s, _, err := e.handler().Connect(ctx, smtpd.Info{Listener: "smtp", Started: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		time.Sleep(time.Hour)
		tx, _, err := s.Mail(ctx, smtp.ReversePath{}, smtp.MailParams{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Rcpt(ctx, smtp.ForwardPath{Address: path("a@example.org")}, smtp.RcptParams{}); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Data(ctx, &slow{3 * time.Second, strings.NewReader(simple)}); err != nil {
			t.Fatal(err)
		}
		if l := e.lines("message"); len(l) != 1 || l[0]["took"] != 3.0 {
			t.Errorf("got %v", l)
		}
	})
}
