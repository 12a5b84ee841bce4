package imapd_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// FuzzCommands: whatever a client says, before or after the login, the server
// answers in lines, ends, and leaves no goroutine.
func FuzzCommands(f *testing.F) {
	for _, s := range []string{
		"a NOOP\r\n", "a CAPABILITY\r\nb LOGOUT\r\n", "a LOGIN {3}\r\nbob {3+}\r\nxyz\r\n", "a AUTHENTICATE PLAIN =\r\n", "a AUTHENTICATE PLAIN\r\n*\r\n",
		"a LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (% *) RETURN (STATUS (MESSAGES))\r\n", "a APPEND INBOX (\\Seen) {3+}\r\nabc {3+}\r\nabc\r\n",
		"a APPEND INBOX UTF8 (~{3+}\r\nabc)\r\n", "a SELECT INBOX\r\nb FETCH 1:* (FLAGS BODY[])\r\nc STORE 1 +FLAGS (\\Deleted)\r\nd EXPUNGE\r\ne IDLE\r\nDONE\r\n",
		"a COMPRESS DEFLATE\r\n\x00\x00", "a NOTIFY SET STATUS (PERSONAL (MessageNew MessageExpunge))\r\nb CREATE x\r\nc RENAME x y\r\nd DELETE y\r\n",
		"a SETMETADATA INBOX (/private/x {3+}\r\nabc)\r\nb GETMETADATA (DEPTH 1) INBOX (/private)\r\n", "a ENABLE QRESYNC\r\nb SELECT INBOX (QRESYNC (1 1 1:5 (1,2 1,2)))\r\n",
		"a UNAUTHENTICATE\r\nb STARTTLS\r\n\x16\x03\x01", "a ID NIL\r\nb GETQUOTAROOT INBOX\r\nc STATUS INBOX (SIZE)\r\nd SUBSCRIBE x\r\ne LSUB \"\" %\r\n",
	} {
		f.Add(false, s)
		f.Add(true, s)
	}
	store := openStore(f, mailbox.Options{Folders: 20, User: mailbox.Limits{Messages: 100}})
	s := newServer(f, imapd.Options{TLS: testTLS(), Limits: imapd.Limits{LoginTimeout: time.Second, ArrivalTimeout: time.Second, Message: 64 << 10}}, store)
	f.Fuzz(func(t *testing.T, in bool, text string) {
		near, far := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { s.ServeConn(addressed{far}) })
		wg.Go(func() {
			if in {
				io.WriteString(near, "x LOGIN fuzz@example.test secret\r\n")
			}
			io.WriteString(near, text)
			io.WriteString(near, "\r\nzzz LOGOUT\r\n")
			near.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		})
		out, _ := io.ReadAll(near)
		near.Close()
		wg.Wait()
		if strings.Contains(string(out), "SERVERBUG") {
			t.Errorf("%q was answered %q", text, out)
		}
	})
}
