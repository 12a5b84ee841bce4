package smtpc

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// points is the whole of one transaction without PIPELINING: for each step of
// the client what happens before it.
var points = []struct {
	step   Step
	before string
}{
	{StepGreeting, ""},
	{StepHello, hello},
	{StepMail, hello + "S 250 fake\nC MAIL FROM:<a@x.test>\n"},
	{StepRcpt, hello + "S 250 fake\nC MAIL FROM:<a@x.test>\nS 250 ok\nC RCPT TO:<b@y.test>\n"},
	{StepData, hello + "S 250 fake\nC MAIL FROM:<a@x.test>\nS 250 ok\nC RCPT TO:<b@y.test>\nS 250 ok\nC DATA\n"},
	{StepDone, hello + "S 250 fake\nC MAIL FROM:<a@x.test>\nS 250 ok\nC RCPT TO:<b@y.test>\nS 250 ok\nC DATA\nS 354 go\nT ~.~\n"},
}

// attempt sends one message, or fails before.
func attempt(t *testing.T, script string) (res Result, err error) {
	t.Helper()
	derr := dialogue(t, Options{}, script, func(c *Client) {
		res, err = c.Send(t.Context(), envelope("b"), text("\r\n"))
		if c.Usable() || c.Alive() {
			t.Error("connection may be used again")
		}
	})
	if derr != nil {
		err = derr
	}
	return res, err
}

// TestLongReplyLine: what counts is at its beginning; what follows is no line
// of its own.
func TestLongReplyLine(t *testing.T) {
	t.Parallel()
	for _, n := range []int{MaxReplyLine, 2 * MaxReplyLine, 2*MaxReplyLine - len("250 \r\n"), 40 << 10} {
		script := points[len(points)-1].before + "S 250 " + strings.Repeat("x", n) + "\nC QUIT\nS 221 bye\nE"
		var res Result
		err := dialogue(t, Options{}, script, func(c *Client) {
			var err error
			if res, err = c.Send(t.Context(), envelope("b"), text("\r\n")); err != nil || !c.Usable() {
				t.Errorf("%d: %v", n, err)
			}
			c.Quit(t.Context())
		})
		if err != nil || res.Rcpts[0].Code != 250 || len(res.Rcpts[0].Text) != MaxReplyLine-len("250 ") {
			t.Errorf("%d: %v, %d octets, %v", n, res.Rcpts[0].Code, len(res.Rcpts[0].Text), err)
		}
	}
}

func TestFailureAtEveryStep(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxReplyLine)
	for _, p := range points {
		for _, f := range []struct {
			name, act string
			ambiguous bool // at the last step
			is        error
		}{
			{"421", "S 421 4.3.2 bye\nE", false, nil},
			{"closed", "X", true, nil},
			{"silence", "H", true, os.ErrDeadlineExceeded},
			{"half a line and silence", "S+ 25\nH", true, os.ErrDeadlineExceeded},
			{"no reply at all", "S hello world\nE", true, ErrProtocol},
			{"code out of range", "S 999 x\nE", true, ErrProtocol},
			{"codes that differ", "S+ 250-x~220 y~\nE", true, ErrProtocol},
			{"endless line", "S+ 250 " + strings.Repeat(long, 100) + "\nE", true, ErrProtocol},
			{"endless reply", "S+ " + strings.Repeat("250-x~", 3000) + "\nE", true, smtp.ErrReplyLong},
		} {
			t.Run(p.step.String()+" "+f.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					res, err := attempt(t, p.before+f.act)
					e := wantError(t, err, p.step, f.ambiguous && p.step == StepDone)
					if f.is != nil && !errors.Is(err, f.is) {
						t.Errorf("error is %v", err)
					}
					if (f.name == "421") != (e.Reply.Code == 421) {
						t.Errorf("reply is %v", e.Reply)
					}
					if len(res.Rcpts) > 0 && res.Rcpts[0].Positive() {
						t.Error("a recipient looks accepted")
					}
				})
			})
		}
	}
}

// A reply that the command cannot have ends the session: nothing that comes
// later could be trusted.
func TestWrongCodesEndTheSession(t *testing.T) {
	t.Parallel()
	for step, code := range map[Step]string{StepMail: "354", StepRcpt: "354", StepData: "250", StepDone: "354"} {
		for _, p := range points {
			if p.step != step {
				continue
			}
			_, err := attempt(t, p.before+"S "+code+" what\nE")
			wantError(t, err, step, step == StepDone)
			if !errors.Is(err, ErrProtocol) {
				t.Error(err)
			}
		}
	}
}

func TestGreetingAndHelloRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		script string
		step   Step
		code   int
	}{
		{"S 554 no service\nE", StepGreeting, 554},
		{"S 250 odd\nE", StepGreeting, 250},
		{hello + "S 450 later\nE", StepHello, 450},
		{hello + "S 550 no\nC HELO me\nS 550 no\nE", StepHello, 550},
	} {
		e := wantError(t, dialogue(t, Options{}, tt.script, nil), tt.step, false)
		if e.Reply.Code != tt.code {
			t.Error(e)
		}
		if _, ok := smtp.AsReply(e); ok {
			t.Error("what the server says about us is taken for an answer to the client")
		}
	}
}

func TestRepliesSplitAtEveryOctet(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	done := play(t, dribble{far}, helloPipe+"T MAIL FROM:<a@x.test> SIZE=2~RCPT TO:<b@y.test>~DATA~\nS 250 ok\nS 250-o\nS 250 k\nS 354 go\nT ~.~\nS 250 done\nE")
	defer done()
	c, err := New(t.Context(), near, "x", Options{Hello: "me"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	res, err := c.Send(t.Context(), envelope("b"), text("\r\n"))
	if err != nil || codes(res) != "done 250" {
		t.Error(res, err)
	}
}

// dribble writes one octet at a time.
type dribble struct{ net.Conn }

func (d dribble) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := d.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func TestContextEndsAtOnceAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, p := range points {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			done := play(t, far, p.before+"H")
			defer done()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			c, err := New(ctx, near, "x", Options{Hello: "me"})
			if err == nil {
				defer c.Close()
				_, err = c.Send(ctx, envelope("b"), text("\r\n"))
			}
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("%s: %v after %v", p.step, err, time.Since(began))
			}
			wantError(t, err, p.step, p.step == StepDone)
		})
	}
}

// A server that takes in nothing holds the client for Timeouts.DataBlock.
func TestServerThatDoesNotReadTheMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		end := make(chan struct{})
		go func() {
			// The script stops reading; only the test closes.
			in := make([]byte, 1<<20)
			for _, s := range []string{"220 x\r\n", "250 x\r\n", "250 x\r\n", "250 x\r\n", "354 x\r\n"} {
				_, _ = far.Write([]byte(s))
				if s != "354 x\r\n" {
					_, _ = far.Read(in)
				}
			}
			<-end
			far.Close()
		}()
		c, err := New(t.Context(), near, "x", Options{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = c.Send(t.Context(), envelope("b"), text(strings.Repeat("x\r\n", 1<<20)))
		wantError(t, err, StepBody, false)
		if d := time.Since(began); d < smtp.TimeoutDataBlock || d > smtp.TimeoutDataBlock*9/8 {
			t.Error("took", d)
		}
		close(end)
	})
}

func TestUnsentMessageOnAnIdleConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// After InlineIdle the message waits for the replies to the envelope,
		// so that a dead connection leaves nothing in doubt.
		_ = dialogue(t, Options{}, helloBDAT+"T MAIL FROM:<a@x.test>~RCPT TO:<b@y.test>~\nX", func(c *Client) {
			time.Sleep(time.Second + 1)
			_, err := c.Send(t.Context(), envelope("b"), text("\r\n"))
			wantError(t, err, StepMail, false)
		})
		_ = dialogue(t, Options{}, helloBDAT+"T MAIL FROM:<a@x.test>~RCPT TO:<b@y.test>~BDAT 2 LAST~~\nX", func(c *Client) {
			time.Sleep(time.Second)
			_, err := c.Send(t.Context(), envelope("b"), text("\r\n"))
			wantError(t, err, StepMail, true)
		})
	})
}

func TestAliveSeesWhatHappenedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, act := range []string{"close", "say"} {
		near, far := loopback(t)
		go func() { _ = follow(far, newReader(far), hello+"S 250 x") }()
		c, err := New(t.Context(), near, "x", Options{Hello: "me"})
		if err != nil {
			t.Fatal(err)
		}
		if !c.Alive() {
			t.Error("a quiet connection is not alive")
		}
		if act == "close" {
			far.Close()
		} else {
			_, _ = far.Write([]byte("421 bye\r\n"))
		}
		// Loopback delivers at once, but not within the call.
		for deadline := time.Now().Add(time.Minute); c.Alive() && time.Now().Before(deadline); {
			_ = near.SetDeadline(time.Now())
		}
		if c.Alive() {
			t.Errorf("%s: still alive", act)
		}
		c.Close()
		far.Close()
	}
	near, far := net.Pipe()
	go func() { _ = follow(far, newReader(far), hello+"S 250 x") }()
	c, err := New(t.Context(), near, "x", Options{Hello: "me"})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Alive() {
		t.Error("a quiet pipe is not alive")
	}
	far.Close()
	if c.Alive() {
		t.Error("a closed pipe is alive")
	}
}

