// Package pop3d is a POP3 server (RFC 1939) with CAPA, RESP-CODES and
// PIPELINING (RFC 2449), AUTH-RESP-CODE (RFC 3206), STLS (RFC 2595), SASL AUTH
// (RFC 5034) and UTF8 (RFC 6856): one file for each command.
//
// A session has the maildrop, a user's INBOX, to itself, and sees it as it was
// at the login. Messages are removed by QUIT and by nothing else.
package pop3d
