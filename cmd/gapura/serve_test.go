package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/proxy"
	"github.com/gapura-mail/gapura/gateway/smtp"
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

// TestReady: a gateway is taken out where it can take no mail at all.
func TestReady(t *testing.T) {
	t.Parallel()
	group := func(up bool) *proxy.Group {
		g, err := proxy.New("x", proxy.Options{Backends: []string{"smtp://127.0.0.1:1"}}, proxy.Deps{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() })
		if !up {
			g.Verify(t.Context(), smtp.ReversePath{}, smtp.MailParams{}, smtp.ForwardPath{Address: smtp.Address{Local: "a", Domain: "x"}}, smtp.RcptParams{})
		}
		return g
	}
	up, down := group(true), group(false)
	full := func(context.Context) bool { return false }
	s := &server{log: slog.New(slog.DiscardHandler)}
	for name, c := range map[string]struct {
		gen  generation
		more config.Config
		code int
		text string
	}{
		"all up":                  {generation{groups: map[string]*proxy.Group{"a.test": up, "b.test": up}}, config.Config{}, 200, "ok\n"},
		"one of two":              {generation{groups: map[string]*proxy.Group{"a.test": up, "b.test": down}}, config.Config{}, 200, "ok\nno backend of b.test answers\n"},
		"none":                    {generation{groups: map[string]*proxy.Group{"a.test": down, "b.test": down}}, config.Config{}, 503, "no backend of a.test answers\nno backend of b.test answers\n"},
		"kept here":               {generation{groups: map[string]*proxy.Group{"a.test": down}}, config.Config{}, 200, "ok\nno backend of a.test answers\n"},
		"queued":                  {generation{groups: map[string]*proxy.Group{"a.test": down, "b.test": down}, queued: map[string]bool{"b.test": true}}, config.Config{}, 200, "ok\nno backend of a.test answers\n"},
		"submission":              {generation{groups: map[string]*proxy.Group{"a.test": down, "b.test": down}}, config.Config{Listeners: []config.Listener{{Protocol: "submissions"}}}, 200, "ok\nno backend of a.test answers\nno backend of b.test answers\n"},
		"smtp is of no":           {generation{groups: map[string]*proxy.Group{"a.test": down, "b.test": down}}, config.Config{Listeners: []config.Listener{{Protocol: "smtp"}}}, 503, "no backend of a.test answers\nno backend of b.test answers\n"},
		"full, others in session": {generation{groups: map[string]*proxy.Group{"a.test": up}, stores: full}, config.Config{}, 200, "ok\nmail cannot be stored: the log says why\n"},
		"full":                    {generation{groups: map[string]*proxy.Group{"a.test": down}, stores: full}, config.Config{Listeners: []config.Listener{{Protocol: "submissions"}}}, 503, "mail cannot be stored: the log says why\nno backend of a.test answers\n"},
	} {
		c.gen.cfg = &c.more
		c.more.Domains = []config.Domain{{Name: "a.test"}, {Name: "b.test"}}
		s.gen.Store(&c.gen)
		w := httptest.NewRecorder()
		s.readyz(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if w.Code != c.code || w.Body.String() != c.text {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
}
