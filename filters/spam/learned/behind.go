package learned

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// flushEvery is how often what was gathered is written, and so what a
	// crash loses.
	flushEvery = 5 * time.Second
	// maxPending bounds what is gathered, in entries; writing begins at half
	// of it, and what is more is not counted.
	maxPending = 20_000
)

// behind gathers what need not be durable at once. Adding waits for nothing.
type behind struct {
	mu      sync.Mutex
	now     batch
	flying  batch // being written
	lost    int64
	full    chan struct{}
	wrote   map[string]struct{} // users with new contacts, to be pruned
	writing sync.Mutex
	flushes atomic.Int64
}

// batch is what one flush writes.
type batch struct {
	rows     map[string]row
	contacts map[contact]row // first, last and n of it
	sent     map[int64]int64 // hash of a Message-ID -> when
	samples  []sample
	scores   map[bin]float64
}

type contact struct{ user, address string }

func newBatch() batch {
	return batch{map[string]row{}, map[contact]row{}, map[int64]int64{}, nil, map[bin]float64{}}
}

func (b *batch) size() int { return len(b.rows) + len(b.contacts) + len(b.sent) + len(b.samples) }

// with calls f with the batch, unless it is full.
func (b *behind) with(f func(*batch)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.now.size()
	if n >= maxPending {
		b.lost++
		return false
	}
	f(&b.now)
	if n >= maxPending/2 {
		select {
		case b.full <- struct{}{}:
		default:
		}
	}
	return true
}

// addRows adds to rows that were read what is not written yet.
func (b *behind) addRows(list []string, found map[string]row) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range list {
		for _, m := range []map[string]row{b.flying.rows, b.now.rows} {
			if d, ok := m[name]; ok {
				found[name] = found[name].plus(d)
			}
		}
	}
}

// hasContact and hasSent tell whether something waits to be written.
func (b *behind) hasContact(c contact) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now.contacts[c].n+b.flying.contacts[c].n > 0
}

func (b *behind) hasSent(h int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now.sent[h]+b.flying.sent[h] > 0
}

// flush writes what was gathered. What fails is gathered again, as far as
// there is room.
func (s *Store) flush(ctx context.Context) error {
	b := &s.behind
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	b.flying, b.now = b.now, newBatch()
	lost := b.lost
	b.lost = 0
	b.mu.Unlock()
	if lost > 0 {
		s.deps.Metrics.dropped(lost)
		s.deps.Log.Warn("spam: too much mail from too many senders at once, some was not counted in the reputation", "messages", lost)
	}
	replies, err := s.replies(ctx, b.flying.contacts)
	if err == nil {
		err = s.writeBatch(ctx, &b.flying, replies)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.putBack()
		return fmt.Errorf("learned: %w", err)
	}
	b.flushes.Add(1)
	for c := range b.flying.contacts {
		b.wrote[c.user] = struct{}{}
	}
	for _, rows := range []map[string]row{b.flying.rows, replies} {
		for name := range rows {
			s.names.remove(name)
		}
	}
	b.flying = batch{}
	return nil
}

// flushFull writes what was gathered once it is much, where nobody does so
// beside: in a command, which teaches more in a minute than a gateway in a day.
func (s *Store) flushFull(ctx context.Context) error {
	if s.deps.Keep {
		return nil
	}
	select {
	case <-s.behind.full:
		return s.flush(ctx)
	default:
		return nil
	}
}

// writers returns the users who have got contacts since it was asked last.
func (b *behind) writers() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.Collect(maps.Keys(b.wrote))
	clear(b.wrote)
	return list
}

// putBack returns what could not be written.
func (b *behind) putBack() {
	old := b.flying
	b.flying = batch{}
	if old.size()+b.now.size() > maxPending {
		b.lost += int64(old.size())
		return
	}
	for k, d := range old.rows {
		b.now.rows[k] = b.now.rows[k].plus(d)
	}
	for k, d := range old.contacts {
		b.now.contacts[k] = b.now.contacts[k].plus(d)
	}
	for k, v := range old.sent {
		b.now.sent[k] = v
	}
	b.now.samples = append(old.samples, b.now.samples...)
	for k, v := range old.scores {
		b.now.scores[k] += v
	}
}

const (
	addRow = `INSERT INTO learned_reputation (name, first, last, n, ham, spam, good, bad, replies) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET n = learned_reputation.n + excluded.n,
 first = CASE WHEN learned_reputation.first = 0 OR excluded.first < learned_reputation.first THEN excluded.first ELSE learned_reputation.first END,
 last = CASE WHEN excluded.last > learned_reputation.last THEN excluded.last ELSE learned_reputation.last END,
 ham = learned_reputation.ham + excluded.ham, spam = learned_reputation.spam + excluded.spam, good = learned_reputation.good + excluded.good,
 bad = learned_reputation.bad + excluded.bad, replies = learned_reputation.replies + excluded.replies`
	addContact = `INSERT INTO learned_contacts (username, address, first, last, n) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (username, address) DO UPDATE SET last = excluded.last, n = learned_contacts.n + excluded.n`
	addSent   = `INSERT INTO learned_sent (message, at) VALUES (?, ?) ON CONFLICT (message) DO UPDATE SET at = excluded.at`
	addSample = `INSERT INTO learned_samples (spam, slot, at, score, odds, sender, teller) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (spam, slot) DO UPDATE SET at = excluded.at, score = excluded.score, odds = excluded.odds, sender = excluded.sender, teller = excluded.teller`
	addScore = `INSERT INTO learned_scores (kind, bin, n) VALUES (?, ?, ?) ON CONFLICT (kind, bin) DO UPDATE SET n = learned_scores.n + excluded.n`
)

// writeBatch writes a batch, and replies that it brought, in one transaction.
func (s *Store) writeBatch(ctx context.Context, b *batch, replies map[string]row) error {
	var all []statement
	for _, rows := range []map[string]row{b.rows, replies} {
		for k, d := range rows {
			all = append(all, statement{addRow, []any{k, d.first, d.last, d.n, d.ham, d.spam, d.good, d.bad, d.replies}})
		}
	}
	for k, d := range b.contacts {
		all = append(all, statement{addContact, []any{k.user, k.address, d.first, d.last, d.n}})
	}
	for k, at := range b.sent {
		all = append(all, statement{addSent, []any{k, at}})
	}
	for _, x := range b.samples {
		all = append(all, statement{addSample, []any{x.spam, x.slot, x.at, x.score, x.odds, x.sender, x.teller}})
	}
	for k, n := range b.scores {
		all = append(all, statement{addScore, []any{k.kind, k.bin, n}})
	}
	if len(all) == 0 {
		return nil
	}
	return s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return run(ctx, tx, all) })
}

type statement struct {
	text string
	args []any
}

// run runs statements that are in groups of one text.
func run(ctx context.Context, tx *sqldb.Tx, list []statement) error {
	for len(list) > 0 {
		var rows [][]any
		n := 0
		for n < len(list) && list[n].text == list[0].text {
			rows = append(rows, list[n].args)
			n++
		}
		if _, err := tx.ExecMany(ctx, list[0].text, rows); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// messageHash is how the Message-ID of what a user sent is remembered.
func messageHash(user, id string) (int64, bool) {
	user, ok := account(user)
	id = strings.Trim(strings.TrimSpace(id), "<>")
	if !ok || id == "" || len(id) > 998 {
		return 0, false
	}
	h := fnv.New64a()
	h.Write([]byte(user + " " + id))
	return int64(h.Sum64()), true
}
