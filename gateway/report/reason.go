package report

import (
	"strings"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Reason is why mail came back, in a few words of our own.
type Reason string

// The reasons.
const (
	NoMailbox  Reason = "no-mailbox"  // there is no such mailbox
	NoDomain   Reason = "no-domain"   // there is no such domain
	NoMail     Reason = "no-mail"     // the domain takes no mail
	Moved      Reason = "moved"       // the mailbox is elsewhere now
	Disabled   Reason = "disabled"    // the mailbox is closed, frozen or unused
	Full       Reason = "full"        // no room in the mailbox
	SystemFull Reason = "system-full" // no room on the server
	TooBig     Reason = "too-big"     // the message is too large
	Refused    Reason = "refused"     // the recipient, or who acts for them, does not want it
	Sender     Reason = "sender"      // the sender's address is refused
	Spam       Reason = "spam"        // taken for spam
	Virus      Reason = "virus"       // taken for malware
	Blocked    Reason = "blocked"     // the sending server is refused: its address or name, or reputation
	Auth       Reason = "auth"        // SPF, DKIM, DMARC
	Policy     Reason = "policy"      // rules of the receiving side
	Relay      Reason = "relay"       // the server does not serve the recipient
	Rate       Reason = "rate"        // too much, too fast, too many
	Content    Reason = "content"     // form or content of the message
	TLS        Reason = "tls"         // no safe connection
	Syntax     Reason = "syntax"      // commands or addresses were not understood
	Loop       Reason = "loop"        // it went in a circle
	Network    Reason = "network"     // the server was not found or not reached
	System     Reason = "system"      // the receiving system has trouble of its own
	Expired    Reason = "expired"     // tried until the time was up, or still trying
	Vacation   Reason = "vacation"    // an automatic reply
	Complained Reason = "complaint"   // a reader called it unwanted
	Arrived    Reason = "delivered"   // nothing is wrong
	Unknown    Reason = "unknown"     // nobody can tell
)

// hard tells whether the reason is for good.
func (r Reason) hard() bool {
	switch r {
	case NoMailbox, NoDomain, NoMail, Moved:
		return true
	}
	return false
}

// stage is the SMTP command that was refused.
type stage uint8

const (
	stageUnknown stage = iota
	stageConnect
	stageMail
	stageRcpt
	stageData
)

// evidence is what is known about one recipient.
type evidence struct {
	status     string // Status field
	diagnostic string // Diagnostic-Code, or what the text says was said
	notes      string // text about the recipient
	action     Action
	stage      stage
}

// judge finds status, reply and reason.
func (e *evidence) judge(r *DSNRecipient) {
	r.Text = shorten(cleanWords(e.diagnostic), MaxText)
	field := parseStatus(e.status)
	said := lastEnhanced(e.diagnostic)
	r.Reply, _ = firstReply(e.diagnostic)
	noted := lastEnhanced(e.notes)
	if r.Reply == 0 {
		r.Reply, _ = firstReply(e.notes)
	}
	r.Status = pickStatus(field, said, noted, r.Reply)
	if r.Text == "" {
		r.Text = shorten(cleanWords(e.notes), MaxText)
	}
	e.reason(r, said)
	if r.Status == (smtp.EnhancedCode{}) {
		r.Status[0] = 5
		switch {
		case e.action == Delivered || e.action == Relayed || e.action == Expanded:
			r.Status[0] = 2
		case e.action == Delayed || temporaryWords(e.diagnostic) || temporaryWords(e.notes):
			r.Status[0] = 4
		}
	}
	if r.Status[0] == 2 {
		r.Reason = Arrived
	}
	// What goes on being tried has not failed, whatever was said on the way.
	r.Hard = r.Status[0] == 5 && r.Reason.hard() && e.sure(r) && e.action != Delayed
}

// sure tells whether "no such mailbox" is said by who knows: by a code that
// means it, in answer to RCPT, or by a system that speaks for itself. Filters
// say the same of messages that they do not like.
func (e *evidence) sure(r *DSNRecipient) bool {
	return r.Reason != NoMailbox || r.Status[1] == 1 || e.stage == stageUnknown && r.Status[1] == 2 || e.stage == stageRcpt || r.Reply == 0 || r.Reply == 542 || containsInOrder(simplify(r.Text), "user doesn't have a * account")
}

// pickStatus takes the most special code of those that were told.
func pickStatus(field, said, noted smtp.EnhancedCode, reply int) smtp.EnhancedCode {
	vague := func(c smtp.EnhancedCode) bool { return c[1] == 0 && c[2] == 0 }
	switch {
	case !vague(said) && (field[0] == 0 || field[0] != 2):
		return said
	case !vague(field):
		return field
	case !vague(noted) && (field[0] == 0 || field[0] == noted[0]):
		return noted
	case field[0] != 0:
		return field
	case said[0] != 0:
		return said
	case noted[0] != 0:
		return noted
	case reply != 0:
		return smtp.EnhancedCode{uint16(reply / 100), 0, 0}
	}
	return smtp.EnhancedCode{}
}

// reason finds why, by words first, since codes are often chosen carelessly.
func (e *evidence) reason(r *DSNRecipient, said smtp.EnhancedCode) {
	r.Reason = classify(e.diagnostic)
	vague := r.Reason == "" || r.Reason == Policy && said == (smtp.EnhancedCode{})
	if vague {
		if n := classify(e.notes); n != "" {
			r.Reason = n
		}
	}
	if r.Reason == "" {
		r.Reason = statusReason(r.Status)
	}
	if r.Reason == "" {
		r.Reason = replyReason(r.Reply)
	}
	switch {
	case r.Reason == NoMailbox && (e.stage == stageData && !e.sure(r) || said[1] == 7):
		// "User unknown" after the message was seen, or with a code that says
		// policy, is what filters answer.
		r.Reason = Refused
	case e.stage == stageMail && (r.Reason == NoMailbox || r.Reason == NoDomain || r.Reason == Policy):
		r.Reason = Sender
	case e.stage == stageConnect && (r.Reason == "" || r.Reason == NoDomain || r.Reason == NoMailbox):
		r.Reason = Blocked
	case r.Reason == "" && e.action == Delayed:
		r.Reason = Expired
	case r.Reason == "":
		r.Reason = Unknown
	}
}

// statusReason gives what a status code says by itself (RFC 3463 and the
// registry of RFC 5248).
func statusReason(c smtp.EnhancedCode) Reason {
	switch [2]uint16{c[1], c[2]} {
	case [2]uint16{1, 1}, [2]uint16{1, 3}, [2]uint16{1, 4}, [2]uint16{1, 0}:
		return NoMailbox
	case [2]uint16{1, 2}, [2]uint16{4, 4}:
		return NoDomain
	case [2]uint16{1, 6}:
		return Moved
	case [2]uint16{1, 7}, [2]uint16{1, 8}, [2]uint16{7, 27}:
		return Sender
	case [2]uint16{1, 9}, [2]uint16{3, 0}, [2]uint16{3, 5}, [2]uint16{4, 3}, [2]uint16{4, 0}, [2]uint16{3, 3}:
		return System
	case [2]uint16{1, 10}, [2]uint16{3, 2}:
		return NoMail
	case [2]uint16{2, 1}, [2]uint16{7, 13}:
		return Disabled
	case [2]uint16{2, 2}:
		return Full
	case [2]uint16{2, 3}, [2]uint16{3, 4}:
		return TooBig
	case [2]uint16{2, 0}, [2]uint16{2, 4}, [2]uint16{7, 2}:
		return Refused
	case [2]uint16{3, 1}:
		return SystemFull
	case [2]uint16{4, 1}, [2]uint16{4, 2}:
		return Network
	case [2]uint16{4, 5}, [2]uint16{5, 3}, [2]uint16{7, 28}:
		return Rate
	case [2]uint16{4, 6}:
		return Loop
	case [2]uint16{4, 7}:
		return Expired
	case [2]uint16{7, 10}, [2]uint16{7, 4}, [2]uint16{7, 5}, [2]uint16{7, 30}:
		return TLS
	case [2]uint16{7, 20}, [2]uint16{7, 21}, [2]uint16{7, 22}, [2]uint16{7, 23}, [2]uint16{7, 24}, [2]uint16{7, 26}:
		return Auth
	case [2]uint16{7, 25}:
		return Blocked
	}
	switch c[1] {
	case 5:
		return Syntax
	case 6:
		return Content
	case 7:
		return Policy
	}
	return ""
}

// replyReason gives what a reply code says by itself.
func replyReason(code int) Reason {
	switch code {
	case 552, 452:
		return Full
	case 421, 450, 451:
		return System
	case 500, 501, 502, 503, 504, 555:
		return Syntax
	case 521, 556:
		return NoMail
	case 551:
		return Relay
	}
	return ""
}

// temporaryWords tells whether text without a code speaks of a failure that
// could have passed.
func temporaryWords(s string) bool {
	s = strings.ToLower(s)
	for _, w := range []string{"retry timeout exceeded", "retry time not reached", "all hosts have been failing", "temporary failure", "temporarily", "has been delayed", "try again later", "will be retried"} {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// Judge finds why a next hop refused a recipient in session, and whether for
// good.
func Judge(r smtp.Reply) (Reason, bool) {
	e := evidence{diagnostic: r.Error(), action: Failed}
	var x DSNRecipient
	e.judge(&x)
	return x.Reason, x.Hard
}
