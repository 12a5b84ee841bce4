package imap

// NotifyEvent is an event of NOTIFY, as a bit (RFC 5465 section 5).
type NotifyEvent uint16

// The events.
const (
	NotifyMessageNew NotifyEvent = 1 << iota
	NotifyMessageExpunge
	NotifyFlagChange
	NotifyAnnotationChange
	NotifyMailboxName
	NotifySubscriptionChange
	NotifyMailboxMetadataChange
	NotifyServerMetadataChange
)

var notifyNames = [...]string{
	"MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE", "ANNOTATIONCHANGE", "MAILBOXNAME", "SUBSCRIPTIONCHANGE", "MAILBOXMETADATACHANGE", "SERVERMETADATACHANGE",
}

// NotifyScope is which mailboxes a group of NOTIFY is about.
type NotifyScope uint8

// The scopes.
const (
	NotifySelected NotifyScope = iota
	NotifySelectedDelayed
	NotifyInboxes
	NotifyPersonal
	NotifySubscribed
	NotifySubtree
	NotifyMailboxes
)

var notifyScopes = [...]string{"SELECTED", "SELECTED-DELAYED", "INBOXES", "PERSONAL", "SUBSCRIBED", "SUBTREE", "MAILBOXES"}

// Bounds of NOTIFY.
const (
	MaxNotifyGroups    = 30
	MaxNotifyMailboxes = 500 // of one group
)

// NotifyGroup is what a client wants to hear of some mailboxes.
type NotifyGroup struct {
	Scope     NotifyScope
	Mailboxes []string // of SUBTREE and MAILBOXES
	Events    NotifyEvent
	New       Fetch // what FETCH tells of a new message; Set is empty
	HasNew    bool
}

// Notify is the NOTIFY command. Without Groups it is NOTIFY NONE.
type Notify struct {
	Status bool // tell STATUS of all mailboxes now
	Groups []NotifyGroup
}

// Notify expects what follows the command's name.
func (d *Decoder) Notify(out *Notify) bool {
	*out = Notify{}
	if !d.SP() {
		return false
	}
	if d.TakeWord("NONE") {
		return d.End()
	}
	if !d.Word("SET") {
		return false
	}
	for d.Take(' ') {
		if len(out.Groups) == 0 && d.TakeWord("STATUS") {
			out.Status = true
			continue
		}
		if len(out.Groups) >= MaxNotifyGroups {
			return d.Refuse("NOTIFICATIONOVERFLOW", "too many groups")
		}
		var g NotifyGroup
		if !d.notifyGroup(&g) {
			return false
		}
		out.Groups = append(out.Groups, g)
	}
	return (len(out.Groups) > 0 || d.Fail("a group of events")) && d.End()
}

func (d *Decoder) notifyGroup(g *NotifyGroup) bool {
	if !d.Byte('(') {
		return false
	}
	var scope uint8
	if !takeBit(d, notifyScopes[:], &scope, "which mailboxes") {
		return false
	}
	for g.Scope = 0; scope>>g.Scope != 1; {
		g.Scope++
	}
	if g.Scope >= NotifySubtree && (!d.SP() || !d.notifyMailboxes(g)) {
		return false
	}
	if !d.SP() {
		return false
	}
	if !d.TakeWord("NONE") && !d.notifyEvents(g) {
		return false
	}
	return d.Byte(')')
}

func (d *Decoder) notifyMailboxes(g *NotifyGroup) bool {
	one := func() bool {
		var name string
		if !d.Mailbox(&name) {
			return false
		}
		if len(g.Mailboxes) >= MaxNotifyMailboxes {
			return d.Refuse("NOTIFICATIONOVERFLOW", "too many mailboxes")
		}
		g.Mailboxes = append(g.Mailboxes, name)
		return true
	}
	if d.Peek() != '(' {
		return one()
	}
	return d.List(one) && (len(g.Mailboxes) > 0 || d.Fail("a mailbox"))
}

func (d *Decoder) notifyEvents(g *NotifyGroup) bool {
	ok := d.List(func() bool {
		before := g.Events
		if !takeBit(d, notifyNames[:], &g.Events, "an event") {
			return false
		}
		// MessageNew may have what to fetch in parentheses behind it.
		if g.Events&^before == NotifyMessageNew && d.pos+1 < len(d.b) && d.b[d.pos] == ' ' && d.b[d.pos+1] == '(' {
			d.pos += 2
			g.HasNew = true
			return d.fetchAtts(&g.New)
		}
		return true
	})
	if !ok {
		return false
	}
	if g.Events == 0 {
		return d.Fail("an event")
	}
	// RFC 5465 section 5: where one of these is, so must be the other; flags
	// are told of messages that the client knows.
	if g.Events&NotifyFlagChange != 0 && g.Events&(NotifyMessageNew|NotifyMessageExpunge) != NotifyMessageNew|NotifyMessageExpunge ||
		g.Events&NotifyMessageNew != 0 != (g.Events&NotifyMessageExpunge != 0) {
		return d.Fail("MessageNew and MessageExpunge together")
	}
	return true
}
