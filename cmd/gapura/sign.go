package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/mailauth"
)

// signCmd is `gapura sign`: signatures for one message.
type signCmd struct {
	DKIM signDKIM `cmd:"" name:"dkim" help:"Put a DKIM signature on top of a message."`
	ARC  signARC  `cmd:"" name:"arc" help:"Put an ARC set on top of a message."`
}

// signFlags are what both have in common.
type signFlags struct {
	Key        string `required:"" placeholder:"FILE" help:"Private key: PEM, RSA or Ed25519; or an Ed25519 key in base64."`
	Domain     string `required:"" help:"Domain that signs (d=)."`
	Selector   string `required:"" help:"Selector of the key (s=)."`
	Headers    string `placeholder:"A:B:C" help:"Fields to sign (h=); default: those that matter, once more than they are there."`
	Timestamp  int64  `placeholder:"SECONDS" help:"Time of the signature (t=), seconds since 1970; default now."`
	AuthservID string `name:"authserv-id" placeholder:"NAME" help:"With ARC: whose Authentication-Results to seal."`
	Message    string `default:"-" placeholder:"FILE" help:"Message to sign; - is standard input."`
}

// signer reads the key.
func (f *signFlags) signer() (*mailauth.Signer, error) {
	data, err := os.ReadFile(f.Key)
	if err != nil {
		return nil, err
	}
	key, err := mailauth.ParsePrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Key, err)
	}
	s := &mailauth.Signer{Key: key, Domain: f.Domain, Selector: f.Selector, Time: time.Now()}
	if f.Timestamp != 0 {
		s.Time = time.Unix(f.Timestamp, 0)
	}
	if f.Headers != "" {
		for name := range strings.SplitSeq(f.Headers, ":") {
			s.Headers = append(s.Headers, strings.TrimSpace(name))
		}
	}
	return s, nil
}

// signed is a message in memory with the hash of its body.
type signed struct {
	*messageFile
	bytes []byte // of the body
	hash  mailauth.BodyHash
}

// hashMessage reads the message and hashes its body.
func (a *app) hashMessage(name string, form mailauth.BodyForm) (*signed, error) {
	m, err := a.readMessage(name)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	h := mailauth.NewBodyHasher(form)
	body, err := io.ReadAll(io.TeeReader(m.body, h))
	if err != nil {
		return nil, err
	}
	sum, _ := h.Sum(form)
	return &signed{m, body, sum}, nil
}

// write prints the message with fields on top.
func (s *signed) write(w io.Writer, fields []byte) error {
	header := s.header.Raw()
	if len(header) > 0 && !bytes.HasSuffix(header, []byte("\n")) {
		fields = append(append([]byte(nil), fields...), header...)
		header = []byte("\r\n")
	}
	for _, b := range [][]byte{fields, header, []byte("\r\n"), s.bytes} {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}
