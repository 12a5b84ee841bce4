// Package tlsrpt tells domains how TLS with their servers went: SMTP TLS
// Reporting (RFC 8460). Collector counts sessions, durably, and sends each
// domain that asks for it one report a day; ParseRecord and ParseReport are
// the parts by themselves.
package tlsrpt
