package sqldb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// child is set in a test binary that is run as another process.
const child = "GAPURA_SQLDB_CHILD"

// rerun runs the test once more in a process of its own.
func rerun(t *testing.T, env ...string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), append(env, child+"=1")...)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestFullDisk bounds the size of files, which is like a full disk to SQLite,
// and lifts the bound again.
func TestFullDisk(t *testing.T) {
	if os.Getenv(child) == "" {
		t.Parallel()
		rerun(t)
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	db := migrated(t, open(t, Options{Dir: t.TempDir()}))
	limit := func(n uint64) {
		var l syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			t.Fatal(err)
		}
		l.Cur = min(n, l.Max)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			t.Fatal(err)
		}
	}
	put := func(i int) error {
		return db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO t_item (name, data) VALUES (?, ?)", fmt.Sprint(i), make([]byte, 10_000))
			return err
		})
	}
	good := map[int]bool{}
	var mu sync.Mutex
	round := func(from int) (failed int) {
		var wg sync.WaitGroup
		for i := from; i < from+100; i++ {
			wg.Go(func() {
				err := put(i)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed++
				} else {
					good[i] = true
				}
			})
		}
		wg.Wait()
		return failed
	}
	if n := round(0); n > 0 {
		t.Fatal(n)
	}
	// A row takes 12 KB. When the log begins anew the database has its rows, so
	// that 110 fit twice: not 300.
	limit(5 << 18)
	if n := round(100) + round(200); n < 80 {
		t.Errorf("%d of 200 failed on a full disk", n)
	}
	for i := range good {
		if count(t, db, "name = ?", fmt.Sprint(i)) != 1 {
			t.Error(i, "is lost")
		}
	}
	limit(1 << 40)
	if n := round(300); n > 0 {
		t.Error(n, "failed when there was room again")
	}
	if n := count(t, db, "1 = 1"); n != len(good) {
		t.Errorf("%d rows, %d promised", n, len(good))
	}
	var ok string
	if err := db.Read().QueryRow(t.Context(), "PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
		t.Error(ok, err)
	}
}

// TestFullIsNoSpace: what SQLite says of a full disk is what files say.
func TestFullIsNoSpace(t *testing.T) {
	t.Parallel()
	db := migrated(t, open(t, Options{Dir: t.TempDir()}))
	err := db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
		if _, err := tx.Exec(ctx, "PRAGMA max_page_count = 20"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO t_item (name, data) VALUES (?, ?)", "x", make([]byte, 1<<20))
		return err
	})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

// TestOtherProcessWritesToo: commands open the database that the gateway has
// open.
func TestOtherProcessWritesToo(t *testing.T) {
	dir := os.Getenv("GAPURA_SQLDB_DIR")
	other := os.Getenv(child) != ""
	if !other {
		t.Parallel()
		dir = t.TempDir()
	}
	db := migrated(t, open(t, Options{Dir: dir}))
	const n = 100
	write := func(who string) {
		for i := range n {
			if err := add(t.Context(), db, fmt.Sprint(who, i)); err != nil {
				t.Error(err)
			}
		}
	}
	if other {
		write("child")
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { write("parent") })
	wg.Go(func() { write("parent too") })
	rerun(t, "GAPURA_SQLDB_DIR="+dir)
	wg.Wait()
	if got := count(t, db, "1 = 1"); got != 3*n {
		t.Error(got)
	}
}

// TestLogDoesNotGrow writes much more than the log may hold.
func TestLogDoesNotGrow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := migrated(t, open(t, Options{Dir: dir}))
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 400 { // 100 MiB
				data := bytes.Repeat([]byte{byte(i), byte(i >> 8), byte(w), 1}, 16<<10)
				err := db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
					_, err := tx.Exec(ctx, "INSERT INTO t_item (name, data) VALUES ('x', ?) ON CONFLICT (name) DO UPDATE SET data = excluded.data", data)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	info, err := os.Stat(filepath.Join(dir, fileName+"-wal"))
	if err != nil || info.Size() > walKept {
		t.Error(info.Size()>>20, "MiB", err)
	}
	t.Log(info.Size()>>20, "MiB")
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := migrated(t, open(t, Options{Dir: dir}))
	if err := add(t.Context(), db, "x"); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) < 3 {
		t.Fatal(list, err)
	}
	for _, e := range list {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Error(e.Name(), info.Mode(), err)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := Open(t.Context(), Options{Dir: filepath.Join(dir, "nowhere")}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if db, err := Open(t.Context(), Options{Dir: dir}); err == nil {
		db.Close()
		t.Error("opened what is no database")
	}
}
