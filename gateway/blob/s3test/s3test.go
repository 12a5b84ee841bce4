// Package s3test gives tests places in a bucket of a private S3 server:
// versitygw, which scripts/test-tools.sh installs.
//
// It is started by the first test of a process that asks, on a loopback port
// and with a temporary folder. A shell that waits for the end of the process,
// however it ends, stops it and removes the folder: no TestMain is needed.
package s3test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/test/peers"
)

const (
	// Bucket is the bucket of all tests.
	Bucket    = "gapura"
	access    = "gapura-test"
	secret    = "gapura-test-secret"
	startTime = time.Minute
)

// URL returns a place of a test's own as s3://bucket/prefix?endpoint=...; the
// credentials are in the environment from then on. Where versitygw is not
// installed the test is skipped, or fails if peers are required.
func URL(t testing.TB) string {
	t.Helper()
	s := started()
	if s.err != nil {
		peers.Missing(t, "S3: %v", s.err)
	}
	return fmt.Sprintf("s3://%s/t%d?region=us-east-1&endpoint=%s", Bucket, s.made.Add(1), url.QueryEscape("http://"+s.addr))
}

// server is a running versitygw.
type server struct {
	addr string
	err  error // there is none
	made atomic.Int64
	life *os.File // its end is the server's
}

var started = sync.OnceValue(func() *server {
	s := &server{}
	s.err = s.start()
	return s
})

// script runs the server until its standard input ends.
const script = `"$0" --port "$1" --access "$2" --secret "$3" --quiet posix root >log 2>&1 &
read -r _ || :
kill $!
dir=$PWD
cd /
rm -rf "$dir"
`

// find finds the program.
func find() (string, error) {
	if p, err := exec.LookPath("versitygw"); err == nil {
		return p, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	p := filepath.Join(cache, "gapura-peers", "versitygw")
	if _, err := os.Stat(p); err != nil {
		return "", fmt.Errorf("not installed, see scripts/test-tools.sh: %w", err)
	}
	return p, nil
}

func (s *server) start() error {
	bin, err := find()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gapura-s3-")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "root", Bucket), 0o700); err != nil {
		return err
	}
	port, err := peers.FreePort()
	if err != nil {
		return err
	}
	s.addr = fmt.Sprintf("127.0.0.1:%d", port)
	os.Setenv("AWS_ACCESS_KEY_ID", access)
	os.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	stdin, life, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	s.life = life
	c := exec.Command("/bin/sh", "-c", script, bin, s.addr, access, secret)
	c.Dir, c.Stdin = dir, stdin
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // no interrupt from the terminal
	if err := c.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(startTime); ; {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			return fmt.Errorf("it does not start: %w\n%s", err, log)
		}
		time.Sleep(5 * time.Millisecond) // nothing tells when it listens
	}
}
