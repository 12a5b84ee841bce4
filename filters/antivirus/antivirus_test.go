package antivirus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const plain = "From: a@b.test\nSubject: x\n\nbody\n"

func newFilter(t *testing.T, opt Options) *Filter {
	t.Helper()
	f, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// judge runs the filter and describes its verdict.
func judge(t *testing.T, f *Filter, m *filtertest.Message) (string, error) {
	t.Helper()
	v, err := filtertest.Judge(t.Context(), f, filtertest.Transaction("192.0.2.1", "h"), m)
	if err != nil {
		return "", err
	}
	got := filtertest.Values(t, f, v)
	return strings.TrimSpace(fmt.Sprint(got["antivirus.result"], " ", got["antivirus.virus"], " ", got["antivirus.part"])), nil
}

func TestTheWholeMessageIsScanned(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small": 10, "fills the buffer": bufferSize - 60, "more than a chunk": chunkSize + 1, "large": 3 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := startFake(t, nil)
			raw := "Subject: x\r\n\r\n" + strings.Repeat("0123456\r\n", size/9)
			if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), filtertest.New(t, raw)); got != "clean" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			if _, streams := d.seen(); len(streams) != 1 || streams[0] != raw {
				t.Error("clamd got something else")
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]string{
		"stream: OK":                          "clean",
		"stream: Eicar-Test-Signature FOUND":  "infected Eicar-Test-Signature",
		"stream: Win.Test a b(00ff:68) FOUND": "infected Win.Test a b(00ff:68)",
		"stream: Ev\x01l\xff FOUND":           "infected Ev?l?",
		"INSTREAM size limit exceeded. ERROR": "too_large",
		"stream: Can't allocate memory ERROR": "error",
		"OKAY":                                "error",
		"":                                    "error",
		strings.Repeat("x", maxReply+1):       "error",
	} {
		t.Run(reply[:min(len(reply), 40)], func(t *testing.T) {
			t.Parallel()
			d := startFake(t, func(s *session) {
				if _, ok := s.all(); ok {
					s.say(reply)
				}
			})
			got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), filtertest.New(t, plain))
			if err != nil {
				got = "error"
			}
			if got != want {
				t.Errorf("%q, want %q (%v)", got, want, err)
			}
		})
	}
}

// endless is a body that goes on until it is closed.
type endless struct{ sent *int64 }

func (e endless) Read(p []byte) (int, error) {
	*e.sent += int64(len(p))
	if *e.sent > 1<<30 {
		return 0, errors.New("nobody stopped me")
	}
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func (endless) Close() error { return nil }

func TestAnEarlyAnswerEndsTheStream(t *testing.T) {
	t.Parallel()
	for reply, want := range map[string]string{
		"INSTREAM size limit exceeded. ERROR": "too_large",
		"stream: Test.Virus FOUND":            "infected Test.Virus",
	} {
		d := startFake(t, func(s *session) {
			s.chunk()
			s.say(reply)
			io.Copy(io.Discard, s.r) // until we close
		})
		m := filtertest.New(t, plain)
		m.Pending = func() io.ReadCloser { return endless{new(int64)} }
		if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), m); got != want || err != nil {
			t.Errorf("%q, want %q (%v)", got, want, err)
		}
	}
}

// cut is a body whose client goes away.
type cut struct{ io.Reader }

var errCut = errors.New("the client has gone")

func (c cut) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		err = errCut
	}
	return n, err
}

func (cut) Close() error { return nil }

func TestAMessageCutShortIsNeverClean(t *testing.T) {
	t.Parallel()
	d := startFake(t, nil)
	f := newFilter(t, Options{Clamd: Addresses{d.addr()}})
	for _, size := range []int{0, 10, eager + 1, 1 << 20} {
		m := filtertest.New(t, plain)
		m.Pending = func() io.ReadCloser { return cut{strings.NewReader(strings.Repeat("x", size))} }
		if got, err := judge(t, f, m); !errors.Is(err, errCut) {
			t.Errorf("%d octets: %q, %v", size, got, err)
		}
	}
	if got, err := judge(t, f, filtertest.New(t, plain)); got != "clean" || err != nil {
		t.Errorf("afterwards: %q, %v", got, err)
	}
	commands, streams := d.seen()
	if len(streams) != 1 || slices.Contains(commands, "VERSION") {
		t.Errorf("commands %q, %d whole streams; a cut message is not the daemon's fault", commands, len(streams))
	}
}

