package signing

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// migrations make the tables. Times are seconds since 1970, 0: not yet.
var migrations = []string{
	`CREATE TABLE signing_keys (
		id        INTEGER PRIMARY KEY,
		domain    TEXT NOT NULL,
		selector  TEXT NOT NULL,
		owner     TEXT NOT NULL, -- user whose mail it signs, '' everybody's
		state     TEXT NOT NULL,
		private   BLOB NOT NULL, -- PKCS #8
		created   INTEGER NOT NULL,
		seen      INTEGER NOT NULL,
		activated INTEGER NOT NULL,
		retired   INTEGER NOT NULL,
		revoked   INTEGER NOT NULL,
		UNIQUE (domain, selector)
	);
	CREATE TABLE signing_version (
		id      INTEGER PRIMARY KEY,
		version INTEGER NOT NULL -- goes up with every change of signing_keys
	);
	INSERT INTO signing_version (id, version) VALUES (1, 1)`,
}

const columns = `id, domain, selector, owner, state, private, created, seen, activated, retired, revoked`

// version returns a number that every change of the stored keys changes.
func version(ctx context.Context, q sqldb.Querier) (v int64, err error) {
	err = q.QueryRow(ctx, `SELECT version FROM signing_version WHERE id = 1`).Scan(&v)
	return v, err
}

// stored returns the keys of the database; domain "" : of all.
func stored(ctx context.Context, q sqldb.Querier, domain string) ([]Key, error) {
	query, args := `SELECT `+columns+` FROM signing_keys ORDER BY domain, owner, id`, []any(nil)
	if domain != "" {
		query, args = `SELECT `+columns+` FROM signing_keys WHERE domain = ? ORDER BY owner, id`, []any{domain}
	}
	rows, err := q.Query(ctx, query, args...)
	return sqldb.Collect(rows, err, func(row *sqldb.Rows) (k Key, err error) {
		var der []byte
		var times [5]int64
		if err := row.Scan(&k.id, &k.Domain, &k.Selector, &k.User, (*string)(&k.State), &der, &times[0], &times[1], &times[2], &times[3], &times[4]); err != nil {
			return k, err
		}
		for i, t := range k.times() {
			if times[i] != 0 {
				*t = time.Unix(times[i], 0).UTC()
			}
		}
		if k.private, err = parsePrivate(der); err != nil {
			return k, fmt.Errorf("key %s: %w", k.Name(), err)
		}
		return k, nil
	})
}

// times are the columns of times.
func (k *Key) times() [5]*time.Time {
	return [5]*time.Time{&k.Created, &k.Seen, &k.Activated, &k.Retired, &k.Revoked}
}

func parsePrivate(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, errors.New("neither RSA nor ed25519")
}

// change runs f in a transaction, after which running gateways read the keys
// again.
func (k *Keys) change(ctx context.Context, f func(ctx context.Context, tx *sqldb.Tx) error) error {
	return k.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE signing_version SET version = version + 1 WHERE id = 1`); err != nil {
			return err
		}
		return f(ctx, tx)
	})
}

// insert stores a new key.
func insert(ctx context.Context, tx *sqldb.Tx, k Key) error {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return err
	}
	args := []any{k.Domain, k.Selector, k.User, string(k.State), der}
	for _, t := range k.times() {
		args = append(args, seconds(*t))
	}
	_, err = tx.Exec(ctx, `INSERT INTO signing_keys (domain, selector, owner, state, private, created, seen, activated, retired, revoked) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, args...)
	return err
}

// update stores state and times of a key.
func update(ctx context.Context, tx *sqldb.Tx, k Key) error {
	args := []any{string(k.State)}
	for _, t := range k.times() {
		args = append(args, seconds(*t))
	}
	_, err := tx.Exec(ctx, `UPDATE signing_keys SET state = ?, created = ?, seen = ?, activated = ?, retired = ?, revoked = ? WHERE id = ?`, append(args, k.id)...)
	return err
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
