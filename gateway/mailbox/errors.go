package mailbox

import "errors"

// Errors that callers tell apart.
var (
	// ErrNoUser says that there is no such user.
	ErrNoUser = errors.New("mailbox: no such user")
	// ErrNoFolder says that there is no such folder: NONEXISTENT, TRYCREATE.
	ErrNoFolder = errors.New("mailbox: no such folder")
	// ErrExists says that the folder or script is there already.
	ErrExists = errors.New("mailbox: already there")
	// ErrName says that no folder or script can have the name: CANNOT.
	ErrName = errors.New("mailbox: not a name for this")
	// ErrInbox says that INBOX cannot be deleted, nor a folder be made of it.
	ErrInbox = errors.New("mailbox: not with INBOX")
	// ErrRole says that another folder has the role, or that it cannot be
	// had: USEATTR.
	ErrRole = errors.New("mailbox: the role cannot be had")
	// ErrQuota says that the mail does not fit into the user's or the domain's
	// quota: OVERQUOTA.
	ErrQuota = errors.New("mailbox: over quota")
	// ErrLimit says that a bound of this store is reached: folders, keywords,
	// annotations, scripts, their lengths: LIMIT.
	ErrLimit = errors.New("mailbox: limit reached")
	// ErrTooBig says that a message, annotation or script is too big.
	ErrTooBig = errors.New("mailbox: too big")
	// ErrExpunged says that a message has gone meanwhile: EXPUNGEISSUED.
	ErrExpunged = errors.New("mailbox: the message has gone")
	// ErrGone says that the folder of a View was deleted.
	ErrGone = errors.New("mailbox: the folder has gone")
	// ErrReadOnly says that the View was selected for reading.
	ErrReadOnly = errors.New("mailbox: selected for reading only")
	// ErrNoScript says that there is no such Sieve script.
	ErrNoScript = errors.New("mailbox: no such script")
	// ErrActive says that the active script cannot be deleted.
	ErrActive = errors.New("mailbox: the script is active")
	// ErrInUse says that another session has the maildrop (POP3).
	ErrInUse = errors.New("mailbox: in use by another session")
	// ErrClosed is what a closed Store says.
	ErrClosed = errors.New("mailbox: closed")
)
