// Package returnpath signs the addresses that bounces come back to, so that
// what comes back can be told from what was never sent: BATV-like addresses
// (prvs=), VERP with the recipient in it, and SRS for mail that is forwarded.
//
// Every signature is an HMAC-SHA256 cut to what a local part has room for. It
// is compared in constant time, without regard to case, which relays change.
// 24 to 30 bits do not stand up to endless guessing: what verifies must also
// be bounded in how often it is asked, and what a forger gains is one bounce.
package returnpath
