package smtpdtest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Dialogue is a file of testdata/dialogues; the README there tells the
// format.
type Dialogue struct {
	Name    string
	Options map[string]string // %option lines
	steps   []step
}

type step struct {
	line int
	verb string
	arg  string
}

// Target is the server that dialogues are run against.
type Target struct {
	// Dial opens a connection.
	Dial func() (net.Conn, error)
	// TLS is for %starttls and %tls; nil: certificates are not checked.
	TLS *tls.Config
	// Messages returns the messages that were taken, header and body as they
	// came; nil: %messages and %body are not checked.
	Messages func() []string
	// Wait waits until the server is done with all connections; nil: %messages
	// after %close is not checked.
	Wait func()
	// Timeout of one expectation; 0 means 10 seconds.
	Timeout time.Duration
}

// Read parses a dialogue file.
func Read(file string) (*Dialogue, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := &Dialogue{Name: strings.TrimSuffix(filepath.Base(file), ".smtp"), Options: make(map[string]string)}
	for i, line := range strings.Split(string(data), "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		verb, arg, _ := strings.Cut(line, " ")
		if verb == "%option" {
			name, value, _ := strings.Cut(arg, " ")
			d.Options[name] = strings.TrimSpace(value)
			continue
		}
		switch verb {
		case "C:", "R:", "R*", "S:", "%starttls", "%tls", "%close", "%expect-close", "%connect", "%messages", "%body":
			d.steps = append(d.steps, step{i + 1, verb, arg})
		default:
			return nil, fmt.Errorf("%s:%d: unknown word %q", file, i+1, verb)
		}
	}
	return d, nil
}

// Run runs the dialogue in file against target.
func Run(t testing.TB, file string, target Target) {
	t.Helper()
	d, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	d.Run(t, target)
}

// Run runs the dialogue against target. The first connection is opened
// without being asked for.
func (d *Dialogue) Run(t testing.TB, target Target) {
	t.Helper()
	p := &player{target: target}
	if p.target.Timeout == 0 {
		p.target.Timeout = 10 * time.Second
	}
	defer p.close()
	err := p.connect()
	for _, s := range d.steps {
		if err == nil {
			err = p.play(s)
		}
		if err != nil {
			t.Fatalf("%s.smtp:%d: %s %s: %v", d.Name, s.line, s.verb, s.arg, err)
		}
	}
	if err := p.rest(); err != nil {
		t.Fatalf("%s.smtp: at the end: %v", d.Name, err)
	}
}

type player struct {
	target Target
	raw    *pumped
	conn   net.Conn
	r      *bufio.Reader
	closed bool
}

func (p *player) connect() error {
	p.close()
	c, err := p.target.Dial()
	if err != nil {
		return err
	}
	p.raw = pump(c)
	p.conn, p.closed = p.raw, false
	p.r = bufio.NewReader(p.conn)
	return nil
}

func (p *player) close() {
	if p.raw != nil {
		p.raw.Close()
		p.closed = true
	}
}

func (p *player) play(s step) error {
	switch s.verb {
	case "%connect":
		return p.connect()
	case "C:":
		return p.send([]byte(s.arg + "\r\n"))
	case "R:":
		b, err := unescape(s.arg)
		if err != nil {
			return err
		}
		return p.send(b)
	case "R*":
		n, text, _ := strings.Cut(s.arg, " ")
		count, err := strconv.Atoi(n)
		if err != nil {
			return err
		}
		b, err := unescape(text)
		if err != nil {
			return err
		}
		return p.send(bytes.Repeat(b, count))
	case "S:":
		return p.expect(s.arg)
	case "%starttls", "%tls":
		return p.handshake()
	case "%close":
		p.close()
		if p.target.Wait != nil {
			p.target.Wait()
		}
		return nil
	case "%expect-close":
		return p.expectClose()
	case "%messages":
		return p.messages(s.arg)
	case "%body":
		return p.body(s.arg)
	}
	return fmt.Errorf("unknown word")
}

// send writes b as one packet or record. The server may have closed already;
// what it said shows that.
func (p *player) send(b []byte) error {
	p.conn.SetWriteDeadline(time.Now().Add(p.target.Timeout))
	p.conn.Write(b)
	return nil
}

// expect reads a whole reply and compares it.
func (p *player) expect(want string) error {
	p.conn.SetReadDeadline(time.Now().Add(p.target.Timeout))
	var got []string
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("got %q and %v", strings.Join(got, "|")+line, err)
		}
		if !strings.HasSuffix(line, "\r\n") || len(line) < 5 {
			return fmt.Errorf("malformed reply line %q", line)
		}
		line = strings.TrimSuffix(line, "\r\n")
		if len(got) > 0 && line[:3] != got[0][:3] {
			return fmt.Errorf("lines of one reply differ: %q, %q", got[0], line)
		}
		got = append(got, line)
		if line[3] == ' ' {
			break
		}
	}
	code, text, _ := strings.Cut(strings.TrimSpace(want), " ")
	if ok, err := regexp.MatchString("^(?:"+code+")$", got[0][:3]); err != nil || !ok {
		return fmt.Errorf("got %q", strings.Join(got, "|"))
	}
	lines := make([]string, len(got))
	for i, l := range got {
		lines[i] = l[4:]
	}
	if ok, err := regexp.MatchString(text, strings.Join(lines, "\n")); err != nil || !ok {
		return fmt.Errorf("got %q (%v)", strings.Join(got, "|"), err)
	}
	return nil
}

