package sieve

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Inbox is the mailbox that keep means.
const Inbox = "INBOX"

// LoopField is the header field that ends loops of redirects: its value is the
// user's main address.
const LoopField = "X-Sieve-Redirected-From"

// pending is an action that the script asked for.
type pending struct {
	Pos
	action Action
	name   string // in the trace, and in the test dialect
	// withheld says why it is not done, although all is well: a vacation
	// reply to a list, a redirect that would loop.
	withheld string
}

func flagsTag() tagSpec {
	return tagSpec{name: "flags", ext: "imap4flags", param: []param{{aStrings, "flags", false}}}
}

func copyTag() tagSpec { return tagSpec{name: "copy", ext: "copy"} }

func actionSpecs() []spec {
	reason := []param{{aString, "reason", false}}
	return []spec{
		{name: "keep", tags: []tagSpec{flagsTag()}, command: compileKeep},
		{name: "discard", command: func(_ *compiler, n *node, _ *args) command { return &discardCommand{n.Pos} }},
		{name: "redirect", tags: []tagSpec{copyTag()}, pos: []param{{aString, "address", false}}, command: compileRedirect},
		{name: "fileinto", ext: "fileinto", tags: []tagSpec{copyTag(), flagsTag(), {name: "create", ext: "mailbox"}, {name: "specialuse", ext: "special-use", param: []param{{aString, "special-use attribute", false}}}}, pos: []param{{aString, "mailbox", false}}, command: compileFileInto},
		{name: "reject", ext: "reject", pos: reason, command: compileReject},
		{name: "ereject", ext: "ereject", pos: reason, command: compileReject},
	}
}

// stores tells whether the action keeps or sends the message on.
func stores(a Action) bool {
	switch a.(type) {
	case Keep, FileInto, Redirect:
		return true
	}
	return false
}

// add puts an action in the list, where it agrees with what is there.
func (r *run) add(p pending) error {
	r.note(p.Pos, "%s", describe(p))
	_, reject := p.action.(Reject)
	_, vacation := p.action.(Vacation)
	for i := range r.pending {
		old := &r.pending[i]
		_, oldReject := old.action.(Reject)
		_, oldVacation := old.action.(Vacation)
		switch {
		case reject && oldReject: // the first one counts
			return nil
		case reject && (stores(old.action) || oldVacation), oldReject && (stores(p.action) || vacation):
			// RFC 5429 section 2.4.
			return r.fail(p.Pos, ErrConflict, "the %s action conflicts with the %s action at line %d: a message that is rejected is not kept or answered", p.name, old.name, old.Line)
		case vacation && oldVacation: // RFC 5230 section 4.7
			return r.fail(p.Pos, ErrConflict, "a second vacation action, the first is at line %d", old.Line)
		case same(old.action, p.action):
			old.action = merge(old.action, p.action)
			return nil
		}
	}
	if len(r.pending) >= r.opt.Actions {
		return r.limit(p.Pos, "total number of actions exceeds policy limit (%d)", r.opt.Actions)
	}
	r.pending = append(r.pending, p)
	return nil
}

// describe tells of an action in the trace.
func describe(p pending) string {
	text := p.name
	switch a := p.action.(type) {
	case FileInto:
		text = fmt.Sprintf("fileinto %q", a.Mailbox)
	case Redirect:
		text = "redirect to " + a.To.String()
	case Reject:
		text = fmt.Sprintf("%s %q", p.name, a.Reason)
	case Notify:
		text = "notify " + a.Method
	}
	if p.withheld != "" {
		text += ": not done, " + p.withheld
	}
	return text
}

// mailboxOf returns where an action stores the message, "" : nowhere.
func mailboxOf(a Action) string {
	switch a := a.(type) {
	case Keep:
		return Inbox
	case FileInto:
		if strings.EqualFold(a.Mailbox, Inbox) && a.SpecialUse == "" {
			return Inbox
		}
		return a.SpecialUse + "\x00" + a.Mailbox
	}
	return ""
}

