//go:build !purego

package rsa2048

import "golang.org/x/sys/cpu"

// available says that the processor has what the assembly uses.
var available = cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512IFMA

// multiply puts ab/R mod n into z, for both sides: digits below 2^52, a value
// below 2n. ab is at most Rn, with digits below 2^52, four zero ones on top; a,
// b and z may be one.
//
//go:noescape
func multiply(z, a, b, n *pair, k *[2]uint64)

// lookUp puts p's side of table[i] and q's side of table[j] into z, after
// reading the whole table.
//
//go:noescape
func lookUp(z *pair, table *[1 << window]pair, i, j uint64)
