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

// lesson is a message that a user has moved, or his program has uploaded.
type lesson struct {
	user           string
	junk, uploaded bool
	object         ObjectID
}

// moved has the learner told, once the move is durable.
func (p *plan) moved(user string, from, to Role, objects []ObjectID) {
	if from != to && (from == RoleJunk || to == RoleJunk) && (from != RoleJunk || to != RoleTrash) {
		p.learn(lesson{user: user, junk: to == RoleJunk}, objects)
	}
}

func (p *plan) learn(l lesson, objects []ObjectID) {
	if p.s.lessons == nil {
		return
	}
	p.lastly = append(p.lastly, func() {
		for _, id := range objects {
			select {
			case p.s.lessons <- lesson{l.user, l.junk, l.uploaded, id}:
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
	s.deps.Learner.Learn(ctx, l.user, l.junk, l.uploaded, func() (io.ReadCloser, error) { return s.OpenObject(ctx, l.object) })
}
