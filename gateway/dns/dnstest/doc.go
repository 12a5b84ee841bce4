// Package dnstest is the network of tests that need the DNS: zones in a
// literal, resolvers that record, wait or fail, and a server on loopback that
// can be made to misbehave.
package dnstest
