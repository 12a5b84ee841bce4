package pop3d

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// Maildrops are what users fetch their mail from.
type Maildrops interface {
	// Open gives a user's maildrop to one session; mailbox.ErrInUse when another
	// has it.
	Open(ctx context.Context, user string) (Maildrop, error)
}

// Maildrop is what one session sees of a user's mail, as it was when it was
// opened. Messages have numbers from 1.
type Maildrop interface {
	// Totals are how many messages there are, and their octets.
	Totals() (messages int, octets int64)
	// Validity is the UIDVALIDITY of the maildrop.
	Validity() uint32
	// UID returns the UID of a message.
	UID(n int) uint32
	// Messages calls f with the messages from first to last, Seq being their
	// numbers. Those that others have removed meanwhile are left out.
	Messages(ctx context.Context, first, last int, f func(m *mailbox.Message) error) error
	// Read reads a message; mailbox.ErrExpunged.
	Read(ctx context.Context, m *mailbox.Message) (blob.Reader, error)
	// Update gives messages \Seen, and removes others.
	Update(ctx context.Context, seen, removed mailbox.UIDs) error
	// Rest gives back what can be got again: the session is going to wait.
	Rest()
	// Close gives the maildrop back.
	Close()
}

// Mailboxes returns the INBOXes of a store as maildrops.
func Mailboxes(s *mailbox.Store) Maildrops { return mailboxes{s} }

type mailboxes struct{ store *mailbox.Store }

// Open implements Maildrops.
func (b mailboxes) Open(ctx context.Context, user string) (Maildrop, error) {
	u, err := b.store.User(ctx, user)
	if err != nil {
		return nil, err
	}
	release, err := u.Lock(ctx)
	if err != nil {
		return nil, err
	}
	v, err := u.Select(ctx, mailbox.Inbox, false)
	if err != nil {
		release()
		return nil, err
	}
	return &inbox{View: v, release: release, validity: v.Folder().Validity}, nil
}

// inbox is a View of a user's INBOX. It is never synchronised: numbers stay.
type inbox struct {
	*mailbox.View
	release  func()
	validity uint32
}

// Totals implements Maildrop.
func (b *inbox) Totals() (int, int64) { return int(b.Len()), b.Folder().Size }

// Validity implements Maildrop.
func (b *inbox) Validity() uint32 { return b.validity }

// UID implements Maildrop.
func (b *inbox) UID(n int) uint32 { return b.View.UID(uint32(n)) }

// Messages implements Maildrop.
func (b *inbox) Messages(ctx context.Context, first, last int, f func(m *mailbox.Message) error) error {
	_, err := b.View.Messages(ctx, b.UIDsOf(mailbox.UIDs{{First: uint32(first), Last: uint32(last)}}), false, f)
	return err
}

// Read implements Maildrop.
func (b *inbox) Read(ctx context.Context, m *mailbox.Message) (blob.Reader, error) {
	return b.View.Open(ctx, m)
}

// Update implements Maildrop.
func (b *inbox) Update(ctx context.Context, seen, removed mailbox.UIDs) error {
	if len(removed) > 0 {
		if _, err := b.Expunge(ctx, removed, true); err != nil {
			return err
		}
	}
	if len(seen) > 0 {
		_, err := b.Change(ctx, seen, mailbox.AddFlags, []string{`\Seen`}, nil)
		return err
	}
	return nil
}

// Close implements Maildrop.
func (b *inbox) Close() {
	b.View.Close()
	b.release()
}

// marks are numbers of messages.
type marks []uint64

// set marks a number of at most so many.
func (m *marks) set(n, most int) {
	if *m == nil {
		*m = make(marks, most/64+1)
	}
	(*m)[n/64] |= 1 << (n % 64)
}

func (m marks) has(n int) bool { return m != nil && m[n/64]&(1<<(n%64)) != 0 }

// uids returns the UIDs of the marked messages but those of without.
func (m marks) uids(d Maildrop, without marks) (list mailbox.UIDs) {
	for i, word := range m {
		if without != nil {
			word &^= without[i]
		}
		for n := i * 64; word != 0; n, word = n+1, word>>1 {
			if word&1 != 0 {
				list.Add(d.UID(n))
			}
		}
	}
	return list
}
