package rsa2048

import (
	"encoding/binary"
	"math/big"
	"math/bits"
	"sync"
)

// A prime has 1024 bits, in 20 digits of 52. R is 2^1040: with 16 bits to
// spare, what a multiplication returns is below twice the modulus and may go
// into the next as it is.
const (
	primeBits = Bits / 2
	radix     = 52
	digits    = 20
	width     = 24 // digits in three vectors; the last four are zero
	low       = 1<<radix - 1
	limbs     = primeBits / 64

	window  = 5
	windows = (primeBits + window - 1) / window
)

// pair is two numbers, of p's and of q's side, lowest digit first.
type pair [2 * width]uint64

func (v *pair) side(i int) *[width]uint64 { return (*[width]uint64)(v[i*width:]) }

// power is what raising to the private exponent needs.
type power struct {
	n         pair                   // the primes
	k         [2]uint64              // -1/n mod 2^52
	r, r2, r3 pair                   // R, R^2, R^3 mod n
	crt       pair                   // R/q mod p, on p's side
	q         [limbs]uint64          // q in limbs of 64 bits
	d         [2][primeBits / 8]byte // d mod n-1, highest octet first
}

// newPower takes a key apart: p and q are odd, of primeBits, and have no common
// divisor.
func newPower(p, q, d *big.Int) *power {
	one := big.NewInt(1)
	r, b := new(big.Int).Lsh(one, radix*digits), new(big.Int).Lsh(one, radix)
	w := &power{q: limbsOf(q)}
	for i, n := range []*big.Int{p, q} {
		split(w.n.side(i), n)
		w.k[i] = new(big.Int).Sub(b, new(big.Int).ModInverse(n, b)).Uint64()
		split(w.r.side(i), new(big.Int).Mod(r, n))
		split(w.r2.side(i), new(big.Int).Exp(r, big.NewInt(2), n))
		split(w.r3.side(i), new(big.Int).Exp(r, big.NewInt(3), n))
		new(big.Int).Mod(d, new(big.Int).Sub(n, one)).FillBytes(w.d[i][:])
	}
	crt := new(big.Int).ModInverse(q, p)
	split(w.crt.side(0), crt.Mod(crt.Mul(crt, r), p))
	return w
}

