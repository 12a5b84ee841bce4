package mailbox_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
	"github.com/gapura-mail/gapura/test/peers"
)

// TestSuiteOnS3 runs the suite with octets in S3, and the index in PostgreSQL.
func TestSuiteOnS3(t *testing.T) {
	endpoint := startS3(t)
	var n atomic.Int64
	mailboxtest.Run(t, func(t *testing.T) *mailboxtest.Place {
		opt, err := blob.ParseS3(fmt.Sprintf("s3://gapura/t%d?region=us-east-1&endpoint=%s", n.Add(1), url.QueryEscape(endpoint)))
		if err != nil {
			t.Fatal(err)
		}
		return &mailboxtest.Place{
			Dir: t.TempDir(), URL: sqldbtest.Postgres(t),
			Blobs: func(ctx context.Context, t testing.TB, db *sqldb.DB) blob.Store {
				s, err := blob.OpenS3Use(ctx, opt, nil, mailbox.LiveBlobs(ctx, db))
				if err != nil {
					t.Fatal(err)
				}
				return s
			},
		}
	})
}

// startS3 starts a versitygw for the test and returns its URL.
func startS3(t *testing.T) string {
	bin, err := exec.LookPath("versitygw")
	if err != nil {
		if cache, e := os.UserCacheDir(); e == nil {
			bin = filepath.Join(cache, "gapura-peers", "versitygw")
			_, err = os.Stat(bin)
		}
	}
	if err != nil {
		peers.Missing(t, "no S3 server: scripts/test-tools.sh installs versitygw: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "gapura"), 0o700); err != nil {
		t.Fatal(err)
	}
	const access, secret = "gapura-test", "gapura-test-secret"
	os.Setenv("AWS_ACCESS_KEY_ID", access) // t.Setenv does not go with parallel subtests
	os.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	c := exec.Command(bin, "--port", addr, "--access", access, "--secret", secret, "--quiet", "posix", root)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	for end := time.Now().Add(30 * time.Second); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return "http://" + addr
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
