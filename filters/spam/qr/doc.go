// Package qr reads QR codes in pictures that strangers sent: PNG, JPEG, GIF,
// WebP and BMP of up to a megapixel, and codes drawn with Unicode blocks or as
// a table. It is a leaf: it imports nothing of ours.
//
// Decoding of the symbol itself is gozxing's. What stands before it is ours, for
// gozxing's search for the three corners takes time that grows with the cube of
// what looks like a corner, and a picture of nothing but corners holds it for
// hours. Work is bounded by numbers, not by the clock, so that a message is read
// the same on a busy machine; the clock (Budget) only stops what got through.
package qr
