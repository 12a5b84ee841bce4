package queue

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// journal writes to the database what the queue's parts have to write, many
// things in one transaction: while one is being written the next one is
// collected. Who finds nothing being written writes at once.
type journal struct {
	q    *Queue
	lazy time.Duration

	mu      sync.Mutex
	next    *batch // collected; nil: nothing
	writing bool
	timer   *time.Timer // for what nobody waits for
	timed   bool        // it is set
	idle    sync.Cond
	commits atomic.Int64 // so far
}

// batch is what is written in one transaction.
type batch struct {
	insert   []*entry // into queue_new
	prepare  []*entry // likewise, out of sight
	activate []*entry
	forget   []*entry // prepared, and given up
	wait     []*entry // into queue_waiting, of new messages
	settle   []*entry // what became of attempts
	move     []*entry // from the log into queue_new
	void     []*entry // their notes do not count
	gone     []*entry // likewise, and there is nothing else of them
	floor    uint64   // the log begins there; 0: where it did
	late     bool     // it was to be written before
	urgent   bool     // somebody waits

	done chan struct{} // closed when err says how it went
	err  error

	release []blob.Ref // nothing refers to these any more
	undone  bool       // what is only for the log could not be written there
	inRows  bool       // it was written into the database
	rows    [][]any    // scratch
}

// outcome of an entry that is settled: fate says what its row becomes.
type fate uint8

const (
	toGo   fate = iota // its row is dropped
	toWait             // its row is changed, or moves to queue_waiting
)

// lazyTime is how long the outcome of an attempt may wait for something more
// to be written with it; where the disk is slow it is twice as long as writing
// takes, but not longer than maxLazyTime. A message whose delivery is not on
// record yet would be delivered twice after a crash.
const (
	lazyTime    = 2 * time.Millisecond
	maxLazyTime = 20 * time.Millisecond
)

// rewriteTime is how long outcomes that could not be written wait.
const rewriteTime = time.Second

var errClosed = errors.New("queue: closed")

func newJournal(q *Queue) *journal {
	j := &journal{q: q, lazy: lazyTime}
	j.idle.L = &j.mu
	return j
}

// do has f add to the next batch and waits until that is durable.
func (j *journal) do(f func(b *batch)) error {
	j.mu.Lock()
	b := j.collect()
	f(b)
	b.urgent = true
	j.begin()
	<-b.done
	return b.err
}

// later has f add to the next batch.
func (j *journal) later(f func(b *batch)) {
	j.mu.Lock()
	f(j.collect())
	if !j.writing {
		j.wait()
	}
	j.mu.Unlock()
}

// wait has what is collected written soon. j.mu is held.
func (j *journal) wait() {
	if j.timed {
		return
	}
	j.timed = true
	if j.timer == nil {
		j.timer = time.AfterFunc(j.lazy, j.tick)
	} else {
		j.timer.Reset(j.lazy)
	}
}

func (j *journal) tick() {
	j.mu.Lock()
	j.timed = false
	j.begin()
}

// collect returns the batch that is being collected. j.mu is held.
func (j *journal) collect() *batch {
	if j.next == nil {
		j.next = &batch{done: make(chan struct{})}
	}
	return j.next
}

// begin writes what is collected, unless somebody is writing already, who
// will. j.mu is held, and not any more after it.
func (j *journal) begin() {
	if j.writing || j.next == nil {
		j.mu.Unlock()
		return
	}
	j.writing = true
	b := j.next
	j.next = nil
	j.mu.Unlock()
	j.write(b)
}

// write writes b, and has the next one written.
func (j *journal) write(b *batch) {
	began := time.Now()
	j.commit(b)
	took := time.Since(began)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.writing = false
	if b.inRows { // a note may have waited for others, beside the disk
		j.lazy = max(lazyTime, min(2*took, maxLazyTime))
	}
	switch {
	case j.next == nil:
		j.idle.Broadcast()
	case j.next.urgent:
		go func() {
			j.mu.Lock()
			j.begin()
		}()
	default:
		j.wait()
	}
}

// commit writes b now, and goes on from there.
func (j *journal) commit(b *batch) {
	j.commits.Add(1)
	if b.inRows = b.needsRows(); b.inRows {
		j.q.rows.lock()
		b.err = j.q.writeRows(context.WithoutCancel(j.q.ctx), b)
		j.q.rows.unlock()
	}
	close(b.done)
	if b.err == nil {
		j.q.logEnds(b)
	}
	j.q.stored(b)
}

