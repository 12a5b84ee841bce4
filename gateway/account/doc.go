// Package account knows who our users are, checks that a client is one of
// them, and which addresses are theirs.
//
// A user is an address. It has credentials (a password, app passwords, each
// with a verifier of its own), and other addresses through aliases. Users,
// aliases, bans are rows in sqldb; a directory (LDAP), an OAuth server and
// client certificates are further sources.
//
// Authenticate runs a SASL exchange (RFC 4422) of any protocol: PLAIN, LOGIN,
// SCRAM-SHA-256 with and without channel binding, OAUTHBEARER, XOAUTH2,
// EXTERNAL. Nothing in text, work or time tells a client whether a user
// exists. Guesses are slowed down, then their addresses banned for a while.
package account
