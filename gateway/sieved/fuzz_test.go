package sieved_test

import (
	"bytes"
	"testing"

	"github.com/gapura-mail/gapura/gateway/acceptor/acceptortest"
	"github.com/gapura-mail/gapura/gateway/sieved"
)

// FuzzSession sends anything to a server, in pieces of any Size: however it is
// cut, the answer is the same.
func FuzzSession(f *testing.F) {
	login := `AUTHENTICATE "PLAIN" "` + plain + "\"\r\n"
	for i, s := range []string{
		login + "PUTSCRIPT \"a\" {5+}\r\nkeep;\r\nLISTSCRIPTS\r\nGETSCRIPT \"a\"\r\nLOGOUT\r\n",
		login + "SETACTIVE \"\"\r\nRENAMESCRIPT {1+}\r\na {1+}\r\nb\r\nDELETESCRIPT \"b\\\"\"\r\n",
		"AUTHENTICATE \"PLAIN\"\r\n{3+}\r\nabc\r\nCAPABILITY\r\nNOOP {1}\r\n", login + "HAVESPACE \"a\" 10\nCHECKSCRIPT \"bad\"\nUNAUTHENTICATE\nNOOP \"x\"\n",
	} {
		f.Add([]byte(s), uint16(i*7))
	}
	f.Fuzz(func(t *testing.T, in []byte, size uint16) {
		run := func(size int) ([]byte, *memory) {
			m := &memory{}
			c := &acceptortest.Script{In: bytes.Clone(in), Size: size}
			newServer(t, sieved.Options{}, m).ServeConn(c)
			return c.Out, m
		}
		whole, m := run(len(in))
		cut, n := run(int(size))
		if !bytes.Equal(whole, cut) || len(m.list) != len(n.list) {
			t.Fatalf("at once %q, in pieces of %d %q", whole, size, cut)
		}
		if !bytes.HasSuffix(whole, []byte("\r\n")) {
			t.Fatalf("ends with %q", whole)
		}
	})
}
