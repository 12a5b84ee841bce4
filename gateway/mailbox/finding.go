package mailbox

import (
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
	f := finder{v: v, uids: map[int64][]uint32{}}
	objects, err := x.Search(ctx, where, text, &f)
	if err != nil {
		return nil, err
	}
	var list []uint32
	for _, o := range objects {
		list = append(list, f.uids[o]...)
	}
	slices.Sort(list)
	var out UIDs
	for _, uid := range list {
		out.Add(uid)
	}
	return out, nil
}

// finder is a view as search sees it. It remembers which messages have the
// objects that it told of.
type finder struct {
	v    *View
	uids map[int64][]uint32
}

// Len implements search.Folder.
func (f *finder) Len() int { return int(f.v.Len()) }

// All implements search.Folder.
func (f *finder) All(ctx context.Context) ([]int64, error) {
	clear(f.uids)
	return f.gather(ctx, AllUIDs, func(int64) bool { return true })
}

// Among implements search.Folder.
func (f *finder) Among(ctx context.Context, objects []int64) ([]int64, error) {
	clear(f.uids)
	uids := AllUIDs
	if len(objects) <= maxObjects {
		set := make(map[ObjectID]struct{}, len(objects))
		for _, o := range objects {
			set[ObjectID(o)] = struct{}{}
		}
		var err error
		if uids, err = f.v.WithObjects(ctx, set); err != nil || len(uids) == 0 {
			return nil, err
		}
	}
	return f.gather(ctx, uids, func(o int64) bool {
		_, ok := slices.BinarySearch(objects, o)
		return ok
	})
}

// gather lists the objects of messages.
func (f *finder) gather(ctx context.Context, uids UIDs, wanted func(object int64) bool) (list []int64, err error) {
	_, err = f.v.Messages(ctx, uids, false, func(m *Message) error {
		o := int64(m.Object)
		if !wanted(o) {
			return nil
		}
		if _, again := f.uids[o]; !again {
			list = append(list, o)
		}
		f.uids[o] = append(f.uids[o], m.UID)
		return nil
	})
	return list, err
}
