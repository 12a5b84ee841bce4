package queue

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// The log: most messages are delivered as soon as they are accepted, and never
// need a row. Of such a message the octets' note in the blob store is the row,
// durable with them; that it is done is another note, of many messages, in a
// blob without octets. Rows are made of what is not done within logTime, and,
// after a crash, of what has a note and is neither done nor void.
//
// A note counts when it begins with the salt of the process that wrote it, is
// in a segment from the floor on, and its message is not in queue_void. The
// blob store keeps all segments from the floor on. Both are in queue_log.

const (
	// logTime is how long a message may be without a row.
	logTime = time.Second
	// maxLogged is how many may be.
	maxLogged = 5000
	// maxLoggedSize is how large they may be: it must be less than
	// blob.Options.Large. Those are segments of their own, newer than the one
	// that all others share: the log would begin behind that one from then
	// on, and whatever is still put into it would need rows.
	maxLoggedSize = 2 << 20
	// maxDone is how many messages a note says to be done.
	maxDone = (blob.MaxNote - saltSize) / binary.MaxVarintLen64
	// saltSize is what notes begin with: what a message's octets say, in the
	// torn frame of a segment, is never taken for a note.
	saltSize = 8
	// doneTag is that of blobs whose note says what is done.
	doneTag = "done"
)

// logState is what is in the log. It is guarded by Queue.mu.
type logState struct {
	entries map[int64]*entry // that have no row
	last    uint64           // the newest segment with one
	asked   uint64           // the floor that is being written
	floor   uint64           // that is durable
	at      int64            // when it is looked at; 0: never
}

// startLog begins a log, where there is to be one. The one of the process
// before must have been read.
func (q *Queue) startLog(ctx context.Context, logged bool) error {
	salt, floor, err := readLog(ctx, q.db)
	if err != nil {
		return err
	}
	if salt != 0 {
		return errElsewhere
	}
	notes, ok := q.blobs.(blob.Noter)
	if !logged || !ok {
		return nil
	}
	var b [saltSize]byte
	for salt == 0 {
		rand.Read(b[:])
		salt = binary.LittleEndian.Uint64(b[:])
	}
	if err := q.db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return setLog(ctx, tx, salt, floor) }); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	q.notes, q.salt = notes, salt
	q.wal = logState{entries: map[int64]*entry{}, asked: floor, floor: floor, last: floor}
	notes.Hold(max(floor, 1))
	return nil
}

// errElsewhere is what Open says when there is a log that Live was not given.
var errElsewhere = errors.New("queue: it was not closed, and what it was just delivering is noted beside the octets of messages, which were in files; " +
	"they are to be somewhere else now, where these notes are not: start and stop the gateway once with storage.objects as it was")

// endLog notes that the log is empty, when it is: a queue that is closed is in
// the database.
func (q *Queue) endLog() {
	q.mu.Lock()
	empty, floor := q.notes != nil && len(q.wal.entries) == 0, q.wal.last+1
	q.mu.Unlock()
	if !empty {
		return
	}
	err := q.write(context.WithoutCancel(q.ctx), func(ctx context.Context, tx *sqldb.Tx) error { return setLog(ctx, tx, 0, floor) })
	if err != nil {
		q.log.Error("the queue cannot write to its database", "error", err.Error())
		return
	}
	q.notes.Hold(0)
}

func readLog(ctx context.Context, db *sqldb.DB) (salt, floor uint64, err error) {
	var s, f int64
	if err := db.Read().QueryRow(ctx, sqlLog).Scan(&s, &f); err != nil {
		return 0, 0, fmt.Errorf("queue: %w", err)
	}
	return uint64(s), uint64(f), nil
}

// setLog notes whose notes count from now on; those of before do not.
func setLog(ctx context.Context, tx *sqldb.Tx, salt, floor uint64) error {
	if _, err := tx.Exec(ctx, sqlClearVoid); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, sqlSetLog, int64(salt), int64(floor))
	return err
}

func setFloor(ctx context.Context, tx *sqldb.Tx, floor uint64) error {
	if _, err := tx.Exec(ctx, sqlDropVoid, int64(floor)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, sqlSetFloor, int64(floor))
	return err
}

