package main

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob/s3test"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// TestQueueShowReadsS3: `queue show --message` prints a message whose octets are
// in a bucket, beside the gateway that has it open.
func TestQueueShowReadsS3(t *testing.T) {
	t.Parallel()
	cfg := &config.Config{Data: t.TempDir()}
	cfg.Storage.Objects = s3test.URL(t)
	db, err := openDatabase(t.Context(), cfg, asGateway)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	log := slog.New(slog.DiscardHandler)
	blobs, err := openBlobs(t.Context(), cfg, db, log)
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	q, err := queue.Open(t.Context(), queue.Options{}, queue.Deps{DB: db, Blobs: blobs, Hostname: "mx.test", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close(t.Context())
	text := "Subject: in a bucket\r\n\r\nHello\r\n"
	c := &gateway.Copy{
		ID: ulid.Make().String(), Size: int64(len(text)),
		Rcpts: []gateway.Recipient{{To: smtp.ForwardPath{Address: smtp.Address{Local: "a", Domain: "x.test"}}}},
		Open:  func() io.ReadCloser { return io.NopCloser(strings.NewReader(text)) },
	}
	if err := q.Submit(t.Context(), c, queue.Outbound); err != nil {
		t.Fatal(err)
	}
	shown := 0
	err = queue.List(t.Context(), db, queue.Options{}, queue.Filter{ID: c.ID}, func(it *queue.Item) error {
		var out bytes.Buffer
		if err := printMessage(t.Context(), cfg, it, &out); err != nil {
			return err
		}
		if shown++; out.String() != text {
			t.Errorf("%q", out.String())
		}
		return nil
	})
	if err != nil || shown != 1 {
		t.Error(shown, err)
	}
}
