package mailbox_test

import (
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

func TestSuite(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		mailboxtest.Run(t, func(t *testing.T) *mailboxtest.Place { return &mailboxtest.Place{Dir: t.TempDir()} })
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		mailboxtest.Run(t, func(t *testing.T) *mailboxtest.Place {
			return &mailboxtest.Place{Dir: t.TempDir(), URL: sqldbtest.Postgres(t)}
		})
	})
	t.Run("two processes", func(t *testing.T) {
		t.Parallel()
		mailboxtest.RunTwo(t, func(t *testing.T) *mailboxtest.Place {
			return &mailboxtest.Place{Dir: t.TempDir(), URL: sqldbtest.Postgres(t)}
		})
	})
}
