package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

var steps = []string{"connect", "EHLO", "MAIL", "RCPT", "DATA", "."}

// 421 at any step: the next backend gets the message, and without one the
// client hears 451.
func TestFourTwoOneAtEveryStep(t *testing.T) {
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				bad, good := &fake{on: sayTo(step, "421 4.3.2 shutting down")}, &fake{}
				g := group(t, Options{}, bad, good)
				want(t, commit(t, g, copyTo("a", "b"))[0], 250, smtp.EnhancedCode{2, 0, 0})
				if len(good.taken()) != 1 {
					t.Error("not handed to the next")
				}
				if g.Status()[0].Up || !g.Ready() {
					t.Errorf("%+v", g.Status())
				}
				g = group(t, Options{}, &fake{on: sayTo(step, "421 4.3.2 shutting down")})
				want(t, commit(t, g, copyTo("a", "b"))[0], 451, smtp.EnhancedCode{4, 4, 1})
				if step == "connect" || step == "EHLO" || step == "MAIL" || step == "RCPT" {
					want(t, verify(t, g, "a", "b"), 451, smtp.EnhancedCode{4, 4, 1})
				}
			})
		})
	}
}

// Silence and a closed connection: the same, but after the message nobody may
// send it to another backend.
func TestBrokenAtEveryStep(t *testing.T) {
	for _, step := range steps {
		for _, how := range []string{"drop", "hang"} {
			t.Run(step+" "+how, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					bad, good := &fake{on: sayTo(step, how)}, &fake{}
					g := group(t, Options{}, bad, good)
					r := commit(t, g, copyTo("a", "b"))[0]
					if step == "." {
						want(t, r, 451, smtp.EnhancedCode{4, 4, 2})
						if len(good.taken()) != 0 || len(bad.taken()) != 1 {
							t.Error("sent twice")
						}
						return
					}
					want(t, r, 250, smtp.EnhancedCode{2, 0, 0})
					if len(bad.taken()) != 0 || len(good.taken()) != 1 {
						t.Error(len(bad.taken()), len(good.taken()))
					}
				})
			})
		}
	}
}

func TestGreetingsAndHellosThatAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, step := range []string{"connect", "EHLO"} {
			f := &fake{on: func(_ *fake, line string) string {
				if strings.HasPrefix(line, step) || strings.HasPrefix(line, "HELO") {
					return "554 5.7.1 go away"
				}
				return ""
			}}
			g := group(t, Options{}, f)
			want(t, verify(t, g, "a", "b"), 451, smtp.EnhancedCode{4, 4, 1})
			want(t, commit(t, g, copyTo("a", "b"))[0], 451, smtp.EnhancedCode{4, 4, 1})
		}
	})
}

func TestBackendsOwnWordsAfterTheMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{}
		g := group(t, Options{}, f)
		for step, s := range map[string]string{
			".": "554 5.6.0 I do not like it", "DATA": "451 4.3.0 later", "MAIL": "452 4.3.1 no room",
		} {
			f.set(sayTo(step, s))
			rs := commit(t, g, copyTo("a", "b"))
			if rs[0].Error() != s {
				t.Errorf("%s: %q became %q", step, s, rs[0].Error())
			}
		}
		f.set(sayTo(".", "554 5.6.0 no"))
		for _, r := range commit(t, g, copyTo("a", "b", "c")) {
			want(t, r, 554, smtp.EnhancedCode{5, 6, 0})
		}
	})
}

