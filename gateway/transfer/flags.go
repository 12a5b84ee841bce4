package transfer

import "strings"

// IMAP's system flags (RFC 9051 section 2.3.2) and the keyword for mail that
// was passed on.
const (
	flagSeen      = `\Seen`
	flagAnswered  = `\Answered`
	flagFlagged   = `\Flagged`
	flagDeleted   = `\Deleted`
	flagDraft     = `\Draft`
	flagForwarded = "$Forwarded"
)

// roles are the names that mail programs give folders of special use.
var roles = map[string]string{
	"sent": `\Sent`, "sent items": `\Sent`, "sent messages": `\Sent`, "sent mail": `\Sent`, "sent-mail": `\Sent`,
	"drafts": `\Drafts`, "draft": `\Drafts`,
	"trash": `\Trash`, "deleted items": `\Trash`, "deleted messages": `\Trash`, "bin": `\Trash`,
	"junk": `\Junk`, "junk e-mail": `\Junk`, "junk email": `\Junk`, "spam": `\Junk`, "bulk mail": `\Junk`,
	"archive": `\Archive`, "archives": `\Archive`,
}

// roleOf guesses the special use of a folder from its name.
func roleOf(name string) string {
	name = strings.ToLower(name)
	for _, prefix := range []string{"inbox/", "[gmail]/", "[google mail]/"} {
		name = strings.TrimPrefix(name, prefix)
	}
	return roles[name]
}

// inboxName is name, or INBOX in its one spelling.
func inboxName(name string) string {
	if strings.EqualFold(name, Inbox) {
		return Inbox
	}
	if len(name) > len(Inbox) && strings.EqualFold(name[:len(Inbox)+1], Inbox+"/") {
		return Inbox + name[len(Inbox):]
	}
	return name
}