// same tells whether two actions would deliver twice to one place (RFC 5228
// section 2.10.3).
func same(a, b Action) bool {
	if m := mailboxOf(a); m != "" {
		return m == mailboxOf(b)
	}
	x, ok := a.(Redirect)
	y, ok2 := b.(Redirect)
	return ok && ok2 && x.To.Equal(y.To)
}

// merge makes one action of two that are the same: flags are put together.
func merge(a, b Action) Action {
	switch x := a.(type) {
	case Keep:
		x.Flags = union(x.Flags, actionFlags(b))
		return x
	case FileInto:
		if y, ok := b.(FileInto); ok {
			x.Create = x.Create || y.Create
			x.Copy = x.Copy && y.Copy
		}
		x.Flags = union(x.Flags, actionFlags(b))
		return x
	}
	return a
}

func actionFlags(a Action) []string {
	switch x := a.(type) {
	case Keep:
		return x.Flags
	case FileInto:
		return x.Flags
	}
	return nil
}

type keepCommand struct {
	Pos
	flags []*str
	given bool
}

func compileKeep(_ *compiler, n *node, a *args) command {
	return &keepCommand{n.Pos, a.tags["flags"].strs, a.has("flags")}
}

func (k *keepCommand) exec(r *run) error {
	flags, err := r.actionFlags(k.flags, k.given)
	if err != nil {
		return r.at(k.Pos, err)
	}
	r.keep = false
	return r.add(pending{Pos: k.Pos, name: "keep", action: Keep{Flags: flags, Header: r.header.edited}})
}

type discardCommand struct{ Pos }

func (d *discardCommand) exec(r *run) error {
	r.note(d.Pos, "discard")
	r.keep = false
	return nil
}

type fileIntoCommand struct {
	Pos
	mailbox *str
	flags   []*str
	given   bool
	create  bool
	copy    bool
	use     *str
}

func compileFileInto(c *compiler, n *node, a *args) command {
	f := &fileIntoCommand{
		Pos: n.Pos, mailbox: a.pos[0].strs[0], flags: a.tags["flags"].strs, given: a.has("flags"),
		create: a.has("create"), copy: a.has("copy"), use: a.str("specialuse"),
	}
	if name, ok := f.mailbox.constant(); ok && !validMailbox(name) {
		c.add(f.mailbox.Pos, "invalid folder name", "it must be valid UTF-8")
		return nil
	}
	if !c.use(f.use) {
		return nil
	}
	return f
}

// validMailbox tells whether a mailbox may have the name.
func validMailbox(s string) bool {
	return s != "" && len(s) <= 1000 && utf8.ValidString(s) && strings.IndexFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) < 0
}

func (f *fileIntoCommand) exec(r *run) error {
	a, err := f.action(r)
	if err != nil {
		return r.at(f.Pos, err)
	}
	r.keep = r.keep && f.copy
	a.Header = r.header.edited
	return r.add(pending{Pos: f.Pos, name: "fileinto", action: *a})
}

// action evaluates the arguments.
func (f *fileIntoCommand) action(r *run) (*FileInto, error) {
	name, err := f.mailbox.eval(r)
	if err != nil {
		return nil, err
	}
	if !validMailbox(name) {
		return nil, r.fail(f.Pos, nil, "invalid folder name %q", cut(name, 100))
	}
	a := &FileInto{Mailbox: name, Create: f.create, Copy: f.copy}
	if f.use != nil {
		if a.SpecialUse, err = f.use.eval(r); err != nil {
			return nil, err
		}
		if !validUse(a.SpecialUse) {
			return nil, r.fail(f.Pos, nil, "invalid special-use attribute %q", cut(a.SpecialUse, 100))
		}
	}
	a.Flags, err = r.actionFlags(f.flags, f.given)
	return a, err
}

type redirectCommand struct {
	Pos
	to   *str
	copy bool
}

