// Package blob keeps immutable octets durably: in append-only segment files, or
// in an S3 bucket.
//
// The owner of a blob keeps its Ref; nothing else leads to it. Which blobs
// live is the owner's to say: it tells them when the store is opened, appends
// new ones, releases those that no row refers to any more, and moves those that
// Compact asks it to.
package blob
