package rsa2048

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	mrand "math/rand/v2"
	"sync"
	"testing"
)

func fast(t testing.TB, key *rsa.PrivateKey) *signer {
	t.Helper()
	if !available {
		t.Skip("no AVX-512 IFMA")
	}
	s, ok := Signer(key).(*signer)
	if !ok {
		t.Fatal("crypto/rsa signs")
	}
	return s
}

func newKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// keyOf makes a key of two primes.
func keyOf(t testing.TB, p, q *big.Int) *rsa.PrivateKey {
	t.Helper()
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	d := new(big.Int).ModInverse(big.NewInt(65537), phi)
	if d == nil {
		t.Fatal("no inverse")
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, D: d, Primes: []*big.Int{p, q}}
	key.Precompute()
	if err := key.Validate(); err != nil {
		t.Fatal(err)
	}
	return key
}

// primeFrom returns the first prime from n on in steps of step that a key may have.
func primeFrom(n *big.Int, step int64) *big.Int {
	p := new(big.Int).Set(n)
	p.SetBit(p, 0, 1)
	for !p.ProbablyPrime(20) || new(big.Int).Mod(p, big.NewInt(65537)).Int64() == 1 {
		p.Add(p, big.NewInt(step))
	}
	return p
}

// agree signs n hashes by both ways.
func agree(t *testing.T, key *rsa.PrivateKey, n int) {
	t.Helper()
	s := fast(t, key)
	for i := range n {
		sum := sha256.Sum256(binary.BigEndian.AppendUint32(nil, uint32(i)))
		want, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		s.power.private(got, encode(sum[:]))
		if !bytes.Equal(got, want) {
			t.Fatalf("hash %d: %x, want %x", i, got, want)
		}
	}
}

func TestSignsAsCryptoRSA(t *testing.T) {
	t.Parallel()
	for range 3 {
		agree(t, newKey(t, Bits), 40)
	}
}

// Primes at the ends of what 2048 bits allow, either one first, and those that
// are nearly all ones or zeros.
func TestPrimesAtTheEdges(t *testing.T) {
	t.Parallel()
	top := new(big.Int).Lsh(big.NewInt(1), primeBits)
	high := primeFrom(new(big.Int).Sub(top, big.NewInt(1)), -2)
	lower := primeFrom(new(big.Int).Sub(top, new(big.Int).Lsh(big.NewInt(1), primeBits-90)), -2)
	half := primeFrom(new(big.Int).Lsh(big.NewInt(1), primeBits-1), 2)
	root := new(big.Int).Sqrt(new(big.Int).Lsh(big.NewInt(1), Bits-1))
	least := primeFrom(root, 2)
	for _, c := range [][2]*big.Int{{high, lower}, {lower, high}, {least, high}, {high, least}, {half, high}, {high, half}} {
		agree(t, keyOf(t, c[0], c[1]), 10)
	}
}

// What a signature is of may be anything below the modulus.
func TestPowers(t *testing.T) {
	t.Parallel()
	key := newKey(t, Bits)
	s := fast(t, key)
	p, q, one := key.Primes[0], key.Primes[1], big.NewInt(1)
	values := []*big.Int{
		new(big.Int), one, big.NewInt(2), p, q, new(big.Int).Sub(key.N, one), new(big.Int).Sub(key.N, p), new(big.Int).Sub(p, one), new(big.Int).Add(q, one),
		new(big.Int).Lsh(one, radix*digits), new(big.Int).Sub(new(big.Int).Lsh(one, radix*digits), one), new(big.Int).Lsh(one, Bits-2),
	}
	for range 20 {
		v, _ := rand.Int(rand.Reader, key.N)
		values = append(values, v)
	}
	for _, v := range values {
		out := make([]byte, Bits/8)
		s.power.private(out, v.FillBytes(make([]byte, Bits/8)))
		want := new(big.Int).Exp(v, key.D, key.N)
		if got := new(big.Int).SetBytes(out); got.Cmp(want) != 0 {
			t.Errorf("%x: %x, want %x", v, got, want)
		}
	}
}

func TestOthersAreSignedByCryptoRSA(t *testing.T) {
	t.Parallel()
	small := newKey(t, 1024)
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if Signer(small) != crypto.Signer(small) || !ed.Equal(Signer(ed)) {
		t.Error("1024 bits or ed25519 are not as they were")
	}
	for _, bad := range [][]*big.Int{nil, {big.NewInt(3), big.NewInt(5)}, {new(big.Int).Lsh(big.NewInt(1), primeBits-1), small.N}, {small.N, small.N}} {
		k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), Bits-1), E: 65537}, D: big.NewInt(1), Primes: bad}
		if Signer(k) != crypto.Signer(k) {
			t.Errorf("no key: %v", bad)
		}
	}
	key := newKey(t, Bits)
	s := Signer(key)
	sum512 := bytes.Repeat([]byte{7}, crypto.SHA512.Size())
	sig, err := s.Sign(rand.Reader, sum512, crypto.SHA512)
	if err != nil || rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA512, sum512, sig) != nil {
		t.Error("SHA-512:", err)
	}
	sum := sha256.Sum256(nil)
	pss := &rsa.PSSOptions{Hash: crypto.SHA256}
	sig, err = s.Sign(rand.Reader, sum[:], pss)
	if err != nil || rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, sum[:], sig, pss) != nil {
		t.Error("PSS:", err)
	}
	if _, err := s.Sign(rand.Reader, sum[:7], crypto.SHA256); err == nil {
		t.Error("a hash of 7 octets is signed")
	}
	if pub, ok := s.Public().(*rsa.PublicKey); !ok || !pub.Equal(&key.PublicKey) {
		t.Error("another public key")
	}
}

