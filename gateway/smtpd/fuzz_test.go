package smtpd_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

// FuzzDialogue sends anything to a server, in pieces of any size.
func FuzzDialogue(f *testing.F) {
	files, err := filepath.Glob("../../testdata/dialogues/*.smtp")
	if err != nil {
		f.Fatal(err)
	}
	for i, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var all []byte
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			if t, ok := strings.CutPrefix(line, "C: "); ok {
				all = append(append(all, t...), "\r\n"...)
			} else if t, ok := strings.CutPrefix(line, "R: "); ok {
				all = append(all, strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00").Replace(t)...)
			}
		}
		f.Add(all, byte(i), uint16(i%7*50))
	}
	f.Fuzz(func(t *testing.T, in []byte, how byte, size uint16) {
		h := &smtpdtest.Handler{}
		o := smtpd.Options{Hostname: "mx.example.test", Protocol: "smtp", TLS: testTLS(), DSN: true}
		if how&1 != 0 {
			o.Protocol = "lmtp"
		}
		o.BareLineEnds = smtp.Treatment(how >> 1 & 1)
		o.NUL = smtp.Treatment(how >> 2 & 3 % 3)
		if how&16 != 0 {
			o.XClientFrom = append(o.XClientFrom, loopback)
		}
		if how&32 != 0 {
			o.ProxyFrom = append(o.ProxyFrom, loopback)
		}
		o.StrictSyntax = how&64 != 0
		s, err := smtpd.New(o, h)
		if err != nil {
			t.Fatal(err)
		}
		rest := bytes.Clone(in)
		c := &script{keep: true, next: func() []byte {
			n := min(max(int(size), 1), len(rest))
			if n == 0 {
				return nil
			}
			b := rest[:n]
			rest = rest[n:]
			return b
		}}
		s.ServeConn(c)
		checkDialogue(t, in, o, c.out, h)
	})
}

var lastChunk = regexp.MustCompile(`(?i)BDAT +[0-9]+ +LAST`)

// checkDialogue holds what is true of every dialogue.
func checkDialogue(t *testing.T, in []byte, o smtpd.Options, out []byte, h *smtpdtest.Handler) {
	// Every message needs its DATA and its CRLF.CRLF, or its BDAT LAST.
	commands := len(regexp.MustCompile(`(?i)DATA *\r?\n`).FindAll(in, -1))
	ends := bytes.Count(bytes.ReplaceAll(in, []byte("\r\n"), []byte("\r\n\r\n")), []byte("\r\n.\r\n"))
	most := min(commands, ends) + len(lastChunk.FindAll(in, -1))
	if n := len(h.Messages()); n > most {
		t.Fatalf("%d messages of at most %d: %q", n, most, in)
	}
	for _, m := range h.Messages() {
		if m.Data != "" && !strings.HasSuffix(m.Data, "\r\n") {
			t.Fatalf("a message ends with %q", m.Data)
		}
		if strings.ContainsAny(strings.ReplaceAll(m.Data, "\r\n", ""), "\r\n") {
			t.Fatalf("a message has bare line ends: %q", m.Data)
		}
		if o.NUL != smtp.Allow && strings.Contains(m.Data, "\x00") {
			t.Fatalf("a message has NUL: %q", m.Data)
		}
		for line := range strings.Lines(m.Data) {
			if len(line) > 1000 {
				t.Fatal("a message has a long line")
			}
		}
	}
	if sessions, _, _ := h.Counts(); sessions != 0 {
		t.Fatalf("%d sessions are open", sessions)
	}
	if i := bytes.IndexByte(out, 0x15); i >= 0 { // a TLS alert after STARTTLS
		out = out[:i]
	}
	for line := range bytes.Lines(out) {
		if !bytes.HasSuffix(line, []byte("\r\n")) || len(line) > 512 || len(line) < 6 || line[0] < '2' || line[0] > '5' || line[3] != ' ' && line[3] != '-' {
			t.Fatalf("malformed reply line %q", line)
		}
	}
}