func TestCleanBeforeTheEndIsNoVerdict(t *testing.T) {
	t.Parallel()
	d := startFake(t, func(s *session) {
		s.chunk()
		s.say("stream: OK")
		io.Copy(io.Discard, s.r)
	})
	m := filtertest.New(t, plain)
	m.Pending = func() io.ReadCloser { return endless{new(int64)} }
	if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), m); err == nil {
		t.Errorf("%q", got)
	}
}

func TestAnotherDaemonStandsIn(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(s *session){
		"closes at once":         func(*session) {},
		"closes in the middle":   func(s *session) { s.chunk() },
		"closes without a reply": func(s *session) { s.all() },
		"has no memory":          func(s *session) { s.all(); s.say("stream: Can't allocate memory ERROR") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := startFake(t, broken), startFake(t, nil)
			f := newFilter(t, Options{Clamd: Addresses{a.addr(), b.addr()}})
			raw := plain + strings.Repeat("x", 1<<20) + "VIRUS"
			for range 3 {
				if got, err := judge(t, f, filtertest.New(t, raw)); got != "infected Test.Virus" || err != nil {
					t.Errorf("%q, %v", got, err)
				}
			}
			if commands, _ := a.seen(); len(commands) != 1 {
				t.Errorf("the broken one was asked %q", commands)
			}
		})
	}
}

func TestOneDaemonIsTriedTwiceAndProvesItself(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	d := startFake(t, func(s *session) {
		if broken.CompareAndSwap(false, true) {
			return
		}
		s.judge()
	})
	if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), filtertest.New(t, plain)); got != "clean" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if commands, _ := d.seen(); !slices.Equal(commands, []string{"INSTREAM", "VERSION", "INSTREAM"}) {
		t.Errorf("asked %q", commands)
	}
}

func TestADeadDaemonIsAnError(t *testing.T) {
	t.Parallel()
	d := startFake(t, nil)
	d.Close()
	f := newFilter(t, Options{Clamd: Addresses{d.addr()}})
	for range 2 {
		if got, err := judge(t, f, filtertest.New(t, plain)); err == nil {
			t.Errorf("%q", got)
		}
	}
	if _, err := judge(t, f, filtertest.New(t, plain)); !errors.Is(err, errDown) {
		t.Errorf("it is asked again at once: %v", err)
	}
}

func TestAHangingDaemonEndsWithTheContext(t *testing.T) {
	t.Parallel()
	got, release := make(chan struct{}), make(chan struct{})
	d := startFake(t, func(s *session) {
		s.all()
		close(got)
		<-release
	})
	defer close(release)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-got
		cancel(errCut)
	}()
	f := newFilter(t, Options{Clamd: Addresses{d.addr()}})
	_, err := filtertest.Judge(ctx, f, filtertest.Transaction("192.0.2.1", "h"), filtertest.New(t, plain))
	if !errors.Is(err, errCut) {
		t.Error(err)
	}
	if rank, ok := f.pool.daemons[0].rank(time.Now()); !ok || rank != 1<<10 {
		t.Errorf("rank %d, %v; want a suspect that may be asked", rank, ok)
	}
}

