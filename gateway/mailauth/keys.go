package mailauth

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// Bounds of keys.
const (
	MinRSABits    = 1024 // RFC 8301 section 3.2: below, a signature is not valid
	MaxRSABits    = 8192 // above, a signature is not computed
	MaxKeyRecord  = 8192 // octets of a key record
	maxKeyRecords = 4    // that are looked at under one name

	// maxWork is how much verifying one message may cost, in the unit of
	// KeyRecord.work: 200 signatures with usual RSA keys, 12 with the largest.
	maxWork = 200 * 4 * 17
)

// ErrKeyRecord says that a key record cannot be used; errors of
// ParseKeyRecord wrap it.
var ErrKeyRecord = errors.New("unusable key record")

// KeyRecord is a DKIM public key record (RFC 6376 section 3.6.1).
type KeyRecord struct {
	Type     string           // k=: rsa, ed25519
	Key      crypto.PublicKey // *rsa.PublicKey or ed25519.PublicKey; nil: revoked
	Bits     int              // of the key
	Hashes   []string         // h=; nil: all
	Services []string         // s=; nil: all
	Flags    []string         // t=
	Notes    string           // n=, as it came
}

// Revoked tells whether the domain's owner withdrew the key: p= is empty.
func (k *KeyRecord) Revoked() bool { return k.Key == nil }

// Testing tells whether the domain says that it is testing DKIM (t=y).
func (k *KeyRecord) Testing() bool { return slices.Contains(k.Flags, "y") }

// Strict tells whether i= must have the very domain of d= (t=s).
func (k *KeyRecord) Strict() bool { return slices.Contains(k.Flags, "s") }

// ParseKeyRecord reads a DKIM public key record (RFC 6376 section 3.6.1, RFC
// 8463 section 4). A key of a type that we do not know is an error, as is an
// RSA key above MaxRSABits; one below MinRSABits is not.
func ParseKeyRecord(txt string) (*KeyRecord, error) {
	if len(txt) > MaxKeyRecord {
		return nil, fmt.Errorf("%w: longer than %d octets", ErrKeyRecord, MaxKeyRecord)
	}
	tags, err := ParseTagList(txt)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyRecord, err)
	}
	if v, ok := tags.Get("v"); ok && (v != "DKIM1" || tags[0].Name != "v") {
		return nil, fmt.Errorf("%w: v= is not DKIM1 or not first", ErrKeyRecord)
	}
	k := &KeyRecord{Type: "rsa"}
	if t, ok := tags.Get("k"); ok {
		k.Type = t
	}
	h, _ := tags.Get("h")
	s, _ := tags.Get("s")
	t, _ := tags.Get("t")
	k.Hashes, k.Services, k.Flags = colonList(h), colonList(s), colonList(t)
	k.Notes, _ = tags.Get("n")
	p, ok := tags.Get("p")
	if !ok {
		return nil, fmt.Errorf("%w: no p=", ErrKeyRecord)
	}
	if k.Type != "rsa" && k.Type != "ed25519" {
		return nil, fmt.Errorf("%w: key type %q", ErrKeyRecord, shorten(k.Type))
	}
	der, err := decodeBase64(p)
	if err != nil {
		return nil, fmt.Errorf("%w: p= is not base64", ErrKeyRecord)
	}
	if len(der) == 0 {
		return k, nil
	}
	return k, k.parseKey(der)
}

func (k *KeyRecord) parseKey(data []byte) error {
	if k.Type == "ed25519" { // the bare key, RFC 8463 section 4.2
		if len(data) != ed25519.PublicKeySize {
			return fmt.Errorf("%w: an ed25519 key has %d octets, this one %d", ErrKeyRecord, ed25519.PublicKeySize, len(data))
		}
		k.Key, k.Bits = ed25519.PublicKey(data), 256
		return nil
	}
	key, err := parseRSAPublic(data)
	if err != nil {
		return fmt.Errorf("%w: p= is no RSA public key", ErrKeyRecord)
	}
	if key.N.BitLen() > MaxRSABits {
		return fmt.Errorf("%w: RSA key of %d bits", ErrKeyRecord, key.N.BitLen())
	}
	k.Key, k.Bits = key, key.N.BitLen()
	return nil
}

// parseRSAPublic takes SubjectPublicKeyInfo, as is usual, or RSAPublicKey, as
// RFC 6376's grammar says (erratum 3017).
func parseRSAPublic(der []byte) (*rsa.PublicKey, error) {
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		if k, ok := key.(*rsa.PublicKey); ok {
			return k, nil
		}
		return nil, errors.New("not RSA")
	}
	return x509.ParsePKCS1PublicKey(der)
}

// String returns the record as it is to be published.
func (k *KeyRecord) String() string {
	var b strings.Builder
	b.WriteString("v=DKIM1; ")
	for _, l := range []struct {
		name string
		list []string
	}{{"h", k.Hashes}, {"s", k.Services}, {"t", k.Flags}} {
		if len(l.list) > 0 {
			b.WriteString(l.name + "=" + strings.Join(l.list, ":") + "; ")
		}
	}
	b.WriteString("k=" + k.Type + "; ")
	if k.Notes != "" {
		b.WriteString("n=" + k.Notes + "; ")
	}
	b.WriteString("p=" + base64.StdEncoding.EncodeToString(k.public()))
	return b.String()
}

func (k *KeyRecord) public() []byte {
	switch key := k.Key.(type) {
	case ed25519.PublicKey:
		return key
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(key)
		if err == nil {
			return der
		}
	}
	return nil
}

// work is about what one verification costs: what a modular multiplication of
// 1024 bits does is 1.
func (k *KeyRecord) work() int64 {
	if key, ok := k.Key.(*rsa.PublicKey); ok {
		n := int64(k.Bits+1023) / 1024
		return n * n * int64(bits.Len(uint(key.E)))
	}
	return 4 * 17 // Ed25519 is as slow as RSA of 2048 bits
}

// verify checks sig over the SHA-256 hash sum.
func (k *KeyRecord) verify(sum, sig []byte) bool {
	switch key := k.Key.(type) {
	case ed25519.PublicKey: // of the hash, RFC 8463 section 3
		return ed25519.Verify(key, sum, sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum, sig) == nil
	}
	return false
}

// ParsePrivateKey reads a private key: PEM (PKCS #1 or PKCS #8, RSA or
// Ed25519), or the 32 octets of an Ed25519 key in base64.
func ParsePrivateKey(data []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		seed, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(data)))
		if err != nil || len(seed) != ed25519.SeedSize {
			return nil, errors.New("neither PEM nor an ed25519 key in base64")
		}
		return ed25519.NewKeyFromSeed(seed), nil
	}
	var key any
	var err error
	switch _, encrypted := block.Headers["DEK-Info"]; {
	case encrypted || block.Type == "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the private key is encrypted: write it without a passphrase (openssl pkey -in FILE -out FILE)")
	case block.Type == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default: // EC PRIVATE KEY, PUBLIC KEY, CERTIFICATE, ...
		return nil, fmt.Errorf("%q is no private key of RSA or ed25519", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, nil
	case ed25519.PrivateKey:
		return key, nil
	}
	return nil, errors.New("private key is neither RSA nor ed25519")
}