// writeRows writes b into the database. On a full disk what has become of mail
// may use the reserve: else nothing would leave the queue any more, and make room.
func (q *Queue) writeRows(ctx context.Context, b *batch) error {
	write := func() error {
		return q.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			b.release = b.release[:0] // it may run again
			return q.store(ctx, tx, b)
		})
	}
	err := write()
	if errors.Is(err, syscall.ENOSPC) && b.frees() && q.reserve.Give() {
		err = write()
	}
	return err
}

// frees tells whether more than new mail is written.
func (b *batch) frees() bool {
	return len(b.settle)+len(b.forget)+len(b.void)+len(b.gone) > 0 || b.floor != 0
}

// drain waits until nothing is collected and nothing being written.
func (j *journal) drain() {
	j.mu.Lock()
	for j.writing || j.next != nil {
		if !j.writing {
			j.begin()
			j.mu.Lock()
			continue
		}
		j.idle.Wait()
	}
	if j.timer != nil {
		j.timer.Stop()
	}
	j.mu.Unlock()
}

// store writes a batch.
func (q *Queue) store(ctx context.Context, tx *sqldb.Tx, b *batch) error {
	o := q.options()
	many := func(query string, list []*entry, row func(*entry) []any) error {
		if len(list) == 0 {
			return nil
		}
		b.rows = b.rows[:0]
		for _, e := range list {
			if r := row(e); r != nil {
				b.rows = append(b.rows, r)
			}
		}
		if len(b.rows) == 0 {
			return nil
		}
		_, err := tx.ExecMany(ctx, query, b.rows)
		return err
	}
	id := func(e *entry) []any { return []any{e.id} }
	settled := func(fate fate, fresh bool, row func(*entry) []any) func(*entry) []any {
		return func(e *entry) []any {
			if e.fate != fate || e.fresh != fresh {
				return nil
			}
			return row(e)
		}
	}
	void := func(e *entry) []any { return []any{e.id, int64(q.refOf(e.msg).Segment)} }
	err := cmp.Or( // after the first error all others say the same
		many(sqlInsertNew, b.move, func(e *entry) []any { return q.newRow(e, false) }),
		many(sqlVoid, b.move, void),
		many(sqlVoid, b.void, void),
		many(sqlVoid, b.gone, func(e *entry) []any {
			if !b.late {
				return nil
			}
			return void(e)
		}),
		many(sqlVoid, b.settle, func(e *entry) []any {
			if !e.inLog() || b.logOnly(e) {
				return nil
			}
			return void(e)
		}),
		many(sqlInsertNew, b.insert, func(e *entry) []any { return q.newRow(e, false) }),
		many(sqlInsertNew, b.notices(), func(e *entry) []any { return q.newRow(e, false) }),
		many(sqlInsertNew, b.prepare, func(e *entry) []any { return q.newRow(e, true) }),
		many(sqlActivate, b.activate, id),
		many(sqlDropNew, b.forget, id),
		many(sqlInsertWaiting, b.wait, func(e *entry) []any { return q.waitingRow(o, e) }),
		many(sqlDropNew, b.settle, func(e *entry) []any {
			if !e.fresh || e.inLog() && !b.late && !e.doubt {
				return nil
			}
			return []any{e.id}
		}),
		many(sqlDropWaiting, b.settle, settled(toGo, false, id)),
		many(sqlInsertWaiting, b.settle, settled(toWait, true, func(e *entry) []any { return q.waitingRow(o, e) })),
		many(sqlUpdateWaiting, b.settle, settled(toWait, false, func(e *entry) []any { return q.changedRow(o, e) })),
	)
	if err != nil {
		return err
	}
	if b.floor != 0 {
		if err := setFloor(ctx, tx, b.floor); err != nil {
			return err
		}
	}
	return q.orphans(ctx, tx, b)
}

// notices returns what is queued with outcomes.
func (b *batch) notices() (list []*entry) {
	for _, e := range b.settle {
		list = append(list, e.notices...)
	}
	return list
}

// orphans finds the blobs that b has dropped the last row of.
func (q *Queue) orphans(ctx context.Context, tx *sqldb.Tx, b *batch) error {
	var asked map[int64]bool
	check := func(e *entry) error {
		m := e.msg
		if m.entries > 1 {
			if asked[m.first] {
				return nil
			}
			if asked == nil {
				asked = map[int64]bool{}
			}
			asked[m.first] = true
			var left int
			last := m.first + m.entries - 1
			if err := tx.QueryRow(ctx, sqlLeft, m.first, last, m.first, last).Scan(&left); err != nil || left > 0 {
				return err
			}
		}
		b.release = append(b.release, q.refOf(m))
		return nil
	}
	for _, e := range b.settle {
		if e.fate == toGo && !b.logOnly(e) {
			if err := check(e); err != nil {
				return err
			}
		}
	}
	for _, e := range b.forget {
		if err := check(e); err != nil {
			return err
		}
	}
	return nil
}
