package quota

import (
	"context"
	"net/netip"
	"testing"

	"go.uber.org/goleak"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func database(t testing.TB) *sqldb.DB {
	t.Helper()
	dir := t.TempDir()
	db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func open(t testing.TB, db *sqldb.DB, opt Options, alert func(context.Context, Alert)) *Quota {
	t.Helper()
	q, err := Open(t.Context(), opt, Deps{DB: db, Alert: alert})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// closeAll closes what synctest must not wait for.
func closeAll(t testing.TB, q *Quota, db *sqldb.DB) {
	t.Helper()
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func limited(l Limits) Options {
	o := DefaultOptions()
	o.User, o.Hold.Refusals, o.Tell = l, 0, 0
	return o
}

var ana = Sender{User: "Ana@Example.org", IP: netip.MustParseAddr("192.0.2.1")}

func to(names ...string) (list []smtp.Address) {
	for _, n := range names {
		list = append(list, smtp.Address{Local: n, Domain: "example.net"})
	}
	return list
}

// send sends a message as inbound does, and returns the refusal.
func send(t testing.TB, q *Quota, s Sender, names ...string) (smtp.Reply, Grant) {
	t.Helper()
	r, err := q.Mail(t.Context(), s)
	for i, a := range to(names...) {
		if err == nil && r.IsZero() {
			r, err = q.Rcpt(t.Context(), s, i, a)
		}
	}
	var g Grant
	if err == nil && r.IsZero() {
		g, err = q.Take(t.Context(), s, to(names...))
		r = g.Reply
	}
	if err != nil {
		t.Fatal(err)
	}
	return r, g
}
