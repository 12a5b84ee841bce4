package rsa2048

import (
	"bytes"
	"crypto"
	"crypto/fips140"
	"crypto/rsa"
	"io"
)

// Bits is the size of the keys that are signed with here.
const Bits = 2048

// hashed is what stands between padding and hash in front of SHA-256 (RFC 8017
// section 9.2, note 1).
var hashed = []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}

// signer signs with one key.
type signer struct {
	key   *rsa.PrivateKey
	power *power
	fault func()
}

// Signer returns who signs as key does, to the octet: in less time where
// processor and key are of the kind, and key itself elsewhere and in FIPS 140-3
// mode, which asks for the validated module. key may not change any more. fault,
// where it is not nil, is called by Sign for each signature that was wrong and is
// made anew: then this code has a mistake, or processor or memory fail.
func Signer(key crypto.Signer, fault func()) crypto.Signer {
	k, ok := key.(*rsa.PrivateKey)
	if !ok || !available || fips140.Enabled() || !fits(k) {
		return key
	}
	return &signer{key: k, power: newPower(k.Primes[0], k.Primes[1], k.D), fault: fault}
}

// fits says whether a key is of the kind. What Validate passes is whole and
// consistent: pq is N, which is odd, and q has an inverse mod p.
func fits(k *rsa.PrivateKey) bool {
	return len(k.Primes) == 2 && k.Validate() == nil && k.N.BitLen() == Bits &&
		k.Primes[0].BitLen() == primeBits && k.Primes[1].BitLen() == primeBits
}

// Public implements crypto.Signer.
func (s *signer) Public() crypto.PublicKey { return s.key.Public() }

// Sign implements crypto.Signer: PKCS #1 version 1.5 over SHA-256 (RFC 8017
// section 8.2) by the fast way, everything else by crypto/rsa.
func (s *signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, pss := opts.(*rsa.PSSOptions); pss || opts.HashFunc() != crypto.SHA256 || len(digest) != crypto.SHA256.Size() {
		return s.key.Sign(random, digest, opts)
	}
	sig := make([]byte, Bits/8)
	s.power.private(sig, encode(digest))
	if rsa.VerifyPKCS1v15(&s.key.PublicKey, crypto.SHA256, digest, sig) != nil {
		if s.fault != nil {
			s.fault()
		}
		return s.key.Sign(random, digest, opts)
	}
	return sig, nil
}

// encode returns the padded hash (RFC 8017 section 9.2).
func encode(digest []byte) []byte {
	em := make([]byte, 0, Bits/8)
	em = append(em, 0, 1)
	em = append(em, bytes.Repeat([]byte{0xff}, Bits/8-3-len(hashed)-len(digest))...)
	em = append(em, 0)
	em = append(em, hashed...)
	return append(em, digest...)
}
