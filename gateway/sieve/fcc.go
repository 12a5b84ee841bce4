package sieve

// fccTags are those of RFC 8580 with what belongs to them.
func fccTags() []tagSpec {
	return []tagSpec{
		{name: "fcc", ext: "fcc", param: []param{{aString, "mailbox", false}}},
		{name: "create", ext: "mailbox"},
		flagsTag(),
		{name: "specialuse", ext: "special-use", param: []param{{aString, "special-use attribute", false}}},
	}
}

// fcc compiles where a copy goes; nil: nowhere. ok is false after an error.
func (c *compiler) fcc(n *node, a *args) (f *fileIntoCommand, ok bool) {
	box := a.str("fcc")
	if box == nil {
		for _, t := range []string{"create", "flags", "specialuse"} {
			if a.has(t) {
				c.errorf(n.Pos, "the tag :%s of the %s command requires :fcc", t, n.name)
				return nil, false
			}
		}
		return nil, true
	}
	if name, ok := box.constant(); ok && !validMailbox(name) {
		c.add(box.Pos, "invalid folder name", "it must be valid UTF-8")
		return nil, false
	}
	f = &fileIntoCommand{
		Pos: n.Pos, mailbox: box, flags: a.tags["flags"].strs, given: a.has("flags"),
		create: a.has("create"), use: a.str("specialuse"),
	}
	return f, c.use(f.use)
}
