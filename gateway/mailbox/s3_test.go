package mailbox_test

import (
	"context"
	"testing"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/blob/s3test"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/mailboxtest"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// TestSuiteOnS3 runs the suite with octets in S3, and the index in PostgreSQL.
func TestSuiteOnS3(t *testing.T) {
	mailboxtest.Run(t, func(t *testing.T) *mailboxtest.Place {
		opt, err := blob.ParseS3(s3test.URL(t))
		if err != nil {
			t.Fatal(err)
		}
		return &mailboxtest.Place{
			Dir: t.TempDir(), URL: sqldbtest.Postgres(t),
			Blobs: func(ctx context.Context, t testing.TB, db *sqldb.DB) blob.Store {
				s, err := blob.OpenS3Use(ctx, opt, nil, mailbox.LiveBlobs(ctx, db))
				if err != nil {
					t.Fatal(err)
				}
				return s
			},
		}
	})
}
