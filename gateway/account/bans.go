package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// bans is Accounts as a banStore.
type bans Accounts

// saveBan keeps a ban over a restart, and forgets those that ended long ago.
func (s *bans) saveBan(ctx context.Context, b Ban) error {
	old := time.Now().Add(-s.throttle.memory()).Unix()
	return s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO account_bans (subject, until, count) VALUES (?, ?, ?)
			ON CONFLICT (subject) DO UPDATE SET until = excluded.until, count = excluded.count`, b.Subject, b.Until.Unix(), b.Count)
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM account_bans WHERE until < ?", old)
		}
		return err
	})
}

func (s *bans) hasBan(ctx context.Context, subject string, now time.Time) (bool, error) {
	var until int64
	err := s.deps.DB.Read().QueryRow(ctx, "SELECT until FROM account_bans WHERE subject = ?", subject).Scan(&until)
	if errors.Is(err, sqldb.ErrNoRows) {
		return false, nil
	}
	return err == nil && now.Unix() <= until, err
}

// saveBans keeps and logs new bans.
func (a *Accounts) saveBans(ctx context.Context, list []Ban) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()
	for _, b := range list {
		a.log.Warn("banned", "subject", b.Subject, "until", b.Until.Format(time.RFC3339), "count", b.Count)
		if err := a.throttle.store.saveBan(ctx, b); err != nil {
			a.log.Error("ban not kept", "subject", b.Subject, "error", err.Error())
		}
	}
}

// Bans lists the bans, those that ended not long ago included: they count when
// the next one is made.
func (a *Accounts) Bans(ctx context.Context) ([]Ban, error) {
	rows, err := a.deps.DB.Read().Query(ctx, "SELECT subject, until, count FROM account_bans ORDER BY until DESC, subject LIMIT ?", maxBans)
	return sqldb.Collect(rows, err, func(row *sqldb.Rows) (b Ban, err error) {
		var until int64
		err = row.Scan(&b.Subject, &until, &b.Count)
		b.Until = time.Unix(until, 0)
		return b, err
	})
}

// ClearBan lifts the ban of an address, a network or a user; a gateway in
// another process learns of it within seconds. ErrUnknown: there is none.
func (a *Accounts) ClearBan(ctx context.Context, subject string) error {
	s, err := banSubject(subject)
	if err != nil {
		return err
	}
	err = a.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		n, err := tx.Exec(ctx, "DELETE FROM account_bans WHERE subject = ?", s)
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: no ban of %s", ErrUnknown, s)
		}
		return err
	})
	if err == nil {
		a.throttle.mu.Lock()
		a.throttle.forget(s)
		a.throttle.mu.Unlock()
	}
	return err
}

func banSubject(s string) (string, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return subjectOf(network(addr)), nil
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return subjectOf(network(p.Addr())), nil
	}
	return Name(s)
}
