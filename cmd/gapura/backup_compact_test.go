package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// churn stores messages, expunges most of them and compacts what is left, until
// its context ends. What it keeps it tells.
type churn struct {
	user  *mailbox.User
	s     *mailbox.Store
	mu    sync.Mutex
	kept  int
	freed int64 // octets that compaction has reclaimed
}

func (c *churn) run(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		folder := "Trash"
		if i%5 == 0 {
			folder = "INBOX"
		}
		o, err := c.s.Put(ctx, -1, strings.NewReader(fmt.Sprintf("Subject: %d\r\n\r\n%s", i, strings.Repeat("text and more\r\n", 100+i%400))))
		if err == nil {
			_, err = c.user.Append(ctx, folder, mailbox.Item{Object: o})
		}
		if err != nil {
			return err
		}
		if i%5 == 0 {
			c.mu.Lock()
			c.kept++
			c.mu.Unlock()
		}
		if i%20 == 19 {
			if err := c.empty(ctx); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
			n, err := c.s.Compact(ctx)
			if err != nil {
				return err
			}
			c.mu.Lock()
			c.freed += n
			c.mu.Unlock()
		default:
		}
	}
	return nil
}

func (c *churn) empty(ctx context.Context) error {
	v, err := c.user.Select(ctx, "Trash", false)
	if err != nil {
		return err
	}
	defer v.Close()
	if _, err := v.Change(ctx, mailbox.AllUIDs, mailbox.AddFlags, []string{`\Deleted`}, nil); err != nil {
		return err
	}
	_, err = v.Expunge(ctx, mailbox.AllUIDs, false)
	return err
}

// TestBackupWhileSpaceIsReclaimed: segments that are compacted away while a
// backup goes on take nothing out of it.
func TestBackupWhileSpaceIsReclaimed(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := &config.Config{Data: filepath.Join(t.TempDir(), "data"), Hostname: "mx.test"}
	db, err := openDatabase(ctx, cfg, asGateway)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.OpenFilesUse(ctx, blob.Options{Dir: mailDir(cfg), SegmentSize: 64 << 10, Large: 32 << 10}, mailbox.LiveBlobs(ctx, db))
	if err != nil {
		t.Fatal(err)
	}
	s, err := mailbox.Open(ctx, mailbox.Options{}, mailbox.Deps{DB: db, Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	c := &churn{s: s}
	if c.user, err = s.User(ctx, "ana@kept.test"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.run(ctx) }()
	a := &app{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard, config: filepath.Join(t.TempDir(), "none.yaml")}
	dir := t.TempDir()
	// On a slow machine it takes more rounds until something was reclaimed.
	for round, freed := 0, int64(0); round < 4 || freed == 0 && round < 60; round++ {
		c.mu.Lock()
		var kept int
		kept, freed = c.kept, c.freed
		c.mu.Unlock()
		state, err := nextState(dir)
		if err != nil {
			t.Fatal(err)
		}
		beside, err := openDatabase(t.Context(), cfg, asCommand)
		if err != nil {
			t.Fatal(err)
		}
		b := &backup{app: a, cfg: cfg, db: beside, dir: dir, manifest: &manifest{Format: backupFormat, State: state}}
		if err := errors.Join(b.run(), beside.Close()); err != nil {
			t.Fatal(err)
		}
		if n := restoredCount(t, a, dir, state); n < kept {
			t.Errorf("round %d: %d messages of %d", round, n, kept)
		}
	}
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if c.freed == 0 {
		t.Error("nothing was reclaimed")
	}
	if err := errors.Join(s.Close(), blobs.Close(), db.Close()); err != nil {
		t.Error(err)
	}
}

// restoredCount restores a backup, checks what is there, and counts INBOX.
func restoredCount(t *testing.T, a *app, dir, state string) int {
	t.Helper()
	cfg := &config.Config{Data: filepath.Join(t.TempDir(), "data")}
	if err := emptyData(cfg.Data); err != nil {
		t.Fatal(err)
	}
	if err := (&restoreCmd{Dir: dir}).restore(a, cfg, filepath.Join(dir, state)); err != nil {
		t.Fatal(err)
	}
	db, err := openDatabase(t.Context(), cfg, asGateway)
	if err != nil {
		t.Fatal(err)
	}
	m, err := openMailboxes(t.Context(), cfg, db, slog.New(slog.DiscardHandler), nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(m.close(), db.Close()); err != nil {
			t.Error(err)
		}
	}()
	if err := m.Check(t.Context(), false, func(p mailbox.Problem) { t.Errorf("%+v", p) }, nil); err != nil {
		t.Error(err)
	}
	u, err := m.Find(t.Context(), "ana@kept.test")
	if err != nil {
		t.Fatal(err)
	}
	f, err := u.Folder(t.Context(), "INBOX")
	if err != nil {
		t.Fatal(err)
	}
	return int(f.Messages)
}
