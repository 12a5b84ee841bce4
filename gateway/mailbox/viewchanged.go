package mailbox

import (
	"cmp"
	"context"
	"slices"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// ChangedSince returns those of the UIDs whose modification sequence is above
// modseq.
func (v *View) ChangedSince(ctx context.Context, modseq uint64, uids UIDs) (out UIDs, err error) {
	if modseq >= v.row.ModSeq {
		return nil, nil
	}
	if v.allLoaded() {
		_, err = v.Messages(ctx, uids, false, func(m *Message) error {
			if m.ModSeq > modseq {
				out.Add(m.UID)
			}
			return nil
		})
		return out, err
	}
	return v.readChanged(ctx, modseq, func(uid uint32) bool { return v.uids.has(uid) && uids.Contains(uid) })
}

// readChanged reads which messages have a modification sequence above modseq.
func (v *View) readChanged(ctx context.Context, modseq uint64, wanted func(uid uint32) bool) (out UIDs, err error) {
	// In the order of changes, not of UIDs.
	list, err := sqldb.Column[uint32](v.u.s.deps.DB.Read().Query(ctx, sqlChanged, v.row.key, int64(modseq)))
	list = slices.DeleteFunc(list, func(uid uint32) bool { return !wanted(uid) })
	slices.Sort(list)
	for _, uid := range list {
		out.Add(uid)
	}
	return out, err
}

// maxChanged is how many changed messages are read at once.
const maxChanged = 10_000

// EachChanged calls f in ascending order for each of the messages that
// ChangedSince returns: UID, Seq, Flags and ModSeq.
func (v *View) EachChanged(ctx context.Context, modseq uint64, uids UIDs, f func(m *Message) error) error {
	if modseq >= v.row.ModSeq {
		return nil
	}
	if !v.allLoaded() {
		list, all, err := v.someChanged(ctx, modseq)
		if err != nil {
			return err
		}
		if all {
			return v.each(list, uids, f)
		}
	}
	changed, err := v.ChangedSince(ctx, modseq, uids)
	if err != nil {
		return err
	}
	_, err = v.Messages(ctx, changed, false, f)
	return err
}

// someChanged reads what has a modification sequence above modseq, in the order
// of UIDs; all is false where there are more than maxChanged.
func (v *View) someChanged(ctx context.Context, modseq uint64) (list []Message, all bool, err error) {
	rows, err := v.u.s.deps.DB.Read().Query(ctx, sqlChangedFlags, v.row.key, int64(modseq), maxChanged+1)
	list, err = sqldb.Collect(rows, err, func(row *sqldb.Rows) (m Message, err error) {
		var modseq, flags int64
		err = row.Scan(&m.UID, &modseq, &flags)
		m.ModSeq, m.Flags = uint64(modseq), Flags(flags)
		return m, err
	})
	slices.SortFunc(list, func(a, b Message) int { return cmp.Compare(a.UID, b.UID) })
	return list, len(list) <= maxChanged, err
}

// each calls f with messages, as far as they are of the UIDs and the view, and
// are still there.
func (v *View) each(list []Message, uids UIDs, f func(m *Message) error) error {
	v.f.user.mu.RLock()
	now, gone := v.f.uids, v.f.gone
	v.f.user.mu.RUnlock()
	for i := range list {
		m := &list[i]
		m.Seq = v.uids.seq(m.UID)
		if gone || m.Seq == 0 || !uids.Contains(m.UID) || now != v.uids && !now.has(m.UID) {
			continue
		}
		if err := f(m); err != nil {
			return err
		}
	}
	return nil
}

// VanishedSince returns those of the UIDs below UIDNEXT that are not in the
// View and were expunged after modseq. Where that is not remembered any more it
// is all of them that are not there (RFC 7162 section 3.2.5.1 lets us).
func (v *View) VanishedSince(ctx context.Context, modseq uint64, uids UIDs) (out UIDs, err error) {
	if modseq >= v.row.ModSeq {
		return nil, nil
	}
	v.f.user.mu.RLock()
	forgotten := v.f.row.forgotten
	v.f.user.mu.RUnlock()
	if modseq < forgotten {
		return v.missing(uids), nil
	}
	var gone UIDs
	rows, err := v.u.s.deps.DB.Read().Query(ctx, sqlExpunged, v.row.key, int64(modseq))
	err = sqldb.Each(rows, err, func(row *sqldb.Rows) error {
		var b []byte
		if err := row.Scan(&b); err != nil {
			return err
		}
		return eachRange(b, func(r Range) { gone.AddRange(r) })
	})
	if err != nil {
		return nil, err
	}
	return v.missing(gone.And(uids)), nil
}

// missing returns those of the UIDs below UIDNEXT that are not there.
func (v *View) missing(uids UIDs) (out UIDs) {
	for _, r := range uids {
		last := min(r.Last, v.row.Next-1)
		for at := max(r.First, 1); at <= last; {
			uid := v.uids.from(at)
			if uid == 0 || uid > last {
				out.AddRange(Range{at, last})
				break
			}
			if uid > at {
				out.AddRange(Range{at, uid - 1})
			}
			at = uid + 1
		}
	}
	return out
}
