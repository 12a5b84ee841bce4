// Package proxy hands mail over to backends, the organisation's mailbox
// servers, while the client waits: what the backend says is what the client
// hears.
//
// A Group is the backends of one domain. Recipients are verified while the
// client still speaks: MAIL, RCPT and RSET go to a backend in one round trip on
// a pooled connection, which is given back at once, so that a slow upload never
// holds a backend's connection. Answers are remembered. After the verdict
// Commit repeats MAIL and RCPT, and sends the message; a recipient who is
// refused only then costs the client a 451 and the memory its entry, since
// nothing but the whole transaction can be refused any more.
//
// # What the client hears
//
// The backend's replies to MAIL, RCPT, DATA and the message as they are. What
// is between us and the backend becomes 451 and a log line: no connection, 421
// at any point, refused EHLO, STARTTLS or AUTH, and the codes that tell a
// client off for its use of the protocol. 250 means that the backend said 250.
// If a connection broke after the whole message had been sent, nobody knows
// whether it was taken; the client gets 451 and sends it again: that is the
// one way to a duplicate.
//
// # TLS
//
// smtp:// and lmtp:// are plaintext, always. smtp+starttls:// fails without
// STARTTLS, smtps:// begins with TLS; both check the certificate unless
// tls.verify is false. There is no opportunistic mode.
package proxy
