// Package smtpc is the client side of SMTP and LMTP (RFC 5321, RFC 2033): it
// dials, says hello, starts TLS, authenticates and sends messages over a
// connection that is kept for the next one.
//
// What is spoken: PIPELINING (RFC 2920), CHUNKING (RFC 3030), SIZE (RFC 1870),
// 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531), DSN (RFC 3461), REQUIRETLS (RFC
// 8689), STARTTLS (RFC 3207), AUTH (RFC 4954), LIMITS (RFC 9422) and PRDR.
//
// # Round trips
//
// A transaction costs as few writes and round trips as the server allows. With
// PIPELINING and one recipient, DATA goes out with MAIL and RCPT; with CHUNKING
// a small message goes out whole in a single write. With several recipients who
// must all be accepted (Envelope.All), nothing is sent behind RCPT before every
// reply is there: a message whose DATA was begun can only be ended by
// delivering it to those who were accepted, or by dropping the connection.
//
// # What an error says
//
// A refusal by the server is a Result, not an error. An error is always an
// *Error: the connection broke, the server said 421 or something that is no
// SMTP, a deadline passed. Error.Ambiguous tells whether the whole message had
// been handed to the network by then, so that it may have been delivered.
package smtpc
