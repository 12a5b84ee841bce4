// Package dnsbl is the filter that asks DNS lists (RFC 5782) about the client's
// address and about the domains of HELO and sender. Every list has a weight;
// lists of the welcome have a negative one. All are asked at once; those that
// do not answer are named and the others still count. Answers that are no
// listing (outside 127.0.0.0/8, 127.255.255.0/24, and the few by which lists
// say that they were asked in the wrong way or too often) are errors of the
// list.
//
// Facts:
//
//	dnsbl.score        sum of the weights of all lists that list client, HELO or sender
//	dnsbl.listed       a block list does
//	dnsbl.zones        the block lists that do
//	dnsbl.reason       for the reply: "192.0.2.1 is listed by zen.example.org: ..."
//	dnsbl.allowed      an allow list does
//	dnsbl.allow_zones  the allow lists that do
//	dnsbl.answers      every listing: "client zen.example.org 127.0.0.2"
//	dnsbl.errors       lists that failed: "zen.example.org: ..."
//
// The client's address is not looked up when it is private or may relay, and
// nothing is for users who have logged in or on submission listeners.
//
// An allow list that lists the client adds a dnswl result (RFC 8904) to
// Authentication-Results.
//
// An example rule:
//
//	rules:
//	  - name: block-listed
//	    at: rcpt
//	    if: dnsbl.score >= 5.0 && !dnsbl.allowed
//	    then: reject
//	    reply: "550 5.7.1 {dnsbl.reason}"
package dnsbl
