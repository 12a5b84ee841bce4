package lda

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// memory is the name of a thing to be remembered: what it is about may be
// long, and is nobody's business.
func memory(kind, about string) string {
	h := sha256.Sum256([]byte(about))
	return kind + " " + hex.EncodeToString(h[:16])
}

// seen tells whether something is remembered, and leaves it so.
func seen(ctx context.Context, u *mailbox.User, key string) (bool, error) {
	first, err := u.Once(ctx, key, time.Now(), false)
	return !first, err
}

// keep remembers something until a time.
func keep(ctx context.Context, u *mailbox.User, key string, until time.Time) error {
	_, err := u.Once(ctx, key, until, true)
	return err
}

func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
