package inbound

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// failingWriter takes n octets.
type failingWriter struct{ n int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.n -= len(p); w.n < 0 {
		return 0, errors.New("full")
	}
	return len(p), nil
}

// TestACopyIsReadOnceHoweverItIsRead: by Read, by WriteTo, or by both.
func TestACopyIsReadOnceHoweverItIsRead(t *testing.T) {
	b := body.New(body.Options{})
	defer b.Release()
	b.Write([]byte("body"))
	b.Close()
	open := func() *copyReader { return &copyReader{head: []byte("head "), body: b.Open()} }
	for _, n := range []int{0, 1, 5, 7, 9} {
		r := open()
		var got strings.Builder
		io.CopyN(&got, struct{ io.Reader }{r}, int64(n))
		if m, err := r.WriteTo(&got); err != nil || m != int64(9-n) || got.String() != "head body" {
			t.Errorf("after %d: %q, %d, %v", n, got.String(), m, err)
		}
		if m, err := r.WriteTo(&got); m != 0 || err != nil {
			t.Errorf("again: %d, %v", m, err)
		}
		r.Close()
	}
	for n := range 9 {
		r := open()
		if _, err := r.WriteTo(&failingWriter{n}); err == nil {
			t.Errorf("no error of a writer that takes %d", n)
		}
		r.Close()
	}
}

// TestNothingFoundIsNoResult: no Authentication-Results without results.
func TestNothingFoundIsNoResult(t *testing.T) {
	e := newEnv(t)
	e.send(simple, "u@example.org")
	if strings.Contains(e.one.texts[0], "Authentication-Results") {
		t.Errorf("got %q", e.one.texts[0])
	}
}

// aborting counts what it is told.
type aborting struct {
	backend
	aborted int
}

func (b *aborting) Delivery() gateway.Delivery { return b }
func (b *aborting) Abort()                     { b.aborted++ }

// TestEveryDeliveryIsEnded, whatever Commit says.
func TestEveryDeliveryIsEnded(t *testing.T) {
	for _, err := range []error{nil, errors.New("broken")} {
		e := newEnv(t)
		b := &aborting{backend: backend{err: err}}
		e.oneIs = b
		e.send(simple, "u@example.org")
		if b.aborted != 1 {
			t.Errorf("%v: ended %d times", err, b.aborted)
		}
		if n := len(e.lines("hand-over failed")); (n == 1) != (err != nil) {
			t.Errorf("%v: %d lines", err, n)
		}
	}
}

// unsure answers a verification with what it has.
type unsure struct {
	backend
	reply smtp.Reply
	err   error
}

func (b *unsure) Verify(context.Context, smtp.ReversePath, smtp.MailParams, smtp.ForwardPath, smtp.RcptParams) (smtp.Reply, error) {
	return b.reply, b.err
}

// TestOnlyAYesIsAYes: a recipient counts when the backend took it without an
// error.
func TestOnlyAYesIsAYes(t *testing.T) {
	for _, c := range []struct {
		reply smtp.Reply
		err   error
		want  int
	}{
		{ok250, nil, 250},
		{ok250, errors.New("but"), 451},
		{smtp.Reply{}, nil, 451},
		{smtp.NewReply(354, smtp.EnhancedCode{}, "?"), nil, 451},
		{gone550, nil, 550},
		{full452, nil, 452},
	} {
		e := newEnv(t)
		e.oneIs = &unsure{reply: c.reply, err: c.err}
		rcpts, _ := e.send(simple, "u@example.org")
		if rcpts[0].Code != c.want {
			t.Errorf("%v, %v: %v", c.reply, c.err, rcpts[0])
		}
	}
}

// TestRefusalsAtOnceAreLogged with what was found.
func TestRefusalsAtOnceAreLogged(t *testing.T) {
	e := newEnv(t)
	e.early = true
	e.policy = func(stage gateway.Stage, _ *gateway.Transaction) []gateway.Disposition {
		if stage == gateway.StageMail {
			return []gateway.Disposition{{Action: gateway.Reject, Rules: []string{"p:1 no"}}}
		}
		return nil
	}
	s, _, _ := e.handler().Connect(t.Context(), smtpd.Info{Listener: "smtp"})
	defer s.Close()
	s.Mail(t.Context(), smtp.ReversePath{Address: path("a@b.test")}, smtp.MailParams{})
	if l := e.lines("refused"); len(l) != 1 || l[0]["stage"] != "mail" || l[0]["from"] != "<a@b.test>" || l[0]["disposition"] != "reject" {
		t.Errorf("log %v", l)
	}
}

// TestRefusedMessagesAreLoggedWithTheFacts that led to it.
func TestRefusedMessagesAreLoggedWithTheFacts(t *testing.T) {
	e := newEnv(t)
	e.policy = only("u", gateway.Reject)
	e.send(simple, "u@example.org")
	l := e.lines("message")
	if len(l) != 1 || l[0]["outcome"] != "refused" || l[0]["facts"].(map[string]any)["message.hops"] != 0.0 {
		t.Errorf("log %v", l)
	}
}

// TestEightBitTextIsToldThatWasNotDeclared (RFC 6152 section 3): the next server
// must be told of octets above 127, whatever our client has said, and one that
// does not take them must not get them.
func TestEightBitTextIsToldThatWasNotDeclared(t *testing.T) {
	long := strings.Repeat("0123456789\r\n", 500)
	for _, tt := range []struct {
		text string
		want bool
	}{
		{own, false},
		{own + long, false},
		{own + long + "gr\xfcn\r\n", true},
		{own + "\x80" + long, true},
		{strings.Replace(own, "hi", "h\xed", 1), true},
	} {
		e, q := newSubmission(t)
		if got := last(e.submit(user, "u@example.org", tt.text, "x@else.test")); got[:3] != "250" {
			t.Fatal(got)
		}
		if c := q.copies[0]; c.EightBit != tt.want || c.UTF8Header {
			t.Errorf("%.80q: %v, %v", tt.text, c.EightBit, c.UTF8Header)
		}
	}
}
