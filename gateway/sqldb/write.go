package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxGroup bounds the Writes that share a transaction.
	maxGroup = 256
	// maxAgain bounds how often a transaction is run that the database has
	// refused to serialize.
	maxAgain = 10
)

var errGoexit = errors.New("sqldb: a Write ended its goroutine")

// Write runs f in a transaction and returns when what it did is durable. An
// error of f, or of one of its statements even where f ignores it, undoes what
// f did and is returned.
//
// Many Writes at once share one transaction and one sync, so f must be brief
// and wait for nothing. The Writes of all processes come one after another: f
// sees what all before it have written. f may run more than once; only what its
// last run did counts. It runs in another goroutine; a panic in it is returned
// as an error. It must not call Write.
//
// When ctx ends before the turn of f has come, f does not run. Once it has,
// Write waits for the outcome.
func (db *DB) Write(ctx context.Context, f func(ctx context.Context, tx *Tx) error) error {
	if ctx.Value(insideKey{}) == db.w {
		return errNested
	}
	j := &job{ctx: ctx, f: f, done: make(chan struct{})}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case db.w.queue <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-db.w.stop:
		return ErrClosed
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.state.CompareAndSwap(waiting, given) {
			return ctx.Err()
		}
		<-j.done
	case <-db.w.ended:
		if j.state.CompareAndSwap(waiting, given) {
			return ErrClosed
		}
		<-j.done
	}
	return j.err
}

// insideKey marks the context of f.
type insideKey struct{}

// States of a job.
const (
	waiting = iota
	taken   // by the writer
	given   // up
)

// job is one Write.
type job struct {
	ctx   context.Context
	f     func(context.Context, *Tx) error
	state atomic.Int32
	err   error
	done  chan struct{}
}

// writer is the one goroutine that writes.
type writer struct {
	db    *sql.DB
	eng   engine
	queue chan *job
	stop  chan struct{} // closed: no new jobs
	ended chan struct{} // closed: the goroutine has ended
	quit  sync.Once

	mu       sync.Mutex
	patience time.Duration // for the transaction of a group
	hurried  bool
	cancel   context.CancelFunc // of the group that runs, or of the last one

	// Of the goroutine alone.
	conn  *sql.Conn // nil: to be opened
	stmts map[string]*sql.Stmt
	group []*job
}

func newWriter(db *sql.DB, eng engine) *writer {
	w := &writer{db: db, eng: eng, queue: make(chan *job, maxGroup), stop: make(chan struct{}), ended: make(chan struct{}), patience: groupTime}
	go w.loop()
	return w
}

// close runs what is queued and ends the goroutine.
func (w *writer) close() {
	w.quit.Do(func() { close(w.stop) })
	<-w.ended
}

func (w *writer) loop() {
	stopped := false
	defer func() {
		if stopped {
			close(w.ended)
		} else { // f has called runtime.Goexit, as testing.T.FailNow does
			w.finish(errGoexit)
			w.drop()
			go w.loop()
		}
	}()
	for {
		select {
		case j := <-w.queue:
			w.gather(j)
		case <-w.stop:
			select {
			case j := <-w.queue:
				w.gather(j)
			default:
				w.drop()
				stopped = true
				return
			}
		}
		w.run()
	}
}

// gather makes a group of all that wait now, without waiting for more.
func (w *writer) gather(j *job) {
	runtime.Gosched() // who is just about to come comes; alone it costs nothing
	w.group = w.group[:0]
	for {
		if j.state.CompareAndSwap(waiting, taken) {
			w.group = append(w.group, j)
		}
		if len(w.group) == maxGroup {
			return
		}
		select {
		case j = <-w.queue:
		default:
			return
		}
	}
}

// run runs the group and tells its members.
func (w *writer) run() {
	if len(w.group) == 0 {
		return
	}
	savepoints := false
	for try := 1; ; try++ {
		err := w.try(savepoints)
		if errors.Is(err, errRedo) {
			savepoints = true
			continue
		}
		if err != nil && w.eng.again(err) && try < maxAgain {
			continue
		}
		w.finish(err)
		return
	}
}

// finish tells the members of the group: err for all, or each its own.
func (w *writer) finish(err error) {
	for i, j := range w.group {
		if err != nil {
			j.err = err
		}
		w.group[i] = nil
		close(j.done)
	}
	w.group = w.group[:0]
	clear(w.group[:cap(w.group)])
}

// errRedo says that a member failed whose changes cannot be told from the
// others': the group is run again, each member under a savepoint.
var errRedo = errors.New("redo")

// try runs the group in one transaction. Its error is the whole group's.
func (w *writer) try(savepoints bool) (err error) {
	ctx := context.Background()
	if !w.eng.prepares() { // SQLite: nothing can hang, and a deadline costs
		var cancel context.CancelFunc
		ctx, cancel = w.deadline()
		defer func() { w.despair(ctx); cancel() }()
	}
	if err := w.begin(ctx); err != nil {
		return err
	}
	for _, j := range w.group {
		if err := w.member(ctx, j, savepoints); err != nil {
			w.undo(ctx)
			return err
		}
	}
	if err := w.eng.commit(ctx, w); err != nil {
		w.undo(ctx)
		return fmt.Errorf("sqldb: commit: %w", explain(w.eng, err))
	}
	w.eng.committed(w)
	return nil
}