// A fault in one half betrays the key to who sees the signature: it must not be
// seen.
func TestAFaultIsNotSeen(t *testing.T) {
	t.Parallel()
	key := newKey(t, Bits)
	s := fast(t, key)
	sum := sha256.Sum256(nil)
	want, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []*uint64{&s.power.r3[3], &s.power.r2[width+5], &s.power.n[19], &s.power.k[1], &s.power.crt[0], &s.power.q[2]} {
		*spoil ^= 1 << 9
		bad := make([]byte, Bits/8)
		s.power.private(bad, encode(sum[:]))
		got, err := s.Sign(nil, sum[:], crypto.SHA256)
		if err != nil || !bytes.Equal(got, want) || bytes.Equal(bad, want) {
			t.Errorf("%v: %x after %x, want %x", err, got, bad, want)
		}
		*spoil ^= 1 << 9
	}
}

func TestManySignAtOnce(t *testing.T) {
	t.Parallel()
	key := newKey(t, Bits)
	s := Signer(key)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 50 {
				sum := sha256.Sum256([]byte{byte(g), byte(i)})
				sig, err := s.Sign(nil, sum[:], crypto.SHA256)
				if err != nil || rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], sig) != nil {
					t.Error("wrong signature:", err)
				}
			}
		})
	}
	wg.Wait()
}

// Nothing of a key stays in memory that is used again.
func TestScratchIsWiped(t *testing.T) {
	t.Parallel()
	s := fast(t, newKey(t, Bits))
	mine := new(scratch)
	scratches.Put(mine)
	sum := sha256.Sum256(nil)
	if _, err := s.Sign(nil, sum[:], crypto.SHA256); err != nil {
		t.Fatal(err)
	}
	if *mine != (scratch{}) {
		t.Error("there is something left")
	}
}

func value(v *[width]uint64) *big.Int {
	n := new(big.Int)
	for i := width - 1; i >= 0; i-- {
		n.Lsh(n, radix).Add(n, new(big.Int).SetUint64(v[i]))
	}
	return n
}

// checkMultiply multiplies and compares with math/big.
func checkMultiply(t *testing.T, w *power, a, b *pair) {
	t.Helper()
	var z pair
	multiply(&z, a, b, &w.n, &w.k)
	r := new(big.Int).Lsh(big.NewInt(1), radix*digits)
	for i := range 2 {
		n := value(w.n.side(i))
		product := new(big.Int).Mul(value(a.side(i)), value(b.side(i)))
		want := product.Mod(product.Mul(product, new(big.Int).ModInverse(r, n)), n)
		got := value(z.side(i))
		if got.Cmp(new(big.Int).Lsh(n, 1)) >= 0 {
			t.Fatalf("side %d: not below 2n", i)
		}
		if got.Mod(got, n).Cmp(want) != 0 {
			t.Fatalf("side %d: %x, want %x", i, got, want)
		}
		for j, d := range z.side(i) {
			if d > low || j >= digits && d != 0 {
				t.Fatalf("side %d, digit %d is %x", i, j, d)
			}
		}
	}
}

// operand returns a number below 2n for both sides whose digits are drawn from
// the ends as often as from the middle, so that carries run far.
func operand(r *mrand.Rand, w *power) *pair {
	var v pair
	for i := range 2 {
		for {
			for j := range digits {
				v[i*width+j] = [...]uint64{0, low, low - 1, 1, r.Uint64() & low, r.Uint64() & low}[r.IntN(6)]
			}
			v[i*width+digits-1] &= 1<<(primeBits-radix*(digits-1)+1) - 1
			if value(v.side(i)).Cmp(new(big.Int).Lsh(value(w.n.side(i)), 1)) < 0 {
				break
			}
		}
	}
	return &v
}

func TestMultiply(t *testing.T) {
	t.Parallel()
	w := fast(t, newKey(t, Bits)).power
	r := mrand.New(mrand.NewPCG(1, 2))
	for range 3000 {
		checkMultiply(t, w, operand(r, w), operand(r, w))
	}
}

func FuzzMultiply(f *testing.F) {
	if !available {
		f.Skip("no AVX-512 IFMA")
	}
	w := fast(f, newKey(f, Bits)).power
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		r := mrand.New(mrand.NewPCG(a, b))
		for range 50 {
			checkMultiply(t, w, operand(r, w), operand(r, w))
		}
	})
}

func BenchmarkSign(b *testing.B) {
	key := newKey(b, Bits)
	sum := sha256.Sum256(nil)
	for _, c := range []struct {
		name string
		s    crypto.Signer
	}{{"rsa2048", Signer(key)}, {"crypto", key}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.s.Sign(nil, sum[:], crypto.SHA256); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
