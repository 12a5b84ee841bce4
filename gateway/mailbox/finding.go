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
	return search.Deps{Feed: feed{s}, Opener: feed{s}, Log: s.log, Spare: s.deps.Reserve.Spare}
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
	f.sort()
	list := make([]uint32, 0, len(objects))
	for _, l := range f.list {
		for len(objects) > 0 && objects[0] < l.object {
			objects = objects[1:]
		}
		if len(objects) > 0 && objects[0] == l.object {
			list = append(list, l.uid)
		}
	}
	if !slices.IsSorted(list) { // mostly objects are numbered as messages are
		slices.Sort(list)
	}
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

// sort orders the list by objects.
func (f *finder) sort() {
	less := func(a, b located) int { return cmp.Compare(a.object, b.object) }
	if !slices.IsSortedFunc(f.list, less) {
		slices.SortFunc(f.list, less)
	}
}

// Len implements search.Folder.
func (f *finder) Len() int { return int(f.v.Len()) }

// All implements search.Folder.
func (f *finder) All(ctx context.Context) ([]int64, error) {
	return f.gather(ctx, f.Len(), func(int64) bool { return true })
}

// How many messages are walked over in the time in which one object is looked
// for, by their rows and by kept contents.
const (
	walkRows = 3
	walkKept = 150
)

// Among implements search.Folder.
func (f *finder) Among(ctx context.Context, objects []int64) (list []int64, err error) {
	kept, err := f.v.kept(ctx)
	if err != nil {
		return nil, err
	}
	if len(objects) > (f.Len()-kept)/walkRows+kept/walkKept {
		return f.gather(ctx, min(len(objects), f.Len()), among(objects))
	}
	f.list = f.list[:0]
	ids := make([]ObjectID, len(objects))
	for i, o := range objects {
		ids[i] = ObjectID(o)
	}
	err = f.v.eachWith(ctx, ids, func(id ObjectID, uid uint32) { list = f.add(list, int64(id), uid) })
	return list, err
}

// among tells of numbers whether they are in a list, which is in ascending
// order, at no cost for each that is asked for in ascending order, too.
func among(list []int64) func(int64) bool {
	at := 0
	return func(n int64) bool {
		for step := 0; step < 8; step++ {
			switch {
			case at > 0 && list[at-1] >= n, at == len(list): // behind it
				i, ok := slices.BinarySearch(list, n)
				at = i
				return ok
			case list[at] >= n:
				return list[at] == n
			}
			at++
		}
		i, ok := slices.BinarySearch(list[at:], n)
		at += i
		return ok
	}
}

// add notes that a message has an object.
func (f *finder) add(list []int64, object int64, uid uint32) []int64 {
	f.list = append(f.list, located{object, uid})
	return append(list, object)
}

// gather lists the objects of messages, of which there are about n.
func (f *finder) gather(ctx context.Context, n int, wanted func(object int64) bool) (list []int64, err error) {
	f.list = slices.Grow(f.list[:0], n)
	list = make([]int64, 0, n)
	err = f.v.eachObject(ctx, func(object ObjectID, uid uint32) {
		if o := int64(object); wanted(o) {
			list = f.add(list, o, uid)
		}
	})
	return list, err
}
