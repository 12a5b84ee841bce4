package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// crowd is a service with sessions.
type crowd struct {
	service
	users map[string]bool
}

func (c *crowd) Users(to map[string]bool) {
	for u := range c.users {
		to[u] = true
	}
}

func (c *crowd) End(user string) int {
	delete(c.users, user)
	return 1
}

// TestSessionsOfUsersWhoAreGoneEnd: whoever is removed where the gateway does
// not hear of it, in a directory, has no session for ever.
func TestSessionsOfUsersWhoAreGoneEnd(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	db, err := sqldb.Open(ctx, sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var log bytes.Buffer
	s := &server{log: slog.New(slog.NewTextHandler(&log, nil))}
	if s.accounts, err = account.Open(ctx, account.DefaultOptions(), account.Deps{DB: db}); err != nil {
		t.Fatal(err)
	}
	defer s.accounts.Close()
	if err := s.accounts.AddUser(ctx, account.User{Name: "ana@example.test"}, ""); err != nil {
		t.Fatal(err)
	}
	c := &crowd{users: map[string]bool{"ana@example.test": true, "gone@example.test": true}}
	s.gen.Store(&generation{})
	s.listeners = map[listenerKey]*listening{{}: {service: c}}
	s.endGone(ctx)
	if len(c.users) != 1 || !c.users["ana@example.test"] {
		t.Errorf("still there: %v", c.users)
	}
	if !strings.Contains(log.String(), "user=gone@example.test") {
		t.Errorf("logged:\n%s", log.String())
	}
}
