package imapd_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// BenchmarkCommands measures commands of a session over TCP.
func BenchmarkCommands(b *testing.B) {
	store := openStore(b, mailbox.Options{})
	body := strings.Repeat("0123456789012345678901234567890123456789\r\n", 100)
	var items []mailbox.Item
	for i := range 1000 {
		items = append(items, item(b, store, letter(fmt.Sprintf("letter %d", i))+body, time.Unix(1_000_000_000, 0)))
	}
	putItems(b, store, "bob", "INBOX", items...)
	s := newServer(b, imapd.Options{}, store)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go s.Serve(l)
	b.Cleanup(func() { l.Close() })
	for _, cmd := range []string{
		"NOOP", "UID FETCH 500 (FLAGS)", "UID FETCH 1:20 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)", "UID FETCH 500 (BODY.PEEK[])", "UID FETCH 500 (BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])", "SELECT INBOX", "UID SEARCH UNSEEN 1:100",
		"UID STORE 7 +FLAGS.SILENT (\\Answered)",
	} {
		b.Run(strings.ReplaceAll(cmd, " ", "_"), func(b *testing.B) {
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			c := newClient(b, nc)
			c.expect("* OK")
			c.ok("LOGIN bob secret")
			c.ok("SELECT INBOX")
			line, buf := []byte("t "+cmd+"\r\n"), make([]byte, 64<<10)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := nc.Write(line); err != nil {
					b.Fatal(err)
				}
				for n := 0; ; {
					k, err := nc.Read(buf[n:])
					if err != nil {
						b.Fatal(err)
					}
					n += k
					last := buf[:n-2]
					if i := strings.LastIndexByte(string(last), '\n'); strings.HasPrefix(string(buf[i+1:n]), "t OK") {
						break
					}
				}
			}
		})
	}
}
