package rsa2048

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	_ "embed"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"sync"
	"testing"
)

func fast(t testing.TB, key *rsa.PrivateKey) *signer {
	t.Helper()
	if !available {
		t.Skip("no AVX-512 IFMA")
	}
	s, ok := Signer(key, nil).(*signer)
	if !ok {
		t.Fatal("crypto/rsa signs")
	}
	return s
}

//go:embed testdata/key.pem
var keyPEM []byte

// testKey is a key that openssl made for these tests.
func testKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(keyPEM)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PrivateKey)
}

// keyOf makes a key of primes, without what is computed beforehand.
func keyOf(t testing.TB, e int64, primes ...*big.Int) *rsa.PrivateKey {
	t.Helper()
	n, phi := big.NewInt(1), big.NewInt(1)
	for _, p := range primes {
		n.Mul(n, p)
		phi.Mul(phi, new(big.Int).Sub(p, big.NewInt(1)))
	}
	d := new(big.Int).ModInverse(big.NewInt(e), phi)
	if d == nil {
		t.Fatal("no inverse")
	}
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e)}, D: d, Primes: primes}
	if err := key.Validate(); err != nil {
		t.Fatal(err)
	}
	return key
}

// near returns 2^n + d, a prime for the d that are used here.
func near(n uint, d int64) *big.Int {
	p := new(big.Int).Lsh(big.NewInt(1), n)
	return p.Add(p, big.NewInt(d))
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
	agree(t, testKey(t), 60)
}

// Primes at the ends of what 2048 bits allow, either one first, and those that
// are nearly all ones or zeros.
func TestPrimesAtTheEdges(t *testing.T) {
	t.Parallel()
	high, half := near(primeBits, -105), near(primeBits-1, 1155)
	lower := new(big.Int).Sub(near(primeBits, -883), near(primeBits-90, 0))
	least := new(big.Int).Sqrt(near(Bits-1, 0))
	least.Add(least, big.NewInt(37))
	for _, c := range [][2]*big.Int{{high, lower}, {lower, high}, {least, high}, {high, least}, {half, high}, {high, half}} {
		if !c[0].ProbablyPrime(1) {
			t.Errorf("%x is no prime", c[0])
		}
		agree(t, keyOf(t, 65537, c[0], c[1]), 5)
	}
}

// Any exponent, and a key of which nothing is computed yet.
func TestExponents(t *testing.T) {
	t.Parallel()
	for _, e := range []int64{17, 257, 1<<31 - 1} {
		agree(t, keyOf(t, e, near(primeBits, -105), near(primeBits-1, 1155)), 2)
	}
	agree(t, keyOf(t, 3, near(primeBits, -179), near(primeBits-1, 1155)), 2)
}

func TestOthersAreSignedByCryptoRSA(t *testing.T) {
	t.Parallel()
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !ed.Equal(Signer(ed, nil)) || Signer(nil, nil) != nil {
		t.Error("ed25519 or nothing are not as they were")
	}
	for _, key := range []*rsa.PrivateKey{
		keyOf(t, 65537, near(512, -569), near(511, 111)),
		keyOf(t, 65537, near(1023, 1155), near(1024, 643)),
		keyOf(t, 65537, near(1024, 643), near(1023, 1155)),
		keyOf(t, 65537, near(1023, 1155), new(big.Int).Add(near(1023, 863), near(1000, 0))),
		keyOf(t, 65537, near(1023, 1155), new(big.Int).Add(near(1023, 863), near(1000, 0)), big.NewInt(3)),
		keyOf(t, 65537, near(682, -63), near(683, -45), near(683, 83)),
	} {
		if Signer(key, nil) != crypto.Signer(key) {
			t.Errorf("%d primes, %d bits, are signed with here", len(key.Primes), key.N.BitLen())
		}
	}
}

