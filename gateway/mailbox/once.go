package mailbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	sqlOnce      = `SELECT until FROM mailbox_once WHERE owner = ? AND key = ?`
	sqlPutOnce   = `INSERT INTO mailbox_once (owner, key, day, until) VALUES (?, ?, ?, ?) ON CONFLICT (owner, key) DO UPDATE SET day = excluded.day, until = excluded.until`
	sqlDropOnce  = `DELETE FROM mailbox_once WHERE owner = ?`
	sqlForgetOne = `DELETE FROM mailbox_once WHERE day < ?`
)

// Once remembers key until a time and tells whether it was not remembered yet:
// for Sieve's vacation and duplicate. With extend a key that was remembered
// gets the new time.
func (u *User) Once(ctx context.Context, key string, until time.Time, extend bool) (first bool, err error) {
	sum := sha256.Sum256([]byte(key))
	hash, end := sum[:16], until.Unix()
	err = u.do(ctx, func(st *userState) (op, error) {
		return opFunc(func(ctx context.Context, p *plan) error {
			var was int64
			err := p.tx.QueryRow(ctx, sqlOnce, u.id, hash).Scan(&was)
			if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
				return p.fail(err)
			}
			if first = err != nil || was <= p.now; !first && !extend {
				return nil
			}
			_, err = p.exec(ctx, sqlPutOnce, u.id, hash, end/day+1, end)
			return err
		}), nil
	})
	return first, err
}
