package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// TestAGatewayThatStarts: who acts on the queue while the gateway has the data
// folder, and no socket yet or no more, is told to come again.
func TestAGatewayThatStarts(t *testing.T) {
	t.Parallel()
	short, err := os.MkdirTemp("", "g") // enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	for dir, want := range map[string]string{
		short: "is just starting, or ending, and takes no commands; try again in a moment",
		filepath.Join(t.TempDir(), strings.Repeat("long", 30)): "the path is too long for a control socket",
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		cfg := &config.Config{Data: dir}
		cfg.Storage.Database = "sqlite"
		openTestQueue(t, cfg)
		err := (&app{ctx: t.Context()}).withoutGateway(cfg, func(*sqldb.DB, blob.Store) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
