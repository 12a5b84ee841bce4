//go:build race

package smtpd_test

// raceEnabled tells whether the race detector makes everything larger.
const raceEnabled = true
