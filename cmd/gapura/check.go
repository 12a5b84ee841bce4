package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxInput bounds what --input files may have.
const maxInput = 1 << 20

// readInput reads the JSON of an --input file; more than one value is an error,
// as nobody would look at the others.
func readInput(r io.Reader, name string, to any) error {
	in := &io.LimitedReader{R: r, N: maxInput + 1}
	d := json.NewDecoder(in)
	err := d.Decode(to)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		if err = errors.New("there is more than one JSON value"); in.N > 0 {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	switch {
	case in.N == 0:
		err = fmt.Errorf("more than %d octets", maxInput)
	case errors.Is(err, io.EOF):
		err = errors.New("it is empty; --help shows what it is to have")
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the JSON in it ends too early")
	}
	return fmt.Errorf("%s: %w", name, err)
}

// checkCmd is `gapura check`: one check by itself. Each has its type in a file
// of its own.
type checkCmd struct {
	SPF     checkSPF     `cmd:"" name:"spf" help:"SPF of a client, its HELO and its MAIL FROM (RFC 7208)."`
	DKIM    checkDKIM    `cmd:"" name:"dkim" help:"DKIM signatures of a message (RFC 6376)."`
	ARC     checkARC     `cmd:"" name:"arc" help:"Authenticated Received Chain of a message (RFC 8617)."`
	DMARC   checkDMARC   `cmd:"" name:"dmarc" help:"DMARC by results of SPF and DKIM, or of a message (RFC 9989)."`
	DANE    checkDANE    `cmd:"" name:"dane" help:"A mail server's certificates by TLSA records (RFC 7672)."`
	MTASTS  checkMTASTS  `cmd:"" name:"mta-sts" help:"Record and policy of MTA-STS (RFC 8461)."`
	TLSRPT  checkTLSRPT  `cmd:"" name:"tls-rpt" help:"Record of TLS reporting (RFC 8460)."`
	Store   checkStore   `cmd:"" help:"Every row of the mailboxes, and the octets of every message."`
	Address checkAddress `cmd:"" help:"Whether an address is valid in SMTP and in a header (RFC 5321, RFC 5322)."`
}
