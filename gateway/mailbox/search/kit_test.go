package search

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox/index"
)

// fake is a store in memory. It is a folder of all its messages, too.
type fake struct {
	mu       sync.Mutex
	mail     map[int64]string
	events   []Event
	first    int64 // Seq of events[0]
	last     int64 // object
	opened   int
	changed  chan struct{}
	forgot   chan int64
	breakOne int64 // this object cannot be read
	texts    map[string]*Text
}

func newFake() *fake {
	return &fake{texts: map[string]*Text{}, mail: map[int64]string{}, first: 1, changed: make(chan struct{}, 1), forgot: make(chan int64, 1000)}
}

func (f *fake) add(msg string) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	f.mail[f.last] = msg
	f.event(f.last, false)
	return f.last
}

func (f *fake) remove(object int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.mail, object)
	f.event(object, true)
}

func (f *fake) event(object int64, removed bool) {
	f.events = append(f.events, Event{f.first + int64(len(f.events)), object, removed})
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *fake) Events(_ context.Context, after int64, most int) (list []Event, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if e.Seq > after && len(list) < most {
			list = append(list, e)
		}
	}
	return list, nil
}

func (f *fake) LastEvent(context.Context) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first + int64(len(f.events)) - 1, nil
}

func (f *fake) ForgetEvents(_ context.Context, seq int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.events) > 0 && f.events[0].Seq <= seq {
		f.events, f.first = f.events[1:], f.first+1
	}
	f.forgot <- seq
	return nil
}

func (f *fake) EventsChanged() <-chan struct{} { return f.changed }

func (f *fake) Objects(_ context.Context, after int64, most int) (list []int64, err error) {
	all, _ := f.All(context.TODO())
	for _, o := range all {
		if o > after && len(list) < most {
			list = append(list, o)
		}
	}
	return list, nil
}

func (f *fake) OpenObject(_ context.Context, object int64) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	m, ok := f.mail[object]
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case object == f.breakOne:
		return nil, io.ErrUnexpectedEOF
	}
	return io.NopCloser(strings.NewReader(m)), nil
}

func (f *fake) Len() int { return len(f.mail) }

func (f *fake) All(context.Context) (list []int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for o := range f.mail {
		list = append(list, o)
	}
	slices.Sort(list)
	return list, nil
}

func (f *fake) Among(_ context.Context, objects []int64) ([]int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(objects), func(o int64) bool { _, ok := f.mail[o]; return !ok }), nil
}

// scan is what a search must find.
func (f *fake) scan(t *testing.T, where Where, text string) (list []int64) {
	t.Helper()
	pattern := squeeze(index.AppendFold(nil, text), 0)
	for o, m := range f.mail {
		x := f.texts[m]
		if x == nil {
			var err error
			if x, err = Extract(strings.NewReader(m)); err != nil {
				t.Fatal(err)
			}
			f.texts[m] = x
		}
		if where != Body && bytes.Contains(x.Header, pattern) || where != Header && bytes.Contains(x.Body, pattern) {
			list = append(list, o)
		}
	}
	slices.Sort(list)
	return list
}

func openIndex(t testing.TB, f *fake, dir, url string) *Index {
	t.Helper()
	x, err := Open(t.Context(), Options{Wait: 1}, Deps{Feed: f, Opener: f, Dir: dir, URL: url, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *Index) all(t testing.TB) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = x.turnStep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

var vocabulary = strings.Fields("the meeting minutes Übermut café naïve of Straße and invoice-2026 C++ 会議の議事録 東京都 Приветствие мир ภาษาไทย office@example.org ﬁnance don't re-read x.y.z teammeeting meetings 10.5% naïveté한국어 a I")
