package mailboxtest

import (
	"bytes"
	"context"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// FillBlocks has the only INBOX of a store know of UIDs 1 to n, as it would had
// so many messages come, for tests of folders too large to be filled one by
// one.
func FillBlocks(ctx context.Context, tx *sqldb.Tx, n int) error {
	var key int64
	if err := tx.QueryRow(ctx, `SELECT key FROM mailbox_folders WHERE name = 'INBOX'`).Scan(&key); err != nil {
		return err
	}
	for i := range n/512 + 1 {
		b := bytes.Repeat([]byte{0xff}, 64)
		if i == 0 {
			b[0] = 0xfe
		}
		if last := n - i*512; last < 511 {
			b = b[:last/8+1]
			b[last/8] = byte(1<<(last%8+1) - 1)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO mailbox_blocks VALUES (?, ?, ?) ON CONFLICT (folder, block) DO UPDATE SET uids = excluded.uids`, key, i, b); err != nil {
			return err
		}
	}
	return nil
}
