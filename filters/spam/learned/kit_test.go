package learned

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/anatomy"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

const (
	ana  = "ana@example.org"
	ben  = "ben@example.org"
	cleo = "cleo@example.net"
)

func openDB(t testing.TB, dir string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(context.Background(), sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir), Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// gatewayOn is a Store that keeps, as the gateway has it.
func gatewayOn(t testing.TB, db *sqldb.DB, opt Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), opt, Deps{DB: db, Keep: true, Model: base()})
	if err != nil {
		t.Fatal(err)
	}
	s.patience = time.Minute // on a busy machine, too
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openStore(t testing.TB, opt Options) *Store {
	t.Helper()
	return gatewayOn(t, openDB(t, t.TempDir()), opt)
}

// words of messages of two kinds, and of neither.
var vocabulary = map[string][]string{
	"ham":  strings.Fields("meeting minutes invoice project review agenda patch budget schedule colleagues draft report lunch thanks attached branch release deadline kernel office"),
	"spam": strings.Fields("winner lottery prize claim urgent transfer million casino pills cheap discount miracle investment crypto bonus guarantee click account suspended verify"),
	"any":  strings.Fields("the and with from your about please time this that will have been more when where some other every week today tomorrow people"),
}

// text makes a body of a kind.
func text(r *rand.Rand, kind string) string {
	var b strings.Builder
	for i := range 60 {
		list := vocabulary[kind]
		if i%3 != 0 {
			list = vocabulary["any"]
		}
		b.WriteString(list[r.IntN(len(list))])
		if b.WriteByte(' '); i%10 == 9 {
			b.WriteString("\r\n")
		}
	}
	return b.String()
}

func raw(subject, body string) []byte {
	return fmt.Appendf(nil, "From: Someone <someone@sender.example>\r\nTo: you@example.org\r\nSubject: %s\r\nMessage-ID: <%x@sender.example>\r\nDate: Mon, 2 Feb 2026 10:00:00 +0000\r\n\r\n%s\r\n", subject, len(body), body)
}

func vector(body string) *model.Vector {
	var m anatomy.Message
	m.Parse(raw("hello", body))
	v := model.NewVector()
	model.Features(&m, v)
	return v.Clone()
}

// base is a small base model.
var base = sync.OnceValue(func() *model.Model {
	r := rand.New(rand.NewPCG(7, 7))
	var set []model.Example
	for i := range 200 {
		spam := i%2 == 1
		set = append(set, model.Example{Vector: vector(text(r, map[bool]string{false: "ham", true: "spam"}[spam])), Spam: spam, Source: "test"})
	}
	m, _, err := model.Train(context.Background(), set, model.TrainOptions{Name: "test"})
	if err != nil {
		panic(err)
	}
	return m
})

func lesson(user, key, body string, spam bool) Lesson {
	return Lesson{User: user, Key: key, Spam: spam, Source: Move, Vector: vector(body)}
}

func (s *Store) scoreFor(t testing.TB, user string, v *model.Vector) float64 {
	t.Helper()
	return s.model.Load().Score(v, s.Layers(t.Context(), user)...).Score
}

func learn(t testing.TB, s *Store, list ...Lesson) {
	t.Helper()
	if _, err := s.Learn(t.Context(), list...); err != nil {
		t.Fatal(err)
	}
}

func rnd() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func exec(t testing.TB, db *sqldb.DB, query string, args ...any) {
	t.Helper()
	err := db.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
