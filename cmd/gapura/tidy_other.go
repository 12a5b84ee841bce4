//go:build !linux

package main

// unmapProgram is Linux's.
func unmapProgram() {}
