// Package report reads and writes the reports that mail systems send each
// other: delivery status notifications (RFC 3461 to 3464, 6522, 6533),
// complaints (ARF, RFC 5965) and DMARC's aggregate reports (RFC 9990).
//
// What it reads comes from strangers: every reader is bounded and linear, and
// none trusts what a report says about itself.
package report
