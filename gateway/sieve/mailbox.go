package sieve

import (
	"fmt"
	"slices"
	"strings"
)

// mailboxSpecs is RFC 5490 and RFC 8579.
func mailboxSpecs() []spec {
	boxes := param{aStrings, "mailbox names", false}
	box := param{aString, "mailbox", false}
	name := param{aString, "annotation name", false}
	names := param{aStrings, "annotation names", false}
	keys := param{aStrings, "key list", false}
	return []spec{
		{name: "mailboxexists", ext: "mailbox", test: true, pos: []param{boxes}, check: compileExistsBox},
		{name: "metadata", ext: "mboxmetadata", test: true, tags: matchTags(), pos: []param{box, name, keys}, check: compileMetadata},
		{name: "metadataexists", ext: "mboxmetadata", test: true, pos: []param{box, names}, check: compileMetadataExists},
		{name: "servermetadata", ext: "servermetadata", test: true, tags: matchTags(), pos: []param{name, keys}, check: compileMetadata},
		{name: "servermetadataexists", ext: "servermetadata", test: true, pos: []param{names}, check: compileMetadataExists},
		{name: "specialuse_exists", ext: "special-use", test: true, optional: 1, pos: []param{box, {aStrings, "special-use attributes", false}}, check: compileUseExists},
	}
}

// checkMailbox warns of a name that no mailbox has.
func (c *compiler) checkMailbox(list []*str) {
	for _, s := range list {
		if name, ok := s.constant(); ok && !validMailbox(name) {
			c.warnf(s.Pos, "no mailbox has the name %q", cut(name, 100))
		}
	}
}

type existsBoxTest struct{ names []*str }

func compileExistsBox(c *compiler, _ *node, a *args) test {
	c.checkMailbox(a.pos[0].strs)
	return &existsBoxTest{a.pos[0].strs}
}

// eval tells whether mail can be delivered into all of them (RFC 5490 section
// 3.1).
func (t *existsBoxTest) eval(r *run) (bool, error) {
	names, err := evalAll(r, t.names)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		if ok, err := r.mailboxExists(name); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (r *run) mailboxExists(name string) (bool, error) {
	switch {
	case !validMailbox(name):
		return false, nil
	case r.env.Mailboxes == nil:
		return strings.EqualFold(name, Inbox), nil
	}
	if err := r.spend(lookup); err != nil {
		return false, err
	}
	return r.env.Mailboxes.Exists(r.ctx, name)
}

// lookup is what asking the environment costs, in octets.
const lookup = 100 * step

// validUse tells whether s is a special-use attribute (RFC 6154).
func validUse(s string) bool {
	return len(s) > 1 && s[0] == '\\' && validName(strings.ReplaceAll(s[1:], "-", "_"))
}

// use checks a special-use attribute, which may be nil.
func (c *compiler) use(s *str) bool {
	if s == nil {
		return true
	}
	if u, ok := s.constant(); ok && !validUse(u) {
		c.add(s.Pos, fmt.Sprintf("invalid special-use attribute '%s'", cut(u, 100)), `like \\Junk`)
		return false
	}
	return true
}

type useTest struct {
	mailbox *str // nil: any
	uses    []*str
}

func compileUseExists(c *compiler, _ *node, a *args) test {
	t := &useTest{uses: a.pos[1].strs}
	if a.pos[0].given {
		t.mailbox = a.pos[0].strs[0]
		c.checkMailbox(a.pos[0].strs)
	}
	for _, u := range t.uses {
		if !c.use(u) {
			return nil
		}
	}
	return t
}

// eval tells whether there are mailboxes with all of the uses, or the mailbox
// has them all (RFC 8579 section 3).
func (t *useTest) eval(r *run) (bool, error) {
	uses, err := evalAll(r, t.uses)
	if err != nil {
		return false, err
	}
	mailbox := ""
	if t.mailbox != nil {
		if mailbox, err = t.mailbox.eval(r); err != nil {
			return false, err
		}
	}
	if r.env.Mailboxes == nil {
		return false, nil
	}
	for _, u := range uses {
		if err := r.spend(lookup); err != nil {
			return false, err
		}
		if !validUse(u) {
			return false, nil
		}
		boxes, err := r.env.Mailboxes.SpecialUse(r.ctx, u)
		if err != nil {
			return false, err
		}
		if len(boxes) == 0 || t.mailbox != nil && !slices.Contains(boxes, mailbox) {
			return false, nil
		}
	}
	return true, nil
}

type metadataTest struct {
	mailbox *str // nil: the server's
	names   []*str
	m       *matcher // nil: whether all exist
}

func compileMetadata(c *compiler, n *node, a *args) test {
	t := &metadataTest{}
	pos := a.pos
	if len(pos) == 3 {
		t.mailbox = pos[0].strs[0]
		c.checkMailbox(pos[0].strs)
		pos = pos[1:]
	}
	t.names = pos[0].strs
	c.checkAnnotations(t.names)
	if t.m = c.matcher(n.Pos, a, pos[1].strs); t.m == nil {
		return nil
	}
	return t
}

func compileMetadataExists(c *compiler, _ *node, a *args) test {
	t := &metadataTest{names: a.pos[len(a.pos)-1].strs}
	if len(a.pos) == 2 {
		t.mailbox = a.pos[0].strs[0]
		c.checkMailbox(a.pos[0].strs)
	}
	c.checkAnnotations(t.names)
	return t
}

// validAnnotation tells whether there may be an annotation of the name (RFC
// 5464 section 4.1).
func validAnnotation(s string) bool {
	s = strings.ToLower(s)
	if !strings.HasPrefix(s, "/private/") && !strings.HasPrefix(s, "/shared/") {
		return false
	}
	return !strings.HasSuffix(s, "/") && !strings.Contains(s, "//") && !strings.ContainsAny(s, "*%\x00")
}

func (c *compiler) checkAnnotations(list []*str) {
	for _, s := range list {
		if name, ok := s.constant(); ok && !validAnnotation(name) {
			c.warnf(s.Pos, "no annotation has the name %q: it begins with /private/ or /shared/", cut(name, 100))
		}
	}
}

func (t *metadataTest) eval(r *run) (bool, error) {
	names, err := evalAll(r, t.names)
	if err != nil {
		return false, err
	}
	mailbox := ""
	if t.mailbox != nil {
		if mailbox, err = t.mailbox.eval(r); err != nil {
			return false, err
		}
		if !validMailbox(mailbox) {
			return false, nil
		}
	}
	for _, name := range names {
		value, ok, err := r.metadata(mailbox, name)
		if err != nil {
			return false, err
		}
		switch {
		case !ok && t.m != nil && t.m.typ == matchCount:
			return t.m.any(r, nil)
		case !ok:
			return false, nil
		case t.m != nil:
			return t.m.any(r, []string{value})
		}
	}
	return true, nil
}

func (r *run) metadata(mailbox, name string) (string, bool, error) {
	if r.env.Mailboxes == nil || !validAnnotation(name) {
		return "", false, nil
	}
	if err := r.spend(lookup); err != nil {
		return "", false, err
	}
	return r.env.Mailboxes.Metadata(r.ctx, mailbox, name)
}
