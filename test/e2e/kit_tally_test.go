package e2e_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

// tally is a next hop that counts what arrives, and whether it arrived whole.
type tally struct {
	addr string
	// refuse tells whether it answers 451 this time, wait how long it takes.
	refuse func() bool
	wait   func() time.Duration
	ended  func(error) // nil: nobody is told

	damaged atomic.Int64
	mu      sync.Mutex
	got     map[string][]time.Time // by mark, when it answered 250
	began   map[string][]time.Time // by mark, when those connections began
}

func startTally(t testing.TB) *tally { return startTallyAt(t, "127.0.0.1:0") }

func startTallyAt(t testing.TB, addr string) *tally {
	t.Helper()
	s := &tally{got: map[string][]time.Time{}, began: map[string][]time.Time{}}
	srv := gosmtp.NewServer(s)
	srv.Domain = "tally.test"
	srv.ErrorLog = log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	go srv.Serve(cutListener{l})
	t.Cleanup(func() { srv.Close() })
	return s
}

// cutListener and cutConn make the end of a connection an error: go-smtp takes
// a BDAT chunk that ends with its connection for a whole one.
type cutListener struct{ net.Listener }

func (l cutListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return cutConn{c}, err
}

type cutConn struct{ net.Conn }

func (c cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// TestTallyRefusesWhatIsCut: a message whose sender dies in the middle of a
// chunk has not arrived.
func TestTallyRefusesWhatIsCut(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	sink := startTally(t)
	sink.ended = func(err error) { ended <- err }
	conn, err := net.Dial("tcp", sink.addr)
	if err != nil {
		t.Fatal(err)
	}
	mail := summed("cut", 1000)
	fmt.Fprintf(conn, "EHLO x\r\nMAIL FROM:<a@sender.test>\r\nRCPT TO:<b@far.test>\r\nBDAT %d LAST\r\n%s", len(mail), mail[:len(mail)/2])
	conn.Close()
	if err := <-ended; err == nil || sink.damaged.Load() != 0 || sink.missing([]string{"cut"}) != 1 {
		t.Errorf("%v, %d damaged", err, sink.damaged.Load())
	}
}

// times returns when the message with this mark arrived.
func (s *tally) times(mark string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got[mark]
}

// connections returns when those began by which it came.
func (s *tally) connections(mark string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.began[mark]
}

// missing counts the marks that have not arrived.
func (s *tally) missing(marks []string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range marks {
		if len(s.got[m]) == 0 {
			n++
		}
	}
	return n
}

// NewSession implements gosmtp.Backend.
func (s *tally) NewSession(*gosmtp.Conn) (gosmtp.Session, error) {
	return &tallySession{s, time.Now()}, nil
}

type tallySession struct {
	*tally
	since time.Time
}

func (s *tallySession) Mail(string, *gosmtp.MailOptions) error { return nil }
func (s *tallySession) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (s *tallySession) Reset()                                 {}
func (s *tallySession) Logout() error                          { return nil }

// Data checks the message against the sum that it carries.
func (s *tallySession) Data(r io.Reader) (err error) {
	if s.ended != nil {
		defer func() { s.ended(err) }()
	}
	br := bufio.NewReader(r)
	h, err := textproto.NewReader(br).ReadMIMEHeader()
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, br); err != nil {
		return err
	}
	if s.refuse != nil && s.refuse() {
		return says(451, [3]int{4, 3, 0}, "Not now")
	}
	if s.wait != nil {
		time.Sleep(s.wait())
	}
	if hex.EncodeToString(sum.Sum(nil)) != h.Get("X-Sum") {
		s.damaged.Add(1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	mark := h.Get("X-Mark")
	s.got[mark] = append(s.got[mark], time.Now())
	s.began[mark] = append(s.began[mark], s.since)
	return nil
}

// summed returns a message that a tally can check.
func summed(mark string, size int) string {
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "%016x%016x%016x%016x\r\n", rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64())
	}
	body := b.String()
	sum := sha256.Sum256([]byte(body))
	return fmt.Sprintf("From: ann@sender.test\r\nTo: bob@far.test\r\nSubject: %s\r\nX-Mark: %s\r\nX-Sum: %x\r\n\r\n%s", mark, mark, sum, body)
}

// load sends messages over several connections until it is stopped, and notes
// those that were accepted. It takes failures as they come.
type load struct {
	mu       sync.Mutex
	accepted []string
	refused  int
	stop     chan struct{}
	wg       sync.WaitGroup
}

func startLoad(addr string, connections int, size func() int) *load {
	l := &load{stop: make(chan struct{})}
	for range connections {
		l.wg.Go(func() {
			for !l.stopped() {
				if err := l.connection(addr, size); err != nil {
					time.Sleep(5 * time.Millisecond) // the gateway is down
				}
			}
		})
	}
	return l
}

func (l *load) stopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// connection sends up to 20 messages.
func (l *load) connection(addr string, size func() int) error {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(patience))
	c := gosmtp.NewClient(conn)
	defer c.Close()
	for range 20 {
		if l.stopped() {
			return nil
		}
		mark := newMark()
		err := c.SendMail("ann@sender.test", []string{"bob@far.test"}, strings.NewReader(summed(mark, size())))
		l.mu.Lock()
		if err == nil {
			l.accepted = append(l.accepted, mark)
		} else {
			l.refused++
		}
		l.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// end stops the load and returns what was accepted and how often it was not.
func (l *load) end() ([]string, int) {
	close(l.stop)
	l.wg.Wait()
	return l.accepted, l.refused
}
