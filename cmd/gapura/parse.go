package main

// parseCmd is `gapura parse`: what a message, or a report in it, says.
type parseCmd struct {
	MIME parseMIME `cmd:"" name:"mime" help:"The decoded parts of a message, the files in archives included."`
}
