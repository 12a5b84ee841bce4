package main

// checkCmd is `gapura check`: one check by itself. Each has its type in a file
// of its own.
type checkCmd struct {
	SPF   checkSPF   `cmd:"" name:"spf" help:"SPF of a client, its HELO and its MAIL FROM (RFC 7208)."`
	DMARC checkDMARC `cmd:"" name:"dmarc" help:"DMARC by results of SPF and DKIM, or of a message (RFC 9989)."`
}
