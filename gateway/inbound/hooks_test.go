package inbound

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// hooks are a Quota, a Suppression and a Signer.
type hooks struct {
	asked []string
	fail  error
	full  string // "mail", "rcpt" or "take": refuses there
	grant Grant
	undo  int

	others []string
}

var over = smtp.NewReply(452, smtp.EnhancedCode{4, 7, 1}, "100 of 100 messages sent this hour")

func (h *hooks) say(what string) (smtp.Reply, error) {
	h.asked = append(h.asked, what)
	if h.full == strings.Fields(what)[0] {
		return over, h.fail
	}
	return smtp.Reply{}, h.fail
}

func (h *hooks) Mail(_ context.Context, s Sender) (smtp.Reply, error) {
	return h.say("mail " + s.User + " " + s.IP.String() + " " + s.From.String())
}

func (h *hooks) Rcpt(_ context.Context, s Sender, n int, to smtp.Address) (smtp.Reply, error) {
	if s.OverQuota {
		return h.say("rcpt again " + to.String())
	}
	return h.say("rcpt " + string(rune('0'+n)) + " " + to.String())
}

func (h *hooks) Take(_ context.Context, _ Sender, to []smtp.Address, size int64) (Grant, error) {
	r, err := h.say("take " + string(rune('0'+len(to))))
	g := h.grant
	g.Reply, g.Undo = r, func() { h.undo++ }
	return g, err
}

func (h *hooks) Suppressed(_ context.Context, _ Sender, to smtp.Address) (smtp.Reply, error) {
	if to.Local == "gone" {
		return smtp.NewReply(550, smtp.EnhancedCode{5, 1, 1}, "Mail to this address came back; gapura suppress remove lifts that"), nil
	}
	return smtp.Reply{}, nil
}

func (h *hooks) Active() bool { return h.grant.Hold == "" }

func (h *hooks) Form() mailauth.BodyForm {
	return mailauth.BodyForm{Canon: mailauth.Relaxed, Limit: -1}
}

func (h *hooks) Sign(_ context.Context, m *Unsigned) ([]byte, error) {
	h.others = m.Others
	if h.fail != nil {
		return nil, h.fail
	}
	if m.Body.Octets != 7 || m.Header.Count("Message-ID") != 1 || m.Header.Count("Received") != 1 || m.Header.Count("Bcc") != 0 {
		return nil, errors.New("that is not what leaves")
	}
	return []byte("DKIM-Signature: a\r\nDKIM-Signature: b\r\n"), nil
}

func TestQuotaIsAskedAndHeard(t *testing.T) {
	for full, want := range map[string]string{
		"":     "250 2.0.0 queued; 7 of 100 (",
		"mail": "452 4.7.1 100 of 100 messages sent this hour (see",
		"rcpt": "452 4.7.1 100 of 100",
		"take": "452 4.7.1 100 of 100",
	} {
		e, q := newSubmission(t)
		h := &hooks{full: full, grant: Grant{Text: "7 of 100"}}
		e.also(func(o *Options) { o.Quota = h })
		got := last(e.submit(user, "u@example.org", own, "x@else.test", "v@example.org"))
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", full, got)
		}
		if full == "" && strings.Join(h.asked, ", ") != "mail u@example.org 192.0.2.9 u@example.org, rcpt 0 x@else.test, rcpt 1 v@example.org, take 2" {
			t.Errorf("%q", h.asked)
		}
		if full == "rcpt" && strings.Join(h.asked[1:], ", ") != "rcpt 0 x@else.test, rcpt again v@example.org" {
			t.Errorf("%q", h.asked) // a message is over its quota once
		}
		if full != "" && (q.sent() != "" || len(e.one.texts) > 0) {
			t.Errorf("%s: sent", full)
		}
	}
	// Strangers have none.
	e, _ := newSubmission(t)
	h := &hooks{full: "mail", fail: errors.New("x")}
	e.also(func(o *Options) { o.Quota, o.Suppression, o.Signer = h, h, h })
	if got := last(e.submit(stranger, "a@b.test", simple, "u@example.org")); got[:3] != "250" || len(h.asked) > 0 {
		t.Errorf("%s, %q", got, h.asked)
	}
}

