package transfer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// turnTime is how long an import waits for another into the same mailbox.
const turnTime = 30 * time.Second

// Server is the mailboxes' end of ferries. Imports into one mailbox take turns:
// one whose command was killed still stores what had come, and the next one
// must find that there.
type Server struct {
	store *mailbox.Store

	mu    sync.Mutex
	users map[string]chan struct{} // who is being imported for; closed at the end
}

// NewServer returns a Server of store.
func NewServer(store *mailbox.Store) *Server {
	return &Server{store: store, users: map[string]chan struct{}{}}
}

// turn waits until nobody else imports for user. end lets the next one begin.
func (s *Server) turn(ctx context.Context, user string) (end func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	for {
		s.mu.Lock()
		before := s.users[user]
		if before == nil {
			mine := make(chan struct{})
			s.users[user] = mine
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				delete(s.users, user)
				s.mu.Unlock()
				close(mine)
			}, nil
		}
		s.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, fmt.Errorf("another import for %s is under way", user)
		}
	}
}
