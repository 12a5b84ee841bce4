//go:build !linux

package cores

// StayAwake does nothing: what it is good for was measured on Linux.
func StayAwake() {}
