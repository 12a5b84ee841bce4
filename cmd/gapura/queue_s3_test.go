package main

import (
	"bytes"
	"testing"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/blob/s3test"
	"github.com/gapura-mail/gapura/gateway/queue"
)

// TestQueueShowReadsS3: `queue show --message` prints a message whose octets are
// in a bucket, beside the gateway that has it open.
func TestQueueShowReadsS3(t *testing.T) {
	t.Parallel()
	cfg := &config.Config{Data: t.TempDir()}
	cfg.Storage.Objects = s3test.URL(t)
	db, _, q := openTestQueue(t, cfg)
	text := "Subject: in a bucket\r\n\r\nHello\r\n"
	id := submitTest(t, q, text)
	shown := 0
	err := queue.List(t.Context(), db, queue.Options{}, queue.Filter{ID: id}, func(it *queue.Item) error {
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
