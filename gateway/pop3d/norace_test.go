//go:build !race

package pop3d_test

const raceEnabled = false
