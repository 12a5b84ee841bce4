// Package body is the growing body: bytes that are written once and read by
// many, each at its own pace, while they still arrive. They live in memory up
// to a limit and in one unlinked spool file beyond it, counted in a Budget
// that all bodies share.
package body
