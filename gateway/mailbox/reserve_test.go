package mailbox

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestTheReserveIsGivenUpAndMadeAgain(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), reserveFile)
	var r reserve
	if r.keep(); r.give() || r.room() != nil {
		t.Error("a store without a reserve has one")
	}
	r.init(filepath.Dir(name), slog.New(slog.DiscardHandler))
	if r.give() {
		t.Error("what is not there is given up")
	}
	r.keep()
	info, err := os.Stat(name)
	if err != nil || info.Size() < reserveLeast || info.Size() > reserveOctets {
		t.Fatal(info, err)
	}
	for range 2 { // the second one is told that it was
		if !r.give() {
			t.Error("it is not given up")
		}
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if r.keep(); !r.given.Load() {
		t.Error("it is made again before there is room for mail")
	}
	r.had = 1 << 60
	if err := r.room(); !errors.Is(err, errNoReserve) {
		t.Error(err)
	}
	r.had = info.Size()
	if err := r.room(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(name); err != nil {
		t.Error(err)
	}
}