// A key that is none is left to crypto/rsa and its errors.
func TestInvalidKeys(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*rsa.PrivateKey){
		"nothing":        func(k *rsa.PrivateKey) { *k = rsa.PrivateKey{} },
		"no primes":      func(k *rsa.PrivateKey) { k.Primes = nil },
		"nil primes":     func(k *rsa.PrivateKey) { k.Primes = []*big.Int{nil, nil} },
		"no modulus":     func(k *rsa.PrivateKey) { k.N = nil },
		"no exponent":    func(k *rsa.PrivateKey) { k.D = nil },
		"zero":           func(k *rsa.PrivateKey) { k.D = new(big.Int) },
		"one prime":      func(k *rsa.PrivateKey) { k.Primes[1] = k.Primes[0] },
		"even":           func(k *rsa.PrivateKey) { k.Primes[0] = near(primeBits-1, 0) },
		"other prime":    func(k *rsa.PrivateKey) { k.Primes[0] = near(primeBits, -105) },
		"other modulus":  func(k *rsa.PrivateKey) { k.N = near(Bits-1, 1) },
		"other exponent": func(k *rsa.PrivateKey) { k.D.Add(k.D, big.NewInt(2)) },
	} {
		whole, key := testKey(t), testKey(t)
		key.Precomputed = rsa.PrecomputedValues{}
		spoil(key)
		if Signer(key, nil) != crypto.Signer(key) {
			t.Errorf("%s: is signed with here", name)
		}
		spoil(whole)
		if Signer(whole, nil) != crypto.Signer(whole) {
			t.Errorf("%s: is signed with here, after it was whole", name)
		}
	}
}

// All that is not PKCS #1 version 1.5 over SHA-256 is as crypto/rsa has it.
func TestOptions(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	s := Signer(key, nil)
	sum := sha512.Sum512(nil)
	for _, c := range []struct {
		opts   crypto.SignerOpts
		digest []byte
	}{
		{crypto.SHA256, sum[:32]},
		{crypto.SHA256, sum[:31]},
		{crypto.SHA256, sum[:33]},
		{crypto.SHA256, nil},
		{crypto.SHA256, make([]byte, Bits)},
		{crypto.SHA512, sum[:]},
		{crypto.SHA512_256, sum[:32]},
		{crypto.Hash(0), sum[:32]},
		{&rsa.PSSOptions{Hash: crypto.SHA256}, sum[:31]},
	} {
		want, wantErr := key.Sign(rand.Reader, c.digest, c.opts)
		got, err := s.Sign(rand.Reader, c.digest, c.opts)
		if !bytes.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%v, %d octets: %x, %v, want %x, %v", c.opts, len(c.digest), got, err, want, wantErr)
		}
	}
	pss := &rsa.PSSOptions{Hash: crypto.SHA256}
	sig, err := s.Sign(rand.Reader, sum[:32], pss)
	if err != nil || rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, sum[:32], sig, pss) != nil {
		t.Error("PSS:", err)
	}
	if pub, ok := s.Public().(*rsa.PublicKey); !ok || !pub.Equal(&key.PublicKey) {
		t.Error("another public key")
	}
}

// Who wants validated modules gets them: the test runs itself in that mode.
func TestFIPS(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	if fips140.Enabled() {
		if Signer(key, nil) != crypto.Signer(key) {
			t.Error("signs past the validated module")
		}
		return
	}
	fast(t, key)
	run := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPS$", "-test.v")
	run.Env = append(os.Environ(), "GODEBUG=fips140=on")
	out, err := run.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestFIPS")) {
		t.Errorf("%v: %s", err, out)
	}
}

// A fault in one half betrays the key to who sees the signature: it must not be
// seen.
func TestAFaultIsNotSeen(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	s := fast(t, key)
	faults, made := 0, 0
	s.fault = func() { faults++ }
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
		if made++; faults != made {
			t.Errorf("%d faults told of %d", faults, made)
		}
		*spoil ^= 1 << 9
		if _, err := s.Sign(nil, sum[:], crypto.SHA256); err != nil || faults != made {
			t.Errorf("%v; a signature that is right is told as a fault", err)
		}
	}
	s.fault = nil
	s.power.k[0] ^= 1 // nobody hears of it
	if got, err := s.Sign(nil, sum[:], crypto.SHA256); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v: %x", err, got)
	}
}

func TestManySignAtOnce(t *testing.T) {
	t.Parallel()
	key := testKey(t)
	s := Signer(key, nil)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 20 {
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

func BenchmarkSign(b *testing.B) {
	key := testKey(b)
	sum := sha256.Sum256(nil)
	for _, c := range []struct {
		name string
		s    crypto.Signer
	}{{"rsa2048", Signer(key, nil)}, {"crypto", key}} {
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
