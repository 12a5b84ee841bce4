package inbound

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// returns is a Returns that knows addresses by their local parts.
type returns struct {
	read []string
	asks []bool // of ours
}

func (r *returns) Return(from smtp.ReversePath, to smtp.Address, ours bool) Returned {
	r.asks = append(r.asks, ours)
	read := func(_ context.Context, h *message.Header, body io.Reader) {
		b, err := io.ReadAll(body)
		subject, _ := h.Get("Subject")
		r.read = append(r.read, to.Local+" "+subject+" "+strings.TrimSpace(string(b)))
		if err != nil {
			r.read = append(r.read, err.Error())
		}
	}
	switch to.Local {
	case "signed":
		return Returned{To: smtp.Address{Local: "ana", Domain: to.Domain}, Read: read}
	case "forwarded":
		return Returned{To: smtp.Address{Local: "far", Domain: "else.test"}, Outbound: true}
	case "bulk":
		return Returned{To: smtp.Address{Local: "ana", Domain: to.Domain}, Discard: true, Read: read}
	case "forged":
		return Returned{Reply: smtp.NewReply(550, smtp.EnhancedCode{5, 7, 1}, "none of ours")}
	}
	return Returned{}
}

const bounced = "From: MAILER-DAEMON@b.test\r\nSubject: returned\r\n\r\nno such user\r\n"

func TestWhatComesBackGoesToTheSenderAndIsRead(t *testing.T) {
	e, q := newSubmission(t)
	r := &returns{}
	e.also(func(o *Options) { o.Returns = r })
	got := e.submit(stranger, "", bounced, "signed@queued.test", "forged@queued.test", "bulk@queued.test", "plain@queued.test")
	if len(got) < 5 || got[2].Code != 550 || last(got)[:3] != "250" {
		t.Fatalf("%v", got)
	}
	if s := q.sent(); strings.Contains(s, "signed") || !strings.Contains(s, "ana@queued.test") || !strings.Contains(s, "plain@queued.test") || strings.Count(s, "ana@queued.test") != 1 {
		t.Errorf("sent %s", s)
	}
	if want := "signed returned no such user|bulk returned no such user"; strings.Join(r.read, "|") != want {
		t.Errorf("read %q", r.read)
	}
	if len(r.asks) != 4 || r.asks[0] {
		t.Errorf("asked %v", r.asks)
	}
}

func TestForwardersBouncesGoOn(t *testing.T) {
	e, q := newSubmission(t)
	e.also(func(o *Options) { o.Returns = &returns{} })
	if got := e.submit(stranger, "", bounced, "forwarded@queued.test"); last(got)[:3] != "250" {
		t.Fatalf("%v", got)
	}
	if len(q.copies) != 1 || q.routes[0] != "outbound" || q.copies[0].Rcpts[0].To.String() != "far@else.test" || !q.copies[0].From.IsNull() {
		t.Errorf("sent %s", q.sent())
	}
	if got := e.submit(stranger, "", bounced, "far@else.test"); last(got)[:3] == "250" {
		t.Errorf("a stranger relays: %v", got)
	}
}

func TestWhatIsRefusedIsNotRead(t *testing.T) {
	e, q := newSubmission(t)
	r := &returns{}
	e.also(func(o *Options) { o.Returns = r })
	q.commErr = io.ErrUnexpectedEOF
	if got := e.submit(stranger, "", bounced, "signed@queued.test"); last(got)[:3] == "250" || len(r.read) != 0 {
		t.Errorf("%v, read %q", got, r.read)
	}
}