// A recipient who was accepted before the message and is refused at hand-over:
// nothing is sent to anybody, the client hears 451, and when it comes back the
// backend itself.
func TestRecipientRefusedOnlyAtHandover(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{}
		g := group(t, Options{}, f)
		for _, s := range []string{"b", "c"} {
			verify(t, g, "a", s)
		}
		f.set(sayTo("RCPT TO:<c@", "550 5.7.1 not from you"))
		for _, r := range commit(t, g, copyTo("a", "b", "c")) {
			want(t, r, 451, smtp.EnhancedCode{4, 3, 0})
		}
		if len(f.taken()) != 0 || f.count("DATA") != 0 || f.count("RSET") != 3 {
			t.Error(f.log)
		}
		if g.Status()[0].Open != 1 || !g.Status()[0].Up {
			t.Errorf("%+v", g.Status())
		}
		// Another sender is accepted in between, which must not hide it.
		f.set(nil)
		n := f.count("RCPT")
		want(t, verify(t, g, "other", "c"), 250, smtp.EnhancedCode{2, 1, 0})
		if f.count("RCPT") == n {
			t.Error("others are not asked about anew")
		}
		f.set(sayTo("RCPT TO:<c@", "550 5.7.1 not from you"))
		want(t, verify(t, g, "a", "c"), 550, smtp.EnhancedCode{5, 7, 1})
		n = f.count("RCPT")
		verify(t, g, "a", "b")
		if f.count("RCPT") != n {
			t.Error("the other recipient was forgotten")
		}
		want(t, commit(t, g, copyTo("a", "c"))[0], 451, smtp.EnhancedCode{4, 3, 0})
		if len(f.taken()) != 0 {
			t.Error("sent")
		}
	})
}

// Kept connections that have died meanwhile cost nothing but a new one: the
// one that is seen to be closed, and the one that fails only when it is used.
func TestDeadKeptConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fake{}
		g := group(t, Options{}, f)
		for _, how := range []string{"drop", "421 4.4.2 idle for too long"} {
			for _, step := range []string{"MAIL", "RCPT", "DATA"} {
				f.set(nil)
				verify(t, g, "a", "b"+step+how[:3]) // now there is one at rest
				dials := f.dialled()
				once := true
				f.set(func(_ *fake, line string) string {
					if once && strings.HasPrefix(line, step) {
						once = false
						return how
					}
					return ""
				})
				want(t, commit(t, g, copyTo("a", "b"))[0], 250, smtp.EnhancedCode{2, 0, 0})
				if f.dialled() != dials+1 {
					t.Error(step, how, f.dialled()-dials)
				}
				if s := g.Status()[0]; !s.Up || s.Open != 1 || s.Idle != 1 {
					t.Errorf("%+v", s)
				}
			}
		}
		if len(f.taken()) != 6 {
			t.Error(len(f.taken()))
		}
	})
}

// With CHUNKING the whole message goes into a young connection in one write;
// that the backend has closed it must be seen before, or it would be in doubt.
func TestKeptConnectionThatTheBackendClosed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			sink(&once{Conn: c})
			closed <- struct{}{}
		}
	}()
	g := live(t, Options{Backends: []string{"smtp://" + l.Addr().String()}})
	defer func() { l.Close(); <-closed }()
	for range 3 {
		r := commit(t, g, copyTo("a", "b"))[0]
		if r.Code != 250 {
			t.Fatal(r)
		}
		<-closed
	}
}

// once is a connection that ends after the third write: greeting, hello and
// one transaction.
type once struct {
	net.Conn
	writes int
}

func (o *once) Write(p []byte) (int, error) {
	n, err := o.Conn.Write(p)
	if o.writes++; o.writes == 3 {
		o.Close()
	}
	return n, err
}

// The backend refuses while the message is still coming: its word counts, and
// nobody else is tried.
func TestRefusedInTheMiddleOfTheMessage(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		in := bufio.NewReader(c)
		for say := "220 x"; ; say = "250 x" {
			_, _ = io.WriteString(c, say+"\r\n")
			if line, err := in.ReadString('\n'); err != nil || line == "DATA\r\n" {
				break
			}
		}
		_, _ = io.WriteString(c, "354 go\r\n")
		_, _ = in.ReadString('\n')
		_, _ = io.WriteString(c, "552 5.3.4 enough\r\n")
	}()
	other := &keeper{}
	g := live(t, Options{Backends: []string{"smtp://" + l.Addr().String(), "smtp://" + peer(t, other, nil)}})
	c := copyTo("a", "b")
	big := strings.Repeat("some text\r\n", 1<<20)
	c.Size, c.Open = int64(len(big)), func() io.ReadCloser { return io.NopCloser(strings.NewReader(big)) }
	want(t, commit(t, g, c)[0], 552, smtp.EnhancedCode{5, 3, 4})
	if other.mails() != 0 {
		t.Error("sent to another")
	}
	<-done
}

