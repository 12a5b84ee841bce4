package account

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Bounds of the networks that users are known to log in from.
const (
	maxNetworks   = 50                  // of a user
	networkMemory = 90 * 24 * time.Hour // since the last time
	noteEvery     = 24 * time.Hour      // how often that time is written
	noteTime      = 5 * time.Second     // how long a note may take
)

// knownNetworks remembers what was written not long ago.
type knownNetworks struct {
	mu   sync.Mutex
	seen *lru[string, time.Time]
}

// noteNetwork keeps in mind that a user has logged in from a network, so that
// others' guesses never keep it out there.
func (a *Accounts) noteNetwork(ctx context.Context, user string, network netip.Prefix) {
	n, now := subjectOf(network), time.Now()
	key := user + " " + n
	a.known.mu.Lock()
	at, ok := a.known.seen.get(key)
	if ok && now.Sub(at) < noteEvery {
		a.known.mu.Unlock()
		return
	}
	a.known.seen.put(key, now)
	a.known.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	if err := a.writeNetwork(ctx, user, n, now); err != nil {
		a.log.Error("network of a user not kept", "user", user, "error", err.Error())
	}
}

func (a *Accounts) writeNetwork(ctx context.Context, user, network string, now time.Time) error {
	var seen int64
	err := a.deps.DB.Read().QueryRow(ctx, "SELECT seen FROM account_networks WHERE username = ? AND network = ?", user, network).Scan(&seen)
	if err == nil && now.Sub(time.Unix(seen, 0)) < noteEvery {
		return nil
	}
	if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
		return err
	}
	return a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO account_networks (username, network, seen) VALUES (?, ?, ?)
			ON CONFLICT (username, network) DO UPDATE SET seen = excluded.seen`, user, network, now.Unix())
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM account_networks WHERE username = ? AND (seen < ? OR network NOT IN
			(SELECT network FROM account_networks WHERE username = ? ORDER BY seen DESC, network LIMIT ?))`,
			user, now.Add(-networkMemory).Unix(), user, maxNetworks)
		return err
	})
}

// isKnown tells whether a user has logged in from a network.
func (a *Accounts) isKnown(ctx context.Context, user string, network netip.Prefix) bool {
	var seen int64
	err := a.deps.DB.Read().QueryRow(ctx, "SELECT seen FROM account_networks WHERE username = ? AND network = ?", user, subjectOf(network)).Scan(&seen)
	return err == nil && time.Since(time.Unix(seen, 0)) < networkMemory
}
