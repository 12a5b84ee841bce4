package imapd

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/gateway/imap"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

const (
	privateEntries = "/private/"
	sharedEntries  = "/shared/"
	// specialUseEntry is the special use of a mailbox (RFC 6154 section 4).
	specialUseEntry = "/private/specialuse"
)

// getMetadata is GETMETADATA (RFC 5464 section 4.2).
func (c *conn) getMetadata(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var g imap.GetMetadata
	if !d.GetMetadata(&g) {
		return reply{}, d.Err()
	}
	longest, err := c.tellMetadata(ctx, &g)
	if err != nil {
		return reply{}, err
	}
	if longest > 0 { // section 4.2.1
		return reply{ok, "METADATA LONGENTRIES " + strconv.Itoa(longest), "Some values are longer"}, nil
	}
	return done("GETMETADATA completed"), nil
}

// tellMetadata writes the entries that were asked for; longest is the size of
// the longest that was left out for its size.
func (c *conn) tellMetadata(ctx context.Context, g *imap.GetMetadata) (longest int, err error) {
	all, err := c.annotations(ctx, g.Mailbox)
	if err != nil {
		return 0, err
	}
	told := 0
	tell := func(name string, value []byte) {
		if g.HasMaxSize && uint64(len(value)) > g.MaxSize {
			longest = max(longest, len(value))
			return
		}
		if told++; told == 1 {
			c.w.Raw("* METADATA ")
			if g.Mailbox == "" {
				c.w.Raw(`""`)
			} else {
				c.w.Mailbox(g.Mailbox)
			}
			c.w.Raw(" (")
		} else {
			c.w.SP()
		}
		c.w.Astring(name).SP()
		if strings.IndexByte(string(value), 0) >= 0 {
			c.w.LiteralHead(int64(len(value)), true).Bytes(value)
		} else {
			c.w.NString(value)
		}
	}
	for _, want := range g.Entries {
		found := false
		for _, a := range all {
			if inDepth(a.Name, want, g.Depth) {
				found = found || a.Name == want
				tell(a.Name, a.Value)
			}
		}
		if !found && g.Depth == imap.Depth0 {
			tell(want, nil)
		}
	}
	if told > 0 {
		c.w.Raw(")\r\n")
	}
	return longest, nil
}

// inDepth tells whether name is the entry that is wanted, or so little below
// it (RFC 5464 section 4.2.2).
func inDepth(name, want string, depth imap.MetadataDepth) bool {
	rest, ok := strings.CutPrefix(name, want)
	switch {
	case !ok:
		return false
	case rest == "":
		return true
	case depth == imap.Depth0 || rest[0] != '/':
		return false
	}
	return depth == imap.DepthInfinity || strings.IndexByte(rest[1:], '/') < 0
}

// annotations lists what is stored of a mailbox, "": the server, and its
// special use.
func (c *conn) annotations(ctx context.Context, name string) ([]mailbox.Annotation, error) {
	if name == "" {
		return c.user.Annotations(ctx, "")
	}
	f, err := c.user.Folder(ctx, name)
	if err != nil {
		return nil, err
	}
	list, err := c.user.Annotations(ctx, f.Name)
	if use := f.Role.Attribute(); use != "" {
		list = append(list[:len(list):len(list)], mailbox.Annotation{Name: specialUseEntry, Value: []byte(use)})
	}
	return list, err
}

// setMetadata is SETMETADATA (RFC 5464 section 4.3).
func (c *conn) setMetadata(ctx context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var name string
	var entries []imap.MetadataEntry
	if !d.SetMetadata(&name, &entries) {
		return reply{}, d.Err()
	}
	list := make([]mailbox.Annotation, 0, len(entries))
	for _, e := range entries {
		switch {
		case e.Name == specialUseEntry && name != "":
			if len(entries) > 1 {
				return reply{no, "CANNOT", "The special use is set by itself"}, nil
			}
			return c.setRole(ctx, name, string(e.Value))
		case strings.HasPrefix(e.Name, sharedEntries) && name == "":
			return reply{no, "NOPERM", "What all users share is the administrator's to set"}, nil
		case !strings.HasPrefix(e.Name, privateEntries) && !strings.HasPrefix(e.Name, sharedEntries):
			return reply{bad, "", "Entries begin with /private/ or /shared/"}, nil
		}
		list = append(list, mailbox.Annotation{Name: e.Name, Value: e.Value})
	}
	switch err := c.user.Annotate(ctx, name, list...); {
	case errors.Is(err, mailbox.ErrLimit):
		return reply{no, "METADATA TOOMANY", "There are too many entries"}, nil
	case errors.Is(err, mailbox.ErrTooBig):
		return reply{no, "METADATA MAXSIZE " + strconv.Itoa(mailbox.MaxAnnotation), "The value is too long"}, nil
	case err != nil:
		return reply{}, err
	}
	return done("SETMETADATA completed"), nil
}

// setRole sets a special use, "": none (RFC 6154 section 4).
func (c *conn) setRole(ctx context.Context, name, use string) (reply, error) {
	role := mailbox.RoleOf(use)
	if use != "" && role == mailbox.RoleNone {
		return reply{no, "USEATTR", "One special use of those that LIST tells of is possible"}, nil
	}
	if err := c.user.SetRole(ctx, name, role); err != nil {
		return reply{}, err
	}
	return done("SETMETADATA completed"), nil
}
