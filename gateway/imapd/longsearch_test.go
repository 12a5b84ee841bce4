package imapd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// TestLongSearch tells the client that it goes on, and ends with it.
func TestLongSearch(t *testing.T) {
	t.Parallel()
	store := openStore(t, mailbox.Options{})
	var list []string
	for i := range 1000 {
		list = append(list, letter(fmt.Sprintf("letter %d", i)))
	}
	put(t, store, "bob", "INBOX", list...)
	s := newServer(t, imapd.Options{}, store)
	s.SetPace(1)
	c := login(t, s, "bob")
	c.ok("SELECT INBOX")
	l := c.cmd("SEARCH BODY nowhere")
	if n := len(l); n < 3 || l[0] != "* OK Still searching" || l[n-2] != "* SEARCH" || l[n-1] != "OK Searched" {
		t.Errorf("%q", l)
	}
	near, far := net.Pipe()
	ended := make(chan struct{})
	counted := &countingConn{Conn: far}
	go func() {
		s.ServeConn(addressed{counted})
		close(ended)
	}()
	gone := newClient(t, near)
	gone.expect("* OK")
	gone.ok("LOGIN bob secret")
	gone.ok("SELECT INBOX")
	gone.send("x SEARCH BODY nowhere\r\n")
	gone.expect("* OK Still")
	near.Close()
	<-ended
	if counted.after > 3 {
		t.Errorf("%d writes after the client had gone", counted.after)
	}
}

// countingConn counts writes that fail.
type countingConn struct {
	net.Conn
	after int
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if errors.Is(err, io.ErrClosedPipe) {
		c.after++
	}
	return n, err
}

// TestSearchEndsWithTheServer: it is not waited for.
func TestSearchEndsWithTheServer(t *testing.T) {
	t.Parallel()
	s, store, c := folder(t, 0)
	put(t, store, "bob", "INBOX", strings.Split(strings.Repeat(letter("x")+"|", 300), "|")[:300]...)
	s.SetPace(time.Nanosecond)
	c.ok("NOOP")
	c.send("x SEARCH BODY nowhere\r\n")
	c.expect("* OK Still")
	ended := make(chan error)
	ctx, stop := context.WithCancel(t.Context())
	stop() // no patience
	go func() { ended <- s.Shutdown(ctx) }()
	for !s.Stopped() {
		runtime.Gosched() // the search waits for its words to be read
	}
	for {
		l := c.line()
		if strings.HasPrefix(l, "* BYE") {
			break
		}
		if l != "* OK Still searching" {
			t.Fatalf("%q", l)
		}
	}
	<-ended
}
