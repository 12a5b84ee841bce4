package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// hangs is a next hop that does not answer.
type hangs struct{ tried chan struct{} }

func (h *hangs) Deliver(ctx context.Context, _ *queue.Job) []queue.Outcome {
	close(h.tried)
	<-ctx.Done()
	return nil
}

// openTestQueue opens the queue as a gateway of a configuration does; whatever
// is being delivered at the end is given up.
func openTestQueue(t *testing.T, cfg *config.Config) (*sqldb.DB, blob.Store, *queue.Queue) {
	t.Helper()
	db, err := openDatabase(t.Context(), cfg, asGateway)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	log := slog.New(slog.DiscardHandler)
	blobs, err := openBlobs(t.Context(), cfg, db, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blobs.Close() })
	q, err := queue.Open(t.Context(), queue.Options{}, queue.Deps{DB: db, Blobs: blobs, Hostname: "mx.test", Log: log, Logged: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close(t.Context()) }) // which is over by then
	return db, blobs, q
}

// submitTest puts a message into the queue and returns its id.
func submitTest(t *testing.T, q *queue.Queue, text string) string {
	t.Helper()
	c := &gateway.Copy{
		ID: ulid.Make().String(), Size: int64(len(text)),
		Rcpts: []gateway.Recipient{{To: smtp.ForwardPath{Address: smtp.Address{Local: "a", Domain: "x.test"}}}},
		Open:  func() io.ReadCloser { return io.NopCloser(strings.NewReader(text)) },
	}
	if err := q.Submit(t.Context(), c, queue.Outbound); err != nil {
		t.Fatal(err)
	}
	return c.ID
}

// TestRestoreReadsTheLogOfTheQueue: what was just being delivered when the
// backup was made is in the queue's log alone. It has a row when all is
// restored, wherever the octets are then.
func TestRestoreReadsTheLogOfTheQueue(t *testing.T) {
	t.Parallel()
	cfg, dir := &config.Config{Data: t.TempDir()}, t.TempDir()
	db, blobs, q := openTestQueue(t, cfg)
	next := &hangs{make(chan struct{})}
	q.SetTransports(map[string]queue.Transport{queue.Outbound: next})
	id := submitTest(t, q, "Subject: just now\r\n\r\nHello\r\n")
	<-next.tried
	state := filepath.Join(dir, "state-1")
	if err := os.MkdirAll(filepath.Join(state, backupDatabase), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := db.Snapshot(t.Context(), filepath.Join(state, backupDatabase), "search"); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.Mirror(t.Context(), blobs.(blob.Segments), filepath.Join(dir, "queue"), func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}

	to := &config.Config{Data: t.TempDir()}
	if err := (&restoreCmd{Dir: dir}).rows(&app{ctx: t.Context()}, to, state); err != nil {
		t.Fatal(err)
	}
	there, err := openDatabase(t.Context(), to, asGateway)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	var ids []string
	err = queue.List(t.Context(), there, queue.Options{}, queue.Filter{All: true}, func(it *queue.Item) error {
		ids = append(ids, it.ID)
		return nil
	})
	if err != nil || len(ids) != 1 || ids[0] != id {
		t.Errorf("%q in the queue, not %s: %v", ids, id, err)
	}
	empty, err := blob.OpenFiles(t.Context(), blob.Options{Dir: t.TempDir()}, nil) // as S3 has no log
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	again, err := queue.Open(t.Context(), queue.Options{}, queue.Deps{DB: there, Blobs: empty, Hostname: "mx.test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	again.Close(t.Context())
}
