package mailbox

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"

	"github.com/gapura-mail/gapura/gateway/mailbox/search"
)

// ForSearch returns what a search.Index asks the store: its Deps but for the
// database. The store is to be opened with Deps.Events.
func (s *Store) ForSearch() search.Deps {
	return search.Deps{Feed: feed{s}, Opener: feed{s}, Log: s.log}
}

// feed is the store as search sees it.
type feed struct{ s *Store }

// Events implements search.Feed.
func (f feed) Events(ctx context.Context, after int64, most int) ([]search.Event, error) {
	list, err := f.s.Events(ctx, after, most)
	if err != nil {
		return nil, err
	}
	out := make([]search.Event, len(list))
	for i, e := range list {
		out[i] = search.Event{Seq: e.Seq, Object: int64(e.Object), Removed: e.Removed}
	}
	return out, nil
}

// LastEvent implements search.Feed.
func (f feed) LastEvent(ctx context.Context) (int64, error) { return f.s.LastEvent(ctx) }

// ForgetEvents implements search.Feed.
func (f feed) ForgetEvents(ctx context.Context, seq int64) error { return f.s.ForgetEvents(ctx, seq) }

// EventsChanged implements search.Feed.
func (f feed) EventsChanged() <-chan struct{} { return f.s.EventsChanged() }

// Objects implements search.Feed.
func (f feed) Objects(ctx context.Context, after int64, most int) ([]int64, error) {
	list, err := f.s.Objects(ctx, ObjectID(after), most)
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(list))
	for i, id := range list {
		out[i] = int64(id)
	}
	return out, nil
}

// OpenObject implements search.Opener.
func (f feed) OpenObject(ctx context.Context, object int64) (io.ReadCloser, error) {
	r, err := f.s.OpenObject(ctx, ObjectID(object))
	if errors.Is(err, ErrExpunged) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Find returns the messages of the view that have a text (SEARCH TEXT, BODY).
func (v *View) Find(ctx context.Context, x *search.Index, where search.Where, text string) (UIDs, error) {
	f := finder{v: v}
	objects, err := x.Search(ctx, where, text, &f)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(f.list, func(a, b located) int { return cmp.Compare(a.object, b.object) })
	var list []uint32
	for _, l := range f.list {
		for len(objects) > 0 && objects[0] < l.object {
			objects = objects[1:]
		}
		if len(objects) > 0 && objects[0] == l.object {
			list = append(list, l.uid)
		}
	}
	slices.Sort(list)
	var out UIDs
	for _, uid := range list {
		out.Add(uid)
	}
	return out, nil
}

// located says that a message has an object.
type located struct {
	object int64
	uid    uint32
}

// finder is a view as search sees it. It remembers which messages have the
// objects that it told of.
type finder struct {
	v    *View
	list []located
}

// Len implements search.Folder.
func (f *finder) Len() int { return int(f.v.Len()) }

// All implements search.Folder.
func (f *finder) All(ctx context.Context) ([]int64, error) {
	f.list = f.list[:0]
	return f.gather(ctx, AllUIDs, func(int64) bool { return true })
}

// walkShare is how many messages are walked over in the time in which one
// object is looked for.
const walkShare = 3

// Among implements search.Folder.
func (f *finder) Among(ctx context.Context, objects []int64) (list []int64, err error) {
	f.list = f.list[:0]
	if len(objects) > f.Len()/walkShare {
		return f.gather(ctx, AllUIDs, func(o int64) bool {
			_, ok := slices.BinarySearch(objects, o)
			return ok
		})
	}
	ids := make([]ObjectID, len(objects))
	for i, o := range objects {
		ids[i] = ObjectID(o)
	}
	err = f.v.eachWith(ctx, ids, func(id ObjectID, uid uint32) { list = f.add(list, int64(id), uid) })
	return list, err
}

// add notes that a message has an object.
func (f *finder) add(list []int64, object int64, uid uint32) []int64 {
	f.list = append(f.list, located{object, uid})
	return append(list, object)
}

// gather lists the objects of messages.
func (f *finder) gather(ctx context.Context, uids UIDs, wanted func(object int64) bool) (list []int64, err error) {
	_, err = f.v.Messages(ctx, uids, false, func(m *Message) error {
		if o := int64(m.Object); wanted(o) {
			list = f.add(list, o, m.UID)
		}
		return nil
	})
	return list, err
}
