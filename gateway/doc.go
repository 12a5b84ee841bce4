// Package gateway is the vocabulary that all of Gapura shares: sessions,
// envelopes and transactions, facts and verdicts, filters and deliveries.
// It has types and pure functions only.
//
// Filters find, the policy decides, the gateway acts. A Filter returns Facts;
// only the policy, which is a Filter too, returns Dispositions; a Delivery
// carries the message out in two phases, and nothing is promised before its
// Commit returned.
package gateway