// noteOf gives the note that stands for the row of a new message; nil: it
// needs a row at once.
func (q *Queue) noteOf(entries []*entry, size int64, prepare bool) []byte {
	if q.notes == nil || prepare || len(entries) != 1 || size < 0 || size > maxLoggedSize {
		return nil
	}
	q.mu.Lock()
	ok := entries[0].fresh && q.started && !q.paused && len(q.wal.entries) < maxLogged
	q.mu.Unlock()
	if !ok {
		return nil
	}
	note := appendRow(q.newNote(), entries[0])
	if len(note) > blob.MaxNote {
		return nil
	}
	return note
}

func (q *Queue) newNote() []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, 0, 256), q.salt)
}

// logged goes on with an entry whose octets and note are durable; false: it
// needs a row nevertheless, since the log begins behind it by now.
func (q *Queue) logged(e *entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	segment := q.refOf(e.msg).Segment
	if q.closed || segment < q.wal.asked {
		return false
	}
	e.logged = true
	q.wal.entries[e.id] = e
	q.wal.last = max(q.wal.last, segment)
	if q.wal.at == 0 {
		q.wal.at = q.clock.now() + logTime.Milliseconds()
		q.plan(q.wal.at)
	}
	q.fresh(e)
	q.dispatch()
	return true
}

// unlog notes that e is not in the log any more. q.mu is held.
func (q *Queue) unlog(e *entry) {
	if e.logged {
		e.logged, e.moving, e.doubt = false, false, false
		delete(q.wal.entries, e.id)
	}
}

// trimLog has rows made of what is in the log for long, or in a segment that
// is full, or of all; and lets go of segments in which nothing is any more.
func (q *Queue) trimLog(all bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := &q.wal
	l.at = 0
	now := q.clock.now()
	floor := l.last
	if len(l.entries) == 0 && q.reserve.Given() { // the space is wanted
		floor++
	}
	var list []*entry
	for _, e := range l.entries {
		segment := q.refOf(e.msg).Segment
		floor = min(floor, segment)
		long := e.msg.queued <= now-logTime.Milliseconds() || e.msg.queued > now || segment < l.last
		if (all || long) && !e.moving && (e.state == ready || e.state == running) {
			e.moving = true
			list = append(list, e)
		}
	}
	l.asked = max(l.asked, floor)
	if len(list) > 0 || l.asked > l.floor {
		q.journal.later(func(b *batch) {
			b.move = append(b.move, list...)
			if l.asked > l.floor {
				b.floor = l.asked
			}
		})
	}
	if !all && (len(l.entries) > 0 || l.asked > l.floor) {
		l.at = now + logTime.Milliseconds()
	}
}

// trimSoon has segments let go of in which nothing is any more, the newest one
// too, when there is no space for mail.
func (q *Queue) trimSoon() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.notes != nil && q.wal.at == 0 {
		q.wal.at = q.clock.now()
		q.plan(q.wal.at)
	}
}

// raised notes that the floor is durable. q.mu is held.
func (q *Queue) raised(floor uint64) {
	q.wal.floor = max(q.wal.floor, floor)
	q.notes.Hold(q.wal.floor)
}

// journalOf is the one that e's end is for. q.mu is held, and e is settling:
// nobody makes a row of it any more.
func (q *Queue) journalOf(e *entry) *journal {
	if e.onlyLogged() {
		return q.ends
	}
	return q.journal
}

// onlyLogged tells whether all that is to be written of e's end is a note.
func (e *entry) onlyLogged() bool {
	return e.inLog() && e.fate == toGo && len(e.notices) == 0 && !e.doubt
}

// logOnly is onlyLogged of what b writes: what is late may have a row.
func (b *batch) logOnly(e *entry) bool { return e.onlyLogged() && !b.late }

// needsRows tells whether there is something to be written into the database.
func (b *batch) needsRows() bool {
	if len(b.insert)+len(b.prepare)+len(b.activate)+len(b.forget)+len(b.wait)+len(b.move)+len(b.void) > 0 || b.floor != 0 {
		return true
	}
	return b.late || slices.ContainsFunc(b.settle, func(e *entry) bool { return !b.logOnly(e) })
}

// logEnds writes what is only for the log: what is done.
func (q *Queue) logEnds(b *batch) {
	if b.late {
		return
	}
	ids := make([]int64, 0, len(b.settle)+len(b.gone))
	var refs []blob.Ref
	for _, e := range b.settle {
		if b.logOnly(e) {
			ids = append(ids, e.id)
			refs = append(refs, q.refOf(e.msg))
		}
	}
	for _, e := range b.gone {
		ids = append(ids, e.id)
	}
	if len(ids) == 0 {
		return
	}
	if err := q.logDone(ids); err != nil {
		b.undone = true
		q.log.Error("the queue cannot write to its log", "error", err.Error())
		return
	}
	b.release = append(b.release, refs...)
}

