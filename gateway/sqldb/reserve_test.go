package sqldb

import (
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"
)

func TestTheReserveIsGivenUpAndMadeAgain(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), reserveFile)
	var r *Reserve
	if r.Keep(); r.Give() || r.Room() != nil || r.Spare() != math.MaxInt64 {
		t.Error("a store without a reserve has one")
	}
	r = NewReserve(filepath.Dir(name), slog.New(slog.DiscardHandler), 0)
	if r.Give() {
		t.Error("what is not there is given up")
	}
	r.Keep()
	info, err := os.Stat(name)
	if err != nil || info.Size() < reserveLeast || info.Size() > reserveOctets {
		t.Fatal(info, err)
	}
	for range 2 { // the second one is told that it was
		if !r.Give() {
			t.Error("it is not given up")
		}
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if r.Keep(); !r.given.Load() {
		t.Error("it is made again before there is room for mail")
	}
	r.had = 1 << 60
	if err := r.Room(); !errors.Is(err, errNoReserve) || r.Spare() != 0 {
		t.Error(err, r.Spare())
	}
	r.had = info.Size()
	if err := r.Room(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(name); err != nil {
		t.Error(err)
	}
	for before, after := int64(0), int64(1); before != after; { // others use the disk, too
		before, _ = freeOctets(filepath.Dir(name))
		spare := r.Spare()
		after, _ = freeOctets(filepath.Dir(name))
		if before == after && spare != before-spareFrom {
			t.Errorf("%d to spare of %d", spare, before)
		}
	}
}

// TestTheReserveIsGivenUpToStart where there is no room else; on a full disk
// the end-to-end tests try it.
func TestTheReserveIsGivenUpToStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if n, err := FreeReserve(filepath.Join(dir, "none")); n != 0 || err != nil {
		t.Error(n, err)
	}
	r := NewReserve(dir, slog.New(slog.DiscardHandler), 0)
	r.Keep()
	if n, err := FreeReserve(dir); n != 0 || err != nil {
		t.Error("given up though there is room:", n, err)
	}
	if _, err := os.Stat(r.name); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		given int64
		want  error
	}{{reserveOctets, nil}, {1 << 60, errNoReserve}} {
		os.Remove(r.name)
		r := NewReserve(dir, slog.New(slog.DiscardHandler), c.given)
		if r.Keep(); !r.given.Load() {
			t.Error("what was given up is taken at once, from who starts")
		}
		if err := r.Room(); !errors.Is(err, c.want) {
			t.Errorf("%d were given up: %v, want %v", c.given, err, c.want)
		}
	}
}
