package outbound

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// refreshes keeps the refresh tokens that endpoints gave in place of the
// configured ones, which many take only once. They are in the database as they
// are, like other secrets there.
type refreshes struct{ db *sqldb.DB } // nil: nothing is kept

// registration names what a refresh token belongs to. A newly configured token
// is another one: what came after the old one does not count any more.
func (o *OAuth) registration() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{o.Endpoint, o.ClientID, o.Scope, o.RefreshToken}, "\x00")))
	return hex.EncodeToString(sum[:])
}

// load returns the latest token, or else.
func (r refreshes) load(ctx context.Context, registration, otherwise string) (string, error) {
	if r.db == nil {
		return otherwise, nil
	}
	token := otherwise
	err := r.db.Read().QueryRow(ctx, "SELECT token FROM outbound_refresh WHERE registration = ?", registration).Scan(&token)
	if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
		return "", fmt.Errorf("refresh token: %w", err)
	}
	return token, nil
}

// save keeps a token. Those of registrations that are gone stay: they are few.
func (r refreshes) save(ctx context.Context, registration, token string) error {
	if r.db == nil {
		return nil
	}
	// It has been used up already: it is kept whether or not anybody waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dbTime)
	defer cancel()
	err := r.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO outbound_refresh (registration, token, at) VALUES (?, ?, ?) ON CONFLICT (registration) DO UPDATE SET token = excluded.token, at = excluded.at",
			registration, token, time.Now().Unix())
		return err
	})
	if err != nil {
		return fmt.Errorf("refresh token: %w", err)
	}
	return nil
}
