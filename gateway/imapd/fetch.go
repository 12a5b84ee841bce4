package imapd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/mailbox/index"
)

// fetch is FETCH and UID FETCH (RFC 9051 section 6.4.5).
func (c *conn) fetch(ctx context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error) {
	f := fetchers.Get().(*fetcher)
	defer f.release()
	if !d.Fetch(cmd.UID, &f.Fetch) {
		return reply{}, d.Err()
	}
	f.c = c
	uids, err := f.choose(ctx, cmd.UID)
	if err != nil {
		return reply{}, err
	}
	if err := f.run(ctx, uids); err != nil {
		return reply{}, err
	}
	return f.reply(), nil
}

// fetcher answers one FETCH.
type fetcher struct {
	imap.Fetch
	c        *conn
	keywords mailbox.Keywords
	form     index.Form
	records  bool // index records are needed
	seen     mailbox.UIDs
	missed   int
	failed   error  // the last message that could not be told
	code     string // why a message could not be told as wanted
	scratch  []byte

	// of the message at hand
	ctx    context.Context
	m      *mailbox.Message
	record index.Record
	octets blob.Reader // nil: not opened
}

var fetchers = sync.Pool{New: func() any { return new(fetcher) }}

// maxScratch is how many octets of a fetcher are kept for the next one.
const maxScratch = 64 << 10

func (f *fetcher) release() {
	keep := fetcher{scratch: f.scratch[:0]}
	keep.Set.Ranges = f.Set.Ranges[:0]
	clear(f.Sections)
	keep.Sections = f.Sections[:0]
	if cap(keep.scratch) > maxScratch {
		keep.scratch = nil
	}
	if cap(keep.Set.Ranges) > 1000 {
		keep.Set.Ranges = nil
	}
	*f = keep
	fetchers.Put(f)
}

// choose returns the messages to tell, and tells those that have vanished.
func (f *fetcher) choose(ctx context.Context, uid bool) (mailbox.UIDs, error) {
	c := f.c
	if uid {
		f.Atts |= imap.FetchUID // RFC 9051 section 6.4.9
	}
	if c.enabled&featureQResync != 0 {
		f.Atts |= imap.FetchUID // where flags are told
	}
	if f.HasChangedSince || f.Atts&imap.FetchModSeq != 0 {
		c.enabled |= featureCondStore // RFC 7162 section 3.1
	}
	if f.HasChangedSince {
		f.Atts |= imap.FetchModSeq // RFC 7162 section 3.1.4.1
	}
	if f.Vanished && c.enabled&featureQResync == 0 {
		return nil, &imap.SyntaxError{Want: "ENABLE QRESYNC before VANISHED"}
	}
	var all mailbox.UIDs
	if f.Vanished { // also those that are not there any more
		set := imap.NumSet{Ranges: slices.Clone(f.Set.Ranges)}
		set.Resolve(c.view.Folder().Next - 1)
		if all = toUIDs(&set); f.Set.Saved {
			all = c.saved
		}
	}
	asked, err := c.chosen(&f.Set, uid)
	if err != nil {
		return nil, err
	}
	if f.Vanished {
		gone, err := c.view.VanishedSince(ctx, f.ChangedSince, all)
		if err != nil {
			return nil, err
		}
		if len(gone) > 0 {
			c.w.Raw("* VANISHED (EARLIER) ")
			c.writeUIDs(gone)
			c.w.CRLF()
		}
	}
	if f.HasChangedSince {
		if asked, err = c.view.ChangedSince(ctx, f.ChangedSince, asked); err != nil {
			return nil, err
		}
	}
	return slice(asked, f.Partial), nil
}

