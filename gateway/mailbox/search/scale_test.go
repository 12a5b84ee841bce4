package search

import (
	"context"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// generated is a store of n messages that are made when they are read.
type generated struct{ n int64 }

func (g generated) Events(context.Context, int64, int) ([]Event, error) { return nil, nil }
func (g generated) LastEvent(context.Context) (int64, error)            { return 0, nil }
func (g generated) ForgetEvents(context.Context, int64) error           { return nil }
func (g generated) EventsChanged() <-chan struct{}                      { return nil }
func (g generated) Len() int                                            { return int(g.n) }

func (g generated) Objects(_ context.Context, after int64, most int) (list []int64, err error) {
	for o := after + 1; o <= g.n && len(list) < most; o++ {
		list = append(list, o)
	}
	return list, nil
}

func (g generated) OpenObject(_ context.Context, object int64) (io.ReadCloser, error) {
	if object > g.n {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(benchMessage(int(object), 20+int(object*7919%120)))), nil
}

func (g generated) All(ctx context.Context) ([]int64, error) { return g.Objects(ctx, 0, int(g.n)) }

func (g generated) Among(_ context.Context, objects []int64) ([]int64, error) { return objects, nil }

func processor() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestScale measures an index of GAPURA_SEARCH_SCALE messages, in the folder
// GAPURA_SEARCH_DIR if it is set: the index stays there for the next time.
func TestScale(t *testing.T) {
	n, err := strconv.ParseInt(os.Getenv("GAPURA_SEARCH_SCALE"), 10, 64)
	if err != nil {
		t.Skip("GAPURA_SEARCH_SCALE is not set to a number of messages")
	}
	dir := os.Getenv("GAPURA_SEARCH_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	g := generated{n}
	x, err := Open(t.Context(), Options{Share: 100}, Deps{Feed: g, Opener: g, Dir: dir, URL: os.Getenv("GAPURA_SEARCH_URL")})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	begin, cpu, from := time.Now(), processor(), x.state.filled
	x.all(t)
	if from >= 0 {
		t.Logf("indexed %d: %v, %v of a processor each", n-from, time.Since(begin), (processor()-cpu)/time.Duration(max(n-from, 1)))
	}
	if fi, err := os.Stat(dir + "/" + fileName); err == nil {
		t.Logf("%d octets each", fi.Size()/n)
	}
	for _, c := range []struct{ what, text string }{
		{"a rare word", wordOf(31_238)},
		{"a word in 1 %", wordOf(500)},
		{"a frequent word", wordOf(3)},
		{"no word", "zzzyx"},
		{"a phrase of one", "meeting " + strconv.Itoa(int(n/2))},
		{"two words", wordOf(40) + " " + wordOf(77)},
		{"within a word", wordOf(31_238)[1:5]},
		{"an address", "ann42@example"},
		{"the end of a word", wordOf(40)[2:] + " " + wordOf(500)},
	} {
		for _, when := range []string{"first", "again"} {
			begin := time.Now()
			got, err := x.Search(t.Context(), Anywhere, c.text, g)
			t.Logf("%8.1f ms  %-18s %q, %s: %d found (%v)", float64(time.Since(begin).Microseconds())/1000, c.what, c.text, when, len(got), err)
		}
	}
}
