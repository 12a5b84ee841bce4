package pop3d_test

import (
	"bytes"
	"testing"

	"github.com/gapura-mail/gapura/gateway/acceptor/acceptortest"
	"github.com/gapura-mail/gapura/gateway/pop3d"
)

// FuzzSession sends anything to a server, in pieces of any size.
func FuzzSession(f *testing.F) {
	const login = "USER bob\r\nPASS pass word\r\n"
	for i, s := range []string{
		login + "STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nQUIT\r\n",
		login + "DELE 1\r\nDELE 2\r\nRSET\r\nLIST 1\r\nUIDL 3\r\n",
		"CAPA\r\nAUTH\r\nAUTH PLAIN\r\nAGJvYgBwYXNzIHdvcmQ=\r\nRETR 3\nTOP 3 0\nQUIT\n",
		"AUTH PLAIN =\r\n*\r\nSTLS\r\nUSER x\r\n", "UTF8\r\nSTLS\r\n", "RETR 99999999999\r\n\r\nTOP 1 1 1\r\n",
	} {
		f.Add([]byte(s), uint16(i*7))
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		m := newMemory(first, second, third)
		c := &acceptortest.Script{In: bytes.Clone(in), Size: int(size)}
		opt := pop3d.Options{Limits: pop3d.Limits{LockWait: -1}}
		if size%2 == 1 {
			opt.TLS = acceptortest.TLS()
		}
		newServer(t, opt, m).ServeConn(c)
		if m.users["bob"].inUse {
			t.Fatal("the maildrop stays locked")
		}
		out := c.Out
		if i := bytes.IndexByte(out, 0x15); i >= 0 { // a TLS alert after STLS
			out = out[:i]
		}
		if n := len(m.left()); n < 3 && !bytes.HasSuffix(out, []byte("+OK Bye\r\n")) {
			t.Fatalf("%d messages left without QUIT: %q", n, out)
		}
		for line := range bytes.Lines(out) {
			if !bytes.HasSuffix(line, []byte("\r\n")) || line[0] == '.' && line[1] != '.' && len(line) != 3 {
				t.Fatalf("malformed line %q", line)
			}
		}
	})
}
