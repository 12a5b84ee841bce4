package account

import (
	"errors"
	"fmt"
)

// What Authenticate fails with: one error for each answer that a client gets.
// Their texts tell a client nothing that it must not know; the reason is in
// the log.
var (
	// ErrCredentials: not who it says it is, whichever the reason. SMTP: 535
	// 5.7.8.
	ErrCredentials = errors.New("account: authentication failed")
	// ErrThrottled: too many wrong guesses came from there, or at this
	// account; nothing was checked. SMTP: 454 4.7.0, or 421.
	ErrThrottled = errors.New("account: too many failures, try later")
	// ErrTemporary: it could not be checked now, a directory is away for
	// instance. SMTP: 454 4.7.0.
	ErrTemporary = errors.New("account: temporary authentication failure")
	// ErrExchange: the client gave up, broke the mechanism's rules, or asked
	// for a mechanism that is not offered. SMTP: 501 5.5.2.
	ErrExchange = errors.New("account: the exchange was cancelled or is malformed")
)

// What the administration of users and aliases fails with.
var (
	// ErrUnknown: there is no such user, alias or credential.
	ErrUnknown = errors.New("account: not there")
	// ErrNoUser is ErrUnknown of a user.
	ErrNoUser = fmt.Errorf("%w", ErrUnknown)
	// ErrTaken: there is one of that name already.
	ErrTaken = errors.New("account: already there")
	// ErrName: that is no name a user or alias can have.
	ErrName = errors.New("account: not an address that users can have")
	// ErrAliasLoop: aliases lead back to themselves, too deep, or to too many.
	ErrAliasLoop = errors.New("account: aliases lead in a circle or to too many")
)
