package mailauth

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/message"
)

// Signer signs with one key. The zero values of what is optional are good
// ones.
type Signer struct {
	Key      crypto.Signer // RSA of MinRSABits to MaxRSABits, or Ed25519
	Domain   string        // d=
	Selector string        // s=
	Identity string        // i=; "" : none
	// Headers are the names for h=, as they shall stand there: a name as often
	// as fields of it shall be signed, once more so that none can be added.
	// nil: DefaultHeaders' choice.
	Headers []string
	Canon   [2]Canon      // of header and body
	Time    time.Time     // t=; zero: none
	Expire  time.Duration // x= is this much after Time; 0: none
}

// signOnce are the fields signed by default once more than they are there, so
// that nobody adds another (RFC 6376 section 8.15); signMany those signed as
// often as they are there (section 5.4.1).
var signOnce = []string{
	"From", "To", "Cc", "Subject", "Date", "Reply-To", "Message-ID", "In-Reply-To", "References",
	"MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}

var signMany = []string{
	"Sender",
	"Resent-Date", "Resent-From", "Resent-To", "Resent-Cc", "Resent-Message-ID", "Resent-Sender",
	"List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe", "List-Post", "List-Owner", "List-Archive",
	"Autocrypt", "Content-ID", "Content-Description",
}

// DefaultHeaders returns the names for h= that protect the message: fields
// that readers show or act on, those of signOnce even when they are missing.
func DefaultHeaders(h *message.Header) []string {
	names := make([]string, 0, 32)
	for _, name := range signOnce {
		for range h.Count(name) + 1 {
			names = append(names, name)
		}
	}
	for _, name := range signMany {
		for range h.Count(name) {
			names = append(names, name)
		}
	}
	return names
}

// BodyForm is how the body must be hashed for Sign and Seal: NewBodyHasher
// takes it while the body arrives.
func (s *Signer) BodyForm() BodyForm { return BodyForm{s.Canon[1], -1} }

// algorithm returns a= for the key, or why it cannot be used.
func (s *Signer) algorithm() (string, error) {
	if s.Key == nil {
		return "", errors.New("no key")
	}
	switch k := s.Key.Public().(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < MinRSABits || n > MaxRSABits {
			return "", fmt.Errorf("RSA key of %d bits; %d to %d are accepted", n, MinRSABits, MaxRSABits)
		}
		return "rsa-sha256", nil
	case ed25519.PublicKey:
		return "ed25519-sha256", nil
	}
	return "", fmt.Errorf("key of type %T", s.Key.Public())
}

// sign signs a SHA-256 hash and returns base64.
func (s *Signer) sign(sum []byte) (string, error) {
	opt := crypto.SignerOpts(crypto.SHA256)
	if _, ok := s.Key.Public().(ed25519.PublicKey); ok {
		opt = crypto.Hash(0) // the hash is the message, RFC 8463 section 3
	}
	sig, err := s.Key.Sign(rand.Reader, sum, opt)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(sig), nil
}

// check returns a= and tells what makes signing impossible.
func (s *Signer) check(names []string) (string, error) {
	alg, err := s.algorithm()
	if err != nil {
		return "", err
	}
	if _, ok := domainLabels(s.Domain, 2); !ok {
		return "", fmt.Errorf("domain %q", s.Domain)
	}
	if _, ok := domainLabels(s.Selector, 1); !ok {
		return "", fmt.Errorf("selector %q", s.Selector)
	}
	if len(names) > MaxSignedNames {
		return "", fmt.Errorf("more than %d fields to sign", MaxSignedNames)
	}
	for _, n := range names {
		if !message.ValidFieldName(n) || strings.ContainsAny(n, ";") {
			return "", fmt.Errorf("field name %q", n)
		}
	}
	return alg, nil
}

// Sign returns a DKIM-Signature field, final CRLF included, for the message
// with the header h and the hash of its body (RFC 6376 section 5). The same
// input gives the same field.
func (s *Signer) Sign(h *message.Header, body BodyHash) ([]byte, error) {
	return s.signWith(newHeaderIndex(h), h, body)
}

// SignAll returns the fields of several signers for one message, in order.
// What they have in common is done once.
func SignAll(h *message.Header, body BodyHash, signers []Signer) ([]byte, error) {
	index := newHeaderIndex(h)
	var all []byte
	for i := range signers {
		field, err := signers[i].signWith(index, h, body)
		if err != nil {
			return nil, err
		}
		all = append(all, field...)
	}
	return all, nil
}

func (s *Signer) signWith(index *headerIndex, h *message.Header, body BodyHash) ([]byte, error) {
	names := s.Headers
	if names == nil {
		names = DefaultHeaders(h)
	}
	alg, err := s.check(names)
	if err == nil && !hasName(names, "From") {
		err = errors.New("the field From must be signed")
	}
	if err == nil && body.Form != s.BodyForm() {
		err = errors.New("body hashed in another form")
	}
	if err != nil {
		return nil, fmt.Errorf("mailauth: sign: %w", err)
	}
	f := newTagField("DKIM-Signature")
	f.add("v", "1")
	f.add("a", alg)
	f.add("c", s.Canon[0].String()+"/"+s.Canon[1].String())
	f.add("d", s.Domain)
	f.add("s", s.Selector)
	if s.Identity != "" {
		f.add("i", encodeIdentity(s.Identity))
	}
	f.addTime("t", s.Time)
	if s.Expire > 0 && !s.Time.IsZero() {
		f.addTime("x", s.Time.Add(s.Expire))
	}
	f.addList("h", names)
	f.add("bh", base64.StdEncoding.EncodeToString(body.Sum[:]))
	field, err := s.signField(index, f, names, s.Canon[0])
	if err != nil {
		return nil, fmt.Errorf("mailauth: sign: %w", err)
	}
	return field, nil
}

// signField signs the named fields and the field itself, and puts b= into it.
func (s *Signer) signField(index *headerIndex, f *tagField, names []string, c Canon) ([]byte, error) {
	f.add("b", "")
	w := sha256.New()
	index.hashFields(w, names, c, -1)
	w.Write(f.unsigned(c))
	sig, err := s.sign(w.Sum(nil))
	if err != nil {
		return nil, err
	}
	return f.finish(sig), nil
}

// encodeIdentity writes i= in dkim-quoted-printable (RFC 6376 section 2.11).
func encodeIdentity(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == ';' || c == '=' {
			fmt.Fprintf(&b, "=%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// tagField writes a tag-list as a folded field.
type tagField struct {
	name string
	b    []byte
	line int // octets of the last line
}

const foldColumn = 76

func newTagField(name string) *tagField {
	return &tagField{name: name, b: append(make([]byte, 0, 1024), name+":"...), line: len(name) + 1}
}

// add appends a tag, on a new line when it does not fit.
func (f *tagField) add(name, value string) {
	if f.b[len(f.b)-1] != ':' {
		f.b = append(f.b, ';')
		f.line++
	}
	f.piece(" ", name+"="+value)
}

// piece appends text after sep, or on a new line.
func (f *tagField) piece(sep, text string) {
	if f.line+len(sep)+len(text) > foldColumn {
		f.b = append(f.b, "\r\n\t"...)
		f.line, sep = 8, ""
	}
	f.b = append(append(f.b, sep...), text...)
	f.line += len(sep) + len(text)
}

// addList appends a tag whose value is a colon-separated list.
func (f *tagField) addList(name string, items []string) {
	if len(items) == 0 {
		f.add(name, "")
		return
	}
	f.add(name, items[0])
	for _, item := range items[1:] {
		f.b = append(f.b, ':')
		f.line++
		f.piece("", item)
	}
}

func (f *tagField) addTime(name string, t time.Time) {
	if !t.IsZero() {
		f.add(name, strconv.FormatInt(t.Unix(), 10))
	}
}

// unsigned returns the canonical form of the field, whose b= is still empty,
// without the final CRLF.
func (f *tagField) unsigned(c Canon) []byte {
	if c == Simple {
		return f.b
	}
	return bytes.TrimSuffix(appendRelaxed(nil, f.name, f.b[len(f.name)+1:]), []byte("\r\n"))
}

// finish puts the signature after b= and ends the field.
func (f *tagField) finish(sig string) []byte {
	for len(sig) > 0 {
		n := min(len(sig), foldColumn-f.line)
		if n <= 0 {
			f.b = append(f.b, "\r\n\t"...)
			f.line = 8
			continue
		}
		f.b = append(f.b, sig[:n]...)
		f.line += n
		sig = sig[n:]
	}
	return append(f.b, '\r', '\n')
}