// slice returns the piece of the UIDs that PARTIAL names (RFC 9394).
func slice(uids mailbox.UIDs, p imap.Partial) (out mailbox.UIDs) {
	if p == (imap.Partial{}) {
		return uids
	}
	begin, end := p.Of(uids.Len())
	at := 0
	for _, r := range uids {
		n := int(r.Last-r.First) + 1
		from, to := max(begin-at, 0), min(end-at, n)
		if from < to {
			out = append(out, mailbox.Range{First: r.First + uint32(from), Last: r.First + uint32(to-1)})
		}
		at += n
	}
	return out
}

// withRecord are the items that are in the index record.
const withRecord = imap.FetchEnvelope | imap.FetchBody | imap.FetchBodyStructure | imap.FetchPreview

// run tells the messages.
func (f *fetcher) run(ctx context.Context, uids mailbox.UIDs) error {
	c := f.c
	if len(uids) == 0 {
		return nil
	}
	if f.Seen() && !c.view.ReadOnly() && c.view.Folder().Unseen > 0 {
		if err := f.markSeen(ctx, uids); err != nil {
			return err
		}
	}
	f.keywords = c.view.Folder().Keywords
	f.records = f.Atts&withRecord != 0
	for i := range f.Sections {
		s := &f.Sections[i]
		f.records = f.records || s.Kind != imap.SectionAll || len(s.Path) > 0
	}
	if c.enabled&featureRev2 != 0 {
		f.form |= index.Rev2
	}
	if c.w.UTF8 {
		f.form |= index.Quoted8Bit
	}
	// To send much to somebody slow takes longer than a command may work: what
	// is bounded are the writes, and the work for each message.
	missed, err := c.view.Messages(c.nc.Context(), uids, f.records, f.tell)
	f.missed += missed
	return err
}

// markSeen sets \Seen of those that are to be read in full, before they are
// told with it.
func (f *fetcher) markSeen(ctx context.Context, uids mailbox.UIDs) error {
	var unseen mailbox.UIDs
	_, err := f.c.view.Messages(ctx, uids, false, func(m *mailbox.Message) error {
		if m.Flags&mailbox.Seen == 0 {
			unseen.Add(m.UID)
		}
		return nil
	})
	if err != nil || len(unseen) == 0 {
		return err
	}
	_, err = f.c.view.Change(ctx, unseen, mailbox.AddFlags, []string{`\Seen`}, nil)
	f.seen = unseen
	return err
}

// unwritable ends a FETCH whose answer cannot be sent any more.
func (f *fetcher) unwritable() error { return fmt.Errorf("%w: %w", errLost, f.c.w.Err()) }

// tell answers for one message.
func (f *fetcher) tell(m *mailbox.Message) error {
	ctx := f.c.limited()
	defer ctx.Cancel()
	f.ctx, f.m, f.record = ctx, m, index.Record{}
	defer f.shut()
	if err := f.prepare(); err != nil {
		if f.c.nc.Context().Err() != nil {
			return err
		}
		if errors.Is(err, mailbox.ErrExpunged) {
			f.missed++
			return nil
		}
		f.failed = err
		return nil
	}
	w := &f.c.w
	w.Untagged().Num(m.Seq).Raw(" FETCH (")
	start := w.Written()
	f.items(start)
	for i := range f.Sections {
		f.space(start)
		if err := f.section(&f.Sections[i]); err != nil {
			// The response is begun: there is no way back.
			f.c.closing = true
			f.c.nc.Quiet()
			f.c.log(slog.LevelError, "message cannot be read", slog.Any("error", err))
			return fmt.Errorf("%w: %w", errLost, err)
		}
	}
	w.Raw(")\r\n")
	if w.Err() != nil {
		return f.unwritable()
	}
	return nil
}

// prepare gets what may fail before the response begins: octets and record.
func (f *fetcher) prepare() (err error) {
	if len(f.Sections) > 0 && !f.onlySizes() {
		if err := f.open(); err != nil {
			return err
		}
	}
	if !f.records {
		return nil
	}
	if f.record, err = index.Open(f.m.Record); err == nil {
		return nil
	}
	if err := f.open(); err != nil {
		return err
	}
	made, err := index.Make(f.octets)
	if err != nil {
		return fmt.Errorf("imapd: index message: %w", err)
	}
	f.record, err = index.Open(made)
	return err
}

