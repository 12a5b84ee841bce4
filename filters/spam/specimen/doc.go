// Package specimen makes mail to train and to test the spam filter with, and
// attacks on it. Nothing here is mail of a real person: every text was
// written for this package, names and brands of senders are invented, and
// the few names of well-known services appear as they do in everyone's mail.
//
// testdata/ham and testdata/lure hold one template a file: head fields
// (split, lang, style, from, subject, attach ...), an empty line and the body
// in a small markup. A template belongs to one split for good, "train" or
// "test", and so do the layouts in testdata/layout which are not the work of
// a mail program, and the names of brands: what is learned from one
// split has not seen the other. The markup:
//
//	[[a|b|]]          one of the alternatives, nested if need be
//	{{slot:arg#tag}}  a value; see slots.go. Names stay what they are within a
//	                  message ({{first}}, {{first.2}}), numbers and links are
//	                  drawn anew unless a #tag names them
//	? line            the line is left out of four messages in ten
//	# ## * | > ^ = ~  heading, smaller heading, item, table row, quotation,
//	                  fine print, a code to copy, text hidden from the reader
//	[b Label](url)    a button on a line of its own; [text](url) within one
//	![alt](url)       an image; --- a rule; a \ at the end breaks the line
//	[ [[a|b]]](url)   a link whose text is one of several
//	@ 3-8 ... @@      the lines between come three to eight times
//
// "era: old" has a message made as twenty years ago, "era: mixed" every second
// one: programs, links, charsets and HTML of that time.
//
// Generate renders messages that are the same for the same split, seed and
// number. Attack rewrites a raw message the way spammers do who know
// the filter.
package specimen
