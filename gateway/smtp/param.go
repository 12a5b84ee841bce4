package smtp

import "time"

// BodyType is the BODY parameter of MAIL (RFC 6152); BINARYMIME is not spoken.
type BodyType uint8

const (
	Body7Bit BodyType = iota
	Body8BitMIME
)

// MailParams are the ESMTP parameters of MAIL.
type MailParams struct {
	Size       int64 // SIZE (RFC 1870); 0: not said
	Body       BodyType
	SMTPUTF8   bool     // RFC 6531
	RequireTLS bool     // RFC 8689
	Return     Return   // RET (RFC 3461)
	EnvelopeID string   // ENVID, decoded from xtext
	Auth       *Address // AUTH (RFC 4954); nil: not said, zero: <>
	PRDR       bool
	Priority   int           // MT-PRIORITY (RFC 6710), -9 to 9; 0: normal or not said
	HoldFor    time.Duration // HOLDFOR (RFC 4865); 0: not said
	HoldUntil  time.Time     // HOLDUNTIL (RFC 4865); zero: not said
	DeliverBy  DeliverBy     // BY (RFC 2852)
}

// DeliverBy is the BY parameter (RFC 2852); the zero value: not said.
type DeliverBy struct {
	Within time.Duration // may be negative on relayed mail with Notify
	Return bool          // mode R: give up when late; else N: tell the sender
	Trace  bool
	Set    bool
}

// Return is the RET parameter: how much of a failed message comes back.
type Return uint8

const (
	ReturnUnset Return = iota
	ReturnFull
	ReturnHeaders
)

// Notify is the NOTIFY parameter, a set; 0 means that it was not said.
type Notify uint8

const (
	NotifySuccess Notify = 1 << iota
	NotifyFailure
	NotifyDelay
	NotifyNever // alone
)

// RcptParams are the ESMTP parameters of RCPT.
type RcptParams struct {
	Notify          Notify
	OriginalType    string // ORCPT's address type, "rfc822" or "utf-8"; "" : no ORCPT
	OriginalAddress string // ORCPT's address, decoded
}

// Limits of RFC 5321 section 4.5.3.1 that no configuration lowers.
const (
	MaxLocalPart = 64
	MaxDomain    = 255
	MaxPath      = 256
)

// Timeouts of a client, by phase (RFC 5321 section 4.5.3.2).
const (
	TimeoutGreeting  = 5 * time.Minute
	TimeoutMail      = 5 * time.Minute
	TimeoutRcpt      = 5 * time.Minute
	TimeoutDataInit  = 2 * time.Minute
	TimeoutDataBlock = 3 * time.Minute
	TimeoutDataDone  = 10 * time.Minute
)