// logDone makes durable that messages are done.
func (q *Queue) logDone(ids []int64) error {
	for list := range slices.Chunk(ids, maxDone) {
		note := q.newNote()
		for _, id := range list {
			note = binary.AppendUvarint(note, uint64(id))
		}
		ref, err := q.notes.Note(context.WithoutCancel(q.ctx), doneTag, note)
		if err != nil {
			return err
		}
		q.blobs.Release(ref)
	}
	return nil
}

// Recover makes rows of what a process that has ended early has left in the
// log; nobody may have the queue open. notes are those of the folder with the
// octets; nil: they are not in one, and there is no log.
func Recover(ctx context.Context, db *sqldb.DB, notes *blob.Notes) error {
	if err := migrate(ctx, db); err != nil || notes == nil {
		return err
	}
	salt, floor, err := readLog(ctx, db)
	if err != nil || salt == 0 {
		return err
	}
	rows, err := leftOver(ctx, db, notes, salt, floor)
	if err != nil {
		return fmt.Errorf("queue: read the log: %w", err)
	}
	last, err := notes.Last()
	if err != nil {
		return fmt.Errorf("queue: read the log: %w", err)
	}
	err = db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if _, err := tx.ExecMany(ctx, sqlInsertNew, columns(rows)); err != nil {
			return err
		}
		return setLog(ctx, tx, 0, max(floor, last+1))
	})
	if err != nil {
		return fmt.Errorf("queue: recover the log: %w", err)
	}
	return nil
}

// left is a message that is in the log alone.
type left struct {
	id  int64
	ref blob.Ref
	row []byte
}

// columns makes rows of queue_new.
func columns(list []left) [][]any {
	rows := make([][]any, len(list))
	for i, x := range list {
		rows[i] = []any{x.id, false, int64(x.ref.Segment), x.ref.Offset, x.ref.Size, x.row}
	}
	return rows
}

// ListLog calls f with the entries that a filter chooses of those that a process
// that has ended early has left in the log: what List will have when the queue
// has been opened again. It changes nothing. No process may have the queue open.
func ListLog(ctx context.Context, db *sqldb.DB, notes *blob.Notes, opt Options, f Filter, each func(*Item) error) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := db.Migrate(ctx, "queue", steps); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	salt, floor, err := readLog(ctx, db)
	if err != nil || salt == 0 || f.State != "" && f.State != Active {
		return err
	}
	list, err := leftOver(ctx, db, notes, salt, floor)
	if err != nil {
		return fmt.Errorf("queue: read the log: %w", err)
	}
	opt = opt.withDefaults()
	for _, x := range list {
		e := &entry{id: x.id}
		if err := parseRow(x.row, e); err != nil {
			continue // of one that is damaged the runner tells
		}
		e.msg.ref, e.due = x.ref, e.msg.queued
		if !f.fits(e, Active) {
			continue
		}
		if err := each(item(&opt, e, Active)); err != nil {
			return err
		}
	}
	return nil
}

// leftOver lists the messages whose notes count.
func leftOver(ctx context.Context, db *sqldb.DB, notes *blob.Notes, salt, floor uint64) (list []left, err error) {
	done := map[int64]bool{}
	ours := binary.LittleEndian.AppendUint64(nil, salt)
	for note, err := range notes.From(ctx, floor, ours) {
		if err != nil {
			return nil, err
		}
		if note.Tag == doneTag {
			for text := note.Text[saltSize:]; len(text) > 0; {
				id, n := binary.Uvarint(text)
				if n <= 0 {
					break
				}
				done[int64(id)] = true
				text = text[n:]
			}
		}
	}
	for note, err := range notes.From(ctx, floor, ours) {
		if err != nil {
			return nil, err
		}
		first, n, message := parseTag(note.Tag)
		if !message || n != 1 || done[first] {
			continue
		}
		var void int
		if err := db.Read().QueryRow(ctx, sqlIsVoid, first).Scan(&void); err != nil {
			return nil, err
		}
		if void > 0 {
			continue
		}
		if err := note.Verify(); errors.Is(err, blob.ErrCorrupt) {
			continue // it was just being written, and nobody has heard 250
		} else if err != nil {
			return nil, err
		}
		list = append(list, left{first, note.Ref, slices.Clone(note.Text[saltSize:])})
	}
	return list, nil
}
