// Package dane authenticates mail servers by the TLSA records that their
// domains publish under DNSSEC: SMTP with opportunistic DANE TLS (RFC 7672),
// with the rules of RFC 7671 and the records of RFC 6698.
//
// Lookup finds out what a host's domain wants; Set.Config makes the TLS
// configuration that holds the host to it.
package dane
