package mailbox

import (
	"context"
	"errors"
)

var errUnfinished = errors.New("mailbox: not finished yet")

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