func TestDecodedFilesAreScanned(t *testing.T) {
	t.Parallel()
	d := startFake(t, nil)
	f := newFilter(t, Options{Clamd: Addresses{d.addr()}})
	m := filtertest.New(t, plain)
	m.List = []*gateway.Part{
		{Path: "1", Type: "text/plain", Content: filtertest.Content("shown text")},
		{Path: "2", Type: "text/plain", Filename: "a.txt", Content: filtertest.Content("a file")},
		{Path: "3", Type: "application/pdf", Content: filtertest.Content("")},
		{Path: "1@lenient", Reading: "lenient", Content: filtertest.Content("harmless")},
		{Path: "2@lenient", Reading: "lenient", Content: filtertest.Content("a VIRUS")},
		{Path: "3@lenient", Reading: "lenient", Content: filtertest.Content("never looked at")},
	}
	if got, err := judge(t, f, m); got != "infected Test.Virus 2@lenient" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	_, streams := d.seen()
	if slices.Contains(streams, "shown text") || slices.Contains(streams, "") || !slices.Contains(streams, "a file") || slices.Contains(streams, "never looked at") || !slices.Contains(streams, "harmless") {
		t.Errorf("scanned %q", streams)
	}
}

func TestStreamsAtATimeAreBounded(t *testing.T) {
	t.Parallel()
	const limit, n = 3, 12
	open, most := make(chan int, 1), 0
	open <- 0
	d := startFake(t, func(s *session) {
		now := <-open + 1
		most = max(most, now)
		open <- now
		s.all()
		open <- <-open - 1
		s.say("stream: OK")
	})
	f := newFilter(t, Options{Clamd: Addresses{d.addr()}, MaxConnections: limit})
	errs := make(chan error)
	for range n {
		go func() {
			_, err := filtertest.Judge(context.Background(), f, filtertest.Transaction("192.0.2.1", "h"), filtertest.New(t, plain))
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	<-open
	if most > limit {
		t.Errorf("%d streams at a time", most)
	}
}

// stalled is a body that stops beyond eager until it may end.
type stalled struct {
	io.Reader
	stops chan<- bool
	end   <-chan struct{}
}

func (s stalled) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err == io.EOF {
		s.stops <- true
		<-s.end
	}
	return n, err
}

func (stalled) Close() error { return nil }

// TestClientsThatStallHoldHalfOfTheStreams: the others are for messages that
// are there.
func TestClientsThatStallHoldHalfOfTheStreams(t *testing.T) {
	t.Parallel()
	d := startFake(t, nil)
	f := newFilter(t, Options{Clamd: Addresses{d.addr()}, MaxConnections: 2})
	stops, end, done := make(chan bool), make(chan struct{}), make(chan error)
	for range 3 {
		m := filtertest.New(t, plain)
		m.Pending = func() io.ReadCloser { return stalled{strings.NewReader(strings.Repeat("x", eager+1)), stops, end} }
		go func() {
			_, err := filtertest.Judge(context.Background(), f, filtertest.Transaction("192.0.2.1", "h"), m)
			done <- err
		}()
		<-stops
	}
	if got, err := judge(t, f, filtertest.New(t, plain)); got != "clean" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	close(end)
	go func() { // those that waited are read once more
		for range stops {
		}
	}()
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	close(stops)
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "clamd.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	d := &fake{Listener: l}
	d.wg.Add(1)
	go d.serve(func(s *session) { s.judge() })
	t.Cleanup(func() { l.Close(); d.wg.Wait() })
	if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{path}}), filtertest.New(t, plain+"VIRUS")); got != "infected Test.Virus" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestBackOffDoublesAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon("127.0.0.1:1")
		p := &pool{daemons: []*daemon{d}}
		wait := firstBackOff
		for range 8 {
			d.begin()
			d.end(failed)
			if p.pick(nil) != nil {
				t.Fatal("asked at once")
			}
			time.Sleep(wait - 1)
			if p.pick(nil) != nil {
				t.Fatalf("asked before %v", wait)
			}
			time.Sleep(time.Nanosecond)
			if p.pick(nil) != d || !d.begin() {
				t.Fatalf("not asked, or not suspect, after %v", wait)
			}
			d.end(same)
			wait = min(2*wait, maxBackOff)
		}
		d.begin()
		d.end(well)
		if rank, ok := d.rank(time.Now()); rank != 0 || !ok {
			t.Errorf("rank %d, %v", rank, ok)
		}
		for range 100 { // clients that go away
			d.begin()
			d.end(unsure)
		}
		if p.pick(nil) != d {
			t.Error("clients that go away make a daemon unreachable")
		}
	})
}

