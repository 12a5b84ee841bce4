package account

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Schemes of verifiers.
const (
	schemeSCRAM  = "SCRAM-SHA-256"
	schemeArgon2 = "argon2id"
)

// Bounds of what a stored verifier may ask for.
const (
	MinIterations = 15_000 // of SCRAM; RFC 7677 section 4 has 4096
	maxIterations = 10_000_000
	saltSize      = 16
	maxSalt       = 64
	maxMemory     = 1 << 20 // KiB
	maxTime       = 64
	maxThreads    = 64
	keySize       = sha256.Size
)

// params say how a password becomes a key. Those of all credentials of one
// user are the same, so that a guess costs one derivation however many there
// are, and SCRAM can find out in the end which one the client has.
type params struct {
	scheme     string
	iterations int    // SCRAM: iterations; argon2id: passes
	memory     uint32 // argon2id: KiB
	threads    uint8  // argon2id
	salt       string
}

// verifier checks one credential; nothing in it lets anybody log in.
type verifier struct {
	params
	stored [keySize]byte // SCRAM: StoredKey; argon2id: the hash
	server [keySize]byte // SCRAM: ServerKey
}

var errVerifier = errors.New("account: malformed verifier")

// newSalt returns params with a fresh random salt.
func (p params) newSalt() params {
	salt := make([]byte, saltSize)
	rand.Read(salt)
	p.salt = string(salt)
	return p
}

// derive makes the verifier of a password, which is prepared already. This is
// the expensive part of every check; hasher bounds how many run at once.
func (p params) derive(password string) verifier {
	v := verifier{params: p}
	if p.scheme == schemeArgon2 {
		key := argon2.IDKey([]byte(password), []byte(p.salt), uint32(p.iterations), p.memory, p.threads, keySize)
		copy(v.stored[:], key)
		return v
	}
	// RFC 5802 section 3.
	salted, err := pbkdf2.Key(sha256.New, password, []byte(p.salt), p.iterations, keySize)
	if err != nil { // only lengths can be wrong, and they are constants
		return v
	}
	client := mac(salted, []byte("Client Key"))
	v.stored = sha256.Sum256(client)
	copy(v.server[:], mac(salted, []byte("Server Key")))
	return v
}

// proves tells whether a SCRAM ClientProof for authMessage is one of who knows
// v's password (RFC 5802 section 3).
func (v *verifier) proves(authMessage, proof []byte) bool {
	if len(proof) != keySize {
		return false
	}
	key := mac(v.stored[:], authMessage)
	subtle.XORBytes(key, key, proof)
	sum := sha256.Sum256(key)
	return hmac.Equal(sum[:], v.stored[:])
}

// signature is the ServerSignature.
func (v *verifier) signature(authMessage []byte) []byte { return mac(v.server[:], authMessage) }

// String writes v as it is stored: SCRAM as RFC 5803 has it, argon2id in the
// usual PHC form.
func (v *verifier) String() string {
	if v.scheme == schemeArgon2 {
		b64 := base64.RawStdEncoding
		return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, v.memory, v.iterations, v.threads,
			b64.EncodeToString([]byte(v.salt)), b64.EncodeToString(v.stored[:]))
	}
	b64 := base64.StdEncoding
	return fmt.Sprintf("%s$%d:%s$%s:%s", schemeSCRAM, v.iterations, b64.EncodeToString([]byte(v.salt)),
		b64.EncodeToString(v.stored[:]), b64.EncodeToString(v.server[:]))
}

// parseVerifier reads what String wrote.
func parseVerifier(s string) (verifier, error) {
	if rest, ok := strings.CutPrefix(s, schemeSCRAM+"$"); ok {
		return parseSCRAMVerifier(rest)
	}
	if rest, ok := strings.CutPrefix(s, "$argon2id$"); ok {
		return parseArgon2Verifier(rest)
	}
	return verifier{}, errVerifier
}

func parseSCRAMVerifier(s string) (verifier, error) {
	v := verifier{params: params{scheme: schemeSCRAM}}
	info, value, ok := strings.Cut(s, "$")
	iterations, salt, ok1 := strings.Cut(info, ":")
	stored, server, ok2 := strings.Cut(value, ":")
	if !ok || !ok1 || !ok2 {
		return v, errVerifier
	}
	var err error
	v.iterations, err = strconv.Atoi(iterations)
	if err != nil || v.iterations < 1 || v.iterations > maxIterations {
		return v, errVerifier
	}
	b64 := base64.StdEncoding.Strict()
	if v.salt, ok = decodeSalt(b64, salt); !ok || !decodeKey(b64, &v.stored, stored) || !decodeKey(b64, &v.server, server) {
		return v, errVerifier
	}
	return v, nil
}

func parseArgon2Verifier(s string) (verifier, error) {
	v := verifier{params: params{scheme: schemeArgon2}}
	f := strings.Split(s, "$")
	if len(f) != 4 || f[0] != "v="+strconv.Itoa(argon2.Version) {
		return v, errVerifier
	}
	n, err := fmt.Sscanf(f[1], "m=%d,t=%d,p=%d", &v.memory, &v.iterations, &v.threads)
	if err != nil || n != 3 || v.memory < 8 || v.memory > maxMemory || v.iterations < 1 || v.iterations > maxTime || v.threads < 1 || v.threads > maxThreads {
		return v, errVerifier
	}
	b64 := base64.RawStdEncoding.Strict()
	var ok bool
	if v.salt, ok = decodeSalt(b64, f[2]); !ok || !decodeKey(b64, &v.stored, f[3]) {
		return v, errVerifier
	}
	if v.String() != "$argon2id$"+s { // one way to write it
		return v, errVerifier
	}
	return v, nil
}

func decodeSalt(b64 *base64.Encoding, s string) (string, bool) {
	if len(s) > b64.EncodedLen(maxSalt) {
		return "", false
	}
	b, err := b64.DecodeString(s)
	return string(b), err == nil && len(b) > 0
}

func decodeKey(b64 *base64.Encoding, dst *[keySize]byte, s string) bool {
	if len(s) != b64.EncodedLen(keySize) {
		return false
	}
	b, err := b64.DecodeString(s)
	return err == nil && copy(dst[:], b) == keySize && len(b) == keySize
}

// mac is HMAC-SHA-256.
func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}

// macOf is the HMAC of several texts, each with its length before it.
func macOf(key []byte, texts ...string) [keySize]byte {
	var b bytes.Buffer
	for _, s := range texts {
		b.WriteString(strconv.Itoa(len(s)))
		b.WriteByte(':')
		b.WriteString(s)
	}
	return [keySize]byte(mac(key, b.Bytes()))
}
