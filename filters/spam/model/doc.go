// Package model turns messages that were taken apart into features of several
// views, learns from them and scores them.
package model
