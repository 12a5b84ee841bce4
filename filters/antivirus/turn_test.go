package antivirus

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/gateway"
)

// TestAScanWaitsForItsTurn before it takes a stream from other messages.
func TestAScanWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	for name, scan := range map[string]func(ctx context.Context, f *Filter, t turn) error{
		"message": func(ctx context.Context, f *Filter, tn turn) error {
			_, _, err := f.raw(ctx, filtertest.New(t, plain), tn)
			return err
		},
		"part": func(ctx context.Context, f *Filter, tn turn) error {
			_, _, err := f.content(ctx, strings.NewReader("x"), 1, tn)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, tn := newFilter(t, Options{Clamd: Addresses{"127.0.0.1:1"}}), newTurn()
				tn <- struct{}{}
				ctx, cancel := context.WithCancel(t.Context())
				got := make(chan error)
				go func() { got <- scan(ctx, f, tn) }()
				synctest.Wait()
				if len(f.pool.slots) != 0 {
					t.Error("it has a stream")
				}
				cancel()
				if err := <-got; !errors.Is(err, context.Canceled) || len(tn) != 1 {
					t.Errorf("%v, %d have the turn", err, len(tn))
				}
			})
		})
	}
}

// TestAStreamEndsWhenItsTurnComes: the message is sent while it arrives, but
// its end is not before clamd has answered about a part.
func TestAStreamEndsWhenItsTurnComes(t *testing.T) {
	t.Parallel()
	partThere, messageEnded := make(chan struct{}), make(chan struct{})
	end := sync.OnceFunc(func() { close(messageEnded) })
	d := startFake(t, func(s *session) {
		if first, _ := s.chunk(); string(first) != "part" {
			s.all()
			end()
			s.say("stream: OK")
			return
		}
		close(partThere)
		for range 20000 {
			select {
			case <-messageEnded:
				t.Error("two at a time")
				return
			default:
				runtime.Gosched()
			}
		}
		s.say("stream: OK")
		s.all()
	})
	m, opened := filtertest.New(t, plain), 0
	m.Pending = func() io.ReadCloser {
		body := io.Reader(strings.NewReader(strings.Repeat("x", eager)))
		if opened++; opened == 2 { // it arrives until the part is being scanned
			body = io.MultiReader(body, gate(partThere))
		}
		return io.NopCloser(body)
	}
	m.List = []*gateway.Part{{Path: "1", Type: "application/pdf", Content: filtertest.Content("part")}}
	if got, err := judge(t, newFilter(t, Options{Clamd: Addresses{d.addr()}}), m); got != "clean" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// gate ends when it is closed.
type gate <-chan struct{}

func (g gate) Read([]byte) (int, error) { <-g; return 0, io.EOF }

func TestFilesInMemoryAreBounded(t *testing.T) {
	t.Parallel()
	var p pool
	for range maxFiles / maxFile {
		if !p.roomForFile(maxFile) {
			t.Fatal("too few")
		}
	}
	if p.roomForFile(1) || p.roomForFile(maxFile+1) || p.files.Load() != maxFiles {
		t.Error("too many")
	}
	p.files.Add(-maxFile)
	if !p.roomForFile(1) {
		t.Error("nothing is given back")
	}
}
