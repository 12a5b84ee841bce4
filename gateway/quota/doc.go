// Package quota bounds how much senders send: messages and recipients by the
// hour and by the day, and people they never wrote to before; for each user,
// each domain and each relaying client. Who goes on and on against a bound is
// held, until an administrator looks.
//
// Counters live in memory and are written in groups, about once a second:
// nothing is written while a client waits. After a crash what was counted in
// the last second is forgotten.
package quota
