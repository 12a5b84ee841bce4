// Package anatomy takes one message apart the way a spam filter looks at it:
// what its header claims, what a reader sees and does not see, where its links
// lead and how it is built.
package anatomy
