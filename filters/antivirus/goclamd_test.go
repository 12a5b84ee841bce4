package antivirus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	clamd "github.com/dutchcoders/go-clamd"

	"github.com/gapura-mail/gapura/filters/filtertest"
)

// These tests show why github.com/dutchcoders/go-clamd is not used: each has a
// defect of it, and that this package has it not. When one fails because the
// library was mended, the decision can be looked at again (docs/decisions.md).

// theirs scans r with the library and returns all replies.
func theirs(d *fake, r io.Reader) ([]*clamd.ScanResult, error) {
	abort := make(chan bool)
	defer close(abort)
	ch, err := clamd.NewClamd("tcp://"+d.addr()).ScanStream(r, abort)
	if err != nil {
		return nil, err
	}
	var all []*clamd.ScanResult
	for res := range ch {
		all = append(all, res)
	}
	return all, nil
}

// lines makes a fake speak to the library, which wants lines.
func lines(reply string) func(s *session) {
	return func(s *session) {
		if _, ok := s.all(); ok {
			_, _ = io.WriteString(s, reply+"\n")
		}
	}
}

func TestGoClamdSaysOKToAMessageCutShort(t *testing.T) {
	t.Parallel()
	d := startFake(t, lines("stream: OK"))
	res, err := theirs(d, cut{strings.NewReader("half a message")})
	if err != nil || len(res) != 1 || res[0].Status != clamd.RES_OK {
		t.Errorf("mended: %+v, %v", res, err)
	}
	m := filtertest.New(t, plain)
	m.Pending = func() io.ReadCloser { return cut{strings.NewReader("half a message")} }
	if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), m); !errors.Is(err, errCut) {
		t.Errorf("ours: %q, %v", got, err)
	}
}

func TestGoClamdSaysNothingOfADaemonThatDies(t *testing.T) {
	t.Parallel()
	d := startFake(t, func(s *session) { s.all() })
	res, err := theirs(d, strings.NewReader("a message"))
	if err != nil || len(res) != 0 {
		t.Errorf("mended: %+v, %v", res, err)
	}
	if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), filtertest.New(t, plain)); err == nil {
		t.Errorf("ours: %q", got)
	}
}

func TestGoClamdLosesTooLarge(t *testing.T) {
	t.Parallel()
	d := startFake(t, lines("INSTREAM size limit exceeded. ERROR"))
	res, err := theirs(d, strings.NewReader("a message"))
	if err != nil || len(res) != 1 || res[0].Status != clamd.RES_PARSE_ERROR {
		t.Errorf("mended: %+v, %v", res, err)
	}
	if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), filtertest.New(t, plain)); got != "too_large" || err != nil {
		t.Errorf("ours: %q, %v", got, err)
	}
}

func TestGoClamdHasNoDeadline(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	whole := make(chan struct{}, 2)
	d := startFake(t, func(s *session) {
		s.all()
		whole <- struct{}{}
		<-release
	})
	defer close(release)
	abort := make(chan bool)
	ch, err := clamd.NewClamd("tcp://"+d.addr()).ScanStream(strings.NewReader("a message"), abort)
	if err != nil {
		t.Fatal(err)
	}
	<-whole
	select {
	case res := <-ch: // nothing but abort ends the wait, and that gives no error
		t.Errorf("mended: %+v", res)
	default:
	}
	close(abort)
	if res, ok := <-ch; ok {
		t.Errorf("mended: %+v", res)
	}

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-whole
		cancel()
	}()
	f := newFilter(t, Options{Clamd: Addresses{d.addr()}})
	if _, err := filtertest.Judge(ctx, f, filtertest.Transaction("192.0.2.1", "h"), filtertest.New(t, plain)); !errors.Is(err, context.Canceled) {
		t.Errorf("ours: %v", err)
	}
}

// TestGoClamdLeaksGoroutines is not parallel: it looks at all goroutines.
func TestGoClamdLeaksGoroutines(t *testing.T) {
	d := startFake(t, lines("stream: OK"))
	abort := make(chan bool)
	ch, err := clamd.NewClamd("tcp://"+d.addr()).ScanStream(strings.NewReader("a message"), abort)
	if err != nil {
		t.Fatal(err)
	}
	for range ch { // the scan is over, and its goroutine waits for abort
	}
	if !strings.Contains(stacks(), "dutchcoders/go-clamd") {
		t.Error("mended: no goroutine is left")
	}
	close(abort)
	if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), filtertest.New(t, plain)); err == nil && got != "clean" {
		t.Errorf("ours: %q, %v", got, err)
	}
	if s := stacks(); strings.Contains(s, "antivirus.(*stream)") {
		t.Errorf("ours leaves one:\n%s", s)
	}
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(bytes.TrimSpace(buf[:runtime.Stack(buf, true)]))
}