func TestLMTPHasAReplyForEach(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := 0
		f := &fake{offer: "LMTP"}
		f.set(func(_ *fake, line string) string {
			if line == "." {
				n++
				return []string{"250 2.0.0 in", "452 4.2.2 full", "552 5.2.2 fuller"}[(n-1)%3]
			}
			return ""
		})
		g := group(t, Options{}, f)
		rs := commit(t, g, copyTo("a", "b", "c", "d"))
		want(t, rs[0], 250, smtp.EnhancedCode{2, 0, 0})
		want(t, rs[1], 452, smtp.EnhancedCode{4, 2, 2})
		want(t, rs[2], 552, smtp.EnhancedCode{5, 2, 2})
		if f.count("LHLO") != 1 {
			t.Error(f.log)
		}
	})
}

// LMTP that breaks between the replies: who has one keeps it, the rest is in
// doubt, and no other backend gets the message.
func TestLMTPBreaksBetweenReplies(t *testing.T) {
	for _, how := range []string{"drop", "421 bye"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := 0
				f, other := &fake{offer: "LMTP"}, &fake{offer: "LMTP"}
				f.set(func(_ *fake, line string) string {
					if line == "." {
						if n++; n == 2 {
							return how
						}
					}
					return ""
				})
				g := group(t, Options{}, f, other)
				rs := commit(t, g, copyTo("a", "b", "c", "d"))
				want(t, rs[0], 250, smtp.EnhancedCode{2, 0, 0})
				want(t, rs[1], 451, smtp.EnhancedCode{4, 4, 2})
				want(t, rs[2], 451, smtp.EnhancedCode{4, 4, 2})
				if len(other.taken()) != 0 {
					t.Error("sent twice")
				}
			})
		})
	}
}

func TestMessageThatCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		boom := errors.New("spool is gone")
		a, b := &fake{}, &fake{}
		g := group(t, Options{}, a, b)
		c := copyTo("a", "b")
		c.Open = func() io.ReadCloser { return io.NopCloser(broken{boom}) }
		_, err := g.Delivery().Commit(t.Context(), c)
		if !errors.Is(err, boom) {
			t.Error(err)
		}
		synctest.Wait()
		if len(a.taken())+len(b.taken()) != 0 || b.dialled() != 0 || !g.Ready() {
			t.Error("the backend is blamed")
		}
	})
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func TestClientThatLeavesDuringHandover(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := &fake{on: sayTo("MAIL", "hang")}, &fake{}
		g := group(t, Options{}, a, b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		rs, err := g.Delivery().Commit(ctx, copyTo("a", "b"))
		if err != nil || rs[0].Code != 451 || time.Since(began) != time.Second {
			t.Error(rs, err, time.Since(began))
		}
		if b.dialled() != 0 || !g.Status()[0].Up {
			t.Error("the backend is blamed")
		}
	})
}

// TestNoChunking: DATA is used although the backend offers CHUNKING, which is
// used otherwise.
func TestNoChunking(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, no := range []bool{true, false} {
			f := &fake{}
			f.set(sayTo("EHLO", "250-fake\r\n250 CHUNKING"))
			g := group(t, Options{NoChunking: no}, f)
			commit(t, g, copyTo("a", "b"))
			if data, bdat := f.count("DATA") > 0, f.count("BDAT") > 0; data != no || bdat == no {
				t.Errorf("no_chunking %v: DATA %v, BDAT %v", no, data, bdat)
			}
		}
	})
}
