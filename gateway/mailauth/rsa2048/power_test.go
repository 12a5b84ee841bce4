package rsa2048

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

func value(v *[width]uint64) *big.Int {
	n := new(big.Int)
	for i := width - 1; i >= 0; i-- {
		n.Lsh(n, radix).Add(n, new(big.Int).SetUint64(v[i]))
	}
	return n
}

// setDigits is split for what has up to 1040 bits.
func setDigits(to *[width]uint64, v *big.Int) {
	for i := range digits {
		to[i] = new(big.Int).Rsh(v, uint(i*radix)).Uint64() & low
	}
}

// drawn returns numbers whose digits are drawn from the ends as often as from the
// middle, so that carries run far.
func drawn(r *rand.Rand, n int) *big.Int {
	v := new(big.Int)
	some := []uint64{0, low, low - 1, 1, r.Uint64() & low, r.Uint64() & low}
	some = some[:1+r.IntN(len(some))]
	for range digits {
		v.Lsh(v, radix).Or(v, new(big.Int).SetUint64(some[r.IntN(len(some))]))
	}
	return v.And(v, new(big.Int).Sub(near(uint(n), 0), big.NewInt(1)))
}

// drawnPower has any two odd numbers for primes, and any exponents: the
// arithmetic needs no more.
func drawnPower(t testing.TB, r *rand.Rand) (w *power, p, q *big.Int, d [2]*big.Int) {
	t.Helper()
	if !available {
		t.Skip("no AVX-512 IFMA")
	}
	for p, q = new(big.Int), new(big.Int); new(big.Int).GCD(nil, nil, p, q).Cmp(big.NewInt(1)) != 0; {
		p, q = drawn(r, primeBits), drawn(r, primeBits)
		for _, n := range []*big.Int{p, q} {
			n.SetBit(n, 0, 1).SetBit(n, primeBits-1, 1)
		}
	}
	w = newPower(p, q, p)
	for i := range d {
		d[i] = drawn(r, primeBits)
		d[i].FillBytes(w.d[i][:])
	}
	return w, p, q, d
}

// factors returns numbers whose product is at most Rn, or what gives a drawn
// result: random products hardly ever make a carry run.
func factors(r *rand.Rand, n *big.Int) (a, b *big.Int) {
	whole := near(radix*digits, 0)
	twice := new(big.Int).Lsh(n, 1)
	switch r.IntN(4) {
	case 0:
		a, b = new(big.Int).Sub(whole, big.NewInt(1)), new(big.Int).Set(n)
	case 1:
		a, b = new(big.Int).Sub(twice, big.NewInt(1)), new(big.Int).Sub(twice, big.NewInt(1))
	case 2:
		a = new(big.Int).Mod(drawn(r, primeBits), n)
		b = new(big.Int).ModInverse(a, n)
		if b != nil {
			b.Mod(b.Mul(b.Mul(b, whole), drawn(r, primeBits)), n)
			break
		}
		fallthrough
	default:
		a, b = drawn(r, primeBits+1), drawn(r, primeBits+1)
		a.Mod(a, twice)
		b.Mod(b, twice)
	}
	if r.IntN(2) == 0 {
		a, b = b, a
	}
	return a, b
}

// checkMultiply multiplies n times and compares with (ab + mn)/R.
func checkMultiply(t *testing.T, r *rand.Rand, n int) {
	w, p, q, _ := drawnPower(t, r)
	whole := near(radix*digits, 0)
	for range n {
		var a, b, z pair
		var want [2]*big.Int
		for i, n := range []*big.Int{p, q} {
			f, g := factors(r, n)
			setDigits(a.side(i), f)
			setDigits(b.side(i), g)
			ab := f.Mul(f, g)
			m := new(big.Int).ModInverse(n, whole)
			m.Mod(m.Neg(m.Mul(m, ab)), whole)
			want[i] = m.Rsh(m.Add(m.Mul(m, n), ab), radix*digits)
		}
		switch r.IntN(3) {
		case 0:
			multiply(&z, &a, &b, &w.n, &w.k)
		case 1:
			z = a
			multiply(&z, &z, &b, &w.n, &w.k)
		default:
			z = b
			multiply(&z, &a, &z, &w.n, &w.k)
		}
		for i := range want {
			if value(z.side(i)).Cmp(want[i]) != 0 {
				t.Fatalf("side %d: %x, want %x", i, z.side(i), want[i])
			}
			for j, d := range z.side(i) {
				if d > low || j >= digits && d != 0 {
					t.Fatalf("side %d, digit %d is %x", i, j, d)
				}
			}
		}
	}
}

