// Package outbound carries queued mail to other servers over SMTP: it finds
// the next hops of a destination in the DNS (RFC 5321 section 5) or takes a
// smart host, connects by the TLS policy that the destination and the
// configuration ask for, keeps connections for the next message, and says what
// became of each recipient.
//
// # Where to
//
// A destination's plan is its hops in the order in which they are tried, with
// their addresses and what TLS they need. It is made anew every few seconds;
// the resolver's cache answers most of the questions.
//
// # How fast
//
// What is known of a next hop beyond one message is its site: the limits of
// the shape that it belongs to, how many connections are open, whether it has
// asked us to slow down. When a site says wait, Deliver says so at once and
// does not keep the caller.
package outbound
