// Package mtasts finds out which mail servers of a domain to trust, and that
// they must speak TLS, from the policy that the domain publishes over HTTPS:
// SMTP MTA Strict Transport Security (RFC 8461).
//
// Cache answers from what is stored and looks after it; ParseRecord,
// ParsePolicy and Policy.Match are the parts by themselves.
package mtasts