func TestMultiply(t *testing.T) {
	t.Parallel()
	for i := range uint64(100) {
		checkMultiply(t, rand.New(rand.NewPCG(1, i)), 20)
	}
}

func FuzzMultiply(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		checkMultiply(t, rand.New(rand.NewPCG(a, b)), 50)
	})
}

// What a signature is of may be anything below the modulus.
func TestPowers(t *testing.T) {
	t.Parallel()
	one := big.NewInt(1)
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(2, seed))
		w, p, q, d := drawnPower(t, r)
		n := new(big.Int).Mul(p, q)
		some := new(big.Int).Lsh(drawn(r, primeBits), primeBits)
		some.Mod(some.Add(some, drawn(r, primeBits)), n)
		for _, c := range []*big.Int{
			new(big.Int), one, big.NewInt(2), p, q, some, near(radix*digits, 0), near(radix*digits, -1), near(Bits-2, 0),
			new(big.Int).Sub(n, one), new(big.Int).Sub(n, p), new(big.Int).Sub(n, q), new(big.Int).Sub(p, one), new(big.Int).Add(q, one),
		} {
			out := make([]byte, Bits/8)
			w.private(out, c.FillBytes(make([]byte, Bits/8)))
			m2 := new(big.Int).Exp(c, d[1], q)
			want := new(big.Int).Exp(c, d[0], p)
			want.Mul(want.Sub(want, m2), new(big.Int).ModInverse(q, p))
			want.Add(want.Mul(want.Mod(want, p), q), m2)
			if got := new(big.Int).SetBytes(out); got.Cmp(want) != 0 {
				t.Errorf("%x to %x mod %x * %x: %x, want %x", c, d, p, q, got, want)
			}
		}
	}
}

func TestBelow(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(3, seed))
		n := drawn(r, primeBits)
		n.SetBit(n, primeBits-1, 1)
		v := new(big.Int).Add(n, big.NewInt(int64(r.IntN(3)-1)))
		if r.IntN(2) == 0 {
			v.Mod(drawn(r, primeBits+1), new(big.Int).Lsh(n, 1))
		}
		var got, by [width]uint64
		setDigits(&got, v)
		setDigits(&by, n)
		below(&got, &by)
		if value(&got).Cmp(new(big.Int).Mod(v, n)) != 0 {
			t.Fatalf("%x mod %x: %x", v, n, got)
		}
	}
}

func TestLookUp(t *testing.T) {
	t.Parallel()
	if !available {
		t.Skip("no AVX-512 IFMA")
	}
	r := rand.New(rand.NewPCG(4, 4))
	var table [1 << window]pair
	for i := range table {
		for j := range table[i] {
			table[i][j] = r.Uint64()
		}
	}
	for i := range uint64(len(table)) {
		for j := range uint64(len(table)) {
			var z pair
			lookUp(&z, &table, i, j)
			if *z.side(0) != *table[i].side(0) || *z.side(1) != *table[j].side(1) {
				t.Errorf("%d and %d: something else", i, j)
			}
		}
	}
}

// Nothing of a key stays in memory that is used again.
func TestScratchIsWiped(t *testing.T) {
	t.Parallel()
	w, _, _, _ := drawnPower(t, rand.New(rand.NewPCG(5, 5)))
	s := new(scratch)
	out := make([]byte, Bits/8)
	w.privateIn(s, out, near(Bits-2, 5).Bytes())
	if *s != (scratch{}) || new(big.Int).SetBytes(out).Sign() == 0 {
		t.Error("there is something left, or nothing was done")
	}
}
