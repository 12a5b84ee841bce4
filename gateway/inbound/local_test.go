package inbound

import (
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// newLocal has home.test and near.test kept here, by one backend, beside
// example.org and a queue.
func newLocal(t *testing.T) (*env, *queue, *backend) {
	e, q := newSubmission(t)
	here := &backend{}
	e.keys = []string{"example.org", "two.test", "queued.test", "home.test", "near.test"}
	e.also(func(o *Options) {
		o.Local = map[string]bool{"home.test": true, "near.test": true}
		o.Backends["home.test"], o.Backends["near.test"] = here, here
	})
	return e, q, here
}

// TestWhatIsKeptHereGoesBesideAnything: a stranger's transaction may have
// recipients of mailbox domains and of one backend; those of several mailbox
// domains share a copy.
func TestWhatIsKeptHereGoesBesideAnything(t *testing.T) {
	e, q, here := newLocal(t)
	got := e.submit(stranger, "a@b.test", own, "u@home.test", "v@example.org", "w@near.test", "x@two.test")
	for i, want := range []string{"250", "250", "250", "250", "452 4.5.3", "250"} {
		if i > 0 && !strings.HasPrefix(got[i].Error(), want) {
			t.Errorf("%d: %v, want %s", i, got[i], want)
		}
	}
	if len(here.copies) != 1 || backendGot(here) != "u@home.test w@near.test" || backendGot(e.one) != "v@example.org" || q.sent() != "" {
		t.Errorf("here %d: %s; backend %s; queue %s", len(here.copies), backendGot(here), backendGot(e.one), q.sent())
	}
	if here.copies[0].PerRcpt {
		t.Error("the sender hears one reply for three")
	}
}

// TestTheQueueTakesOverForMailboxes: what others are promised is not lost, nor
// sent twice, when a mailbox cannot take it now.
func TestTheQueueTakesOverForMailboxes(t *testing.T) {
	e, q, here := newLocal(t)
	here.reply = smtp.NewReply(452, smtp.EnhancedCode{4, 2, 2}, "full")
	if got := last(e.submit(stranger, "a@b.test", own, "v@example.org", "u@home.test")); !strings.HasPrefix(got, "250") {
		t.Error(got)
	}
	if backendGot(e.one) != "v@example.org" || q.sent() != "home.test: u@home.test" {
		t.Errorf("backend %s; queue %s", backendGot(e.one), q.sent())
	}
	if got := last(e.submit(stranger, "a@b.test", own, "u@home.test")); !strings.HasPrefix(got, "452 4.2.2") {
		t.Errorf("alone: %s", got)
	}
	if !here.copies[len(here.copies)-1].PerRcpt {
		t.Error("the only one is not heard")
	}
}

// TestSuccessIsReportedByTheQueue, to strangers too (RFC 3461).
func TestSuccessIsReportedByTheQueue(t *testing.T) {
	e, q, here := newLocal(t)
	s, _ := e.session(stranger)
	tx, _, err := s.Mail(t.Context(), smtp.ReversePath{Address: path("a@b.test")}, smtp.MailParams{})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"u@home.test", "v@example.org"} {
		if _, err := tx.Rcpt(t.Context(), smtp.ForwardPath{Address: path(to)}, smtp.RcptParams{Notify: smtp.NotifySuccess}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Data(t.Context(), strings.NewReader(own)); err != nil {
		t.Fatal(err)
	}
	if q.sent() != "home.test: u@home.test" || backendGot(e.one) != "v@example.org" || len(here.copies) > 0 {
		t.Errorf("queue %s, backend %s, %d here", q.sent(), backendGot(e.one), len(here.copies))
	}
}