// scratch is where all that is secret about one signature is kept. It is wiped
// after use.
type scratch struct {
	table [1 << window]pair
	x, y  pair
	h     [limbs]uint64
	wide  [2 * limbs]uint64
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// private puts c to the power of d mod pq into out (RFC 8017 section 5.1.2,
// the second form). c and out have the length of the modulus; c is below it.
func (w *power) private(out, c []byte) {
	s := scratches.Get().(*scratch)
	w.privateIn(s, out, c)
	scratches.Put(s)
}

func (w *power) privateIn(s *scratch, out, c []byte) {
	w.reduce(s, c)
	w.raise(s)
	w.combine(s, out)
	*s = scratch{}
}

// reduce puts cR mod n into x: c is hR + l, so cR is h R^3 / R + l R^2 / R. The
// first is below 1.1n and the second below 2n; x times 2n is still below Rn.
func (w *power) reduce(s *scratch, c []byte) {
	for i := range s.wide {
		s.wide[i] = binary.BigEndian.Uint64(c[len(c)-8*(i+1):])
	}
	for i := range digits {
		l, h := digit(s.wide[:], i), digit(s.wide[:], digits+i)
		s.x[i], s.x[width+i] = l, l
		s.y[i], s.y[width+i] = h, h
	}
	multiply(&s.x, &s.x, &w.r2, &w.n, &w.k)
	multiply(&s.y, &s.y, &w.r3, &w.n, &w.k)
	for i := range 2 {
		x, y := s.x.side(i), s.y.side(i)
		var carry uint64
		for j := range digits {
			sum := x[j] + y[j] + carry
			x[j], carry = sum&low, sum>>radix
		}
	}
}

// digit returns the i-th digit of a number in limbs.
func digit(n []uint64, i int) uint64 {
	at, shift := i*radix/64, i*radix%64
	if at >= len(n) {
		return 0
	}
	v := n[at] >> shift
	if at+1 < len(n) {
		v |= n[at+1] << (64 - shift)
	}
	return v & low
}

// raise puts x to the power of d into x, and takes R out of it.
func (w *power) raise(s *scratch) {
	s.table[0], s.table[1] = w.r, s.x
	for i := 2; i < len(s.table); i++ {
		multiply(&s.table[i], &s.table[i-1], &s.x, &w.n, &w.k)
	}
	lookUp(&s.x, &s.table, w.exponent(0, windows-1), w.exponent(1, windows-1))
	for i := windows - 2; i >= 0; i-- {
		for range window {
			multiply(&s.x, &s.x, &s.x, &w.n, &w.k)
		}
		lookUp(&s.y, &s.table, w.exponent(0, i), w.exponent(1, i))
		multiply(&s.x, &s.x, &s.y, &w.n, &w.k)
	}
	s.y = pair{0: 1, width: 1}
	multiply(&s.x, &s.x, &s.y, &w.n, &w.k)
}

// exponent returns the i-th window of a side's exponent, lowest first.
func (w *power) exponent(side, i int) uint64 {
	d := &w.d[side]
	at, shift := i*window/8, i*window%8
	v := uint64(d[len(d)-1-at])
	if at+1 < len(d) {
		v |= uint64(d[len(d)-2-at]) << 8
	}
	return v >> shift & (1<<window - 1)
}

// combine puts m2 + q ((m1 - m2) / q mod p) into out, where m1 and m2 are what
// x has for p and q. Each is at most its prime.
func (w *power) combine(s *scratch, out []byte) {
	m1, m2, p := s.x.side(0), s.x.side(1), w.n.side(0)
	below(m2, w.n.side(1))
	// Both primes have as many bits, so m2 is below 2p. On q's side crt is zero.
	var carry uint64
	for i := range digits {
		t := m1[i] + 2*p[i] - m2[i] + carry
		s.y[i] = t & low
		carry = uint64(int64(t) >> radix) // may be -1
	}
	multiply(&s.y, &s.y, &w.crt, &w.n, &w.k)
	below(s.y.side(0), p)
	join(&s.h, s.y.side(0))
	join((*[limbs]uint64)(s.wide[:]), m2)
	for i, x := range &s.h {
		var carry uint64
		for j, y := range &w.q {
			hi, lo := bits.Mul64(x, y)
			var c uint64
			lo, c = bits.Add64(lo, s.wide[i+j], 0)
			hi += c
			s.wide[i+j], c = bits.Add64(lo, carry, 0)
			carry = hi + c
		}
		s.wide[i+limbs] = carry
	}
	for i, v := range s.wide {
		binary.BigEndian.PutUint64(out[len(out)-8*(i+1):], v)
	}
}

// below takes n from v, which is below 2n, unless v is below n.
func below(v, n *[width]uint64) {
	var borrow uint64
	for i := range digits {
		borrow = (v[i] - n[i] - borrow) >> 63
	}
	take := borrow - 1 // all ones unless v is below n
	borrow = 0
	for i := range digits {
		t := v[i] - n[i]&take - borrow
		v[i], borrow = t&low, t>>63
	}
}

// join puts digits into limbs.
func join(to *[limbs]uint64, from *[width]uint64) {
	for i := range to {
		at, shift := i*64/radix, i*64%radix
		to[i] = from[at]>>shift | from[at+1]<<(radix-shift) | from[at+2]<<(2*radix-shift)
	}
}

// split puts a number into digits.
func split(to *[width]uint64, n *big.Int) {
	words := limbsOf(n)
	for i := range digits {
		to[i] = digit(words[:], i)
	}
}

func limbsOf(n *big.Int) (words [limbs]uint64) {
	b := n.FillBytes(make([]byte, primeBits/8))
	for i := range words {
		words[i] = binary.BigEndian.Uint64(b[len(b)-8*(i+1):])
	}
	return words
}
