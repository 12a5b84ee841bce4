// Package signing keeps the DKIM keys of our domains (RFC 6376, RFC 8463),
// changes them in steps that no receiver notices, and signs our own mail with
// them.
//
// Keys are made by the gateway and kept in the database, or come from files
// that the configuration names. Those in the database are not encrypted: who
// can read gapura.db, which only its owner can (mode 0600), or the PostgreSQL
// database, can sign in our name; a key to open them with would lie beside
// them.
package signing
