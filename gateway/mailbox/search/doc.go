// Package search finds messages by text: full-text search over users' mail for
// IMAP's SEARCH TEXT and BODY (RFC 9051 section 6.4.4).
//
// # What is compared
//
// Of every message a header text and a body text are made (Extract): the
// decoded fields of the header but those that only machines write (Received,
// signatures and the like); the text parts, HTML as it is seen, the headers of
// messages within the message and the names of files. Texts and patterns are
// folded (index.Fold) and every run of white space is one space, so that a
// phrase is found across line ends. A message has a text if the pattern
// occurs anywhere in it, within a word too, as IMAP wants it.
//
// # The index
//
// It knows for every object (a message's octets, shared by folders and users)
// its words, the header's and the body's apart; grams of three characters where
// one is no letter; single characters and pairs of scripts that write without
// spaces; and hashes of the ends of words next to each other. A pattern that
// lies within a word is looked for in the words of the index itself, in the pages
// that may have it by their signatures: who has it is known exactly, and no
// message is read. Of longer patterns the index tells who has all the pieces, and
// these messages are read to see whether they have the pattern itself. Patterns of punctuation alone, shorter than three
// characters, have no pieces: all messages of the folder are read.
//
// What is indexed at once becomes a segment: its words, one after another in
// order, in pages; and beside each page the places of the objects that have
// them, as distances or as bitmaps. A segment never changes. Eight of about one
// size are merged into one; what was removed is left out then.
//
// The index follows the store's events behind the deliveries. What it has not
// taken up when a search comes, it takes up within Options.Wait; what is left
// then is read. It takes no more of the disk than mail can spare: without space
// it waits. It can be lost at any time and is made anew.
//
// It lies in an SQLite file of its own, or in tables of the PostgreSQL
// database.
package search
