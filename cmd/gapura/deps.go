//go:build deps

// What is about to be used, so that go.mod keeps it.
package main

import (
	_ "github.com/emersion/go-message"
)
