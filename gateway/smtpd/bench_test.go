package smtpd_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// nothing is a handler that reads messages and keeps nothing.
type nothing struct{}

func (nothing) Connect(context.Context, smtpd.Info) (smtpd.Session, smtp.Reply, error) {
	return nothing{}, smtp.Reply{}, nil
}
func (nothing) Helo(context.Context, smtpd.Info) (smtp.Reply, error) { return smtp.Reply{}, nil }
func (nothing) Mail(context.Context, smtp.ReversePath, smtp.MailParams) (smtpd.Transaction, smtp.Reply, error) {
	return nothing{}, smtp.Reply{}, nil
}

func (nothing) Rcpt(context.Context, smtp.ForwardPath, smtp.RcptParams) (smtp.Reply, error) {
	return smtp.Reply{}, nil
}

func (nothing) Data(_ context.Context, r io.Reader) ([]smtp.Reply, error) {
	_, err := r.(io.WriterTo).WriteTo(io.Discard)
	return nil, err
}
func (nothing) Reset() {}
func (nothing) Close() {}

// script is a connection that plays the client: it gives what is in turns and
// counts the server's calls. A turn is given when the server reads after
// having written.
type script struct {
	net.Conn
	next func() []byte
	in   []byte
	out  []byte // what the server wrote, if keep
	keep bool

	reads, writes, deadlines int
}

func (s *script) SetReadDeadline(time.Time) error  { s.deadlines++; return nil }
func (s *script) SetWriteDeadline(time.Time) error { s.deadlines++; return nil }
func (s *script) SetDeadline(time.Time) error      { s.deadlines++; return nil }
func (s *script) Close() error                     { return nil }
func (s *script) RemoteAddr() net.Addr             { return addressed{}.RemoteAddr() }
func (s *script) LocalAddr() net.Addr              { return addressed{}.LocalAddr() }

func (s *script) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		if s.in = s.next(); s.in == nil {
			return 0, io.EOF
		}
	}
	s.reads++
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.writes++
	if s.keep {
		s.out = append(s.out, p...)
	}
	return len(p), nil
}

// run plays hello and then n times the turns.
func runScript(b *testing.B, n func() bool, turns ...[]byte) *script {
	srv, err := smtpd.New(smtpd.Options{Hostname: "mx.example.test", Protocol: "smtp", Limits: smtpd.Limits{Transactions: -1, IdleCommands: 1 << 60, Errors: 1 << 60, Message: 1 << 40}}, nothing{})
	if err != nil {
		b.Fatal(err)
	}
	hello, k := true, 0
	s := &script{}
	s.next = func() []byte {
		if hello {
			hello = false
			return []byte("EHLO client.example.org\r\n")
		}
		if k == 0 && !n() {
			return nil
		}
		t := turns[k]
		k = (k + 1) % len(turns)
		return t
	}
	srv.ServeConn(s)
	return s
}

func message(size int) []byte {
	line := strings.Repeat("x", 70) + "\r\n"
	return []byte("Subject: x\r\n\r\n" + strings.Repeat(line, size/len(line)) + ".\r\n")
}

func benchMessages(b *testing.B, turns ...[]byte) {
	b.ReportAllocs()
	s := runScript(b, b.Loop, turns...)
	b.ReportMetric(float64(s.reads)/float64(b.N), "reads/op")
	b.ReportMetric(float64(s.writes)/float64(b.N), "writes/op")
	b.ReportMetric(float64(s.deadlines)/float64(b.N), "deadlines/op")
}

func BenchmarkMessage4K(b *testing.B) {
	benchMessages(b, []byte("MAIL FROM:<a@example.org> SIZE=4096\r\n"), []byte("RCPT TO:<b@example.test>\r\n"), []byte("DATA\r\n"), message(4096))
}

func BenchmarkMessage4KPipelined(b *testing.B) {
	benchMessages(b, []byte("MAIL FROM:<a@example.org> SIZE=4096\r\nRCPT TO:<b@example.test>\r\nDATA\r\n"), message(4096))
}

func BenchmarkMessage4KChunked(b *testing.B) {
	m := bytes.TrimSuffix(message(4082), []byte(".\r\n"))
	benchMessages(b, append([]byte("MAIL FROM:<a@example.org> SIZE=4096\r\nRCPT TO:<b@example.test>\r\nBDAT "+itoa(len(m))+" LAST\r\n"), m...))
}

func itoa(n int) string {
	var b []byte
	for ; n > 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return string(b)
}

func BenchmarkNoop(b *testing.B) { benchMessages(b, []byte("NOOP\r\n")) }

// BenchmarkData is the way of a message's octets through the server.
func BenchmarkData(b *testing.B) {
	m := message(1 << 20)
	b.SetBytes(int64(len(m)))
	benchMessages(b, []byte("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n"), m)
}

// BenchmarkConnection is a connection on loopback that brings one message of
// 4 KiB, with its client.
func BenchmarkConnection(b *testing.B) {
	addr, _ := serve(b, smtpd.Options{Protocol: "smtp"}, nothing{})
	m := message(4096)
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		r := bufio.NewReader(c)
		for _, t := range []string{"EHLO client.example.org\r\n", "MAIL FROM:<a@example.org>\r\n", "RCPT TO:<b@example.test>\r\n", "DATA\r\n", string(m), "QUIT\r\n"} {
			readReply(b, r)
			io.WriteString(c, t)
		}
		readReply(b, r)
		c.Close()
	}
}

func readReply(b *testing.B, r *bufio.Reader) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			b.Fatal(err)
		}
		if line[3] == ' ' {
			return
		}
	}
}

// TestSyscallsAMessage: a message costs one write a step and a read for what
// came.
func TestSyscallsAMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		turns  []string
		writes int
	}{
		{"step by step", []string{"MAIL FROM:<a@example.org>\r\n", "RCPT TO:<b@example.test>\r\n", "DATA\r\n", string(message(4096))}, 4},
		{"pipelined", []string{"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.test>\r\nRCPT TO:<c@example.test>\r\nDATA\r\n", string(message(4096))}, 2},
		{"chunked", []string{"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.test>\r\nBDAT 3\r\na\r\nBDAT 0 LAST\r\n"}, 1},
	} {
		s := &script{}
		turns := append([]string{"EHLO x\r\n"}, c.turns...)
		s.next = func() []byte {
			if len(turns) == 0 {
				return nil
			}
			b := []byte(turns[0])
			turns = turns[1:]
			return b
		}
		newServer(t, smtpd.Options{}, nothing{}).ServeConn(s)
		if got := s.writes - 2; got != c.writes { // greeting, EHLO
			t.Errorf("%s: %d writes, want %d", c.name, got, c.writes)
		}
	}
}
