//go:build race

package plugins

// The race detector's shadow memory counts as the plugin's.
const raceEnabled = true
