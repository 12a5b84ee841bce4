package mailbox

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// maxBuffer is what Put holds in memory; of what is larger the index record is
// made from what was stored.
const maxBuffer = 256 << 10

// maxCache is how many octets of index records are kept in memory.
const maxCache = 64 << 20

// States of an Object.
const (
	pending  = iota // in no folder
	doubtful        // its rows may have been written
	stored
	discarded
)

// Object is a message's octets, stored and indexed, that no folder has yet.
type Object struct {
	s       *Store
	id      ObjectID
	ref     blob.Ref
	durable func() error // to be called before rows refer to it; nil: it is durable
	indexed Indexed
	state   atomic.Int32
}

// Put stores the octets of a message: CRLF line ends, size octets or -1. They
// are durable when it is delivered. The Object is to be delivered or discarded.
// ErrTooBig.
func (s *Store) Put(ctx context.Context, size int64, src io.Reader) (*Object, error) {
	most := s.options().MaxSize
	if size > most {
		return nil, ErrTooBig
	}
	if err := s.deps.Reserve.Room(); err != nil {
		return nil, err
	}
	id, err := s.newID(ctx)
	if err != nil {
		return nil, err
	}
	o := &Object{s: s, id: ObjectID(id)}
	s.flying(o.id)
	if err := o.store(ctx, size, src, most); err != nil {
		s.landed(o.id)
		return nil, fmt.Errorf("mailbox: store: %w", err)
	}
	return o, nil
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// store reads the source once: into memory where it fits.
func (o *Object) store(ctx context.Context, size int64, src io.Reader, most int64) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	n, err := io.Copy(buf, io.LimitReader(src, maxBuffer+1))
	switch {
	case err != nil:
		return err
	case size >= 0 && n != size && n <= maxBuffer:
		return io.ErrUnexpectedEOF
	case n > most:
		return ErrTooBig
	case n > maxBuffer:
		return o.storeLarge(ctx, size, io.MultiReader(buf, src), most)
	}
	data := buf.Bytes()
	if err := o.index(bytes.NewReader(data)); err != nil {
		return err
	}
	o.ref, o.durable, err = o.s.deps.Blobs.AppendLater(ctx, o.tag(), n, bytes.NewReader(data))
	return err
}

// ready makes the octets durable; one that cannot be is discarded.
func (o *Object) ready() error {
	if o.durable == nil {
		return nil
	}
	err := o.durable()
	if err == nil {
		return nil
	}
	if o.state.Swap(discarded) != discarded { // no rows refer to what never was durable
		o.s.landed(o.id)
	}
	return fmt.Errorf("mailbox: store: %w", err)
}

// storeLarge reads back what was stored to make the index record.
func (o *Object) storeLarge(ctx context.Context, size int64, src io.Reader, most int64) (err error) {
	if o.ref, err = o.s.deps.Blobs.Append(ctx, o.tag(), size, &bounded{src, most}); err != nil {
		return err
	}
	r, err := o.s.deps.Blobs.Open(ctx, o.ref)
	if err == nil {
		err = errors.Join(o.index(r), r.Close())
	}
	if err != nil {
		o.s.deps.Blobs.Release(o.ref)
	}
	return err
}

// bounded reads so many octets at most; more are an error.
type bounded struct {
	r    io.Reader
	left int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrTooBig
	}
	return n, err
}

func (o *Object) index(r io.Reader) (err error) {
	o.indexed, err = o.s.deps.Index.Index(r)
	if o.indexed.Record == nil {
		o.indexed.Record = []byte{}
	}
	return err
}

// tag is the object's id in its blob.
func (o *Object) tag() string { return strconv.FormatInt(int64(o.id), 36) }

// Size is how many octets there are.
func (o *Object) Size() int64 { return o.ref.Size }

// ID is what EMAILID will tell.
func (o *Object) ID() ObjectID { return o.id }

// Indexed is what the Indexer made of it.
func (o *Object) Indexed() Indexed { return o.indexed }

// Open reads the octets, before or after they are delivered.
func (o *Object) Open(ctx context.Context) (blob.Reader, error) {
	if err := o.ready(); err != nil {
		return nil, err
	}
	return o.s.deps.Blobs.Open(ctx, o.ref)
}

// Discard gives up an object; it does nothing when it was delivered. It may be
// called twice.
func (o *Object) Discard() {
	if o.ready() != nil {
		return
	}
	switch {
	case o.state.CompareAndSwap(pending, discarded):
		o.s.deps.Blobs.Release(o.ref)
		o.s.landed(o.id)
	case o.state.CompareAndSwap(doubtful, discarded):
		o.settle()
	}
}

