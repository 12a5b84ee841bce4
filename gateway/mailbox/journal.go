package mailbox

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// maxBatch bounds what is written in one transaction.
const maxBatch = 256

// op is a change of mailboxes.
type op interface {
	// plan says what is to be written. It may be called more than once, and
	// only what it says last counts. An error must come before p was changed:
	// it is this op's alone. An error of a statement is everybody's.
	plan(ctx context.Context, p *plan) error
}

// readier is an op with something to be made durable before rows refer to it.
type readier interface {
	// ready does that. What it waits for is shared by the ops of a transaction.
	// An error is the op's alone.
	ready() error
}

// errAgain is an op's wish to come first in another transaction: others in this
// one have changed what it can only treat by statements. It must come before
// the op has changed the plan.
var errAgain = errors.New("mailbox: again")

// job is an op in the hands of the journal.
type job struct {
	op    op
	users []*userState // whom it concerns
	err   error
	done  chan struct{}
}

// journal writes changes, many in one transaction: while one is being written
// the next one is collected. Who finds nothing being written writes at once.
type journal struct {
	s *Store

	mu      sync.Mutex
	queue   []*job
	writing bool
	idle    sync.Cond
	closed  bool
}

func newJournal(s *Store) *journal {
	j := &journal{s: s}
	j.idle.L = &j.mu
	return j
}

// do has an op written and returns when that is durable and applied. What has
// begun is not given up when ctx ends: nobody could tell what became of it.
// users are those whom it concerns, acquired. What makes room may use the
// reserve.
func (j *journal) do(ctx context.Context, o op, users ...*userState) error {
	err := j.once(ctx, o, users...)
	if errors.Is(err, syscall.ENOSPC) && frees(o) && j.s.deps.Reserve.Give() {
		err = j.once(ctx, o, users...)
	}
	return err
}

func (j *journal) once(ctx context.Context, o op, users ...*userState) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	x := &job{op: o, users: users, done: make(chan struct{})}
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	j.queue = append(j.queue, x)
	if j.writing {
		j.mu.Unlock()
	} else {
		j.writing = true
		j.mu.Unlock()
		runtime.Gosched() // who is just about to come comes; alone it costs nothing
		j.step()
	}
	<-x.done
	return x.err
}

// step writes a batch, and has the next one written.
func (j *journal) step() {
	j.mu.Lock()
	list := j.queue
	if len(list) > maxBatch {
		list = list[:maxBatch:maxBatch]
		j.queue = j.queue[maxBatch:]
	} else {
		j.queue = nil
	}
	j.mu.Unlock()
	j.write(list)
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) > 0 {
		go j.step()
		return
	}
	j.writing = false
	j.idle.Broadcast()
}

// ready leaves out, and tells, those of the jobs that cannot be written.
func (j *journal) ready(list []*job) []*job {
	return slices.DeleteFunc(list, func(x *job) bool {
		x.err = nil // it may come again
		if r, ok := x.op.(readier); ok {
			x.err = r.ready()
		}
		if x.err != nil {
			close(x.done)
		}
		return x.err != nil
	})
}

// write writes a batch and tells its jobs.
func (j *journal) write(list []*job) {
	if list = j.ready(list); len(list) == 0 {
		return
	}
	var p *plan
	began := time.Now()
	err := j.s.write(j.s.ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		p = newPlan(j.s, tx)
		if err := j.refresh(ctx, tx, list); err != nil {
			return err
		}
		for _, x := range list {
			x.err = x.op.plan(ctx, p)
			if p.failed != nil {
				return p.failed
			}
		}
		return p.flush(ctx)
	})
	if err == nil {
		p.apply()
		j.s.deps.Metrics.wrote(p, len(list), time.Since(began))
	}
	var again []*job
	for _, x := range list {
		if err != nil {
			x.err = err
		}
		if m := j.s.deps.Metrics; m != nil && errors.Is(x.err, ErrQuota) {
			m.refused.Inc()
		}
		if x.err == errAgain {
			again = append(again, x)
			continue
		}
		close(x.done)
	}
	if len(again) > 0 {
		j.mu.Lock()
		j.queue = append(again, j.queue...)
		j.mu.Unlock()
	}
	if err == nil {
		p.after()
	}
}

// refresh takes up what other processes have done to the users concerned.
func (j *journal) refresh(ctx context.Context, tx *sqldb.Tx, list []*job) error {
	if !j.s.shared {
		return nil
	}
	done := map[*userState]bool{}
	for _, x := range list {
		for _, u := range x.users {
			if done[u] {
				continue
			}
			done[u] = true
			if err := j.s.refreshIn(ctx, tx, u); err != nil {
				return err
			}
		}
	}
	return nil
}

// close waits until nothing is being written, and takes no more.
func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	for j.writing {
		j.idle.Wait()
	}
}
