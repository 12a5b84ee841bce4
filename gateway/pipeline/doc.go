// Package pipeline asks the filters: those of the early stages at once and in
// the background, body filters while the bytes arrive, their conclusions in
// configured order, the policy last. It keeps every filter to its timeout and
// does what its on_error says when it fails.
package pipeline
