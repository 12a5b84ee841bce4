package smtpd_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

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
