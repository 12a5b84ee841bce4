// Package inbound says what the commands of a client mean: it brings limits,
// pipeline, routes, the growing body and deliveries together, and implements
// the handler that gateway/smtpd asks.
package inbound
