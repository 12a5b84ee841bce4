//go:build race

package imapd_test

// raceEnabled tells whether the race detector makes everything larger.
const raceEnabled = true
