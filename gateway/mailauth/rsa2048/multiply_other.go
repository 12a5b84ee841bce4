//go:build !amd64 || purego

package rsa2048

const available = false

func multiply(_, _, _, _ *pair, _ *[2]uint64) { panic("not available") }

func lookUp(_ *pair, _ *[1 << window]pair, _, _ uint64) { panic("not available") }