// onlySizes tells whether no octets of the message are asked for.
func (f *fetcher) onlySizes() bool {
	for i := range f.Sections {
		if f.Sections[i].Kind != imap.SectionBinarySize {
			return false
		}
	}
	return true
}

func (f *fetcher) open() (err error) {
	if f.octets == nil {
		f.octets, err = f.c.view.Open(f.ctx, f.m)
	}
	return err
}

// shut ends what is open for the message at hand.
func (f *fetcher) shut() {
	if f.octets != nil {
		f.octets.Close()
		f.octets = nil
	}
	f.m, f.ctx, f.record = nil, nil, index.Record{}
}

// space parts items.
func (f *fetcher) space(start int64) {
	if f.c.w.Written() > start {
		f.c.w.SP()
	}
}

// items writes what is no octets of the message.
func (f *fetcher) items(start int64) {
	w, m := &f.c.w, f.m
	atts := f.Atts
	if atts&imap.FetchFlags == 0 && f.seen.Contains(m.UID) {
		atts |= imap.FetchFlags
	}
	if atts&imap.FetchFlags != 0 && f.c.enabled&featureCondStore != 0 {
		atts |= imap.FetchModSeq
	}
	for bit := imap.FetchUID; bit <= imap.FetchPreview; bit <<= 1 {
		if atts&bit == 0 {
			continue
		}
		f.space(start)
		switch bit {
		case imap.FetchUID:
			w.Raw("UID ").Num(m.UID)
		case imap.FetchFlags:
			w.Raw("FLAGS ")
			f.c.writeFlags(f.keywords, m)
		case imap.FetchInternalDate:
			w.Raw("INTERNALDATE ").DateTime(m.InternalDate())
		case imap.FetchSize:
			w.Raw("RFC822.SIZE ").Uint(uint64(m.Size))
		case imap.FetchModSeq:
			w.Raw("MODSEQ (").Uint(m.ModSeq).Byte(')')
		default:
			f.rare(bit)
		}
	}
}

// rare writes an item that is longer.
func (f *fetcher) rare(bit imap.FetchAtt) {
	w, m := &f.c.w, f.m
	switch bit {
	case imap.FetchEnvelope:
		w.Raw("ENVELOPE ")
		f.scratch = f.record.AppendEnvelope(f.scratch[:0], f.form)
		w.Bytes(f.scratch)
	case imap.FetchBody:
		w.Raw("BODY ")
		f.scratch = f.record.AppendBody(f.scratch[:0], f.form)
		w.Bytes(f.scratch)
	case imap.FetchBodyStructure:
		w.Raw("BODYSTRUCTURE ")
		f.scratch = f.record.AppendBodyStructure(f.scratch[:0], f.form)
		w.Bytes(f.scratch)
	case imap.FetchSaveDate:
		w.Raw("SAVEDATE ").DateTime(unixTime(m.Saved))
	case imap.FetchEmailID:
		w.Raw("EMAILID (").Raw(m.Object.String()).Byte(')')
	case imap.FetchThreadID:
		if m.Thread == 0 {
			w.Raw("THREADID NIL")
			return
		}
		w.Raw("THREADID (").Raw(m.Thread.String()).Byte(')')
	case imap.FetchPreview:
		w.Raw("PREVIEW ").StringBytes(f.record.Preview())
	}
}

// reply is the tagged response.
func (f *fetcher) reply() reply {
	switch {
	case f.failed != nil:
		return f.c.explain(f.failed)
	case f.code != "":
		return reply{no, f.code, "Some could not be decoded"}
	case f.missed > 0:
		return reply{ok, "EXPUNGEISSUED", "Some have been expunged meanwhile"} // RFC 5530
	}
	return done("Fetched")
}