func TestTheLeastBusyDaemonIsAsked(t *testing.T) {
	t.Parallel()
	a, b := newDaemon("a:1"), newDaemon("b:1")
	p := &pool{daemons: []*daemon{a, b}}
	for _, want := range []*daemon{a, b, a, b} {
		d := p.pick(nil)
		if d != want {
			t.Errorf("asked %s", d.addr)
		}
		d.begin()
	}
	a.end(unsure)
	if p.pick(nil) != b {
		t.Error("the suspect one is preferred")
	}
}

func TestADaemonNotTriedYetIsAskedFirst(t *testing.T) {
	t.Parallel()
	a, b := newDaemon("a:1"), newDaemon("b:1")
	p := &pool{daemons: []*daemon{a, b}}
	b.begin()
	if p.pick(map[*daemon]int{a: 1}) != b || p.pick(map[*daemon]int{a: 2, b: 2}) != nil {
		t.Error("wrong daemon")
	}
}

func TestClientsThatGoAwayAreNoFailures(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		err  error
		want outlook
	}{
		{context.Background(), nil, well},
		{context.Background(), errNoReply, broke},
		{context.Background(), &net.OpError{Op: "dial", Err: errors.New("refused")}, failed},
		{context.Background(), fmt.Errorf("x: %w", &sourceError{errCut}), same},
		{gone, context.Canceled, unsure},
		{gone, &net.OpError{Op: "dial", Err: context.Canceled}, unsure},
	} {
		if got := score(c.ctx, c.err, broke); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	var a Addresses
	if err := a.UnmarshalText([]byte("127.0.0.1:3310, /run/clamd.sock")); err != nil || len(a) != 2 || a[1] != "/run/clamd.sock" {
		t.Errorf("%q, %v", a, err)
	}
	for _, opt := range []Options{{Clamd: Addresses{"nonsense"}}, {Clamd: Addresses{""}}, {MaxConnections: -1}, {MaxConnections: 1001}, {Clamd: make(Addresses, 17)}} {
		if _, err := New(opt); err == nil {
			t.Errorf("%+v is taken", opt)
		}
	}
	if f := newFilter(t, Options{}); f.pool.daemons[0].addr != defaultAddress || cap(f.pool.slots) < leastConnections {
		t.Error("defaults")
	}
	for _, c := range []struct {
		addr             string
		processors, want int
	}{
		{"127.0.0.1:3310", 1, 4},
		{"[::1]:3310", 3, 6},
		{"localhost:3310", 64, 10},
		{"/run/clamd.sock", 4, 8},
		{"192.0.2.1:3310", 1, 10},
		{"clamd.example:3310", 64, 10},
	} {
		if got := connections(c.addr, c.processors); got != c.want {
			t.Errorf("%s, %d processors: %d", c.addr, c.processors, got)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"stream: OK\x00", "stream: X FOUND\x00", "INSTREAM size limit exceeded. ERROR\x00", "OK", "stream: OK FOUND\n", " FOUND\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		line, err := readReply(strings.NewReader(string(b)))
		if err != nil {
			return
		}
		v, err := parseReply(line)
		if (err == nil) != (v.outcome != 0) || len(v.virus) > maxVirus {
			t.Errorf("%q: %+v, %v", b, v, err)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	d := &fake{Listener: l}
	d.wg.Add(1)
	go d.serve(func(s *session) {
		for p, ok := s.chunk(); ok && len(p) > 0; p, ok = s.chunk() {
		}
		s.say("stream: OK")
	})
	defer func() { l.Close(); d.wg.Wait() }()
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			body := strings.Repeat("x", size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				v, err := scan(context.Background(), "tcp", d.addr(), func(w io.Writer) error {
					_, err := strings.NewReader(body).WriteTo(w)
					return err
				})
				if v.outcome != clean || err != nil {
					b.Fatal(v, err)
				}
			}
		})
	}
}
