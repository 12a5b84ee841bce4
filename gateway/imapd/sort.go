package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// sort is SORT and UID SORT (RFC 5256, RFC 5267 section 3, RFC 5957).
func (c *conn) sort(ctx context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error) {
	var s imap.Sort
	if !d.Sort(&s) {
		return reply{}, d.Err()
	}
	r, err := c.sorted(ctx, &s)
	if err != nil {
		c.forget(&s.Results)
		return reply{}, err
	}
	if s.Options&imap.ReturnSave != 0 {
		c.saved = c.saveSorted(&s.Results, r)
	}
	if s.Extended && s.Options == imap.ReturnSave && s.Partial == (imap.Partial{}) {
		return done("Saved"), nil
	}
	list := r.list
	if !cmd.UID {
		for i, uid := range list {
			list[i] = c.view.Seq(uid)
		}
	}
	if !s.Extended {
		c.w.Raw("* SORT")
		for _, n := range list {
			c.w.SP().Num(n)
		}
		c.writeModSeq(" (MODSEQ ", r.found, 0, ")")
		c.w.CRLF()
		return done("Sorted"), nil
	}
	e := extended{c: c, uid: cmd.UID, Results: s.Results, count: r.count, found: r.found}
	if n := len(list); n > 0 && r.skip == 0 {
		e.least, e.most = list[0], list[n-1]
	}
	e.all = func() { c.writeSet(list) }
	if part := r.piece(s.Partial); len(part) > 0 {
		e.part = func() { c.writeSet(part) }
	}
	e.write()
	return done("Sorted"), nil
}

// ordered are UIDs in the order that was asked for: list is what comes after
// the first skip of count.
type ordered struct {
	list  []uint32
	skip  int
	count int
	found *found
}

// piece returns those that PARTIAL names.
func (r *ordered) piece(p imap.Partial) []uint32 {
	if p == (imap.Partial{}) {
		return nil
	}
	begin, end := p.Of(r.count)
	begin, end = max(begin-r.skip, 0), min(end-r.skip, len(r.list))
	if begin >= end {
		return nil
	}
	return r.list[begin:end]
}

// saveSorted returns what SAVE saves of a sorted result.
func (c *conn) saveSorted(s *imap.Results, r *ordered) (out mailbox.UIDs) {
	const ends = imap.ReturnMin | imap.ReturnMax
	switch {
	case r.count == 0:
		return nil
	case s.Partial != (imap.Partial{}):
		for _, uid := range r.piece(s.Partial) {
			out.Add(uid)
		}
		return out
	case s.Options&ends == 0 || s.Options&(imap.ReturnAll|imap.ReturnCount) != 0:
		return r.found.uids
	}
	if s.Options&imap.ReturnMin != 0 {
		out.Add(r.list[0])
	}
	if s.Options&imap.ReturnMax != 0 {
		out.Add(r.list[len(r.list)-1])
	}
	return out
}

// sorted searches and sorts.
func (c *conn) sorted(ctx context.Context, s *imap.Sort) (*ordered, error) {
	if r, err := c.bySent(ctx, s); r != nil || err != nil {
		return r, err
	}
	f, err := c.find(ctx, &s.Key)
	if err != nil {
		return nil, err
	}
	n := f.uids.Len()
	r := &ordered{count: n, found: f}
	k := sorter{by: s.By, ctx: ctx}
	if err := k.load(c.view, f.uids); err != nil {
		return nil, err
	}
	const others = imap.ReturnMin | imap.ReturnMax | imap.ReturnAll
	if _, end := s.Partial.Of(n); s.Partial.First > 0 && s.Options&others == 0 {
		r.list = k.first(end)
	} else {
		r.list = k.first(n)
	}
	r.count = k.len() // what was expunged meanwhile is not among them
	return r, nil
}

// bySent answers from the store's index by Date, where all messages are asked
// for in that order and not more than a piece of them is told; nil: it cannot.
func (c *conn) bySent(ctx context.Context, s *imap.Sort) (*ordered, error) {
	if len(s.By) != 1 || s.By[0].By != imap.SortDate || !c.isAll(&s.Key) || !s.Extended ||
		s.Partial == (imap.Partial{}) || s.Options&(imap.ReturnMin|imap.ReturnMax|imap.ReturnAll) != 0 {
		return nil, nil
	}
	n := int(c.view.Len())
	begin, end := s.Partial.Of(n)
	r := &ordered{skip: begin, count: n, found: &found{}}
	var err error
	if begin < end {
		r.list, err = c.view.BySent(ctx, s.By[0].Reverse, begin, end-begin)
	}
	return r, err
}

// isAll tells whether a search program is true of all messages; UNDELETED is
// where none is marked so, which is the rule.
func (c *conn) isAll(k *imap.SearchKey) bool {
	switch {
	case k.Op == imap.SearchNoFlag && k.Flag == imap.Deleted:
		return c.view.Folder().Deleted == 0
	case k.Op != imap.SearchAnd:
		return false
	}
	for i := range k.Keys {
		if !c.isAll(&k.Keys[i]) {
			return false
		}
	}
	return true
}
