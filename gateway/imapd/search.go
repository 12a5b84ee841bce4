package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// search is SEARCH and UID SEARCH (RFC 9051 section 6.4.4).
func (c *conn) search(ctx context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error) {
	var s imap.Search
	if !d.Search(&s) {
		return reply{}, d.Err()
	}
	if c.enabled&featureRev2 != 0 && !s.Extended { // RFC 9051 section 7.3.4
		s.Extended, s.Options = true, imap.ReturnAll
	}
	found, err := c.find(ctx, &s.Key)
	if err != nil {
		c.forget(&s.Results)
		return reply{}, err
	}
	list := found.uids
	if !cmd.UID {
		list = c.view.SeqsOf(list)
	}
	if !s.Extended {
		c.w.Raw("* SEARCH")
		for n := range list.All() {
			c.w.SP().Num(n)
		}
		c.writeModSeq(" (MODSEQ ", found, s.Options, ")")
		c.w.CRLF()
		return done("Searched"), nil
	}
	part := slice(list, s.Partial)
	if s.Options&imap.ReturnSave != 0 {
		c.saved = saved(&s.Results, found.uids)
	}
	if s.Options == imap.ReturnSave && s.Partial == (imap.Partial{}) {
		return done("Saved"), nil // RFC 5182 section 2.1
	}
	e := extended{c: c, uid: cmd.UID, Results: s.Results}
	if n := list.Len(); n > 0 {
		e.least, e.most, e.count = list[0].First, list[len(list)-1].Last, n
	}
	e.all = func() { c.writeUIDs(list) }
	if len(part) > 0 {
		e.part = func() { c.writeUIDs(part) }
	}
	e.found = found
	e.write()
	return done("Searched"), nil
}

// forget empties the saved result when the search that should have saved one
// failed (RFC 5182 section 2.1).
func (c *conn) forget(r *imap.Results) {
	if r.Options&imap.ReturnSave != 0 {
		c.saved = nil
	}
}

// saved returns what SAVE saves: of MIN and MAX alone just those (RFC 5182
// section 2.4), of PARTIAL that piece (RFC 9394 section 3.3).
func saved(r *imap.Results, uids mailbox.UIDs) mailbox.UIDs {
	const ends = imap.ReturnMin | imap.ReturnMax
	switch {
	case len(uids) == 0:
		return nil
	case r.Partial != (imap.Partial{}):
		return slice(uids, r.Partial)
	case r.Options&ends == 0 || r.Options&(imap.ReturnAll|imap.ReturnCount) != 0:
		return uids
	}
	var out mailbox.UIDs
	if r.Options&imap.ReturnMin != 0 {
		out.Add(uids[0].First)
	}
	if r.Options&imap.ReturnMax != 0 {
		out.Add(uids[len(uids)-1].Last)
	}
	return out
}

// extended is an ESEARCH response (RFC 9051 section 7.3.4).
type extended struct {
	imap.Results
	c           *conn
	uid         bool
	least, most uint32 // of those found; 0: none
	count       int
	all, part   func() // write the numbers; part nil: none
	found       *found
}

func (e *extended) write() {
	w := &e.c.w
	w.Raw("* ESEARCH (TAG ").StringBytes(e.c.tag).Byte(')')
	if e.uid {
		w.Raw(" UID")
	}
	if e.Options&imap.ReturnMin != 0 && e.count > 0 {
		w.Raw(" MIN ").Num(e.least)
	}
	if e.Options&imap.ReturnMax != 0 && e.count > 0 {
		w.Raw(" MAX ").Num(e.most)
	}
	if e.Options&imap.ReturnCount != 0 {
		w.Raw(" COUNT ").Uint(uint64(e.count))
	}
	if e.Options&imap.ReturnAll != 0 && e.count > 0 {
		w.Raw(" ALL ")
		e.all()
	}
	if e.Partial != (imap.Partial{}) {
		w.Raw(" PARTIAL (").Bytes(e.Partial.Append(nil)).SP()
		if e.part != nil {
			e.part()
		} else {
			w.Raw("NIL")
		}
		w.Byte(')')
	}
	e.c.writeModSeq(" MODSEQ ", e.found, e.Options, "")
	w.CRLF()
}

// writeModSeq writes the highest modification sequence of what is told, where
// it was asked for (RFC 7162 sections 3.1.5 and 3.1.10).
func (c *conn) writeModSeq(before string, f *found, o imap.Return, after string) {
	if !f.modseq || len(f.uids) == 0 {
		return
	}
	n := f.highest
	switch o &^ imap.ReturnSave {
	case imap.ReturnMin:
		n = f.first
	case imap.ReturnMax:
		n = f.last
	case imap.ReturnMin | imap.ReturnMax:
		n = max(f.first, f.last)
	}
	c.w.Raw(before).Uint(n).Raw(after)
}
