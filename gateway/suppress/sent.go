package suppress

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// sentFor is for how long it is known to whom mail was sent: longer than
	// others' queues try.
	sentFor = 10 * 24 * time.Hour
	// A part of what is known begins small, each next one is twice as large, up
	// to 2 MiB for 1.4 million recipients; so memory is bounded, and a gateway
	// that sends more than that knows fewer days.
	maxSentBits  = 1 << 24
	maxSentParts = 8
	// sentSaved is how often what is new is made durable, and so what a crash
	// forgets.
	sentSaved = 5 * time.Minute
)

// sent knows, by Bloom filters, to whom each domain sent mail lately. Of what it does not
// know nothing may come back.
type sent struct {
	mu     sync.Mutex
	loaded bool
	parts  []*sentPart // the last one is being filled
	saved  time.Time
}

type sentPart struct {
	id    int64
	begun int64 // Unix seconds
	dirty bool
	bloom *bloom
}

// Sent notes that mail of a sending domain was taken over by the next hop for
// address. Only about such mail a bounce by mail can tell: see WasSent.
func (l *List) Sent(ctx context.Context, domain, address string) {
	h, err := sentHash(domain, address)
	if err != nil {
		return // nothing that could come on the list
	}
	s, now := &l.sent, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l.loadSent(ctx)
	p := s.young(now)
	p.bloom.addHash(h)
	p.dirty = true
	if now.Sub(s.saved) > sentSaved {
		s.saved = now
		if err := l.saveSent(ctx); err != nil {
			l.deps.Log.Error("not made durable to whom mail was sent", "error", err.Error())
		}
	}
}

// WasSent tells whether mail of a sending domain went to an address in the
// last days. Rarely, it may say so of an address that got none.
func (l *List) WasSent(ctx context.Context, domain, address string) bool {
	h, err := sentHash(domain, address)
	if err != nil {
		return false
	}
	s := &l.sent
	s.mu.Lock()
	defer s.mu.Unlock()
	l.loadSent(ctx)
	after := time.Now().Add(-sentFor).Unix()
	for i, p := range s.parts {
		if i+1 < len(s.parts) && s.parts[i+1].begun < after {
			continue // nothing in it is younger
		}
		if p.bloom.hasHash(h) {
			return true
		}
	}
	return false
}

// Close makes durable to whom mail was sent. The list may be asked and changed
// afterwards.
func (l *List) Close(ctx context.Context) error {
	l.sent.mu.Lock()
	defer l.sent.mu.Unlock()
	return l.saveSent(ctx)
}

// sentHash is the same in every process.
func sentHash(domain, address string) (uint64, error) {
	address, err := Normal(address)
	if err != nil {
		return 0, err
	}
	if domain, err = normalDomain(domain); err != nil {
		return 0, err
	}
	sum := sha256.Sum256([]byte(domain + "\x00" + address))
	return binary.LittleEndian.Uint64(sum[:]), nil
}

// young returns the part that is being filled, a new one where it is time.
func (s *sent) young(now time.Time) *sentPart {
	size, id := uint64(1)<<bits.Len64(minKeys*filterBits-1), int64(1)
	if n := len(s.parts); n > 0 {
		p := s.parts[n-1]
		if !p.bloom.full() && now.Unix()-p.begun < int64(sentFor/time.Second) {
			return p
		}
		if id = p.id + 1; p.bloom.full() {
			size = min(2*(p.bloom.mask+1), maxSentBits)
		}
	}
	s.parts = append(s.parts, &sentPart{id: id, begun: now.Unix(), bloom: sizedBloom(size)})
	after := now.Add(-sentFor).Unix()
	for len(s.parts) > maxSentParts || len(s.parts) > 1 && s.parts[1].begun < after {
		s.parts = slices.Delete(s.parts, 0, 1)
	}
	return s.parts[len(s.parts)-1]
}

// loadSent reads what an earlier process knew, once. What cannot be read is
// not known.
func (l *List) loadSent(ctx context.Context) {
	if l.sent.loaded {
		return
	}
	l.sent.loaded, l.sent.saved = true, time.Now()
	rows, err := l.deps.DB.Read().Query(ctx, "SELECT id, begun, n, bits FROM suppress_sent ORDER BY id")
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		p := &sentPart{}
		var n int64
		var b []byte
		if err := row.Scan(&p.id, &p.begun, &n, &b); err != nil {
			return err
		}
		if len(b) < 8 || len(b) > maxSentBits/8 || len(b)&(len(b)-1) != 0 {
			return nil
		}
		p.bloom = sizedBloom(uint64(len(b)) * 8)
		p.bloom.n.Store(n)
		for i := range p.bloom.words {
			p.bloom.words[i].Store(binary.LittleEndian.Uint64(b[8*i:]))
		}
		l.sent.parts = append(l.sent.parts, p)
		return nil
	})
	if err != nil {
		l.deps.Log.Error("to whom mail was sent is not known", "error", err.Error())
	}
}

// saveSent writes the parts that have changed and forgets the old ones.
func (l *List) saveSent(ctx context.Context) error {
	s := &l.sent
	var changed [][]any
	for _, p := range s.parts {
		if p.dirty {
			changed = append(changed, []any{p.id, p.begun, p.bloom.n.Load(), p.bloom.bytes()})
		}
	}
	if len(changed) == 0 {
		return nil
	}
	err := l.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := tx.Exec(ctx, "DELETE FROM suppress_sent WHERE id < ?", s.parts[0].id); err != nil {
			return err
		}
		_, err := tx.ExecMany(ctx, "INSERT INTO suppress_sent (id, begun, n, bits) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET n = excluded.n, bits = excluded.bits", changed)
		return err
	})
	if err != nil {
		return fmt.Errorf("suppress: sent: %w", err)
	}
	for _, p := range s.parts {
		p.dirty = false
	}
	return nil
}

// sizedBloom makes an empty filter of a power of two of bits, for hashes.
func sizedBloom(size uint64) *bloom {
	return &bloom{words: make([]atomic.Uint64, size/64), mask: size - 1, room: int64(size / filterBits)}
}

// bytes returns the bits.
func (b *bloom) bytes() []byte {
	out := make([]byte, 0, len(b.words)*8)
	for i := range b.words {
		out = binary.LittleEndian.AppendUint64(out, b.words[i].Load())
	}
	return out
}
