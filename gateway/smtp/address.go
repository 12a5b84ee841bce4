package smtp

// Address is a mailbox: a local part, kept unquoted, and a domain (RFC 5321
// section 4.1.2). Domain is a name in its A-label or U-label form as received,
// or an address literal with its brackets.
type Address struct {
	Local  string
	Domain string
}

// IsZero tells whether a is no address.
func (a Address) IsZero() bool { return a == Address{} }

// ReversePath is the argument of MAIL FROM; the zero value is the null
// reverse-path <>.
type ReversePath struct{ Address }

// IsNull tells whether p is <>, the sender of notifications.
func (p ReversePath) IsNull() bool { return p.IsZero() }

// ForwardPath is the argument of RCPT TO. Domain is empty for <Postmaster>.
type ForwardPath struct{ Address }
