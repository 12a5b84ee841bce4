//go:build !linux

package sqldb

import "math"

// freeOctets is how much room a file system has for us: it is found out by
// writing.
func freeOctets(string) (int64, error) { return math.MaxInt64, nil }
