// Package cert keeps the TLS certificates of the listeners: one that it signs
// itself, or those that the administrator's files hold. It chooses by SNI (RFC
// 6066 section 3) and follows files that change without a restart.
package cert
