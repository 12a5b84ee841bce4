package imapd

import (
	"context"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// notifying is what a client asked for by NOTIFY (RFC 5465).
type notifying struct {
	watch    *mailbox.Watch
	selected *imap.NotifyGroup // of the selected folder; nil: none
	groups   []imap.NotifyGroup
}

const (
	notifyMessages = imap.NotifyMessageNew | imap.NotifyMessageExpunge | imap.NotifyFlagChange
	notifyKnown    = notifyMessages | imap.NotifyMailboxName | imap.NotifySubscriptionChange | imap.NotifyMailboxMetadataChange | imap.NotifyServerMetadataChange
)

var replyBadEvent = reply{no, "BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange)", "There is no such event here"}

// notify is NOTIFY (RFC 5465 section 3).
func (c *conn) notify(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var n imap.Notify
	if !d.Notify(&n) {
		return reply{}, d.Err()
	}
	fresh := &notifying{}
	for i := range n.Groups {
		g := &n.Groups[i]
		if g.Events&^notifyKnown != 0 {
			return replyBadEvent, nil
		}
		if g.Scope == imap.NotifySelected || g.Scope == imap.NotifySelectedDelayed {
			fresh.selected = g
			continue
		}
		fresh.groups = append(fresh.groups, *g)
	}
	c.stopNotify()
	if len(n.Groups) == 0 {
		return done("Nothing will be told"), nil
	}
	if len(fresh.groups) > 0 {
		var err error
		if fresh.watch, err = c.user.Watch(ctx, c.nc.Wake); err != nil {
			return reply{}, err
		}
	}
	c.notifying = fresh
	if n.Status {
		if err := c.notifyStatus(ctx); err != nil {
			return reply{}, err
		}
	}
	return done("NOTIFY completed"), nil
}

// stopNotify ends what NOTIFY asked for.
func (c *conn) stopNotify() {
	if n := c.notifying; n != nil && n.watch != nil {
		n.watch.Close()
	}
	c.notifying = nil
}

// notifyStatus tells where all the folders stand that the client wants to hear
// of (RFC 5465 section 3.1).
func (c *conn) notifyStatus(ctx context.Context) error {
	folders, err := c.user.Folders(ctx)
	if err != nil {
		return err
	}
	for i := range folders {
		if f := &folders[i]; !c.isSelected(f) && c.notifying.of(f)&notifyMessages != 0 {
			c.notifyFolder(f)
		}
	}
	return nil
}

func (c *conn) isSelected(f *mailbox.Folder) bool {
	return c.view != nil && c.view.Folder().ID == f.ID
}

// notifyFolder writes where a folder stands.
func (c *conn) notifyFolder(f *mailbox.Folder) {
	items := imap.StatusMessages | imap.StatusUIDNext | imap.StatusUIDValidity | imap.StatusUnseen
	if c.enabled&featureCondStore != 0 {
		items |= imap.StatusHighestModSeq
	}
	c.tellStatus(f, items)
}

// of returns the events that the client wants to hear of a folder: those of
// the first group that it is in (RFC 5465 section 6).
func (n *notifying) of(f *mailbox.Folder) imap.NotifyEvent {
	for i := range n.groups {
		if g := &n.groups[i]; covers(g, f) {
			return g.Events
		}
	}
	return 0
}

func covers(g *imap.NotifyGroup, f *mailbox.Folder) bool {
	switch g.Scope {
	case imap.NotifySubscribed:
		return f.Subscribed
	case imap.NotifySubtree:
		return slices.ContainsFunc(g.Mailboxes, func(top string) bool {
			return f.Name == top || strings.HasPrefix(f.Name, top+mailbox.Separator)
		})
	case imap.NotifyMailboxes:
		return slices.Contains(g.Mailboxes, f.Name)
	}
	return true // PERSONAL; INBOXES: rules may deliver anywhere (section 6.3)
}

// notice tells what happened in folders that are not selected.
func (c *conn) notice(ctx context.Context) {
	if c.notifying == nil || c.notifying.watch == nil {
		return
	}
	for _, ch := range c.notifying.watch.Take() {
		if err := c.noticeFolder(ctx, &ch); err != nil {
			c.explain(err) // it is told another time
			return
		}
	}
}

// noticeFolder tells one folder's news (RFC 5465 section 5).
func (c *conn) noticeFolder(ctx context.Context, ch *mailbox.FolderChange) error {
	f := &ch.Folder
	if f.ID == 0 { // the server's annotations
		return c.noticeMetadata(ctx, "", imap.NotifyServerMetadataChange, c.anyEvents())
	}
	wanted := c.notifying.of(f)
	if ch.Removed || ch.Created || ch.Old != "" {
		c.noticeName(ch, wanted)
	} else if ch.Subscribed && wanted&imap.NotifySubscriptionChange != 0 {
		c.noticeName(ch, imap.NotifyMailboxName)
	}
	if ch.Removed {
		return nil
	}
	if ch.Annotated {
		if err := c.noticeMetadata(ctx, f.Name, imap.NotifyMailboxMetadataChange, wanted); err != nil {
			return err
		}
	}
	if !c.isSelected(f) && (ch.Appended && wanted&imap.NotifyMessageNew != 0 || ch.Expunged && wanted&imap.NotifyMessageExpunge != 0 || ch.Flagged && wanted&imap.NotifyFlagChange != 0) {
		c.notifyFolder(f)
	}
	return nil
}

// anyEvents are the events of all groups: the server belongs to none.
func (c *conn) anyEvents() (all imap.NotifyEvent) {
	for i := range c.notifying.groups {
		all |= c.notifying.groups[i].Events
	}
	return all
}

// noticeName writes that a folder came, went, was renamed or (un)subscribed
// (RFC 5465 sections 5.4 and 5.5).
func (c *conn) noticeName(ch *mailbox.FolderChange, wanted imap.NotifyEvent) {
	if wanted&imap.NotifyMailboxName == 0 {
		return
	}
	c.w.Raw("* LIST (")
	switch {
	case ch.Removed:
		c.w.Raw(`\NonExistent`)
	case ch.Folder.Subscribed:
		c.w.Raw(`\Subscribed`)
	}
	c.w.Raw(`) "/" `).Mailbox(ch.Folder.Name)
	if ch.Old != "" && !ch.Removed && !ch.Created {
		c.w.Raw(` ("OLDNAME" (`).Mailbox(ch.Old).Raw("))")
	}
	c.w.CRLF()
}

// noticeMetadata names the entries of a folder, one of which has changed (RFC
// 5464 section 4.4.2).
func (c *conn) noticeMetadata(ctx context.Context, name string, event, wanted imap.NotifyEvent) error {
	if wanted&event == 0 {
		return nil
	}
	list, err := c.user.Annotations(ctx, name)
	if err != nil || len(list) == 0 {
		return err
	}
	c.w.Raw("* METADATA ")
	if name == "" {
		c.w.Raw(`""`)
	} else {
		c.w.Mailbox(name)
	}
	for _, a := range list {
		c.w.SP().Astring(a.Name)
	}
	c.w.CRLF()
	return nil
}

// noticeNew writes what the client wants to know of messages that came into
// the selected folder (RFC 5465 section 5.2).
func (c *conn) noticeNew(ctx context.Context, ch *mailbox.Changes) {
	if c.notifying == nil || c.notifying.selected == nil || !c.notifying.selected.HasNew || ch.Appended == 0 {
		return
	}
	f := fetchers.Get().(*fetcher)
	defer f.release()
	f.c, f.Fetch = c, c.notifying.selected.New
	f.Sections = slices.Clone(f.Sections)
	f.Atts |= imap.FetchUID
	uids := c.view.UIDsOf(mailbox.UIDs{{First: ch.Exists - uint32(ch.Appended) + 1, Last: ch.Exists}})
	if err := f.run(ctx, uids); err != nil {
		c.explain(err)
	}
}

// arm has the connection woken when the selected folder changes, where the
// client wants to hear of it without asking: in IDLE and after NOTIFY.
func (c *conn) arm() {
	want := c.view
	if n := c.notifying; !c.idling && (n == nil || n.selected == nil || n.selected.Events == 0) {
		want = nil
	}
	if want == c.armed {
		return
	}
	if c.armed != nil {
		c.armed.OnChange(nil)
	}
	if c.armed = want; want == nil {
		return
	}
	want.OnChange(c.nc.Wake)
	c.news() // what happened before
}

// news tells what the connection was woken for.
func (c *conn) news() {
	c.resting = false
	ctx := c.limited()
	defer ctx.Cancel()
	if c.view != nil && (c.idling || c.armed != nil) {
		delayed := !c.idling && c.notifying != nil && c.notifying.selected != nil && c.notifying.selected.Scope == imap.NotifySelectedDelayed
		c.sync(ctx, delayed)
	}
	c.notice(ctx)
}
