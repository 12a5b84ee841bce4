package sieve

import (
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Action is something to be done with the message: Keep, FileInto, Redirect,
// Reject, Discard, Vacation or Notify.
type Action interface{ action() }

// Keep stores the message in the user's INBOX.
type Keep struct {
	Flags    []string // RFC 5232; nil: none
	Header   []byte   // header block as edited (RFC 5293), without the empty line; nil: as it came
	Implicit bool     // no action of the script cancelled it
}

// FileInto stores the message in a mailbox.
type FileInto struct {
	Mailbox string // UTF-8, separator "/"
	Flags   []string
	Header  []byte // as in Keep
	Create  bool   // make the mailbox where it does not exist (RFC 5490)
	// SpecialUse is preferred to Mailbox where a mailbox has that use, like
	// "\Junk" (RFC 8579); "" : not said. Mailbox is where the message goes
	// otherwise; with Create it is made with that use.
	SpecialUse string
	// Copy says that the implicit keep was not cancelled (RFC 3894). The Keep
	// is in the list where it is needed.
	Copy bool
}

// Redirect sends the message on. The header has a field of ours on top that
// ends loops.
type Redirect struct {
	To     smtp.Address
	Header []byte // always there, without the empty line
	Copy   bool
}

// Reject refuses the message: with a 5xx reply where that is possible and
// else with a notice to the envelope sender (RFC 5429), never to <>.
type Reject struct {
	Reason string // UTF-8, may have several lines
	// Extended is ereject: a reply is much preferred to a notice, and none is
	// sent where the sender may be forged.
	Extended bool
	// Notice is what is sent where a reply is not possible; without
	// recipients where there is nobody to tell.
	Notice Mail
}

// Discard throws the message away. It is in the list only by itself.
type Discard struct{}

// Vacation sends a reply to the envelope sender unless Key was used within Period. What the
// RFC says about mail that gets no reply has been looked at already (RFC 5230
// section 4.6).
type Vacation struct {
	// Key names reply and correspondent (RFC 5230 section 4.2): where it was
	// remembered less than Period ago no reply is sent, else it is remembered.
	Key    string
	Period time.Duration // 0: always reply
	Reply  Mail
	Fcc    *FileInto // where a copy of the reply goes (RFC 8580); nil: nowhere
}

// Notify tells the user of the message by mail (RFC 5436).
type Notify struct {
	Method     string // the URI
	Importance int    // 1 high, 2 normal, 3 low
	Mail       Mail
	Fcc        *FileInto
}

// Mail is a message that a script makes.
type Mail struct {
	From smtp.ReversePath // envelope
	To   []smtp.Address   // envelope
	// Header is all header fields but Date and Message-ID, with CRLF.
	Header []byte
	// Body is what comes after the empty line, 7bit or 8bit text with CRLF.
	Body []byte
}

func (Keep) action()     {}
func (FileInto) action() {}
func (Redirect) action() {}
func (Reject) action()   {}
func (Discard) action()  {}
func (Vacation) action() {}
func (Notify) action()   {}

// Remember is something to be remembered, for the user, once the actions are done
// (RFC 7352).
type Remember struct {
	Key string
	For time.Duration
}

// Step is one thing that a script did.
type Step struct {
	Pos
	Script string // as in Error
	Text   string // "header :contains \"subject\" -> true"
}

// Result is what a script wants to be done.
type Result struct {
	// Actions in order. There is always at least one: where the script wants
	// nothing it is Discard.
	Actions []Action
	// Remember is what Duplicates is to know from now on.
	Remember []Remember
	// Trace is what the script did, where Env.Trace asked for it.
	Trace []Step
	// Warnings are told to the user but do not end a script.
	Warnings []*Error
}

// Bytes returns the whole message with a Date and a Message-ID, which has its
// angle brackets.
func (m Mail) Bytes(date time.Time, id string) []byte {
	head := "Date: " + date.Format("Mon, 02 Jan 2006 15:04:05 -0700") + "\r\nMessage-ID: " + id + "\r\n"
	out := make([]byte, 0, len(head)+len(m.Header)+2+len(m.Body))
	out = append(append(out, head...), m.Header...)
	return append(append(out, "\r\n"...), m.Body...)
}
