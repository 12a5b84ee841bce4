package mailbox

import (
	"context"
	"slices"
)

// Changes is what Sync tells.
type Changes struct {
	// Expunged are the sequence numbers that have gone, in descending order, so
	// that each is right when it is told after those before it; Vanished are
	// their UIDs.
	Expunged []uint32
	Vanished UIDs
	// Appended is how many messages came; Exists is how many there are now.
	Appended int
	Exists   uint32
	// Flags are messages whose flags were changed by others, in ascending
	// order, with their new sequence numbers, without those appended.
	Flags []Message
	// Keywords tells that Folder().Keywords has grown.
	Keywords bool
	ModSeq   uint64 // HIGHESTMODSEQ now
}

// Any tells whether there is anything to tell.
func (c *Changes) Any() bool {
	return len(c.Vanished) > 0 || c.Appended > 0 || len(c.Flags) > 0 || c.Keywords
}

// Sync takes up what happened to the folder since the last Sync: what others
// did, and this session's Expunge, Move, Append and Copy. With keep nothing is
// taken away: messages that have gone stay in the View until a Sync without it
// (while FETCH, STORE and SEARCH may be answered by sequence numbers). ErrGone
// when the folder was deleted. It costs nothing when nothing happened. The
// Changes are good until the next Sync.
func (v *View) Sync(ctx context.Context, keep bool) (*Changes, error) {
	st, f, c := v.f.user, v.f, &v.last
	old := v.row
	st.mu.RLock()
	if f.gone {
		st.mu.RUnlock()
		return nil, ErrGone
	}
	*c = Changes{Exists: v.uids.n, ModSeq: f.row.ModSeq, Flags: c.Flags[:0]}
	if f.row.ModSeq == old.ModSeq && (keep || v.uids == f.uids || v.uids.n == f.uids.n) {
		v.row.Folder.Name, v.row.Role, v.row.Subscribed = f.row.Name, f.row.Role, f.row.Subscribed
		st.mu.RUnlock()
		return c, nil
	}
	v.row = f.row
	cur := f.uids
	v.takeRecent(old.Next)
	changed, known := f.changedSince(old.ModSeq, old.Next, v)
	st.mu.RUnlock()

	if c.Keywords = len(v.row.Keywords) > len(old.Keywords); v.row.Next > old.Next {
		c.Appended = int(cur.n - cur.below(old.Next))
	}
	v.take(c, cur, keep)
	c.Exists = v.uids.n
	if !known {
		var err error
		if changed, err = v.changedOnDisk(ctx, old.ModSeq, old.Next); err != nil {
			return nil, err
		}
	}
	_, err := v.Messages(ctx, changed, false, func(m *Message) error {
		c.Flags = append(c.Flags, *m)
		return nil
	})
	return c, err
}

// take takes up which messages there are.
func (v *View) take(c *Changes, cur *uidMap, keep bool) {
	gone := v.uids.minus(cur, 1<<32-1)
	if keep {
		if len(gone) > 0 {
			cur = cur.union(gone)
		}
		v.uids = cur
		return
	}
	for uid := range gone.All() {
		c.Expunged = append(c.Expunged, v.uids.seq(uid))
	}
	slices.Reverse(c.Expunged)
	c.Vanished = gone
	v.uids = cur
}

// changedSince returns what others than by changed, of the UIDs below next;
// known is false where the log does not reach back so far. The user's mutex is
// held.
func (f *folderState) changedSince(modseq uint64, next uint32, by *View) (out UIDs, known bool) {
	if modseq < f.since {
		return nil, false
	}
	i, _ := slices.BinarySearchFunc(f.log, modseq, func(l logged, m uint64) int {
		if l.modseq <= m {
			return -1
		}
		return 1
	})
	for _, l := range f.log[i:] {
		if l.by != by && l.uid < next {
			out.Add(l.uid)
		}
	}
	return out, true
}

// changedOnDisk is changedSince by the index.
func (v *View) changedOnDisk(ctx context.Context, modseq uint64, next uint32) (UIDs, error) {
	return v.readChanged(ctx, modseq, func(uid uint32) bool { return uid < next })
}
