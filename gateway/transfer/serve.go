package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/index"
)

// Serve is the mailboxes' end of one ferry, until the command ends it.
func (s *Server) Serve(ctx context.Context, conn io.ReadWriteCloser) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	p := newPipe(conn)
	var ask request
	err := p.hear(&ask)
	if err == nil {
		switch ask.Do {
		case "import":
			err = s.serveImport(ctx, p, ask)
		case "export":
			err = serveExport(ctx, p, s.store, ask)
		default:
			err = fmt.Errorf("transfer: %q is not known", ask.Do)
		}
	}
	if err != nil {
		p.say(word{Error: why(err)})
	}
	return errors.Join(err, p.w.Flush())
}

// docks is the mailboxes' end of an import.
type docks struct {
	*pipe
	store  *mailbox.Store
	user   *mailbox.User
	over   bool
	names  map[string]string // the source's folders, and what they are here
	known  map[string]seen   // of each folder
	batch  []*load
	told   []Result // of what is stored, until the next sync
	octets int64
}

// load is a message that has come.
type load struct {
	carried
	data   []byte
	digest []byte // of its octets, where data has not all of them
	object *mailbox.Object
	err    error
}

// seen are the messages of a folder, by size, ENVELOPE and preview: the same
// mail is the same in these, wherever it comes from. Without a Message-ID
// different mail may be, too: there the octets count.
type seen struct {
	seed maphash.Seed
	sums map[uint64]struct{}
}

// Bounds of a batch, which is stored in one transaction; a message above
// maxBuffered is stored by itself as it comes.
const (
	maxBatch       = 100
	maxBatchOctets = 8 << 20
	maxBuffered    = 1 << 20
	maxPuts        = 16
)