func compileRedirect(c *compiler, n *node, a *args) command {
	r := &redirectCommand{n.Pos, a.pos[0].strs[0], a.has("copy")}
	if c.opt.Redirects < 0 {
		c.errorf(n.Pos, "local policy prohibits the use of a redirect action")
		return nil
	}
	if !c.outAddress(r.to, "redirect address") {
		return nil
	}
	return r
}

// outAddress checks a constant address that mail is to go to or come from.
func (c *compiler) outAddress(s *str, what string) bool {
	if text, ok := s.constant(); ok {
		if _, err := parseOutAddress(text); err != nil {
			c.add(s.Pos, fmt.Sprintf("the %s '%s' is invalid", what, cut(text, 100)), plain(err))
			return false
		}
	}
	return true
}

func (d *redirectCommand) exec(r *run) error {
	text, err := d.to.eval(r)
	if err != nil {
		return r.at(d.Pos, err)
	}
	to, err := parseOutAddress(text)
	if err != nil {
		return r.fail(d.Pos, err, "the redirect address '%s' is invalid: %s", cut(text, 100), plain(err))
	}
	p := pending{Pos: d.Pos, name: "redirect", action: Redirect{To: to.Address, Header: r.redirectHeader(), Copy: d.copy}}
	if own, loops := r.redirected(); loops {
		p.withheld = "the message was redirected by " + own + " before"
		return r.add(p) // and the implicit keep stays
	}
	if r.counts.redirects++; r.counts.redirects > max(0, r.opt.Redirects) && !r.pendingSame(p.action) {
		if r.opt.Redirects < 0 {
			return r.limit(d.Pos, "local policy prohibits the use of a redirect action")
		}
		return r.limit(d.Pos, "number of redirect actions exceeds policy limit (%d)", r.opt.Redirects)
	}
	r.keep = r.keep && d.copy
	return r.add(p)
}

func (r *run) pendingSame(a Action) bool {
	for _, p := range r.pending {
		if same(p.action, a) {
			return true
		}
	}
	return false
}

// self is the user's main address.
func (r *run) self() smtp.Address {
	if len(r.env.Addresses) > 0 {
		return r.env.Addresses[0]
	}
	return r.env.Envelope.To
}

// redirected tells whether the user redirected the message before.
func (r *run) redirected() (string, bool) {
	for _, v := range rawValues(r.env.Message.Header, LoopField) {
		a, err := smtp.ParseMailbox(v, smtp.UTF8)
		if err == nil && (r.own(a) || sameAddress(a, r.env.Envelope.To)) {
			return v, true
		}
	}
	return "", false
}

// own tells whether the address is one of the user's.
func (r *run) own(a smtp.Address) bool {
	for _, o := range r.env.Addresses {
		if sameAddress(o, a) {
			return true
		}
	}
	return false
}

// sameAddress compares addresses as people do: without case.
func sameAddress(a, b smtp.Address) bool {
	return strings.EqualFold(a.Local, b.Local) && smtp.EqualDomain(a.Domain, b.Domain)
}

// redirectHeader is the header block of a message that is sent on.
func (r *run) redirectHeader() []byte {
	raw := r.header.now.Raw()
	own := r.self()
	if own.IsZero() {
		return raw
	}
	out := message.AppendFolded(make([]byte, 0, len(raw)+64), LoopField+": "+message.CleanValue(own.String()))
	return append(out, raw...)
}

type rejectCommand struct {
	Pos
	name   string
	reason *str
}

func compileReject(_ *compiler, n *node, a *args) command {
	return &rejectCommand{n.Pos, n.name, a.pos[0].strs[0]}
}

func (j *rejectCommand) exec(r *run) error {
	reason, err := j.reason.eval(r)
	if err != nil {
		return r.at(j.Pos, err)
	}
	r.keep = false
	a := Reject{Reason: strings.ToValidUTF8(reason, "?"), Extended: j.name == "ereject"}
	a.Notice = r.rejectNotice(a.Reason)
	return r.add(pending{Pos: j.Pos, name: "reject", action: a})
}
