package report

import (
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Action is what a reporting system says it did for one recipient (RFC 3464
// section 2.3.3).
type Action string

// The actions.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed" // handed to a system that does not know DSN
	Expanded  Action = "expanded"
)

// NoticeRecipient is what became of a message for one recipient, to be told to
// its sender (RFC 3464 section 2.3).
type NoticeRecipient struct {
	Original       smtp.RcptParams // its ORCPT is told, where there is one
	Final          smtp.Address
	Action         Action
	Status         smtp.EnhancedCode // zero: that of Reply, else other or undefined status of the action's class
	RemoteMTA      string            // host name of the next hop, "" : none was reached
	Reply          smtp.Reply        // zero: none
	Local          bool              // the reply is ours, not the next hop's
	LastAttempt    time.Time         // zero: not told
	WillRetryUntil time.Time         // of Delayed; zero: not told
	LogID          string            // Final-Log-ID, "" : none
}

// status returns what the Status field says; its class fits the action (RFC
// 3464 section 2.3.4).
func (r *NoticeRecipient) status() smtp.EnhancedCode {
	class := uint16(2)
	switch r.Action {
	case Failed:
		class = 5
	case Delayed:
		class = 4
	}
	s := r.Status
	if s == (smtp.EnhancedCode{}) {
		s = r.Reply.Enhanced
	}
	if s == (smtp.EnhancedCode{}) {
		s = codeStatus(r.Reply.Code)
	}
	if s[0] != class && !(class == 5 && s[0] == 4) { // given up after a time: 4.4.7 is honest
		s[0] = class
	}
	return s
}

// codeStatus gives what a reply code without an enhanced code says by itself.
func codeStatus(code int) smtp.EnhancedCode {
	class := uint16(code / 100)
	switch code {
	case 550, 450, 551:
		return smtp.EnhancedCode{class, 1, 0}
	case 552, 452:
		return smtp.EnhancedCode{class, 2, 2}
	case 553:
		return smtp.EnhancedCode{class, 1, 3}
	case 421:
		return smtp.EnhancedCode{class, 3, 2}
	}
	return smtp.EnhancedCode{class, 0, 0}
}
