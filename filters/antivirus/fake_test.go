package antivirus

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// fake is a clamd on loopback that does as it is told.
type fake struct {
	net.Listener
	mu       sync.Mutex
	commands []string
	streams  []string // those that came to their end
	fildes   func(s *session)
	wg       sync.WaitGroup
}

// session is one connection to a fake whose command was INSTREAM.
type session struct {
	net.Conn
	r    *bufio.Reader
	fake *fake
}

// startFake runs a clamd; instream handles each stream, nil answers by
// content.
func startFake(t *testing.T, instream func(s *session)) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if instream == nil {
		instream = func(s *session) { s.judge() }
	}
	f := &fake{Listener: l}
	f.wg.Add(1)
	go f.serve(instream)
	t.Cleanup(func() { l.Close(); f.wg.Wait() })
	return f
}

func (f *fake) serve(instream func(s *session)) {
	defer f.wg.Done()
	for {
		c, err := f.Accept()
		if err != nil {
			return
		}
		f.wg.Add(1)
		go func() {
			defer f.wg.Done()
			defer c.Close()
			s := &session{c, bufio.NewReader(c), f}
			if f.fildes != nil { // a descriptor is not to be read with the command before it
				s.r = bufio.NewReader(oneByOne{c})
			}
			cmd := s.command()
			f.mu.Lock()
			f.commands = append(f.commands, cmd)
			f.mu.Unlock()
			switch cmd {
			case "INSTREAM":
				instream(s)
			case "FILDES":
				if f.fildes != nil {
					f.fildes(s)
				} else {
					s.say("UNKNOWN COMMAND")
				}
			case "VERSION":
				io.WriteString(c, "ClamAV 1.4.3/27000/Sat Nov 21 2026\x00")
			case "PING":
				io.WriteString(c, "PONG\n")
			}
		}()
	}
}

// command reads "zNAME\0" or "nNAME\n".
func (s *session) command() string {
	kind, _ := s.r.ReadByte()
	end := byte(0)
	if kind == 'n' {
		end = '\n'
	}
	line, _ := s.r.ReadString(end)
	return strings.TrimRight(line, "\x00\n")
}

// chunk reads one chunk; nil, true at the end of the stream.
func (s *session) chunk() (data []byte, ok bool) {
	var head [4]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return nil, false
	}
	data = make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(s.r, data)
	return data, err == nil
}

// all reads the stream to its end.
func (s *session) all() (text string, ok bool) {
	var b strings.Builder
	for {
		p, ok := s.chunk()
		if !ok {
			return b.String(), false
		}
		if len(p) == 0 {
			s.fake.mu.Lock()
			s.fake.streams = append(s.fake.streams, b.String())
			s.fake.mu.Unlock()
			return b.String(), true
		}
		b.Write(p)
	}
}

// judge finds "VIRUS" and nothing else.
func (s *session) judge() {
	text, ok := s.all()
	switch {
	case !ok:
	case strings.Contains(text, "VIRUS"):
		io.WriteString(s, "stream: Test.Virus FOUND\x00")
	default:
		io.WriteString(s, "stream: OK\x00")
	}
}

func (s *session) say(reply string) { _, _ = io.WriteString(s, reply+"\x00") }

func (f *fake) addr() string { return f.Addr().String() }

func (f *fake) seen() (commands, streams []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.commands...), append([]string(nil), f.streams...)
}

// oneByOne gives one octet at a time.
type oneByOne struct{ io.Reader }

func (o oneByOne) Read(p []byte) (int, error) { return o.Reader.Read(p[:1]) }
