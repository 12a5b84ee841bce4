package tlsrpt

import (
	"crypto/x509"
	"errors"
	"net/netip"
)

// PolicyType is the kind of policy that a session went by (RFC 8460 section
// 4.4).
type PolicyType string

// The policy types.
const (
	TLSA     PolicyType = "tlsa"
	STS      PolicyType = "sts"
	NoPolicy PolicyType = "no-policy-found"
)

// ResultType says how a session failed (RFC 8460 section 4.3).
type ResultType string

// The result types; Success is the absence of one.
const (
	Success         ResultType = ""
	NoSTARTTLS      ResultType = "starttls-not-supported"
	HostMismatch    ResultType = "certificate-host-mismatch"
	Expired         ResultType = "certificate-expired"
	NotTrusted      ResultType = "certificate-not-trusted"
	Failure         ResultType = "validation-failure" // TLS failed for any other reason
	TLSAInvalid     ResultType = "tlsa-invalid"       // no TLSA record is usable
	DNSSECInvalid   ResultType = "dnssec-invalid"     // DNS failed where DNSSEC is used
	DANERequired    ResultType = "dane-required"      // we insist on DANE, the domain has none
	STSFetchError   ResultType = "sts-policy-fetch-error"
	STSInvalid      ResultType = "sts-policy-invalid"
	STSWebPKIFailed ResultType = "sts-webpki-invalid" // the policy host's certificate
)

// Policy is the policy that a session went by.
type Policy struct {
	Type PolicyType
	// Domain is the one that the policy is for, which gets the report: with
	// STS and NoPolicy the recipients', with TLSA the TLSA base domain's
	// owner as far as anybody knows: the recipients' again.
	Domain string
	// Strings is the policy: the lines of an MTA-STS policy, or TLSA records
	// as dane.Text writes them.
	Strings []string
	// MXHosts are the patterns of an MTA-STS policy.
	MXHosts []string
}

// Session is how TLS in one session with one host went. A session that was
// not to end in the delivery of mail is none.
type Session struct {
	Policy    Policy
	Result    ResultType // Success, or how it failed
	MX        string     // host name by the MX record; "" where none was reached
	Helo      string     // name in its greeting; "" : unknown
	Sending   netip.Addr // our address
	Receiving netip.Addr // its address
	// Reason is a word of the TLS implementation, Info more about the failure;
	// both may be "" and are cut when they are long.
	Reason, Info string
}

// Classify finds the result type for an error of a TLS handshake: that of an
// error with the method TLSResult, as those of dane and mtasts have, or of one
// of crypto/x509; Failure for any other.
func Classify(err error) ResultType {
	var ours interface{ TLSResult() string }
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	switch {
	case err == nil:
		return Success
	case errors.As(err, &ours):
		return ResultType(ours.TLSResult())
	case errors.As(err, &name):
		return HostMismatch
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Expired
	case errors.As(err, &authority), errors.As(err, &invalid):
		return NotTrusted
	}
	return Failure
}
