package smtpc

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
)

// receive is a small server that accepts everything until QUIT and returns
// the last message.
func receive(conn net.Conn, chunking bool) string {
	s := server{chunking: chunking, keep: true}
	s.serve(conn)
	return s.last.String()
}

type server struct {
	chunking, keep bool
	mu             sync.Mutex
	last           bytes.Buffer
	writes         int // replies sent, each group one write
}

func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 128<<10)
	out := make([]byte, 0, 1024)
	say := func(line string) { out = append(append(out, line...), "\r\n"...) }
	flush := func() {
		s.mu.Lock()
		s.writes++
		s.mu.Unlock()
		_, _ = conn.Write(out)
		out = out[:0]
	}
	say("220 small")
	for {
		if in.Buffered() == 0 && len(out) > 0 {
			flush()
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch {
		case bytes.HasPrefix(line, []byte("EHLO")):
			say("250-small\r\n250-PIPELINING\r\n250 SIZE")
			if s.chunking {
				out = out[:len(out)-len("250 SIZE\r\n")]
				say("250 CHUNKING")
			}
		case bytes.HasPrefix(line, []byte("DATA")):
			say("354 go")
			flush()
			s.text(in)
			say("250 2.0.0 Ok")
		case bytes.HasPrefix(line, []byte("BDAT")):
			n, _ := strconv.Atoi(string(bytes.Fields(line)[1]))
			s.last.Reset()
			if s.keep {
				_, _ = io.CopyN(&s.last, in, int64(n))
			} else {
				_, _ = in.Discard(n)
			}
			say("250 2.0.0 Ok")
		case bytes.HasPrefix(line, []byte("QUIT")):
			say("221 bye")
			flush()
			return
		default:
			say("250 2.1.0 Ok")
		}
	}
}

func (s *server) text(in *bufio.Reader) {
	s.last.Reset()
	for {
		line, err := in.ReadSlice('\n')
		if err != nil || string(line) == ".\r\n" {
			return
		}
		if s.keep {
			s.last.WriteString(strings.TrimPrefix(string(line), "."))
		}
	}
}
