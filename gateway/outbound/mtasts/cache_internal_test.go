package mtasts

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// TestGivenUpIsNoError: who goes elsewhere before the database has answered
// leaves nothing in the log.
func TestGivenUpIsNoError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var log strings.Builder
	c := &Cache{db: db, memory: map[string]*known{}, opt: Options{Log: slog.New(slog.NewTextHandler(&log, nil))}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.recall(ctx, "a.example", time.Now())
	if log.Len() > 0 {
		t.Error(log.String())
	}
	c.recall(t.Context(), "a.example", time.Now()) // has no table
	if !strings.Contains(log.String(), "stored policy not read") {
		t.Errorf("a real error is not told: %q", log.String())
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	c := &Cache{memory: map[string]*known{}}
	for i := range 2000 {
		name := fmt.Sprintf("d%d.example", i)
		c.remember(name, &known{entry: &entry{domain: name, text: make([]byte, MaxPolicy)}})
		if c.size > maxMemory || c.memory[name] == nil {
			t.Fatalf("%d octets, %d domains", c.size, len(c.memory))
		}
	}
	for name := range c.memory {
		c.remember(name, &known{})
		c.forget(name)
	}
	if c.size != 0 {
		t.Errorf("%d octets of nothing", c.size)
	}
}
