//go:build race

package pop3d_test

// raceEnabled tells whether the race detector makes everything larger.
const raceEnabled = true
