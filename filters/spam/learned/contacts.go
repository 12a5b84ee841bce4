package learned

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// cachedContacts is how many answers are remembered, in each of two
	// generations, and contactFor for how long one that says no.
	cachedContacts = 50_000
	contactFor     = time.Minute
	// maxRecipients bounds the recipients of one message that become contacts:
	// who writes to more knows them less.
	maxRecipients = 50
	// maxReferences is how many Message-IDs of one message are looked up.
	maxReferences = 10
	// sentKept is for how long it is known what was sent.
	sentKept = 60 * 24 * time.Hour
)

// known is an answer that is remembered.
type known struct {
	yes   bool
	until time.Time
}

// Sent is mail that a user of ours sent to others.
type Sent struct {
	User      string   // account
	To        []string // addresses of recipients
	MessageID string
}

// Sent remembers whom a user wrote to, and the message, so that replies to it are
// known. It waits for nothing.
func (s *Store) Sent(m Sent) {
	for _, to := range m.To[:min(len(m.To), maxRecipients)] {
		s.Contact(m.User, to)
	}
	if h, ok := messageHash(m.User, m.MessageID); ok {
		s.behind.with(func(b *batch) { b.sent[h] = time.Now().Unix() })
	}
}

// Contact remembers that a user wrote to an address. It waits for nothing.
func (s *Store) Contact(user, address string) {
	c, ok := newContact(user, address)
	if !ok {
		return
	}
	now := time.Now()
	d := row{first: now.Unix(), last: now.Unix(), n: 1}
	s.behind.with(func(b *batch) { b.contacts[c] = b.contacts[c].plus(d) })
	s.contacts.put(c, known{true, now.Add(sentKept)})
}

// replies are what contacts do for the reputation of those who are written to:
// each user has one voice for an address in half a life, however often he writes.
func (s *Store) replies(ctx context.Context, contacts map[contact]row) (map[string]row, error) {
	rows := map[string]row{}
	for c, d := range contacts {
		var last int64
		err := s.deps.DB.Read().QueryRow(ctx, "SELECT last FROM learned_contacts WHERE username = ? AND address = ?", c.user, c.address).Scan(&last)
		if err != nil && !errors.Is(err, sqldb.ErrNoRows) {
			return nil, err
		}
		if d.first-last < int64(halfLife/time.Second) {
			continue
		}
		reply := row{first: d.first, last: d.last, replies: inflate(time.Unix(d.first, 0), halfLife)}
		for _, name := range (Sender{Address: c.address, Aligned: true}).names().all() {
			rows[name] = rows[name].plus(reply)
		}
	}
	return rows, nil
}

func newContact(user, address string) (contact, bool) {
	u, ok := account(user)
	a, is := normalAddress(address)
	return contact{u, a}, ok && is
}

// Known tells whether a user has written to an address.
func (s *Store) Known(ctx context.Context, user, address string) (bool, error) {
	c, ok := newContact(user, address)
	if !ok {
		return false, nil
	}
	now := time.Now()
	if k, ok := s.contacts.get(c); ok && now.Before(k.until) {
		return k.yes, nil
	}
	if s.behind.hasContact(c) {
		return true, nil
	}
	yes, err := s.exists(ctx, "SELECT 1 FROM learned_contacts WHERE username = ? AND address = ?", c.user, c.address)
	if err != nil {
		return false, err
	}
	until := now.Add(contactFor)
	if yes {
		until = now.Add(time.Hour)
	}
	s.contacts.put(c, known{yes, until})
	return yes, nil
}

// IsReply tells whether one of the Message-IDs, those of In-Reply-To and
// References, is of mail that a user sent lately: he alone, since archives of
// lists show Message-IDs to all the world.
func (s *Store) IsReply(ctx context.Context, user string, ids ...string) (bool, error) {
	args := make([]any, 0, maxReferences)
	for _, id := range ids[max(0, len(ids)-maxReferences):] {
		h, ok := messageHash(user, id)
		if !ok {
			continue
		}
		if s.behind.hasSent(h) {
			return true, nil
		}
		args = append(args, h)
	}
	if len(args) == 0 {
		return false, nil
	}
	for len(args) < maxReferences {
		args = append(args, args[0])
	}
	return s.exists(ctx, "SELECT 1 FROM learned_sent WHERE message IN ("+sqldb.Marks(maxReferences)+")", args...)
}

// exists tells whether a query finds something.
func (s *Store) exists(ctx context.Context, query string, args ...any) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	var one int
	err := s.deps.DB.Read().QueryRow(ctx, query, args...).Scan(&one)
	if errors.Is(err, sqldb.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("learned: %w", err)
	}
	return true, nil
}
