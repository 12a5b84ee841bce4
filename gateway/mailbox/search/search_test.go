package search

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

func randomMessage(r *rand.Rand) string {
	words := func(n int) string {
		var s []string
		for range n {
			w := vocabulary[r.Intn(len(vocabulary))]
			if r.Intn(4) == 0 {
				w += fmt.Sprint(r.Intn(300))
			}
			s = append(s, w)
		}
		return strings.Join(s, []string{" ", "\r\n", "  "}[r.Intn(3)])
	}
	return "Received: from nowhere\r\nFrom: " + vocabulary[r.Intn(len(vocabulary))] + " <a@example.org>\r\nSubject: " + strings.ReplaceAll(words(4), "\r\n", "\r\n ") +
		"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + words(20) + "\r\n"
}

func TestASearchFindsWhatReadingFinds(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, dir, url string) {
		r := rand.New(rand.NewSource(1))
		f := newFake()
		for range 300 {
			f.add(randomMessage(r))
		}
		f.forgetAll() // the index begins with a list
		x := openIndex(t, f, dir, url)
		defer x.Close()
		check := func(when string) {
			t.Helper()
			for range 40 {
				text := vocabulary[r.Intn(len(vocabulary))]
				switch r.Intn(4) {
				case 0:
					text += " " + vocabulary[r.Intn(len(vocabulary))]
				case 1:
					s := []rune(text)
					i := r.Intn(len(s))
					text = string(s[i:])
				case 2:
					text = strings.ToLower(text) + fmt.Sprint(r.Intn(300))
				}
				where := Where(r.Intn(3))
				got, err := x.Search(t.Context(), where, text, f)
				if err != nil {
					t.Fatal(err)
				}
				if want := f.scan(t, where, text); !slices.Equal(got, want) {
					t.Fatalf("%s: %q in %d: %v, want %v", when, text, where, got, want)
				}
			}
		}
		check("empty index")
		x.turnStep(t.Context())
		check("partly filled")
		x.all(t)
		check("filled")
		for range 100 {
			f.add(randomMessage(r))
		}
		check("more came")
		for o := int64(1); o < 80; o += 2 {
			f.remove(o)
		}
		check("some went")
		x.all(t)
		check("all taken up")
		gone, err := ids(t.Context(), x.eng.read, sqlRemoved)
		if err != nil {
			t.Fatal(err)
		}
		for o := int64(1); o < 80; o++ {
			removed := slices.Contains(gone, o)
			n := 0
			for _, s := range x.eng.live {
				if _, ok := slices.BinarySearch(s.objects, o); ok {
					n++
				}
			}
			if is := n == 0 || n == 1 && removed; is != (o%2 == 1) {
				t.Fatalf("object %d is in %d segments, removed: %v", o, n, removed)
			}
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		f.add(randomMessage(r))
		x = openIndex(t, f, dir, url)
		check("opened again")
	})
}

func (f *fake) forgetAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.first += int64(len(f.events))
	f.events = nil
}

func TestOneWordIsFoundWithoutReading(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, dir, url string) {
		f := newFake()
		for i := range 200 {
			f.add(fmt.Sprintf("Subject: s\r\n\r\nthe meeting number%d\r\n", i))
		}
		x := openIndex(t, f, dir, url)
		defer x.Close()
		x.all(t)
		f.opened = 0
		got, err := x.Search(t.Context(), Body, "Meeting", f)
		if err != nil || len(got) != 200 || f.opened != 0 {
			t.Errorf("%d found, %d read: %v", len(got), f.opened, err)
		}
		got, err = x.Search(t.Context(), Body, "number17", f)
		if err != nil || len(got) != 11 || f.opened > 40 {
			t.Errorf("%d found, %d read: %v", len(got), f.opened, err)
		}
		if got, err = x.Search(t.Context(), Header, "Meeting", f); err != nil || len(got) != 0 {
			t.Errorf("header: %v %v", got, err)
		}
	})
}