func TestUnaskedWordsBehindAReply(t *testing.T) {
	t.Parallel()
	script := helloPipe + "T MAIL FROM:<a@x.test> SIZE=2~RCPT TO:<b@y.test>~DATA~\nS 250 ok\nS 250 ok\nS 354 go\nT ~.~\nS+ 250 ok~421 bye~\nE"
	_ = dialogue(t, Options{}, script, func(c *Client) {
		if res, err := c.Send(t.Context(), envelope("b"), text("\r\n")); err != nil || codes(res) != "done 250" {
			t.Error(res, err)
		}
		if c.Alive() {
			t.Error("alive")
		}
	})
	script = hello + "S 250 fake\nC MAIL FROM:<a@x.test>\nS 250 ok\nC RCPT TO:<b@y.test>\nS 550 no\nC RSET\nS+ 250 ok~421 bye~\nE"
	_ = dialogue(t, Options{}, script, func(c *Client) {
		if res, err := c.Send(t.Context(), envelope("b"), text("\r\n")); err != nil || codes(res) != "rcpt 550" {
			t.Error(res, err)
		}
		if c.Alive() {
			t.Error("alive after a reset")
		}
	})
}

// What is in doubt about one message says nothing about the next.
func TestDoubtEndsWithItsMessage(t *testing.T) {
	t.Parallel()
	one := "T MAIL FROM:<a@x.test> SIZE=2~RCPT TO:<b@y.test>~DATA~\n"
	for _, script := range []string{
		helloPipe + one + "S 250 ok\nS 250 ok\nS 354 go\nT ~.~\nS 250 ok\n" + one + "X",
		points[len(points)-1].before + "S 250 ok\nC MAIL FROM:<a@x.test>\nX",
	} {
		_ = dialogue(t, Options{}, script, func(c *Client) {
			if _, err := c.Send(t.Context(), envelope("b"), text("\r\n")); err != nil {
				t.Error(err)
			}
			_, err := c.Send(t.Context(), envelope("b"), text("\r\n"))
			wantError(t, err, StepMail, false)
		})
	}
}

// Who was accepted by RCPT, and heard nothing of the message, did not get it.
func TestLMTPBreaksBetweenItsReplies(t *testing.T) {
	t.Parallel()
	script := asLMTP(helloPipe) + "T MAIL FROM:<a@x.test> SIZE=2~RCPT TO:<b@y.test>~RCPT TO:<c@y.test>~DATA~\nS 250 ok\nS 250 ok\nS 250 ok\nS 354 go\nT ~.~\nS 250 done\nX"
	_ = dialogue(t, Options{LMTP: true}, script, func(c *Client) {
		res, err := c.Send(t.Context(), envelope("b", "c"), text("\r\n"))
		wantError(t, err, StepDone, true)
		if codes(res) != "done 250 0" {
			t.Error(codes(res))
		}
	})
}

func TestPRDRBreaksBeforeItsLastReply(t *testing.T) {
	t.Parallel()
	script := hello + "S 250-fake\nS 250 PRDR\nC MAIL FROM:<a@x.test> PRDR\nS 250 ok\nC RCPT TO:<b@y.test>\nS 250 ok\nC RCPT TO:<c@y.test>\nS 250 ok\nC DATA\nS 354 go\nT ~.~\nS 353 each\nS 250 yes\nS 550 no\nX"
	_ = dialogue(t, Options{}, script, func(c *Client) {
		res, err := c.Send(t.Context(), prdr(envelope("b", "c")), text("\r\n"))
		wantError(t, err, StepDone, true)
		if codes(res) != "done 0 550" {
			t.Error(codes(res))
		}
	})
}

// A server that has seen enough says so and closes: that is its answer, though
// the client was still writing.
func TestRefusedInTheMiddleOfTheMessage(t *testing.T) {
	t.Parallel()
	for _, offer := range []string{"SIZE", "CHUNKING"} {
		near, far := loopback(t)
		go func() {
			in := newReader(far)
			_ = follow(far, in, hello+"S 250-x\nS 250 "+offer)
			for line, _ := in.ReadString('\n'); !strings.HasPrefix(line, "DATA") && !strings.HasPrefix(line, "BDAT"); line, _ = in.ReadString('\n') {
				_, _ = far.Write([]byte("250 ok\r\n"))
			}
			if offer == "SIZE" {
				_, _ = far.Write([]byte("354 go\r\n"))
			}
			_, _ = in.ReadString('\n')
			_, _ = far.Write([]byte("552 5.3.4 enough\r\n"))
			far.Close()
		}()
		c, err := New(t.Context(), near, "x", Options{Hello: "me"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Send(t.Context(), envelope("b"), text(strings.Repeat("some text\r\n", 1<<20)))
		if e := wantError(t, err, StepBody, false); e.Reply.Code != 552 || e.Source {
			t.Errorf("%+v", e)
		}
	}
}

func TestDialFailure(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, err = Dial(t.Context(), "tcp", addr, Options{})
	wantError(t, err, StepConnect, false)
}
