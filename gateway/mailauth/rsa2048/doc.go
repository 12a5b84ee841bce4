// Package rsa2048 signs with RSA keys of 2048 bits in a third of the time that
// crypto/rsa takes, on processors with AVX-512 IFMA; elsewhere, and for any
// other key, crypto/rsa signs.
//
// RSA is nearly all of what a DKIM signature costs. The arithmetic is Gueron's
// and Krasnov's almost Montgomery multiplication in radix 2^52 ("Software
// Implementation of Modular Exponentiation, Using Advanced Vector Instructions
// Architectures", 2012), for both primes at once. Nothing that is secret chooses
// a branch or an address while a signature is made; only taking a key apart,
// once, is math/big's work. Every signature is verified with crypto/rsa before
// it leaves: one that is wrong, by a fault of this code or of the processor,
// would betray the key, and is made anew by crypto/rsa. With the build tag
// purego, crypto/rsa signs everything.
package rsa2048
