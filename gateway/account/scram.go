package account

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// scram is SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding.
func (x *exchange) scram(ctx context.Context) (Identity, error) { return x.runSCRAM(ctx, false) }

// scramPlus is SCRAM-SHA-256-PLUS, bound to the TLS connection.
func (x *exchange) scramPlus(ctx context.Context) (Identity, error) { return x.runSCRAM(ctx, true) }

func (x *exchange) runSCRAM(ctx context.Context, plus bool) (Identity, error) {
	b, err := x.response(ctx)
	if err != nil {
		return Identity{}, err
	}
	first, err := parseClientFirst(string(b))
	if err != nil {
		return Identity{}, err
	}
	binding, err := x.checkBinding(&first.gs2, plus)
	if err != nil {
		return Identity{}, err
	}
	c, err := x.candidate(ctx, first.user)
	if err != nil {
		return Identity{}, err
	}
	if err := x.wait(ctx); err != nil {
		return Identity{}, err
	}
	p := c.scramParams()
	nonce := first.nonce + x.a.nonce()
	serverFirst := "r=" + nonce + ",s=" + base64.StdEncoding.EncodeToString([]byte(p.salt)) + ",i=" + strconv.Itoa(p.iterations)
	if b, err = x.challenge(ctx, []byte(serverFirst)); err != nil {
		return Identity{}, err
	}
	final, err := parseClientFinal(string(b))
	if err != nil {
		return Identity{}, err
	}
	if final.nonce != nonce {
		return Identity{}, malformed("SCRAM: another nonce")
	}
	if !bytes.Equal(final.binding, append([]byte(first.gs2.header), binding...)) {
		return Identity{}, fmt.Errorf("%w: the channel binding is another's", ErrCredentials)
	}
	authMessage := []byte(first.bare + "," + serverFirst + "," + final.withoutProof)
	cred, v := c.proven(p, authMessage, final.proof)
	if cred == nil {
		return Identity{}, fmt.Errorf("%w: %s", ErrCredentials, c.reason())
	}
	id, err := x.identify(ctx, first.gs2.authz, c, cred)
	if err != nil {
		return Identity{}, err
	}
	// The server proves itself in turn; what the client answers has no meaning.
	done := "v=" + base64.StdEncoding.EncodeToString(v.signature(authMessage))
	if _, err := x.challenge(ctx, []byte(done)); err != nil {
		return Identity{}, err
	}
	return id, nil
}

// randomNonce returns the server's half of a nonce.
func randomNonce() string {
	b := make([]byte, 18)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// gs2 is the GS2 header (RFC 5801 section 4).
type gs2 struct {
	header  string // as it was sent, with its final comma
	flag    byte   // n: client knows no channel binding; y: it thinks that we do not; p: bound
	binding string // type, where the flag is p
	authz   string
}

// parseGS2 takes the header off s.
func parseGS2(s string) (h gs2, rest string, err error) {
	flag, rest, ok := strings.Cut(s, ",")
	authz, rest, ok1 := strings.Cut(rest, ",")
	if !ok || !ok1 {
		return h, "", malformed("GS2 header: no two commas")
	}
	h.header = s[:len(s)-len(rest)]
	switch {
	case flag == "n" || flag == "y":
		h.flag = flag[0]
	case strings.HasPrefix(flag, "p=") && len(flag) > 2:
		h.flag, h.binding = 'p', flag[2:]
	default:
		return h, "", malformed("GS2 header: unknown flag")
	}
	if authz != "" && authz != "a=" { // GNU SASL writes the latter for an empty one
		name, ok := strings.CutPrefix(authz, "a=")
		if !ok {
			return h, "", malformed("GS2 header: no a=")
		}
		if h.authz, err = decodeName(name); err != nil {
			return h, "", err
		}
	}
	return h, rest, nil
}

// decodeName undoes =2C and =3D (RFC 5802 section 5.1).
func decodeName(s string) (string, error) {
	if s == "" || strings.IndexByte(s, 0) >= 0 {
		return "", malformed("no name")
	}
	if strings.IndexByte(s, '=') < 0 {
		return s, nil
	}
	out := strings.NewReplacer("=2C", ",", "=3D", "=", "=", "\x00").Replace(s)
	if strings.IndexByte(out, 0) >= 0 {
		return "", malformed("a name with = that is no escape")
	}
	return out, nil
}

// clientFirst is the client's first message.
type clientFirst struct {
	gs2   gs2
	bare  string // without the GS2 header
	user  string
	nonce string
}

func parseClientFirst(s string) (m clientFirst, err error) {
	if m.gs2, m.bare, err = parseGS2(s); err != nil {
		return m, err
	}
	f := strings.SplitN(m.bare, ",", maxExtension)
	user, ok := strings.CutPrefix(f[0], "n=")
	if !ok || len(f) < 2 {
		return m, malformed("SCRAM: no n= (extensions by m= are not known)")
	}
	if m.user, err = decodeName(user); err != nil {
		return m, err
	}
	if m.nonce, ok = strings.CutPrefix(f[1], "r="); !ok || !isNonce(m.nonce) {
		return m, malformed("SCRAM: no nonce")
	}
	return m, nil
}

// isNonce tells whether s is printable without a comma, and not too long.
func isNonce(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ',' {
			return false
		}
	}
	return s != "" && len(s) <= maxNonce
}

// clientFinal is the client's second message.
type clientFinal struct {
	binding      []byte
	nonce        string
	proof        []byte
	withoutProof string
}

func parseClientFinal(s string) (m clientFinal, err error) {
	i := strings.LastIndex(s, ",p=")
	if i < 0 {
		return m, malformed("SCRAM: no proof")
	}
	m.withoutProof = s[:i]
	b64 := base64.StdEncoding.Strict()
	if m.proof, err = b64.DecodeString(s[i+3:]); err != nil {
		return m, malformed("SCRAM: the proof is not base64")
	}
	f := strings.SplitN(m.withoutProof, ",", maxExtension)
	binding, ok := strings.CutPrefix(f[0], "c=")
	if !ok || len(f) < 2 {
		return m, malformed("SCRAM: no channel binding")
	}
	if m.binding, err = b64.DecodeString(binding); err != nil {
		return m, malformed("SCRAM: the channel binding is not base64")
	}
	if m.nonce, ok = strings.CutPrefix(f[1], "r="); !ok {
		return m, malformed("SCRAM: no nonce")
	}
	return m, nil
}
