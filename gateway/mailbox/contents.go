package mailbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Which object a message has never changes. Of the blocks of large folders
// below UIDNEXT, which nothing is added to any more, the objects are therefore
// kept side by side as well, a short row a block: to ask which messages have
// one of many objects, as a search for a frequent word does, a million rows of
// messages would have to be read.

const (
	// largeFolder is how many messages a folder has whose contents are kept.
	largeFolder = smallFolder * blockSize
	// contentsStep is how many blocks one transaction keeps.
	contentsStep = 32
)

const (
	sqlLarge        = `SELECT id, key, next FROM mailbox_folders WHERE messages >= ?`
	sqlKept         = `SELECT COALESCE(MAX(block), -1) FROM mailbox_contents WHERE folder = ?`
	sqlObjectsFrom  = `SELECT uid, object FROM mailbox_messages WHERE folder = ? AND uid BETWEEN ? AND ? ORDER BY uid LIMIT ?`
	sqlKeep         = `INSERT INTO mailbox_contents (folder, block, objects) VALUES (?, ?, ?) ON CONFLICT (folder, block) DO NOTHING`
	sqlKeyOf        = `SELECT key FROM mailbox_folders WHERE id = ?`
	sqlContents     = `SELECT block, objects FROM mailbox_contents WHERE folder = ? ORDER BY block`
	sqlDropContents = `DELETE FROM mailbox_contents WHERE folder = ?`
)

var errContents = errors.New("mailbox: the kept contents of a folder are damaged")

// contents are which objects the messages of a block have.
type contents struct {
	at      uint32
	uids    bitmap
	objects [blockSize]ObjectID
}

// octets is what a row holds: the bitmap of UIDs, then the distances of their
// objects as varints.
func (c *contents) octets() []byte {
	b := make([]byte, 0, blockSize/8+2*blockSize)
	for _, w := range c.uids {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	last := int64(0)
	for i := c.uids.next(0); i < blockSize; i = c.uids.next(i + 1) {
		o := int64(c.objects[i])
		b = binary.AppendVarint(b, o-last)
		last = o
	}
	return b
}

// parse reads what octets wrote.
func (c *contents) parse(b []byte) error {
	if len(b) < blockSize/8 {
		return errContents
	}
	c.uids = *bitmapOf(b[:blockSize/8])
	b = b[blockSize/8:]
	last := int64(0)
	for i := c.uids.next(0); i < blockSize; i = c.uids.next(i + 1) {
		d, n := binary.Varint(b)
		if n <= 0 {
			return errContents
		}
		last += d
		c.objects[i] = ObjectID(last)
		b = b[n:]
	}
	return nil
}

// keepContents keeps the contents of the blocks of large folders that have
// become full.
func (s *Store) keepContents(ctx context.Context) error {
	rows, err := s.deps.DB.Read().Query(ctx, sqlLarge, largeFolder)
	list, err := sqldb.Collect(rows, err, func(row *sqldb.Rows) (x [3]int64, err error) { // id, key, UIDNEXT
		err = row.Scan(&x[0], &x[1], &x[2])
		return x, err
	})
	if err != nil {
		return err
	}
	for _, x := range list {
		if err := s.keepFolder(ctx, x[0], x[1], x[2]>>blockShift); err != nil {
			return fmt.Errorf("mailbox: contents of folder %s: %w", FolderID(x[0]), err)
		}
	}
	return nil
}

// keepFolder keeps the contents of a folder's blocks below one.
func (s *Store) keepFolder(ctx context.Context, id, key, end int64) error {
	last, err := lastKept(ctx, s.deps.DB.Read(), key)
	if err != nil {
		return err
	}
	for at := last + 1; at < end; {
		list, next, err := s.readContents(ctx, key, at, end)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := s.putContents(ctx, id, key, list); err != nil {
			return err
		}
		at = next
	}
	return nil
}

// lastKept is the last block whose contents are kept; -1: none is.
func lastKept(ctx context.Context, q sqldb.Querier, key int64) (at int64, err error) {
	err = q.QueryRow(ctx, sqlKept, key).Scan(&at)
	return at, err
}

// putContents writes contents, unless the folder was deleted or renamed
// meanwhile: nothing may come behind the purge of its key.
func (s *Store) putContents(ctx context.Context, id, key int64, list [][]any) error {
	return s.write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		var is int64
		if err := tx.QueryRow(ctx, sqlKeyOf, id).Scan(&is); err != nil && !errors.Is(err, sqldb.ErrNoRows) {
			return err
		}
		if is != key {
			return nil
		}
		_, err := tx.ExecMany(ctx, sqlKeep, list)
		return err
	})
}