func (p *player) expectClose() error {
	p.conn.SetReadDeadline(time.Now().Add(p.target.Timeout))
	b, err := io.ReadAll(p.r)
	if len(b) > 0 {
		return fmt.Errorf("the server said %q first", b)
	}
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		return fmt.Errorf("still open")
	}
	p.closed = true
	return nil
}

// rest finds replies that nobody expected: to an unknown command and QUIT
// there are two, or one when the connection ends, or none when it has.
func (p *player) rest() error {
	if p.closed || p.conn == nil {
		return nil
	}
	p.send([]byte("ZZZZ\r\nQUIT\r\n"))
	p.conn.SetReadDeadline(time.Now().Add(p.target.Timeout))
	b, err := io.ReadAll(p.r)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		return fmt.Errorf("QUIT was not answered; got %q", b)
	}
	if n := bytes.Count(b, []byte("\n")); n > 2 || n == 2 && (b[0] != '5' || !bytes.Contains(b, []byte("\r\n221 "))) {
		return fmt.Errorf("the server said more: %q", b)
	}
	return nil
}

func (p *player) handshake() error {
	cfg := p.target.TLS
	if cfg == nil {
		cfg = &tls.Config{InsecureSkipVerify: true}
	}
	if p.r.Buffered() > 0 {
		b, _ := p.r.Peek(p.r.Buffered())
		return fmt.Errorf("the server said %q before TLS", b)
	}
	c := tls.Client(p.raw, cfg)
	p.raw.SetDeadline(time.Now().Add(p.target.Timeout))
	if err := c.Handshake(); err != nil {
		return err
	}
	p.conn = c
	p.r = bufio.NewReader(c)
	return nil
}

func (p *player) messages(arg string) error {
	if p.target.Messages == nil || p.closed && p.target.Wait == nil {
		return nil
	}
	want, err := strconv.Atoi(strings.TrimSpace(arg))
	if err != nil {
		return err
	}
	if got := p.target.Messages(); len(got) != want {
		return fmt.Errorf("%d messages were taken: %q", len(got), got)
	}
	return nil
}

func (p *player) body(arg string) error {
	if p.target.Messages == nil {
		return nil
	}
	want, err := unescape(arg)
	if err != nil {
		return err
	}
	got := p.target.Messages()
	// A gateway adds the empty line that a message without body lacks.
	if len(got) == 0 || !strings.HasSuffix(got[len(got)-1], string(want)) && !strings.HasSuffix(got[len(got)-1], string(want)+"\r\n") {
		return fmt.Errorf("taken were %q", got)
	}
	return nil
}

// unescape reads \r \n \t \0 \\ and \xHH.
func unescape(s string) ([]byte, error) {
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		if i++; i == len(s) {
			return nil, fmt.Errorf("backslash at the end")
		}
		switch s[i] {
		case 'r':
			b = append(b, '\r')
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case '0':
			b = append(b, 0)
		case '\\':
			b = append(b, '\\')
		case 'x':
			if i+2 >= len(s) {
				return nil, fmt.Errorf("\\x needs two digits")
			}
			v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return nil, err
			}
			b = append(b, byte(v))
			i += 2
		default:
			return nil, fmt.Errorf("unknown escape \\%c", s[i])
		}
	}
	return b, nil
}

// pumped reads ahead without limit, so that neither side of a net.Pipe waits
// for the other while both write.
type pumped struct {
	net.Conn
	mu       sync.Mutex
	cond     *sync.Cond
	buf      []byte
	err      error
	deadline time.Time
	timer    *time.Timer
}

func pump(c net.Conn) *pumped {
	p := &pumped{Conn: c}
	p.cond = sync.NewCond(&p.mu)
	go func() {
		b := make([]byte, 32<<10)
		for {
			n, err := c.Read(b)
			p.mu.Lock()
			p.buf = append(p.buf, b[:n]...)
			p.err = err
			p.mu.Unlock()
			p.cond.Broadcast()
			if err != nil {
				return
			}
		}
	}()
	return p
}

func (p *pumped) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.buf) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		if !p.deadline.IsZero() && !time.Now().Before(p.deadline) {
			return 0, os.ErrDeadlineExceeded
		}
		p.cond.Wait()
	}
	n := copy(b, p.buf)
	p.buf = p.buf[n:]
	return n, nil
}

func (p *pumped) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = t
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = time.AfterFunc(time.Until(t), p.cond.Broadcast)
	return nil
}

func (p *pumped) SetDeadline(t time.Time) error {
	p.SetReadDeadline(t)
	return p.Conn.SetWriteDeadline(t)
}

// Close closes the connection and waits for nothing.
func (p *pumped) Close() error {
	p.mu.Lock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	return p.Conn.Close()
}
