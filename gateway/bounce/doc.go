// Package bounce is about what comes back, and what it means: it signs the
// return addresses that mail leaves with, knows them when bounces and
// complaints come to them, reads those and tells the suppression list.
package bounce
