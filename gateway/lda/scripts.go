package lda

import (
	"context"
	"errors"
	"sync"

	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/sieve"
)

// maxCompiled is how many compiled scripts are kept; maxCompiledSource is how
// many octets they were made of.
const (
	maxCompiled       = 5000
	maxCompiledSource = 32 << 20
)

// Scripts compiles users' scripts, and keeps what it made. Its methods may be
// called by many at once.
type Scripts struct {
	mu     sync.Mutex
	opt    sieve.Options
	byID   map[int64]compiled // by mailbox.Script.Version
	source int
}

type compiled struct {
	script *sieve.Script
	err    error // it cannot be compiled
	size   int
}

// NewScripts returns a cache with nothing in it.
func NewScripts(opt sieve.Options) *Scripts {
	return &Scripts{opt: opt, byID: map[int64]compiled{}}
}

// Reconfigure takes new options; what was compiled by the old ones is
// forgotten.
func (s *Scripts) Reconfigure(opt sieve.Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opt, s.byID, s.source = opt, map[int64]compiled{}, 0
}

// compile returns the compiled script, from memory where it is there.
func (s *Scripts) compile(x mailbox.Script) (*sieve.Script, error) {
	s.mu.Lock()
	c, ok := s.byID[x.Version]
	opt := s.opt
	s.mu.Unlock()
	if ok {
		return c.script, c.err
	}
	c.script, c.err = sieve.Compile(x.Data, opt)
	c.size = len(x.Data)
	s.mu.Lock()
	defer s.mu.Unlock()
	for v, old := range s.byID { // any will do
		if len(s.byID) < maxCompiled && s.source+c.size <= maxCompiledSource {
			break
		}
		delete(s.byID, v)
		s.source -= old.size
	}
	if _, twice := s.byID[x.Version]; !twice {
		s.byID[x.Version] = c
		s.source += c.size
	}
	return c.script, c.err
}

// box is a user's mailboxes as a script sees them.
type box struct {
	user    *mailbox.User
	scripts *Scripts
}

var (
	_ sieve.Mailboxes  = (*box)(nil)
	_ sieve.Scripts    = (*box)(nil)
	_ sieve.Duplicates = (*box)(nil)
)

// Exists implements sieve.Mailboxes.
func (b *box) Exists(ctx context.Context, name string) (bool, error) {
	name, err := mailbox.CleanName(name)
	if err != nil {
		return false, nil
	}
	_, err = b.user.Folder(ctx, name)
	if errors.Is(err, mailbox.ErrNoFolder) || errors.Is(err, mailbox.ErrName) {
		return false, nil
	}
	return err == nil, err
}

// SpecialUse implements sieve.Mailboxes.
func (b *box) SpecialUse(ctx context.Context, use string) ([]string, error) {
	role := mailbox.RoleOf(use)
	if role == mailbox.RoleNone {
		return nil, nil
	}
	f, err := b.user.WithRole(ctx, role)
	if errors.Is(err, mailbox.ErrNoFolder) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []string{f.Name}, nil
}

// Metadata implements sieve.Mailboxes.
func (b *box) Metadata(ctx context.Context, folder, name string) (string, bool, error) {
	list, err := b.user.Annotations(ctx, folder)
	if errors.Is(err, mailbox.ErrNoFolder) {
		return "", false, nil
	}
	for _, a := range list {
		if equalFold(a.Name, name) && a.Value != nil {
			return string(a.Value), true, err
		}
	}
	return "", false, err
}

// Script implements sieve.Scripts.
func (b *box) Script(ctx context.Context, where sieve.Location, name string) (*sieve.Script, error) {
	if where != sieve.Personal {
		return nil, sieve.ErrNoScript
	}
	x, err := b.user.Script(ctx, name)
	if errors.Is(err, mailbox.ErrNoScript) || errors.Is(err, mailbox.ErrName) {
		return nil, errors.Join(sieve.ErrNoScript, err)
	}
	if err != nil {
		return nil, err
	}
	return b.scripts.compile(x)
}

// Seen implements sieve.Duplicates.
func (b *box) Seen(ctx context.Context, key string) (bool, error) {
	return seen(ctx, b.user, memory("duplicate", key))
}