// settle finds out, after a transaction of which nobody knows whether it was
// committed, whether rows refer to the object. Where that cannot be known its
// octets stay until the next start.
func (o *Object) settle() {
	there := true
	err := o.s.write(context.WithoutCancel(o.s.ctx), func(ctx context.Context, tx *sqldb.Tx) error {
		_, err := readObject(ctx, tx, o.id)
		there = !errors.Is(err, ErrExpunged)
		if there {
			return err
		}
		return nil
	})
	if err == nil && !there {
		o.s.deps.Blobs.Release(o.ref)
	}
	o.s.landed(o.id)
}

// flying notes that an object's rows are still to come; landed ends it.
func (s *Store) flying(id ObjectID) {
	s.mu.Lock()
	s.inFlight[id] = struct{}{}
	s.mu.Unlock()
}

func (s *Store) landed(id ObjectID) {
	s.mu.Lock()
	delete(s.inFlight, id)
	s.mu.Unlock()
}

// object is a row of mailbox_objects.
type object struct {
	id     ObjectID
	ref    blob.Ref
	thread ThreadID
	sent   int64
	record []byte
}

func (o *Object) cached() *object {
	return &object{o.id, o.ref, ThreadID(o.indexed.Thread), o.indexed.Sent, o.indexed.Record}
}

func scanObject(row scanner) (*object, error) {
	o := &object{}
	var thread int64
	var err error
	o.id, o.ref, err = scanRef(row, &o.sent, &thread, &o.record)
	o.thread = ThreadID(thread)
	return o, err
}

// readObject reads one; ErrExpunged.
func readObject(ctx context.Context, q sqldb.Querier, id ObjectID) (*object, error) {
	o, err := scanObject(q.QueryRow(ctx, sqlObject, int64(id)))
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil, ErrExpunged
	}
	return o, err
}

// object returns an object's row, from memory where it is there.
func (s *Store) object(ctx context.Context, id ObjectID) (*object, error) {
	if o := s.objects.get(id); o != nil {
		return o, nil
	}
	o, err := readObject(ctx, s.deps.DB.Read(), id)
	if err == nil {
		s.objects.put(o)
	}
	return o, err
}

// objectsOf returns the rows of objects, nil for those that are not there.
func (s *Store) objectsOf(ctx context.Context, ids []ObjectID, out []*object) ([]*object, error) {
	out = out[:0]
	var missing []ObjectID
	for _, id := range ids {
		o := s.objects.get(id)
		if o == nil {
			missing = append(missing, id)
		}
		out = append(out, o)
	}
	if len(missing) == 0 {
		return out, nil
	}
	found := make(map[ObjectID]*object, len(missing))
	for from := 0; from < len(missing); from += some {
		rows, err := s.deps.DB.Read().Query(ctx, sqlSomeObjects, marks(missing[from:min(from+some, len(missing))])...)
		err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
			o, err := scanObject(row)
			if err == nil {
				found[o.id] = o
				s.objects.put(o)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for i, id := range ids {
		if out[i] == nil {
			out[i] = found[id]
		}
	}
	return out, nil
}

// OpenObject reads an object's octets; ErrExpunged.
func (s *Store) OpenObject(ctx context.Context, id ObjectID) (blob.Reader, error) {
	for try := 0; ; try++ {
		o, err := s.object(ctx, id)
		if err != nil {
			return nil, err
		}
		r, err := s.deps.Blobs.Open(ctx, o.ref)
		if !errors.Is(err, blob.ErrNotFound) || try > 0 {
			return r, err
		}
		s.objects.drop([]ObjectID{id}) // it was moved, or has gone
	}
}

// RecordOf returns an object's index record; ErrExpunged.
func (s *Store) RecordOf(ctx context.Context, id ObjectID) ([]byte, error) {
	o, err := s.object(ctx, id)
	if err != nil {
		return nil, err
	}
	return o.record, nil
}

// objectCache keeps the rows of objects used lately.
type objectCache struct {
	mu    sync.Mutex
	rows  map[ObjectID]*list.Element
	order list.List
	size  int
}

// weight is what an object takes in memory, about.
func (o *object) weight() int { return len(o.record) + 250 }

func (c *objectCache) get(id ObjectID) *object {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.rows[id]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*object)
}

func (c *objectCache) put(o *object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rows == nil {
		c.rows = map[ObjectID]*list.Element{}
	}
	if e := c.rows[o.id]; e != nil {
		return
	}
	c.rows[o.id] = c.order.PushFront(o)
	c.size += o.weight()
	for c.size > maxCache {
		c.remove(c.order.Back())
	}
}

func (c *objectCache) remove(e *list.Element) {
	o := e.Value.(*object)
	c.order.Remove(e)
	delete(c.rows, o.id)
	c.size -= o.weight()
}

func (c *objectCache) drop(ids []ObjectID) {
	if len(ids) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if e := c.rows[id]; e != nil {
			c.remove(e)
		}
	}
}