func TestADamagedIndexIsMadeAnew(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, file string, x *Index){
		"no file": func(t *testing.T, file string, x *Index) { x.Close(); os.Remove(file) },
		"not a database": func(t *testing.T, file string, x *Index) {
			x.Close()
			if err := os.WriteFile(file, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"cut": func(t *testing.T, file string, x *Index) {
			x.Close()
			if err := os.Truncate(file, 8192+4096); err != nil {
				t.Fatal(err)
			}
		},
		"octets": func(t *testing.T, file string, x *Index) {
			x.Close()
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := 8192; i < len(b); i++ {
				b[i] ^= 0x5a
			}
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"older": func(t *testing.T, file string, x *Index) {
			if _, err := x.eng.write.Exec("UPDATE search_state SET value = 0 WHERE name = 'version'"); err != nil {
				t.Fatal(err)
			}
			x.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			f := newFake()
			for i := range 100 {
				f.add(fmt.Sprintf("Subject: s\r\n\r\nmeeting%d\r\n", i))
			}
			x := openIndex(t, f, dir, "")
			x.all(t)
			damage(t, filepath.Join(dir, fileName), x)
			x = openIndex(t, f, dir, "")
			defer x.Close()
			for _, when := range []string{"at once", "later"} {
				got, err := x.Search(t.Context(), Body, "meeting42", f)
				if err != nil || !slices.Equal(got, []int64{43}) {
					t.Errorf("%s: %v %v", when, got, err)
				}
				x.all(t)
			}
			f.opened = 0
			if got, err := x.Search(t.Context(), Body, "meeting42", f); err != nil || len(got) != 1 || f.opened > 0 {
				t.Errorf("not indexed again: %v %v, %d read", got, err, f.opened)
			}
		})
	}
}

// TestAnIndexWithoutRoomIsOpenedLater: searches read until then, and miss
// nothing of what was there or came.
func TestAnIndexWithoutRoomIsOpenedLater(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"first start", "another start", "while it runs"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "search") // it is made
			f := newFake()
			for i := range 100 {
				f.add(fmt.Sprintf("Subject: s\r\n\r\nmeeting%d\r\n", i))
			}
			find := func(x *Index, text string, want ...int64) {
				t.Helper()
				if got, err := x.Search(t.Context(), Body, text, f); err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: %v, %v, want %v", text, got, err, want)
				}
			}
			var x *Index
			if when != "first start" {
				x = openIndex(t, f, dir, "")
				x.all(t)
			}
			if when == "another start" {
				x.Close()
			}
			// What is in the way keeps SQLite's file from being made, as a full
			// disk does.
			os.RemoveAll(dir)
			if err := os.MkdirAll(filepath.Join(dir, fileName, "in the way"), 0o700); err != nil {
				t.Fatal(err)
			}
			if when == "while it runs" {
				x.take(t.Context())
				if err := x.rebuild(t.Context()); err == nil {
					t.Error("it is made anew without a file")
				}
				x.give()
			} else {
				x = openIndex(t, f, dir, "")
			}
			defer x.Close()
			find(x, "meeting42", 43)
			f.add("Subject: s\r\n\r\nmeeting42 again\r\n")
			if _, err := x.turnStep(t.Context()); err == nil {
				t.Error("it gets on without its file")
			}
			find(x, "meeting42", 43, 101)
			if err := os.RemoveAll(filepath.Join(dir, fileName)); err != nil {
				t.Fatal(err)
			}
			find(x, "meeting42", 43, 101)
			x.all(t)
			find(x, "meeting42", 43, 101)
			if x.state.filled >= 0 || len(x.eng.live) == 0 {
				t.Errorf("it has not caught up: %+v, %d segments", x.state, len(x.eng.live))
			}
		})
	}
}

func TestMissingEventsMakeTheIndexAnew(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, dir, url string) {
		f := newFake()
		for i := range 70 {
			f.add(fmt.Sprintf("Subject: s\r\n\r\nmeeting%d\r\n", i))
		}
		x := openIndex(t, f, dir, url)
		x.all(t)
		x.Close()
		f.remove(3)
		f.add("Subject: s\r\n\r\nlost and found\r\n")
		f.forgetAll()
		x = openIndex(t, f, dir, url)
		defer x.Close()
		x.all(t)
		if got, err := x.Search(t.Context(), Body, "lost and", f); err != nil || !slices.Equal(got, []int64{71}) {
			t.Errorf("%v %v", got, err)
		}
		// A store of yesterday.
		f.mu.Lock()
		delete(f.mail, 71)
		f.last, f.first = 70, 1
		f.mu.Unlock()
		f.add("Subject: s\r\n\r\nanother message\r\n")
		x.all(t)
		if got, err := x.Search(t.Context(), Body, "another", f); err != nil || !slices.Equal(got, []int64{71}) {
			t.Errorf("%v %v", got, err)
		}
	})
}

func TestRunIndexesAndForgets(t *testing.T) {
	t.Parallel()
	f := newFake()
	x, err := Open(t.Context(), Options{Share: 100}, Deps{Feed: f, Opener: f, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); x.Run(ctx) }()
	var last int64
	for i := range 600 {
		f.add(fmt.Sprintf("Subject: s\r\n\r\nmeeting%d\r\n", i))
		last++
	}
	for seq := range f.forgot {
		if seq == last {
			break
		}
	}
	if len(f.events) != 0 {
		t.Errorf("%d events are left", len(f.events))
	}
	stop()
	<-ended
	if err := x.Close(); err != nil {
		t.Error(err)
	}
}

func TestAMessageThatCannotBeReadIsPassedOver(t *testing.T) {
	t.Parallel()
	f := newFake()
	for i := range 70 {
		f.add(fmt.Sprintf("Subject: s\r\n\r\nmeeting%d\r\n", i))
	}
	f.breakOne = 5
	x := openIndex(t, f, t.TempDir(), "")
	defer x.Close()
	failed := 0
	for more := true; more; {
		var err error
		if more, err = x.turnStep(t.Context()); err != nil {
			failed++
			more = true
		}
	}
	if failed != maxAttempts-1 {
		t.Errorf("%d attempts failed", failed)
	}
	f.breakOne = 0
	if got, err := x.Search(t.Context(), Body, "meeting4", f); err != nil || len(got) != 11 || !slices.Contains(got, 5) {
		t.Errorf("%v %v", got, err)
	}
}
