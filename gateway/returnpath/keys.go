package returnpath

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// Bounds of keys.
const (
	MinSecret = 16 // octets of a secret
	MaxKeys   = 10 // that verify at once: one for each digit
)

// Key is a secret with its number.
type Key struct {
	ID     int // 0 to 9, in the address
	Secret []byte
}

// Signer signs and verifies. Its methods may be called by many at once.
type Signer struct {
	keys func() []Key // those of now: the first signs
	days int
	now  func() time.Time
}

// DefaultDays is how long a signed address is good while Options do not say
// otherwise: longer than any queue keeps mail.
const DefaultDays = 10

// maxDays bounds what the three digits of a day can tell apart.
const maxDays = 200

// New returns a Signer: the first key signs, all verify, oldest last. days is
// how long BATV and VERP addresses are good; 0: DefaultDays.
func New(keys []Key, days int) (*Signer, error) {
	if err := checkKeys(keys); err != nil {
		return nil, err
	}
	return newSigner(func() []Key { return keys }, days)
}

func newSigner(keys func() []Key, days int) (*Signer, error) {
	if days == 0 {
		days = DefaultDays
	}
	if days < 1 || days > maxDays {
		return nil, fmt.Errorf("returnpath: %d days; there must be 1 to %d", days, maxDays)
	}
	return &Signer{keys: keys, days: days, now: time.Now}, nil
}

func checkKeys(keys []Key) error {
	if len(keys) == 0 || len(keys) > MaxKeys {
		return fmt.Errorf("returnpath: %d keys; there must be 1 to %d", len(keys), MaxKeys)
	}
	seen := map[int]bool{}
	for _, k := range keys {
		if len(k.Secret) < MinSecret {
			return fmt.Errorf("returnpath: a secret has fewer than %d octets", MinSecret)
		}
		if k.ID < 0 || k.ID > 9 || seen[k.ID] {
			return errors.New("returnpath: keys are numbered 0 to 9, each differently")
		}
		seen[k.ID] = true
	}
	return nil
}

// Errors of addresses that come back.
var (
	// ErrNotSigned tells that an address is of none of our forms.
	ErrNotSigned = errors.New("returnpath: the address is not signed")
	// ErrForged tells that its signature is not ours.
	ErrForged = errors.New("returnpath: the signature of the address is not ours")
	// ErrExpired tells that it was good once.
	ErrExpired = errors.New("returnpath: the address has expired")
)

// mac returns the HMAC of parts, of which each is told from the next.
func mac(secret []byte, parts ...string) [sha256.Size]byte {
	h := hmac.New(sha256.New, secret)
	for _, p := range parts {
		h.Write([]byte{byte(len(p) >> 8), byte(len(p))})
		h.Write([]byte(p))
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}

// key returns the key of a number.
func (s *Signer) key(id int) (Key, bool) {
	for _, k := range s.keys() {
		if k.ID == id {
			return k, true
		}
	}
	return Key{}, false
}

// day returns the number of the day since 1970 (UTC).
func (s *Signer) day() int { return int(s.now().Unix() / 86400) }