// begin begins a transaction, on a new connection where the old one has gone.
func (w *writer) begin(ctx context.Context) error {
	old := w.conn != nil
	if err := w.open(ctx); err != nil {
		return fmt.Errorf("sqldb: open: %w", err)
	}
	err := w.eng.begin(ctx, w)
	if err != nil && old && w.eng.gone(w) {
		w.drop()
		if err = w.open(ctx); err == nil {
			err = w.eng.begin(ctx, w)
		}
	}
	if err != nil {
		w.drop()
		return fmt.Errorf("sqldb: begin: %w", err)
	}
	return nil
}

// groupTime bounds the transaction of a group, so that a database that hangs
// does not hold its callers for ever.
const groupTime = 30 * time.Second

// deadline bounds the transaction of a group.
func (w *writer) deadline() (context.Context, context.CancelFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), w.patience)
	w.cancel = cancel
	return ctx, cancel
}

// hurry shortens the time for what runs and what comes.
func (w *writer) hurry(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hurried, w.patience = true, min(d, w.patience)
	if w.cancel != nil {
		time.AfterFunc(d, w.cancel)
	}
}

// despair has nothing wait any more where a group has in vain, in a hurry.
func (w *writer) despair(group context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hurried && group.Err() != nil {
		w.patience = 0
	}
}

// undo rolls back, or gives up the connection, which comes to the same.
func (w *writer) undo(ctx context.Context) {
	if err := w.eng.rollback(ctx, w); err != nil {
		w.drop()
	}
}

// member runs one member. Its error is the whole group's.
func (w *writer) member(ctx context.Context, j *job, savepoint bool) error {
	savepoint = savepoint && len(w.group) > 1
	if savepoint {
		if _, err := w.exec(ctx, "SAVEPOINT member", nil); err != nil {
			return fmt.Errorf("sqldb: savepoint: %w", err)
		}
	}
	tx := &Tx{w: w, ctx: ctx}
	j.err = call(j, tx)
	tx.end()
	if tx.failed != nil && j.err == nil {
		j.err = tx.failed
	}
	switch {
	case tx.failed != nil && w.eng.again(tx.failed):
		return tx.failed
	case tx.failed != nil && w.lost(ctx):
		return fmt.Errorf("sqldb: %w", tx.failed)
	case savepoint && j.err != nil:
		if _, err := w.exec(ctx, "ROLLBACK TO member", nil); err != nil {
			return fmt.Errorf("sqldb: roll back: %w", err)
		}
		fallthrough
	case savepoint:
		if _, err := w.exec(ctx, "RELEASE member", nil); err != nil {
			return fmt.Errorf("sqldb: release: %w", err)
		}
		return nil
	case j.err == nil, !tx.dirty && (tx.failed == nil || w.eng.survives()):
		return nil
	case len(w.group) == 1:
		return j.err
	}
	return errRedo
}

// lost tells whether the transaction has gone: a full disk and the like undo
// all of it.
func (w *writer) lost(ctx context.Context) bool {
	return ctx.Err() != nil || !w.eng.alive(w)
}

// call runs f. A panic is an error.
func call(j *job, tx *Tx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("sqldb: panic in a Write: %v\n%s", r, debug.Stack())
		}
	}()
	return j.f(context.WithValue(j.ctx, insideKey{}, tx.w), tx)
}

// open opens the connection where there is none.
func (w *writer) open(ctx context.Context) (err error) {
	if w.conn == nil {
		w.conn, err = w.db.Conn(ctx)
	}
	return err
}

// drop gives up the connection, with whatever it has begun.
func (w *writer) drop() {
	if w.conn == nil {
		return
	}
	w.forget()
	w.conn.Raw(func(any) error { return errBadConn })
	w.conn.Close()
	w.conn = nil
}

// forget closes the statements.
func (w *writer) forget() {
	for _, s := range w.stmts {
		s.Close()
	}
	clear(w.stmts)
}

// prepare gives the statement of a text.
func (w *writer) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := w.stmts[query]; s != nil {
		return s, nil
	}
	if len(w.stmts) >= maxStatements {
		w.forget()
	}
	s, err := w.conn.PrepareContext(ctx, w.eng.translate(query))
	if err != nil {
		return nil, err
	}
	if w.stmts == nil {
		w.stmts = map[string]*sql.Stmt{}
	}
	w.stmts[query] = s
	return s, nil
}

func (w *writer) exec(ctx context.Context, query string, args []any) (int64, error) {
	var res sql.Result
	if w.eng.prepares() {
		s, err := w.prepare(ctx, query)
		if err != nil {
			return 0, err
		}
		if res, err = s.ExecContext(ctx, args...); err != nil {
			return 0, err
		}
	} else {
		var err error
		if res, err = w.conn.ExecContext(ctx, w.eng.translate(query), args...); err != nil {
			return 0, err
		}
	}
	return res.RowsAffected()
}

func (w *writer) query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	if !w.eng.prepares() {
		return w.conn.QueryContext(ctx, w.eng.translate(query), args...)
	}
	s, err := w.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}
