package message

// AuthResult is one method's result in an Authentication-Results field (RFC
// 8601 section 2.2).
type AuthResult struct {
	Method string     // spf, dkim, arc, dmarc, ...
	Result string     // pass, fail, none, ... (RFC 8601 section 2.7)
	Reason string     // "" : none is written
	Props  []AuthProp // in order
}

// AuthProp is one property: ptype.property=value, as in smtp.mailfrom=a@b.
type AuthProp struct {
	Type, Name, Value string
}
