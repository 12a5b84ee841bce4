// Package sqldbtest gives tests the databases that sqldb supports: a folder
// for SQLite, and empty databases of a private PostgreSQL.
//
// PostgreSQL is started by the first test of a process that asks, in a folder
// of its own under the system's temporary one, on a unix socket there, and as
// another user where the tests run as root. A shell that waits for the end of
// the process, however it ends, stops it and removes the folder: no TestMain is needed.
package sqldbtest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gapura-mail/gapura/test/peers"
)

// startTime bounds the wait for initdb and the server on a busy machine.
const startTime = 2 * time.Minute

// Each runs f as a parallel subtest on every database: what Options.Dir and
// Options.URL of sqldb are to be. Both are of this test alone and begin empty.
func Each(t *testing.T, f func(t *testing.T, dir, url string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, t.TempDir(), "")
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, t.TempDir(), Postgres(t))
	})
}

// URL returns what Options.URL of sqldb is to be for a test whose files are in
// dir: empty, or, where GAPURA_TEST_DATABASE is "postgres", a database of the test's own, the same one
// each time that dir is named. So a whole suite runs on either, as `make test`
// does.
func URL(t testing.TB, dir string) string {
	t.Helper()
	if os.Getenv("GAPURA_TEST_DATABASE") != "postgres" {
		return ""
	}
	if u, ok := byDir.Load(dir); ok {
		return u.(string)
	}
	u := Postgres(t)
	byDir.Store(dir, u)
	return u
}

var byDir sync.Map // folder of a test -> URL

// Postgres returns the URL of a new empty database, whose encoding is UTF8 and
// whose order is that of octets. Where PostgreSQL is not installed the test is
// skipped, or fails if peers are required.
func Postgres(t testing.TB) string {
	t.Helper()
	s := started()
	if s.err != nil {
		peers.Missing(t, "PostgreSQL: %v", s.err)
	}
	name := fmt.Sprint("t", s.made.Add(1))
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	c, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'")
	if err != nil {
		t.Fatal(err)
	}
	return s.url(name)
}

// server is a running PostgreSQL.
type server struct {
	dir  string
	err  error // there is none
	made atomic.Int64
	life *os.File // its end is the server's
}

func (s *server) url(name string) string {
	return fmt.Sprintf("postgres://gapura@/%s?host=%s", name, s.dir)
}

var started = sync.OnceValue(func() *server {
	s := &server{}
	s.err = s.start()
	return s
})

// script runs the server until its standard input ends.
const script = `set -e
umask 077
initdb -D data -U gapura -A trust -E UTF8 --no-sync >log 2>&1
pg_ctl -w -t 100 -D data -l log start -o "-k '$PWD' -h '' -c max_connections=200 -c shared_buffers=16MB \
	-c fsync=off -c full_page_writes=off -c jit=off" >>log 2>&1
echo ready
read -r _ || :
pg_ctl -m immediate -D data stop >>log 2>&1 || :
dir=$PWD
cd /
rm -rf "$dir"
`

func (s *server) start() error {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // Debian's
	path := os.Getenv("PATH")
	if len(bins) > 0 {
		path = slices.Max(bins) + ":" + path
	} else if _, err := exec.LookPath("initdb"); err != nil {
		return fmt.Errorf("not installed, see scripts/test-deps.sh: %w", err)
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "gapura-postgres-"); err != nil {
		return err
	}
	if err := s.run(path); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		os.RemoveAll(s.dir)
		return fmt.Errorf("it does not start: %w\n%s", err, log)
	}
	return nil
}

func (s *server) run(path string) error {
	cred, err := unprivileged(s.dir)
	if err != nil {
		return err
	}
	stdin, life, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	s.life = life
	c := exec.Command("/bin/sh", "-c", script)
	c.Dir, c.Stdin = s.dir, stdin
	c.Env = []string{"PATH=" + path, "PWD=" + s.dir, "LC_ALL=C.UTF-8"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: true} // no interrupt from the terminal
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	defer out.Close()
	if err := c.Start(); err != nil {
		return err
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		return c.Wait()
	}
	return nil
}

// unprivileged gives dir to a user that PostgreSQL may run as: it refuses
// root.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, uid, gid)
}
