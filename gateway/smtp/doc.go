// Package smtp holds the words of SMTP that both sides of a connection share:
// addresses and paths, ESMTP parameters, replies with enhanced status codes,
// the command grammar (RFC 5321) and the dot codec. It knows no connection.
package smtp
