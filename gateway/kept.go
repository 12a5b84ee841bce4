package gateway

import "errors"

// ErrNotKept wraps that copies of refused mail take as much of the quarantine as
// they may: of this one none is kept.
var ErrNotKept = errors.New("copies of refused mail take as much of the quarantine as they may")

// Kept says why a copy is kept apart, in quarantine.
type Kept struct {
	Rule    string // file:line and name of the rule that decided
	Stage   string // at which it did
	Reason  string // the refusal that the sender did not hear; "" : a rule wants it kept
	Author  string // the header's From
	Subject string
	Facts   []KeptFact // what speaks for its reader
}

// KeptFact is a fact as it is shown.
type KeptFact struct{ Name, Value string }
