package main

import (
	"context"
	"time"
)

const (
	// careEvery is how often that is seen to which only time changes.
	careEvery = 5 * time.Minute
	// careTime bounds one look at a user.
	careTime = 30 * time.Second
)

// care ends sessions of users who have left the directory, and renews the key
// of return addresses, until ctx ends: a gateway may run for years.
func (s *server) care(ctx context.Context) {
	t := time.NewTicker(careEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := s.returns.RotateOld(ctx, returnKeyAge); err != nil && ctx.Err() == nil {
			s.log.Error("the key of return addresses was not renewed", "error", err.Error())
		}
		s.endGone(ctx)
	}
}

// endGone ends the sessions of who is no user any more.
func (s *server) endGone(ctx context.Context) {
	for user := range s.loggedIn() {
		one, cancel := context.WithTimeout(ctx, careTime)
		gone, err := s.accounts.Gone(one, user)
		cancel()
		if err != nil {
			continue // the directory is away: who logs in hears and logs that
		}
		if gone {
			s.log.Info("sessions ended of a user who is none any more", "user", user, "sessions", s.endSessions(user))
		}
	}
}

// loggedIn returns who has an open session.
func (s *server) loggedIn() map[string]bool {
	users := map[string]bool{}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	for _, l := range s.listeners {
		l.service.Users(users)
	}
	return users
}
