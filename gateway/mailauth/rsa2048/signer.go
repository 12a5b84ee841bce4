package rsa2048

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"io"
	"math/big"
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
}

// Signer returns who signs as key does, to the octet: in less time where
// processor and key are of the kind, and key itself elsewhere.
func Signer(key crypto.Signer) crypto.Signer {
	k, ok := key.(*rsa.PrivateKey)
	if !ok || !available {
		return key
	}
	p, ok := newPower(k)
	if !ok {
		return key
	}
	return &signer{key: k, power: p}
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

// newPower takes a key apart; false: it is not of the kind.
func newPower(key *rsa.PrivateKey) (*power, bool) {
	if len(key.Primes) != 2 || key.N.BitLen() != Bits {
		return nil, false
	}
	p, q := key.Primes[0], key.Primes[1]
	if p.BitLen() != primeBits || q.BitLen() != primeBits || p.Bit(0) == 0 || q.Bit(0) == 0 {
		return nil, false
	}
	one := big.NewInt(1)
	r := new(big.Int).Lsh(one, radix*digits)
	w := &power{q: limbsOf(q)}
	for i, m := range []*big.Int{p, q} {
		side := w.n.side(i)
		split(side, m)
		inverse := new(big.Int).ModInverse(m, new(big.Int).Lsh(one, radix))
		w.k[i] = new(big.Int).Sub(new(big.Int).Lsh(one, radix), inverse).Uint64()
		split(w.r.side(i), new(big.Int).Mod(r, m))
		split(w.r2.side(i), new(big.Int).Exp(r, big.NewInt(2), m))
		split(w.r3.side(i), new(big.Int).Exp(r, big.NewInt(3), m))
		d := new(big.Int).Mod(key.D, new(big.Int).Sub(m, one))
		d.FillBytes(w.d[i][:])
	}
	crt := new(big.Int).ModInverse(q, p)
	if crt == nil {
		return nil, false
	}
	split(w.crt.side(0), crt.Mod(crt.Mul(crt, r), p))
	return w, true
}
