// Package queue keeps mail durably until every recipient has it or its sender
// has been told: store, schedule, runner and the notifications (DSN, RFC 3461
// to 3464).
package queue
