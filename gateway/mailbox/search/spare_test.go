package search

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"math/rand"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// wordy is a message of many words that no other has.
func wordy(r *rand.Rand, words int) string {
	var b strings.Builder
	b.WriteString("Subject: much to index\r\n\r\n")
	for range words {
		fmt.Fprintf(&b, "w%x\r\n", r.Uint32())
	}
	return b.String()
}

// taken is how many octets a folder takes of the disk.
func taken(t testing.TB, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTheIndexTakesTheSpareSpaceAlone: where there is little, searches read what
// is not indexed and miss nothing; where there is more it catches up.
func TestTheIndexTakesTheSpareSpaceAlone(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewSource(1))
	dir, f := t.TempDir(), newFake()
	x := openIndex(t, f, dir, "")
	defer x.Close()
	x.all(t)
	for range 600 {
		f.add(wordy(r, 1000))
	}
	may := int64(0)
	x.deps.Spare = func() int64 { return max(may-taken(t, dir), 0) }
	finds := func() {
		t.Helper()
		for _, o := range []int64{1, 300, 600} {
			word := strings.Fields(f.mail[o])[500]
			if got, err := x.Search(t.Context(), Body, word, f); err != nil || !slices.Equal(got, []int64{o}) {
				t.Errorf("with %d octets, %q: %v %v, want %d", may, word, got, err, o)
			}
		}
	}
	opened := taken(t, dir)
	for _, may = range []int64{0, 4 << 20, 6 << 20, 12 << 20} {
		var err error
		for more := true; more && err == nil; {
			more, err = x.turnStep(t.Context())
			if now := taken(t, dir); now > max(may, opened) {
				t.Errorf("it takes %d octets of %d", now, may)
			}
		}
		t.Logf("%d of %d octets for %d messages of %d", taken(t, dir), may, x.state.event, len(f.mail))
		if !errors.Is(err, errNoSpare) || may > opened && x.state.event == 0 {
			t.Error(err)
		}
		finds()
	}
	may = math.MaxInt64
	x.all(t)
	f.opened = 0
	if finds(); f.opened > 3 {
		t.Errorf("not indexed: %d read", f.opened)
	}
}

// TestTheIndexGoesOnWhenThereIsSpace by itself, and tells of it once.
func TestTheIndexGoesOnWhenThereIsSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		var spare atomic.Int64
		var log strings.Builder
		x, err := Open(t.Context(), Options{}, Deps{Feed: f, Opener: f, Dir: t.TempDir(), Spare: spare.Load, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		for i := range 100 {
			f.add(fmt.Sprintf("Subject: s\r\n\r\nmeeting%d\r\n", i))
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); x.Run(ctx) }()
		time.Sleep(time.Hour)
		if n := x.reached.Load(); n != 0 {
			t.Errorf("%d indexed without space", n)
		}
		spare.Store(leastSpare)
		time.Sleep(retryWait + 2*gatherTime)
		if n := x.reached.Load(); n != 100 {
			t.Errorf("%d of 100 indexed", n)
		}
		stop()
		<-ended
		if said := log.String(); strings.Count(said, "waits for space") != 2 || strings.Contains(said, "ERROR") {
			t.Error(said)
		}
	})
}

// TestAMergeWithoutSpace is not begun, or given up; nothing is left of it, and
// it comes later.
func TestAMergeWithoutSpace(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewSource(1))
	dir, f := t.TempDir(), newFake()
	x := openIndex(t, f, dir, "")
	defer func() { x.Close() }()
	x.all(t)
	for range fanIn {
		for range 10 {
			f.add(wordy(r, 5000))
		}
		if _, err := x.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	from := x.eng.due()
	if len(from) != fanIn {
		t.Fatalf("%d segments are to be merged", len(from))
	}
	need, err := x.eng.mergeTakes(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	segments := func() int {
		list, err := ids(t.Context(), x.eng.read, "SELECT DISTINCT segment FROM search_postings")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	x.deps.Spare = func() int64 { return need - 1 }
	if _, err := x.turnStep(t.Context()); err != nil || len(x.eng.live) != fanIn {
		t.Errorf("%d segments: %v", len(x.eng.live), err)
	}
	for _, restarts := range []bool{true, false} {
		live, asked := len(x.eng.live), 0
		x.deps.Spare = func() int64 { // others take it meanwhile
			if asked++; asked > 2 { // the step's and the merge's first
				return 0
			}
			return need
		}
		if _, err := x.turnStep(t.Context()); !errors.Is(err, errNoSpare) || len(x.eng.live) != live || segments() != live+1 {
			t.Errorf("%d segments, %d with pages: %v", len(x.eng.live), segments(), err)
		}
		if restarts {
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			x = openIndex(t, f, dir, "")
			f.add(wordy(r, 100))
		}
		x.deps.Spare = func() int64 { return need - 1 }
		if _, err := x.turnStep(t.Context()); err != nil || len(x.eng.strays) != 0 || segments() != len(x.eng.live) {
			t.Errorf("%d segments, %d with pages: %v", len(x.eng.live), segments(), err)
		}
	}
	before := taken(t, dir)
	x.deps.Spare = func() int64 { return need }
	if _, err := x.turnStep(t.Context()); err != nil || len(x.eng.live) != 2 || segments() != 2 {
		t.Errorf("%d segments, %d with pages: %v", len(x.eng.live), segments(), err)
	}
	if took := taken(t, dir) - before; took > need {
		t.Errorf("the merge takes %d octets, not %d", took, need)
	}
	for _, o := range []int64{33, f.last} {
		f.opened = 0
		if got, err := x.Search(t.Context(), Body, strings.Fields(f.mail[o])[50], f); err != nil || !slices.Equal(got, []int64{o}) || f.opened > 1 {
			t.Errorf("%v %v, %d read", got, err, f.opened)
		}
	}
}
