// Package mailauth is the one mail authentication core: SPF (RFC 7208), DKIM
// (RFC 6376, 8301, 8463), ARC (RFC 8617) and DMARC (RFC 9989); it verifies,
// signs and seals. Filters and commands are thin over it.
//
// Everything it reads comes from strangers: fields, records and counts are
// bounded, and no work grows faster than its input.
package mailauth
