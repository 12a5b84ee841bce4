package outbound

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, one())
		w.opt.Pools = []Pool{{Name: "default", Sources: []Source{{Address: addr("198.51.100.2"), Warmup: &Warmup{Start: "2000-01-01", Days: []int{5}}}}}}
		s := &sink{}
		w.hosts["192.0.2.1"] = s.serve
		tr := w.transport()
		tr.Deliver(t.Context(), job("b@d.test"))
		w.state.sites.obey(siteKey{"google", addr("198.51.100.2")}, &action{slow: true, fewer: true, pause: time.Hour}, &Shape{Connections: 20}, "421 4.7.28 too much")
		b, err := json.Marshal(tr.Status())
		if err != nil {
			t.Fatal(err)
		}
		const want = `{"connections":1,"idle":1,"limit":1000,"sites":[` +
			`{"site":"d.test","source":"198.51.100.2","connections":1,"idle":1,"waiting":0},` +
			`{"site":"google","source":"198.51.100.2","connections":0,"idle":0,"waiting":0,"limit":10,"interval":1,"paused_until":"2000-01-01T01:00:00Z","reason":"421 4.7.28 too much"}],` +
			`"sources":[{"pool":"default","address":"198.51.100.2","hello":"gw.test","left":4}]}`
		if string(b) != want {
			t.Errorf("got  %s\nwant %s", b, want)
		}
		if n := tr.Resume("google"); n != 1 || strings.Contains(statusText(t, tr), "google") {
			t.Errorf("%d resumed", n)
		}
	})
}

func statusText(t *testing.T, tr *Transport) string {
	b, err := json.Marshal(tr.Status())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