// TestQuotaHolds: everything goes to the queue then, and waits there.
func TestQuotaHolds(t *testing.T) {
	e, q := newSubmission(t)
	h := &hooks{grant: Grant{Hold: "too many first-time recipients"}}
	e.also(func(o *Options) { o.Quota = h })
	e.submit(user, "u@example.org", own, "x@else.test", "v@example.org")
	if q.sent() != "example.org: v@example.org; outbound: x@else.test" || q.copies[0].Queue.Hold != h.grant.Hold || len(e.one.texts) > 0 {
		t.Errorf("%s, %+v", q.sent(), q.copies)
	}
	q.commErr = errors.New("disk")
	e.submit(user, "u@example.org", own, "x@else.test")
	if h.undo != 1 {
		t.Errorf("counted back %d times", h.undo)
	}
}

// TestHooksThatFailDefer: nothing leaves unsigned or uncounted.
func TestHooksThatFailDefer(t *testing.T) {
	for name, set := range map[string]func(*Options, *hooks){
		"quota":  func(o *Options, h *hooks) { o.Quota = h },
		"signer": func(o *Options, h *hooks) { o.Signer = h },
	} {
		e, q := newSubmission(t)
		e.also(func(o *Options) { set(o, &hooks{fail: errors.New("secret")}) })
		if got := last(e.submit(user, "u@example.org", own, "x@else.test")); !strings.HasPrefix(got, "451 4.3.0 Local error") || q.sent() != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestSuppressedRecipientsAreRefused(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) { o.Suppression = &hooks{} })
	replies := e.submit(user, "u@example.org", own, "gone@else.test", "x@else.test", "gone@example.org")
	if !strings.HasPrefix(replies[1].Error(), "550 5.1.1 Mail to this address came back") || replies[2].Code != 250 || replies[3].Code != 250 || q.sent() != "outbound: x@else.test" {
		t.Errorf("%v, %s", replies, q.sent())
	}
}

// TestSignaturesAreLastAndSharedByAllCopies.
func TestSignaturesAreLastAndSharedByAllCopies(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) { o.Signer = &hooks{} })
	e.submit(user, "u@example.org", "Bcc: x\r\n"+own, "x@else.test", "v@example.org", "w@queued.test")
	if len(q.texts) != 2 || len(e.one.texts) != 1 || q.texts[0] != e.one.texts[0] || q.texts[1] != q.texts[0] ||
		!strings.HasPrefix(q.texts[0], "DKIM-Signature: a\r\nDKIM-Signature: b\r\nReceived: ") {
		t.Errorf("%q, %q", q.texts, e.one.texts)
	}
}

// TestNothingIsSignedWithoutKeys, nor hashed.
func TestNothingIsSignedWithoutKeys(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) { o.Signer = &hooks{grant: Grant{Hold: "x"}, fail: errors.New("asked")} })
	if got := last(e.submit(user, "u@example.org", own, "x@else.test")); got[:3] != "250" || strings.Contains(q.texts[0], "DKIM") {
		t.Error(got)
	}
}

// TestWhoseDomainsSign: where others may be in From, the keys of domains in
// which the user has nothing do not vouch for it.
func TestWhoseDomainsSign(t *testing.T) {
	for _, c := range []struct{ check, from, others string }{
		{CheckFromSender, "boss@example.org", ""},
		{CheckFromSender, "u@example.org", ""},
		{CheckFromSender, "ceo@two.test, boss@example.org, a@else.test", "two.test else.test"},
		{CheckFromAny, "ceo@TWO.test", "TWO.test"},
		{CheckFromAny, "ceo@two.test, " + strings.Repeat("u@example.org, ", maxAuthors) + "a@else.test", "two.test example.org else.test"},
		{CheckFromAny, "trouble@two.test", "451"},
	} {
		e, _ := newSubmission(t)
		h := &hooks{}
		e.also(func(o *Options) { o.Signer, o.Submission.CheckFrom = h, c.check })
		got := last(e.submit(user, "u@example.org", "From: "+c.from+"\r\n\r\nHello\r\n", "x@else.test"))
		if c.others == "451" {
			if !strings.HasPrefix(got, "451") {
				t.Errorf("%s: %s", c.from, got)
			}
		} else if got[:3] != "250" || strings.Join(h.others, " ") != c.others {
			t.Errorf("%s %s: %s, %q", c.check, c.from, got, h.others)
		}
	}
}
