package sqldb

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// pg is the PostgreSQL of the tests, begun by the first that needs it.
var pg struct {
	once sync.Once
	host string // host:port
	why  string // there is none
	stop func()
	dbs  atomic.Int64
}

const pgPassword = "s3cret-of-the-tests"

// postgresURL gives an empty database.
func postgresURL(t testing.TB) string {
	t.Helper()
	pg.once.Do(startPostgres)
	if pg.why != "" {
		if os.Getenv("GAPURA_PEERS") == "required" {
			t.Fatal(pg.why)
		}
		t.Skip(pg.why)
	}
	name := fmt.Sprint("t", pg.dbs.Add(1))
	url := func(name string) string {
		return fmt.Sprintf("postgres://gapura:%s@%s/%s?sslmode=disable", pgPassword, pg.host, name)
	}
	_, read, admin, err := openPostgres(t.Context(), Options{URL: url("postgres"), Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	defer read.Close()
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"); err != nil {
		t.Fatal(err)
	}
	return url(name)
}

func startPostgres() {
	list, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(list) == 0 {
		pg.why = "PostgreSQL is not installed: scripts/test-deps.sh"
		return
	}
	bin := list[len(list)-1]
	dir, err := os.MkdirTemp("", "gapura-postgres-")
	if err != nil {
		pg.why = err.Error()
		return
	}
	cred, err := unprivileged(dir)
	log, _ := os.Create(filepath.Join(dir, "log"))
	defer log.Close()
	said := func() string {
		b, _ := os.ReadFile(log.Name())
		return string(b)
	}
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir, c.Stdout, c.Stderr = dir, log, log
		c.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "LC_ALL=C.UTF-8"}
		c.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
		return c
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "password"), []byte(pgPassword), 0o644)
	}
	data := filepath.Join(dir, "data")
	if err == nil {
		err = command("initdb", "-D", data, "-U", "gapura", "-A", "scram-sha-256", "--pwfile", filepath.Join(dir, "password"), "-E", "UTF8", "--no-sync").Run()
	}
	port := freePort()
	server := command("postgres", "-D", data, "-h", "127.0.0.1", "-p", port, "-k", "", "-c", "max_connections=200", "-c", "fsync=off")
	server.SysProcAttr.Pdeathsig = syscall.SIGINT
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		pg.why = fmt.Sprintf("PostgreSQL does not start: %v\n%s", err, said())
		os.RemoveAll(dir)
		return
	}
	pg.host = net.JoinHostPort("127.0.0.1", port)
	pg.stop = func() {
		server.Process.Signal(syscall.SIGQUIT)
		server.Wait()
		os.RemoveAll(dir)
	}
	isReady := func() bool { return command("pg_isready", "-q", "-h", "127.0.0.1", "-p", port).Run() == nil }
	for end := time.Now().Add(30 * time.Second); !isReady(); {
		if time.Now().After(end) {
			pg.why = "PostgreSQL does not answer: " + said()
			pg.stop()
			pg.stop = nil
			return
		}
	}
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

func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "0"
	}
	defer l.Close()
	_, port, _ := strings.Cut(l.Addr().String(), ":")
	return port
}

// TestLostConnectionIsReplaced ends the connections, as a restart of the server
// does.
func TestLostConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	url := postgresURL(t)
	db, other := migrated(t, open(t, Options{URL: url})), open(t, Options{URL: url})
	if err := add(t.Context(), db, "before"); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := other.Read().QueryRow(t.Context(), "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").Scan(&n); err != nil || n < 2 {
		t.Fatal(n, err)
	}
	if err := add(t.Context(), db, "after"); err != nil {
		t.Error(err)
	}
	for try := 0; ; try++ { // each reader may find its connection gone once
		err := db.Read().QueryRow(t.Context(), "SELECT count(*) FROM t_item").Scan(&n)
		if err == nil {
			break
		}
		if try > defaultReaders {
			t.Fatal(err)
		}
	}
	if n != 2 {
		t.Error(n)
	}
}

func TestTransactionThatIsNotSerializedRunsAgain(t *testing.T) {
	t.Parallel()
	db := migrated(t, open(t, Options{URL: postgresURL(t)}))
	runs := 0
	err := db.Write(t.Context(), func(ctx context.Context, tx *Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO t_item (name) VALUES ('x')"); err != nil {
			return err
		}
		if runs++; runs < 3 {
			_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION SQLSTATE '40001'; END $$")
			return err
		}
		return nil
	})
	if err != nil || runs != 3 || count(t, db, "name = 'x'") != 1 {
		t.Error(runs, err)
	}
}
