package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/gapura-mail/gapura/config"
)

// TestReload: a configuration is taken whole or not at all, the server tells
// its state meanwhile, and after the end there is no reload.
func TestReload(t *testing.T) {
	text := "hostname: mx.test\ndata: " + filepath.Join(t.TempDir(), "data") + `
listeners: [{protocol: smtp, address: "127.0.0.1:0"}]
domains: {example.test: {deliver: proxy, backends: ["smtp://127.0.0.1:1"]}}
smtp: {disable_extensions: [`
	names := ""
	s := &server{log: slog.New(slog.DiscardHandler), level: &slog.LevelVar{}, listeners: map[listenerKey]*listening{}, fatal: make(chan error, 1)}
	s.load = func() (*config.Config, error) { return config.Parse("test.yaml", []byte(text+names+"]}\n")) }
	ready := func() int {
		w := httptest.NewRecorder()
		s.readyz(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return w.Code
	}
	if got := ready(); got != http.StatusServiceUnavailable {
		t.Errorf("before the start: %d", got)
	}
	if err := s.reload(); err != nil {
		t.Fatal(err)
	}
	first := s.gen.Load()
	if err := s.reload(); err != nil || s.gen.Load() == first {
		t.Errorf("reload: %v", err)
	}
	second := s.gen.Load()
	names = "NO-SUCH"
	if err := s.reload(); err == nil || s.gen.Load() != second {
		t.Errorf("an impossible option: %v", err)
	}
	names = ""
	s.reloading.Lock() // one is under way
	ready()            // does not wait for it
	s.reloading.Unlock()
	s.close()
	if err := s.reload(); err == nil || s.gen.Load() != second {
		t.Errorf("reload after the end: %v", err)
	}
}
