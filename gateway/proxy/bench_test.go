package proxy

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// sink takes everything, with PIPELINING and CHUNKING.
func sink(conn net.Conn) {
	defer conn.Close()
	in, out := bufio.NewReaderSize(conn, 64<<10), make([]byte, 0, 256)
	out = append(out, "220 sink\r\n"...)
	for {
		if in.Buffered() == 0 {
			_, _ = conn.Write(out)
			out = out[:0]
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if n, ok := bytes.CutPrefix(line, []byte("BDAT ")); ok {
			size := 0
			for _, c := range n {
				if c < '0' || c > '9' {
					break
				}
				size = size*10 + int(c-'0')
			}
			_, _ = in.Discard(size)
		}
		if bytes.HasPrefix(line, []byte("EHLO")) {
			out = append(out, "250-sink\r\n250-PIPELINING\r\n250 CHUNKING\r\n"...)
			continue
		}
		out = append(out, "250 2.0.0 Ok\r\n"...)
	}
}

func benchGroup(b *testing.B) *Group {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go sink(c)
		}
	}()
	g, err := New("y.test", Options{Backends: []string{"smtp://" + l.Addr().String()}}, Deps{Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(nil)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(g.Close)
	return g
}

type pieces [][]byte

func (pieces) Read([]byte) (int, error) { return 0, io.EOF }
func (pieces) Close() error             { return nil }
func (p pieces) WriteTo(w io.Writer) (n int64, err error) {
	for _, s := range p {
		m, err := w.Write(s)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func BenchmarkVerifyRemembered(b *testing.B) {
	g := benchGroup(b)
	b.ReportAllocs()
	for b.Loop() {
		if r, _ := g.Verify(b.Context(), sender("a"), smtp.MailParams{}, rcpt("b"), smtp.RcptParams{}); r.Code != 250 {
			b.Fatal(r)
		}
	}
}

func BenchmarkVerifyAsked(b *testing.B) {
	g := benchGroup(b)
	g.answers = newAnswers(-1)
	b.ReportAllocs()
	for b.Loop() {
		if r, _ := g.Verify(b.Context(), sender("a"), smtp.MailParams{}, rcpt("b"), smtp.RcptParams{}); r.Code != 250 {
			b.Fatal(r)
		}
	}
}

func BenchmarkCommit4KiB(b *testing.B) {
	g := benchGroup(b)
	c := copyTo("a", "b")
	text := bytes.Repeat([]byte("sixty-four octets of a message, as they come in one line.......\r\n"), 64)
	body := pieces{text[:500], text[500:]}
	c.Size, c.Open = int64(len(text)), func() io.ReadCloser { return body }
	b.SetBytes(c.Size)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if rs, err := g.Delivery().Commit(b.Context(), c); err != nil || rs[0].Code != 250 {
				b.Error(rs, err)
			}
		}
	})
}
