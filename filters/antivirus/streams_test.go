package antivirus

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/filters/filtertest"
)

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
