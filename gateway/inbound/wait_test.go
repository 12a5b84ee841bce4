package inbound

import (
	"testing"
	"testing/synctest"

	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// TestAConnectionThatComesAfterWaitIsSentAway: what the handler needs may be
// closed by then. The client is told to come back, and meets the new one.
func TestAConnectionThatComesAfterWaitIsSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newEnv(t).handler()
		connect := func() (smtpd.Session, int) {
			s, r, err := h.Connect(t.Context(), smtpd.Info{Listener: "smtp"})
			if err != nil {
				t.Error(err)
			}
			return s, r.Code
		}
		first, _ := connect()
		waited := false
		go func() { h.Wait(); waited = true }()
		synctest.Wait()
		second, code := connect() // the first is there still
		if waited || code != 0 {
			t.Errorf("waited %v, code %d", waited, code)
		}
		first.Close()
		synctest.Wait()
		if waited {
			t.Error("did not wait for the second")
		}
		second.Close()
		synctest.Wait()
		if !waited {
			t.Error("still waits")
		}
		if _, code := connect(); code != 421 {
			t.Errorf("after Wait: %d", code)
		}
		h.Wait() // again
	})
}
