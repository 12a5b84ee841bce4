package imapd

import (
	"context"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// list is LIST (RFC 9051 section 6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC
// 9590) and LSUB (RFC 3501 section 6.3.9).
func (c *conn) list(ctx context.Context, cmd *imap.Command, d *imap.Decoder) (reply, error) {
	var l imap.ListCommand
	if !d.ListCommand(&l) {
		return reply{}, d.Err()
	}
	if cmd.Name == imap.CmdLsub {
		if l.Extended {
			return reply{bad, "", "LSUB has no options"}, nil
		}
		l.Select |= imap.ListSubscribed | imap.ListRecursiveMatch
	}
	if !l.Extended && l.Patterns[0] == "" { // RFC 9051 section 6.3.9
		c.write("* ", string(cmd.Name), ` (\Noselect) "`, mailbox.Separator, `" ""`, "\r\n")
		return done("Listed"), nil
	}
	names, err := c.names(ctx, &l)
	if err != nil {
		return reply{}, err
	}
	patterns := make([]*pattern, len(l.Patterns))
	for i, p := range l.Patterns {
		patterns[i] = newPattern(l.Reference + p)
	}
	for i := range names {
		n := &names[i]
		n.matches = slices.ContainsFunc(patterns, func(p *pattern) bool { return p.matches(n.name) })
		if err := ctx.Err(); err != nil {
			return reply{}, err
		}
	}
	if l.Select&imap.ListRecursiveMatch != 0 {
		names = needed(names)
	}
	for i := range names {
		if err := ctx.Err(); err != nil {
			return reply{}, err
		}
		n := &names[i]
		if !n.matches {
			continue
		}
		if cmd.Name == imap.CmdLsub {
			c.tellLsub(n)
			continue
		}
		if err := c.tellList(ctx, n, &l); err != nil {
			return reply{}, err
		}
	}
	return done("Listed"), nil
}

// listed is a name that LIST may tell of.
type listed struct {
	name       string
	folder     *mailbox.Folder // nil: there is none of the name
	subscribed bool
	selected   bool // by the selection options
	children   bool // there are folders below it
	below      bool // names that are selected are below it
	matches    bool // one of the patterns
}

// needed takes away names that would be told only for what is below them, where
// all of that is told itself (RFC 5258 section 3.5).
func needed(names []listed) []listed {
	above := make(map[string]bool)
	for i := range names {
		if names[i].matches || !names[i].selected {
			continue
		}
		for name := names[i].name; ; above[name] = true {
			cut := strings.LastIndex(name, mailbox.Separator)
			if cut <= 0 {
				break
			}
			name = name[:cut]
		}
	}
	return slices.DeleteFunc(names, func(n listed) bool { return !n.selected && !above[n.name] })
}

// names lists those that the options select, INBOX first: folders, names that
// have folders below them, and names that are subscribed to.
func (c *conn) names(ctx context.Context, l *imap.ListCommand) ([]listed, error) {
	folders, err := c.user.Folders(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]listed, 0, len(folders)+4)
	tree := false
	for i := range folders {
		f := &folders[i]
		n := listed{name: f.Name, folder: f, subscribed: f.Subscribed}
		n.selected = (l.Select&imap.ListSubscribed == 0 || f.Subscribed) && (l.Select&imap.ListSpecialUse == 0 || f.Role.Attribute() != "")
		list = append(list, n)
		tree = tree || strings.Contains(f.Name, mailbox.Separator)
	}
	if l.Select&imap.ListSubscribed != 0 {
		subscriptions, err := c.user.Subscriptions(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range subscriptions {
			list = append(list, listed{name: s, subscribed: true, selected: l.Select&imap.ListSpecialUse == 0})
			tree = true
		}
	}
	if tree {
		list = grow(list, l.Select&^imap.ListRemote == 0)
	}
	return slices.DeleteFunc(list, func(n listed) bool {
		return !n.selected && !(n.below && l.Select&imap.ListRecursiveMatch != 0)
	}), nil
}

// grow adds the names above others and joins those that are there twice; with
// all, names that only have folders below them are selected.
func grow(list []listed, all bool) []listed {
	at := make(map[string]int, 2*len(list))
	out := list[:0]
	for _, n := range list {
		if _, ok := at[n.name]; ok { // a folder, and then its subscription
			continue
		}
		at[n.name] = len(out)
		out = append(out, n)
	}
	for i := range len(out) {
		n := out[i]
		for name := n.name; ; {
			cut := strings.LastIndex(name, mailbox.Separator)
			if cut <= 0 {
				break
			}
			name = name[:cut]
			k, ok := at[name]
			if !ok {
				k = len(out)
				at[name] = k
				out = append(out, listed{name: name, selected: all})
			}
			out[k].children = out[k].children || n.folder != nil
			out[k].below = out[k].below || n.selected
		}
	}
	slices.SortFunc(out, func(a, b listed) int {
		if (a.name == mailbox.Inbox) != (b.name == mailbox.Inbox) {
			if a.name == mailbox.Inbox {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	return out
}

// tellLsub writes an LSUB response. A name that only has such below it that
// are subscribed to cannot be selected (RFC 3501 section 6.3.9).
func (c *conn) tellLsub(n *listed) {
	c.w.Raw("* LSUB (")
	if !n.subscribed {
		c.w.Raw(`\Noselect`)
	}
	c.w.Raw(`) "/" `).Mailbox(n.name).CRLF()
}

// tellList writes a LIST response, and what else was asked for of a folder.
func (c *conn) tellList(ctx context.Context, n *listed, l *imap.ListCommand) error {
	c.w.Raw("* LIST (")
	switch {
	case n.children:
		c.w.Raw(`\HasChildren`)
	default:
		c.w.Raw(`\HasNoChildren`)
	}
	if n.folder == nil {
		if l.Extended || c.enabled&featureRev2 != 0 { // RFC 5258 section 3
			c.w.Raw(` \NonExistent`)
		} else {
			c.w.Raw(` \Noselect`)
		}
	} else if use := n.folder.Role.Attribute(); use != "" {
		c.w.SP().Raw(use)
	}
	if n.subscribed && (l.Select&imap.ListSubscribed != 0 || l.Return&imap.ReturnSubscribed != 0) {
		c.w.Raw(` \Subscribed`)
	}
	c.w.Raw(`) "/" `).Mailbox(n.name)
	if n.below && l.Select&imap.ListRecursiveMatch != 0 { // RFC 5258 section 4
		c.w.Raw(` ("CHILDINFO" ("SUBSCRIBED"))`)
	}
	c.w.CRLF()
	if n.folder == nil {
		return nil
	}
	if l.Return&imap.ReturnStatus != 0 {
		c.tellStatus(n.folder, l.Status)
	}
	if l.Return&imap.ReturnMetadata != 0 {
		m := l.Metadata
		m.Mailbox = n.name
		_, err := c.tellMetadata(ctx, &m)
		return err
	}
	return nil
}
