package mailbox

import (
	"context"
	"fmt"
	"iter"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	sqlRefs = `SELECT id, segment, start, size FROM mailbox_objects WHERE id > ? ORDER BY id LIMIT ?`

	sqlSkipIDs    = `UPDATE mailbox_counters SET next = next + ? WHERE name <> 'validity'`
	sqlSkipUIDs   = `UPDATE mailbox_folders SET next = next + ?, modseq = modseq + ?, forgotten = modseq + ?`
	sqlAllChanged = `UPDATE mailbox_messages SET modseq = (SELECT MAX(modseq) FROM mailbox_folders WHERE key = mailbox_messages.folder)
		WHERE folder IN (SELECT key FROM mailbox_folders)`
	sqlForgetExpunged = `DELETE FROM mailbox_expunged`
)

// refBatch is how many rows Refs reads at a time.
const refBatch = 10_000

// Refs lists the blobs that the mailboxes' rows in db refer to.
func Refs(ctx context.Context, db *sqldb.DB) iter.Seq2[blob.Ref, error] {
	return func(yield func(blob.Ref, error) bool) {
		if err := db.Migrate(ctx, "mailbox", steps); err != nil {
			yield(blob.Ref{}, fmt.Errorf("mailbox: %w", err))
			return
		}
		for last, more := int64(0), true; more; {
			var err error
			if last, more, err = someRefs(ctx, db, last, yield); err != nil {
				yield(blob.Ref{}, fmt.Errorf("mailbox: %w", err))
				return
			}
		}
	}
}

// someRefs lists the refs of the objects behind last; more is false when
// there are no others, or yield wants none.
func someRefs(ctx context.Context, db *sqldb.DB, last int64, yield func(blob.Ref, error) bool) (_ int64, more bool, err error) {
	rows, err := db.Read().Query(ctx, sqlRefs, last, refBatch)
	if err != nil {
		return last, false, err
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var ref blob.Ref
		var segment int64
		if err := rows.Scan(&last, &segment, &ref.Offset, &ref.Size); err != nil {
			return last, false, err
		}
		ref.Segment = uint64(segment)
		if !yield(ref, nil) {
			return last, false, nil
		}
	}
	return last, n == refBatch, rows.Err()
}

// skipped is how many UIDs, ids and modification sequences are passed over by
// Restored: more than were given between a backup and its restoration.
const skipped = 1_000_000

// Restored is called after rows were restored that are older than what mail
// programs have seen: no UID and no id that was given since is given again, and
// who synchronises by changes is told of all messages.
func Restored(ctx context.Context, db *sqldb.DB) error {
	if err := db.Migrate(ctx, "mailbox", steps); err != nil {
		return fmt.Errorf("mailbox: %w", err)
	}
	err := db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, sqlSkipIDs, skipped); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlSkipUIDs, skipped, skipped, skipped); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlForgetExpunged); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlAllChanged)
		return err
	})
	if err != nil {
		return fmt.Errorf("mailbox: after restoring: %w", err)
	}
	return nil
}
