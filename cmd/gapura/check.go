package main

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
