package mailbox

// maxRecent is how many ranges of recent UIDs a View remembers; of more the
// oldest are no longer recent.
const maxRecent = 1000

// Recent returns the UIDs that are \Recent in this View (RFC 3501 section
// 2.3.2): those that came since another View that is not ReadOnly took them
// up, some of which may have gone. That is kept in memory alone: what came
// before the user was loaded is not recent. It must not be changed.
func (v *View) Recent() UIDs { return v.recent }

// RecentLen is how many messages of the View are \Recent.
func (v *View) RecentLen() (n uint32) {
	for _, r := range v.recent {
		n += v.uids.count(r)
	}
	return n
}

// takeRecent takes up what is recent from a UID on. Unless the View is
// ReadOnly it is so for no other. The user's mutex is held, for reading.
func (v *View) takeRecent(from uint32) {
	f := v.f
	first := f.recent.Load()
	if first >= f.row.Next {
		return
	}
	if !v.readOnly {
		first = f.recent.Swap(f.row.Next)
	}
	v.recent.AddRange(Range{max(first, from), f.row.Next - 1})
	if k := len(v.recent) - maxRecent; k > 0 {
		v.recent = v.recent[k:]
	}
}

// folder returns what is told of the folder. The user's mutex is held.
func (f *folderState) folder() Folder {
	out := f.row.Folder
	first := f.recent.Load()
	switch {
	case first >= out.Next:
	case f.uids != nil:
		out.Recent = f.uids.count(Range{first, out.Next - 1})
	default:
		out.Recent = min(out.Next-first, out.Messages)
	}
	return out
}
