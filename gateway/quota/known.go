package quota

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// maxKnown is how many recipients of a user are remembered, the latest.
	maxKnown = 20_000
	// maxKnownInMemory is how many of all users are kept in memory, twice at
	// most.
	maxKnownInMemory = 100_000
)

// hashOf is how a recipient is remembered.
func hashOf(a smtp.Address) int64 {
	domain, err := smtp.ASCIIDomain(a.Domain)
	if err != nil {
		domain = strings.ToLower(a.Domain)
	}
	sum := sha256.Sum256([]byte(strings.ToLower(a.Local) + "@" + domain))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

type knownKey struct {
	subject string
	hash    int64
}

// knownRecipients remembers in memory who was written to: in two halves, of
// which the older is forgotten when the younger is full.
type knownRecipients struct {
	mu         sync.Mutex
	young, old map[knownKey]bool
}

func newKnown() *knownRecipients { return &knownRecipients{young: map[knownKey]bool{}} }

func (k *knownRecipients) has(key knownKey) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.young[key] {
		return true
	}
	if k.old[key] {
		k.put(key)
		return true
	}
	return false
}

func (k *knownRecipients) put(key knownKey) {
	if len(k.young) >= maxKnownInMemory {
		k.old, k.young = k.young, map[knownKey]bool{}
	}
	k.young[key] = true
}

func (k *knownRecipients) add(key knownKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.put(key)
}

// knows tells whether a user has written to a recipient before.
func (q *Quota) knows(ctx context.Context, subject string, hash int64) (bool, error) {
	key := knownKey{subject, hash}
	if q.known.has(key) {
		return true, nil
	}
	var one int64
	err := q.deps.DB.Read().QueryRow(ctx, "SELECT 1 FROM quota_known WHERE subject = ? AND recipient = ?", subject, hash).Scan(&one)
	if errors.Is(err, sqldb.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("quota: read: %w", err)
	}
	q.known.add(key)
	return true, nil
}

// unknown returns the recipients to whom a user has not written before, each
// once.
func (q *Quota) unknown(ctx context.Context, subject string, to []smtp.Address) (fresh []int64, err error) {
	seen := map[int64]bool{}
	for _, a := range to {
		h := hashOf(a)
		if seen[h] {
			continue
		}
		seen[h] = true
		known, err := q.knows(ctx, subject, h)
		if err != nil {
			return nil, err
		}
		if !known {
			fresh = append(fresh, h)
		}
	}
	return fresh, nil
}

// remember keeps recipients in mind; they are written with the counters.
func (q *Quota) remember(subject string, fresh []int64) {
	for _, h := range fresh {
		q.known.add(knownKey{subject, h})
	}
	q.flush.know(subject, fresh)
}
