package main

// parseCmd is `gapura parse`: what a message, or a report in it, says.
type parseCmd struct {
	MIME   parseMIME   `cmd:"" name:"mime" help:"The decoded parts of a message, the files in archives included."`
	DSN    parseDSN    `cmd:"" name:"dsn" help:"What a bounce says: who did not get the message, and why."`
	ARF    parseARF    `cmd:"" name:"arf" help:"What a complaint or another feedback report says."`
	DMARC  parseDMARC  `cmd:"" name:"dmarc-report" help:"What a DMARC aggregate report says."`
	TLSRPT parseTLSRPT `cmd:"" name:"tls-rpt" help:"A report about TLS (RFC 8460)."`
}
