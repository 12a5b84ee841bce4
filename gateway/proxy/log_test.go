package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
)

// What the client hears of a backend that did not answer ends in an id, by
// which an administrator finds why.
func TestSilenceIsLoggedWithTheMail(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := &fake{}
		b.fail(errors.New("no route to host"))
		g := group(t, Options{}, b)
		var out bytes.Buffer
		g.log = slog.New(slog.NewJSONHandler(&out, nil))
		commit(t, g, copyTo("a", "b"))
		verify(t, g, "a", "b")
		var about []any
		for line := range bytes.Lines(out.Bytes()) {
			var got map[string]any
			if err := json.Unmarshal(line, &got); err != nil {
				t.Fatal(err)
			}
			about = append(about, got["msg"], got["id"], got["to"])
		}
		want := []any{"hand-over without answer", "01J", nil, "verify without answer", nil, "<b@y.test>"}
		if len(about) != len(want) {
			t.Fatal(about)
		}
		for i := range want {
			if about[i] != want[i] {
				t.Errorf("%v, want %v", about[i], want[i])
			}
		}
	})
}
