package gateway

import (
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Verdict is a filter's answer. The zero value says nothing.
type Verdict struct {
	Facts []Fact
	// Rcpts holds facts that differ by recipient: Rcpts[i] is about
	// tx.Rcpts[i]. It is nil or as long as tx.Rcpts.
	Rcpts [][]Fact
	// Results go into Authentication-Results, in configured order of filters.
	Results []message.AuthResult
	// Dispositions come from the policy alone: one for all recipients, or as
	// many as tx.Rcpts. Others' are ignored. At StageRcpt the one is about
	// the last recipient.
	Dispositions []Disposition
}

// Action is what the gateway does with a copy of a message.
type Action uint8

const (
	Continue   Action = iota // no rule decided: go on to the next stage; accept at the last
	Accept                   // later rules of this stage are not asked
	Reject                   // 5yz
	Defer                    // 4yz
	Discard                  // 250, and the copy is dropped with a trace
	Quarantine               // 250, and the copy is kept apart until it is released or expires
)

// String returns the action's name in policy files.
func (a Action) String() string {
	return [...]string{"continue", "accept", "reject", "defer", "discard", "quarantine"}[a]
}

// Disposition is the policy's decision about one recipient's copy.
type Disposition struct {
	Action Action
	Reply  smtp.Reply // of Reject and Defer; the gateway adds the trace id
	Edits  []Edit     // changes of the header, in order
	Route  string     // "" : the configured one; else the name of a backend group
	Rules  []string   // file:line and name of every rule that took part, in order
	Queue  Queueing   // how the copy is queued, where it is
}

// Queueing says how a copy of a message waits in the queue and leaves it.
type Queueing struct {
	Lane     string // "" : the default one
	Pool     string // of source addresses; "" : by lane or domain
	Priority int    // -9 to 9 (RFC 6710); more is sooner
	Hold     string // why it waits for an administrator; "" : it does not
	// Report: it is a report of ours on how deliveries went, so that no report
	// tells of its own (RFC 8460 section 3).
	Report bool
	// Released: it was in quarantine, and somebody has said that it is wanted.
	Released bool
}

// Merge adds what a later rule says; where both say something the later wins.
func (q *Queueing) Merge(later Queueing) {
	if later.Lane != "" {
		q.Lane = later.Lane
	}
	if later.Pool != "" {
		q.Pool = later.Pool
	}
	if later.Priority != 0 {
		q.Priority = later.Priority
	}
	if later.Hold != "" {
		q.Hold = later.Hold
	}
}

// EditKind is a kind of change of the header block.
type EditKind uint8

const (
	AddField    EditKind = iota + 1 // a new field on top
	RemoveField                     // every field of the name
	TagSubject                      // Value before the Subject's text, once
)

// Edit is one change of the header block.
type Edit struct {
	Kind  EditKind
	Name  string
	Value string
}
