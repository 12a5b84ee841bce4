package returnpath

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	secretSize = 32 // octets of a secret that we make
	// keepKeys is how many old keys verify besides the one that signs.
	keepKeys = 3
	// clockSkew is how far the clocks of machines on one database may differ.
	clockSkew = 24 * time.Hour
)

var migrations = []string{
	`CREATE TABLE returnpath_keys (seq INTEGER PRIMARY KEY, secret BLOB NOT NULL, made INTEGER NOT NULL) STRICT`,
}

// Store keeps keys in the database.
type Store struct {
	db   *sqldb.DB
	keys atomic.Pointer[[]Key] // as they are there
}

// Open opens the store and makes the first key where there is none.
func Open(ctx context.Context, db *sqldb.DB) (*Store, error) {
	if err := db.Migrate(ctx, "returnpath", migrations); err != nil {
		return nil, fmt.Errorf("returnpath: %w", err)
	}
	s := &Store{db: db}
	keys, err := s.Keys(ctx)
	if err == nil && len(keys) == 0 {
		err = s.Rotate(ctx)
	}
	if err == nil {
		err = s.read(ctx)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Signer returns a Signer that follows the keys when they are replaced.
func (s *Store) Signer(days int) (*Signer, error) {
	return newSigner(func() []Key { return *s.keys.Load() }, days)
}

// read makes the keys in the database those that sign and verify.
func (s *Store) read(ctx context.Context) error {
	keys, err := s.Keys(ctx)
	if err == nil {
		err = checkKeys(keys)
	}
	if err == nil {
		s.keys.Store(&keys)
	}
	return err
}

// Keys returns the keys, the newest first.
func (s *Store) Keys(ctx context.Context) ([]Key, error) {
	rows, err := s.db.Read().Query(ctx, "SELECT seq, secret FROM returnpath_keys ORDER BY seq DESC LIMIT ?", MaxKeys)
	keys, err := sqldb.Collect(rows, err, func(row *sqldb.Rows) (k Key, err error) {
		var seq int64
		err = row.Scan(&seq, &k.Secret)
		k.ID = int(seq % 10)
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("returnpath: read keys: %w", err)
	}
	return keys, nil
}

// RotateOld makes a new key where the one that signs is older than age, or has
// a time that is yet to come: another clock has set it.
func (s *Store) RotateOld(ctx context.Context, age time.Duration) error {
	var made int64
	if err := s.db.Read().QueryRow(ctx, "SELECT made FROM returnpath_keys ORDER BY seq DESC LIMIT 1").Scan(&made); err != nil {
		return fmt.Errorf("returnpath: read keys: %w", err)
	}
	if old := time.Since(time.Unix(made, 0)); old > -clockSkew && old < age {
		return nil
	}
	return s.Rotate(ctx)
}

// Rotate makes a new key that signs from now on; the last few go on to
// verify, those before them are forgotten. It must not be done more often than
// once in the days that addresses are good.
func (s *Store) Rotate(ctx context.Context) error {
	secret := make([]byte, secretSize)
	rand.Read(secret)
	err := s.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		var seq int64
		if err := tx.QueryRow(ctx, "INSERT INTO returnpath_keys (secret, made) VALUES (?, ?) RETURNING seq", secret, time.Now().Unix()).Scan(&seq); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DELETE FROM returnpath_keys WHERE seq < ?", seq-keepKeys)
		return err
	})
	if err != nil {
		return fmt.Errorf("returnpath: new key: %w", err)
	}
	return s.read(ctx)
}
