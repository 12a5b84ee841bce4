package main

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/spam"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// TestUploadsTeachOfMailFromHereAlone: imapsync brings a Junk that nobody looked
// through, mbsync what it has from here.
func TestUploadsTeachOfMailFromHereAlone(t *testing.T) {
	t.Parallel()
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: t.TempDir(), Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	opt := spam.DefaultOptions()
	s := &server{log: slog.New(slog.DiscardHandler)}
	s.gen.Store(&generation{cfg: &config.Config{Hostname: "mx.here.test"}})
	if s.spam.store, err = learned.Open(t.Context(), opt.Learn.Options, learned.Deps{DB: db}); err != nil {
		t.Fatal(err)
	}
	defer s.spam.store.Close()
	s.spam.opt.Store(&opt)
	rules, err := rule.Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.spam.rules.Store(rules)
	const text = "From: a@b.test\r\nSubject: pills\r\n\r\nBuy these cheap pills now, all of them. "
	for _, x := range []struct {
		by       string
		uploaded bool
		lessons  int
	}{{"mx.elsewhere.test", true, 0}, {"mx.elsewhere.test", false, 1}, {"mx.here.test", true, 2}} {
		raw := "Received: from c.test (c.test [192.0.2.1]) by " + x.by + " with SMTP id 1; Mon, 2 Nov 2026 10:00:00 +0000\r\n" + text + x.by + "\r\n"
		spamLearner{s}.Learn(t.Context(), "ann@here.test", true, x.uploaded, func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(raw)), nil
		})
		var n int
		if err := db.Read().QueryRow(t.Context(), "SELECT COUNT(*) FROM learned_lessons").Scan(&n); err != nil || n != x.lessons {
			t.Errorf("%+v: %d lessons, %v", x, n, err)
		}
	}
}