// readContents reads the contents of some blocks, as arguments of sqlKeep, and
// tells which one comes next.
func (s *Store) readContents(ctx context.Context, key, at, end int64) (list [][]any, next int64, err error) {
	const most = contentsStep * blockSize
	rows, err := s.deps.DB.Read().Query(ctx, sqlObjectsFrom, key, at<<blockShift, end<<blockShift-1, most)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	var c contents
	done := func() {
		if c.uids != (bitmap{}) {
			list = append(list, []any{key, int64(c.at), c.octets()})
		}
	}
	n := 0
	for ; rows.Next(); n++ {
		var uid uint32
		var object ObjectID
		if err := rows.Scan(&uid, &object); err != nil {
			return nil, 0, err
		}
		if uid>>blockShift != c.at {
			done()
			c.at, c.uids = uid>>blockShift, bitmap{}
		}
		c.uids.set(uid % blockSize)
		c.objects[uid%blockSize] = object
	}
	if next = int64(c.at); n < most {
		done()
		next = end
	} // else the last one may not be whole
	return list, next, rows.Err()
}

// eachKept calls f with what is kept of the messages that the view has, and
// returns the UIDs of the others.
func (v *View) eachKept(ctx context.Context, f func(object ObjectID, uid uint32)) (rest UIDs, err error) {
	rows, err := v.u.s.deps.DB.Read().Query(ctx, sqlContents, v.row.key)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var c contents
	var b []byte
	left := v.uids.blocks
	pass := func(blocks []mapBlock) {
		for _, m := range blocks {
			for i := m.bits.next(0); i < blockSize; i = m.bits.next(i + 1) {
				rest.Add(m.at<<blockShift + i)
			}
		}
	}
	for rows.Next() && len(left) > 0 {
		if err := rows.Scan(&c.at, &b); err != nil {
			return nil, err
		}
		for len(left) > 0 && left[0].at < c.at {
			pass(left[:1])
			left = left[1:]
		}
		if len(left) == 0 || left[0].at != c.at {
			continue
		}
		m := left[0].bits
		left = left[1:]
		if err := c.parse(b); err != nil {
			v.u.s.log.Error("a message's object is looked up the long way", "block", c.at, "error", err.Error())
			c.uids = bitmap{}
		}
		for i := m.next(0); i < blockSize; i = m.next(i + 1) {
			if uid := c.at<<blockShift + i; c.uids.has(i) {
				f(c.objects[i], uid)
			} else {
				rest.Add(uid)
			}
		}
	}
	pass(left)
	return rest, rows.Err()
}

// contentsFit tells whether what is kept of a folder agrees with its messages,
// which are UIDs and objects in order.
func contentsFit(ctx context.Context, q sqldb.Querier, key int64, messages [][2]int64) (bool, error) {
	rows, err := q.Query(ctx, sqlContents, key)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	var c contents
	var b []byte
	for rows.Next() {
		if err := rows.Scan(&c.at, &b); err != nil {
			return false, err
		}
		if c.parse(b) != nil {
			return false, nil
		}
		for len(messages) > 0 && messages[0][0]>>blockShift <= int64(c.at) {
			uid := messages[0][0]
			if i := uint32(uid) % blockSize; uid>>blockShift == int64(c.at) && (!c.uids.has(i) || int64(c.objects[i]) != messages[0][1]) {
				return false, nil
			}
			messages = messages[1:]
		}
	}
	return true, rows.Err()
}

// eachObject calls f with all messages of the view and their objects, in no
// order.
func (v *View) eachObject(ctx context.Context, f func(object ObjectID, uid uint32)) error {
	rest := AllUIDs
	if v.uids.n >= largeFolder {
		var err error
		if rest, err = v.eachKept(ctx, f); err != nil {
			return err
		}
		if rest.Len() > contentsStep*blockSize {
			v.u.s.purgeSoon() // which keeps the contents, too
		}
	}
	_, err := v.Messages(ctx, rest, false, func(m *Message) error {
		f(m.Object, m.UID)
		return nil
	})
	return err
}

// kept is how many messages of the view are in blocks whose contents are kept,
// about.
func (v *View) kept(ctx context.Context) (int, error) {
	if v.uids.n < largeFolder {
		return 0, nil
	}
	last, err := lastKept(ctx, v.u.s.deps.DB.Read(), v.row.key)
	if err != nil || last < 0 {
		return 0, err
	}
	return int(v.uids.below(uint32(min(last+1, 1<<(32-blockShift)-1) << blockShift))), nil
}
