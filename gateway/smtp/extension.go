package smtp

// Extension is a set of service extensions that bring parameters to MAIL or
// RCPT.
type Extension uint16

const (
	ExtSize          Extension = 1 << iota // RFC 1870
	Ext8BitMIME                            // RFC 6152
	ExtSMTPUTF8                            // RFC 6531
	ExtDSN                                 // RFC 3461
	ExtAuth                                // RFC 4954
	ExtRequireTLS                          // RFC 8689
	ExtPRDR                                // draft-hall-prdr
	ExtPriority                            // RFC 6710
	ExtFutureRelease                       // RFC 4865
	ExtDeliverBy                           // RFC 2852
)

// Has tells whether all of o is in e.
func (e Extension) Has(o Extension) bool { return e&o == o }
