package main

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/blob"
)

// TestGatewayWaitsForCommands: one that is started while a command acts on the
// queue begins when that has ended; beside another gateway it does not.
func TestGatewayWaitsForCommands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the disk is slow at times, and folderTime short
		cfg, log := &config.Config{Data: t.TempDir()}, slog.New(slog.DiscardHandler)
		db, command, q := openTestQueue(t, cfg)
		if blobs, err := awaitBlobs(t.Context(), cfg, db, log); !errors.Is(err, blob.ErrInUse) {
			t.Fatal(blobs, err)
		}
		time.AfterFunc(200*time.Millisecond, func() {
			q.Close(t.Context())
			command.Close()
		})
		blobs, err := awaitBlobs(t.Context(), cfg, db, log)
		if err != nil {
			t.Fatal(err)
		}
		blobs.Close()
	})
}
