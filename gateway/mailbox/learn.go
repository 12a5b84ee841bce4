package mailbox

import (
	"context"
	"io"
	"time"
)

const (
	// maxLessons is how many messages may wait to be learned from.
	maxLessons = 1000
	// learnTime bounds one call of Learner.Learn.
	learnTime = time.Minute
)

// lesson is a message that a user has moved.
type lesson struct {
	user   string
	junk   bool
	object ObjectID
}

// learn has the learner told, once the move is durable.
func (p *plan) learn(user string, from, to Role, objects []ObjectID) {
	if p.s.lessons == nil || from == to || from != RoleJunk && to != RoleJunk || from == RoleJunk && to == RoleTrash {
		return
	}
	p.lastly = append(p.lastly, func() {
		for _, id := range objects {
			select {
			case p.s.lessons <- lesson{user, to == RoleJunk, id}:
			default: // too many at once: the rest teaches nothing
				return
			}
		}
	})
}

// teach tells the learner, one message after the other.
func (s *Store) teach() {
	for {
		select {
		case l := <-s.lessons:
			s.teachOne(l)
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Store) teachOne(l lesson) {
	ctx, cancel := context.WithTimeout(s.ctx, learnTime)
	defer cancel()
	s.deps.Learner.Learn(ctx, l.user, l.junk, func() (io.ReadCloser, error) { return s.OpenObject(ctx, l.object) })
}