func (s *Server) serveImport(ctx context.Context, p *pipe, ask request) error {
	u, err := s.store.User(ctx, ask.User)
	if err != nil {
		return err
	}
	end, err := s.turn(ctx, ask.User)
	if err != nil {
		return err
	}
	defer end()
	d := &docks{pipe: p, store: s.store, user: u, over: ask.Over, names: map[string]string{}, known: map[string]seen{}}
	defer d.drop()
	for {
		var x word
		err := p.hear(&x)
		if errors.Is(err, io.EOF) {
			return nil // what was not synced is not stored
		}
		if err != nil {
			return err
		}
		switch {
		case x.Folder != nil:
			if err = d.folder(ctx, *x.Folder); errors.Is(err, mailbox.ErrName) {
				err = nil // each of its messages is told of it
			}
		case x.Message != nil:
			err = d.take(ctx, *x.Message)
		case x.Sync:
			err = d.sync(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// sync stores what has come and tells what became of all since the last one:
// only now does the other end listen.
func (d *docks) sync(ctx context.Context) error {
	if err := d.flush(ctx); err != nil {
		return err
	}
	for i := range d.told {
		if err := d.say(word{Result: &d.told[i]}); err != nil {
			return err
		}
	}
	d.told = d.told[:0]
	return errors.Join(d.say(word{Sync: true}), d.w.Flush())
}

// drop gives up what was not stored.
func (d *docks) drop() {
	for _, l := range d.batch {
		if l.object != nil {
			l.object.Discard()
		}
	}
}

// folder finds, or makes, the folder for one of the source: the one with its
// role, else the one with its name.
func (d *docks) folder(ctx context.Context, f Folder) error {
	if _, ok := d.names[f.Name]; ok {
		return nil
	}
	name := f.Name
	role := mailbox.RoleOf(f.Role)
	if role != mailbox.RoleNone {
		here, err := d.user.WithRole(ctx, role)
		if err == nil && !strings.EqualFold(here.Name, name) && !d.taken(here.Name) {
			name = here.Name
		}
		if err != nil && !errors.Is(err, mailbox.ErrNoFolder) {
			return err
		}
	}
	here, err := d.user.Folder(ctx, name)
	if errors.Is(err, mailbox.ErrNoFolder) {
		here, err = d.user.Create(ctx, name, mailbox.RoleNone)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if f.Subscribed && !here.Subscribed {
		if err := d.user.Subscribe(ctx, here.Name, true); err != nil {
			return err
		}
	}
	d.names[f.Name] = here.Name
	return nil
}

// taken tells whether another folder of the source goes there by name.
func (d *docks) taken(name string) bool {
	for _, n := range d.names {
		if n == name {
			return true
		}
	}
	return false
}

// take reads one message.
func (d *docks) take(ctx context.Context, c carried) error {
	octets := &pieces{r: d.r}
	l := &load{carried: c}
	if err := d.folder(ctx, Folder{Name: c.Folder, Role: roleOf(c.Folder), Subscribed: true}); errors.Is(err, mailbox.ErrName) {
		l.err = err
		d.batch = append(d.batch, l)
		_, err := io.Copy(io.Discard, octets)
		return err
	} else if err != nil {
		return err
	}
	head, err := io.ReadAll(io.LimitReader(octets, maxBuffered+1))
	if err != nil {
		return err
	}
	d.batch = append(d.batch, l) // from here on drop sees to it
	if len(head) <= maxBuffered {
		l.data = head
		d.octets += int64(len(head))
	} else {
		sum := sha256.New()
		l.object, l.err = d.store.Put(ctx, -1, io.TeeReader(io.MultiReader(bytes.NewReader(head), octets), sum))
		l.digest = sum.Sum(nil)
		if _, err := io.Copy(io.Discard, octets); err != nil {
			return err
		}
	}
	if len(d.batch) >= maxBatch || d.octets >= maxBatchOctets {
		return d.flush(ctx)
	}
	return nil
}

// flush stores the batch.
func (d *docks) flush(ctx context.Context) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(maxPuts)
	for _, l := range d.batch {
		if l.object == nil && l.err == nil {
			group.Go(func() error {
				l.object, l.err = d.store.Put(inner, int64(len(l.data)), bytes.NewReader(l.data))
				return inner.Err()
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	results, err := d.deliver(ctx)
	if err != nil {
		return err
	}
	d.told = append(d.told, results...)
	d.drop()
	d.batch, d.octets = d.batch[:0], 0
	return nil
}

// deliver stores those of the batch that are not there yet, together; where
// that fails each by itself, so that one that cannot be stored keeps no other
// out.
func (d *docks) deliver(ctx context.Context) ([]Result, error) {
	results := make([]Result, len(d.batch))
	var items []mailbox.Item
	var of []int
	for i, l := range d.batch {
		results[i].Key = l.Key
		if l.err != nil {
			results[i].Error = why(l.err)
			continue
		}
		folder := d.names[l.Folder]
		again, err := d.again(ctx, folder, l)
		if err != nil {
			return nil, err
		}
		if again {
			results[i].Duplicate = true
			continue
		}
		items = append(items, mailbox.Item{User: d.user, Folder: folder, Object: l.object, Flags: l.Flags, Date: l.Date, Over: d.over})
		of = append(of, i)
	}
	if len(items) == 0 {
		return results, nil
	}
	if _, err := d.store.Deliver(ctx, items...); err == nil {
		return results, nil
	}
	for k, item := range items {
		if _, err := d.store.Deliver(ctx, item); err != nil {
			results[of[k]].Error = why(err)
			d.forget(item.Folder, d.batch[of[k]])
		}
	}
	return results, ctx.Err()
}

// again notes a message of a folder and tells whether it was there.
func (d *docks) again(ctx context.Context, folder string, l *load) (bool, error) {
	s, ok := d.known[folder]
	if !ok {
		var err error
		if s, err = d.messages(ctx, folder); err != nil {
			return false, err
		}
		d.known[folder] = s
	}
	sum, err := l.sum(s)
	_, known := s.sums[sum]
	s.sums[sum] = struct{}{}
	return known, err
}

func (d *docks) forget(folder string, l *load) {
	s := d.known[folder]
	if sum, err := l.sum(s); err == nil {
		delete(s.sums, sum)
	}
}

// sum is the message's in s.
func (l *load) sum(s seen) (uint64, error) {
	return s.sum(l.object.Size(), l.object.Indexed().Record, func() ([]byte, error) {
		if l.digest == nil {
			sum := sha256.Sum256(l.data)
			l.digest = sum[:]
		}
		return l.digest, nil
	})
}

// messages reads which a folder has.
func (d *docks) messages(ctx context.Context, folder string) (seen, error) {
	s := seen{maphash.MakeSeed(), map[uint64]struct{}{}}
	v, err := d.user.Select(ctx, folder, true)
	if err != nil {
		return s, err
	}
	defer v.Close()
	_, err = v.Messages(ctx, mailbox.AllUIDs, true, func(m *mailbox.Message) error {
		sum, err := s.sum(m.Size, m.Record, func() ([]byte, error) { return digest(ctx, v, m) })
		if errors.Is(err, mailbox.ErrExpunged) {
			return nil
		}
		s.sums[sum] = struct{}{}
		return err
	})
	return s, err
}

// digest reads the octets of a message.
func digest(ctx context.Context, v *mailbox.View, m *mailbox.Message) ([]byte, error) {
	r, err := v.Open(ctx, m)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, r)
	return sum.Sum(nil), err
}

// sum is by what a message is known; octets gives their digest, where it is
// needed.
func (s *seen) sum(size int64, record []byte, octets func() ([]byte, error)) (uint64, error) {
	var h maphash.Hash
	h.SetSeed(s.seed)
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(size)))
	r, err := index.Open(record)
	if err == nil {
		h.Write(r.AppendEnvelope(nil, 0))
		h.Write(r.Preview())
	}
	if err != nil || len(r.MessageID()) == 0 {
		b, err := octets()
		if err != nil {
			return 0, err
		}
		h.Write(b)
	}
	return h.Sum64(), nil
}

func serveExport(ctx context.Context, p *pipe, store *mailbox.Store, ask request) error {
	u, err := store.Find(ctx, ask.User)
	if err != nil {
		return err
	}
	all, err := u.Folders(ctx)
	if err != nil {
		return err
	}
	var folders []mailbox.Folder
	var total Total
	for _, f := range all {
		if len(ask.Folders) > 0 && !slices.ContainsFunc(ask.Folders, func(name string) bool { return inboxName(name) == f.Name }) {
			continue
		}
		folders = append(folders, f)
		total.Messages += int64(f.Messages)
		total.Octets += f.Size
	}
	if len(folders) < len(ask.Folders) {
		return fmt.Errorf("%s has not all of the folders %s", u.Name(), strings.Join(ask.Folders, ", "))
	}
	if err := p.say(word{Total: &total}); err != nil {
		return err
	}
	for _, f := range folders {
		if err := exportFolder(ctx, p, u, f); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return p.say(word{End: true})
}

func exportFolder(ctx context.Context, p *pipe, u *mailbox.User, f mailbox.Folder) error {
	if err := p.say(word{Folder: &Folder{Name: f.Name, Role: f.Role.Attribute(), Subscribed: f.Subscribed}}); err != nil {
		return err
	}
	v, err := u.Select(ctx, f.Name, true)
	if err != nil {
		return err
	}
	defer v.Close()
	_, err = v.Messages(ctx, mailbox.AllUIDs, false, func(m *mailbox.Message) error {
		key := fmt.Sprintf("%s/%d", f.Name, m.UID)
		r, err := v.Open(ctx, m)
		if errors.Is(err, mailbox.ErrExpunged) {
			return nil
		}
		if err != nil {
			return p.say(word{Result: &Result{Key: key, Error: why(err)}})
		}
		defer r.Close()
		err = p.say(word{Message: &carried{Folder: f.Name, Flags: v.Folder().Keywords.Names(m.Flags), Date: m.InternalDate(), Size: m.Size, Key: key}})
		if err != nil {
			return err
		}
		return p.send(r)
	})
	return err
}
