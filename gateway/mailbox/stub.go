package mailbox

import (
	"context"
	"errors"
	"time"
)

var errUnfinished = errors.New("mailbox: not finished yet")

// DeleteUser removes a user with all mail.
func (s *Store) DeleteUser(ctx context.Context, name string) error { return errUnfinished }

// Annotation is an entry of METADATA; Value nil: it is removed, or not there.
type Annotation struct {
	Name  string // in lower case, such as /private/comment
	Value []byte
}

// Annotations lists those of a folder, "": of the server, by name.
func (u *User) Annotations(ctx context.Context, folder string) ([]Annotation, error) {
	return nil, errUnfinished
}

// Annotate changes annotations of a folder, "": of the server; all or none.
// ErrLimit (TOOMANY), ErrTooBig (MAXSIZE).
func (u *User) Annotate(ctx context.Context, folder string, list ...Annotation) error {
	return errUnfinished
}

// Script is a Sieve script.
type Script struct {
	Name    string
	Active  bool
	Size    int64
	Changed time.Time
	// Version is another for every content that any script ever had: what is
	// compiled may be kept by it.
	Version int64
	Data    []byte // not in lists
}

// Scripts lists the user's scripts by name, without Data.
func (u *User) Scripts(ctx context.Context) ([]Script, error) { return nil, errUnfinished }

// Script returns one; ErrNoScript.
func (u *User) Script(ctx context.Context, name string) (Script, error) {
	return Script{}, errUnfinished
}

// ActiveScript returns the active one, from memory where it was asked for
// lately; ErrNoScript.
func (u *User) ActiveScript(ctx context.Context) (Script, error) { return Script{}, errUnfinished }

// PutScript stores a script, new or instead of the one of that name, which
// stays active if it was. ErrName, ErrLimit (QUOTA/MAXSCRIPTS), ErrTooBig
// (QUOTA/MAXSIZE). That it is a script is the caller's to see.
func (u *User) PutScript(ctx context.Context, name string, data []byte) error { return errUnfinished }

// RoomForScript tells what PutScript would say of a script of size octets
// (HAVESPACE).
func (u *User) RoomForScript(ctx context.Context, name string, size int64) error {
	return errUnfinished
}

// RenameScript renames a script; ErrNoScript, ErrExists.
func (u *User) RenameScript(ctx context.Context, from, to string) error { return errUnfinished }

// DeleteScript removes a script; ErrNoScript, ErrActive.
func (u *User) DeleteScript(ctx context.Context, name string) error { return errUnfinished }

// ActivateScript makes a script the active one, "": none is; ErrNoScript.
func (u *User) ActivateScript(ctx context.Context, name string) error { return errUnfinished }

// Once remembers key until a time and tells whether it was not remembered yet:
// for Sieve's vacation and duplicate. With extend a key that was remembered
// gets the new time.
func (u *User) Once(ctx context.Context, key string, until time.Time, extend bool) (first bool, err error) {
	return false, errUnfinished
}

// Problem is something that Check found.
type Problem struct {
	User, Folder string
	UID          uint32
	Object       ObjectID
	What         string
	Repaired     bool
}

// Check compares every row with every other and with its octets, and calls f
// with what does not fit; with repair it mends what can be mended. done is told
// now and then of how many of all objects are through; nil: nobody.
func (s *Store) Check(ctx context.Context, repair bool, f func(Problem), done func(n, of int64)) error {
	return errUnfinished
}
func (s *Store) purgeSoon() {}
