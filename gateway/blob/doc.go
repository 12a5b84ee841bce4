// Package blob keeps immutable octets durably: in append-only segment files, or
// in an S3 bucket.
//
// The owner of a blob keeps its Ref; nothing else leads to it. Which blobs
// live is the owner's to say: it tells them when the store is opened, appends
// new ones, releases those that no row refers to any more, and moves those that
// Compact asks it to.
//
// A segment is a row of frames, and zeros behind them that wait to be
// overwritten. Integers are little-endian, checksums CRC-32C, and frames begin
// at multiples of 8:
//
//	0   "GBR1"
//	4   length of the tag, one octet; three of zero
//	8   length of the blob, 8
//	16  number of the segment, 8
//	24  checksum of the above and the tag, 4; four octets of zero
//	32  tag
//	    blob
//	    checksum of the blob, 4
//	    "GBRe", or "GBRv" for a blob that was given up
//
// What is torn, or was never confirmed, fails a checksum; nobody refers to it.
package blob
