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
// the set of grams in its texts, in no order: three characters each, one and two of
// scripts that write without spaces, the ends of words next to each other, and
// whole words, the header's and the body's apart. A search asks for the objects that have all the grams of the
// pattern and reads those to see whether they have the pattern itself; where
// the pattern is one word, objects that have it as a word need not be read. So
// answers are exact, whatever the index does not know. Patterns of one or two
// letters have no grams: all messages of the folder are read.
//
// The index follows the store's events behind the deliveries. What it has not
// taken up when a search comes, it takes up within Options.Wait; what is left
// then is read. It can be lost at any time and is made anew.
//
// It lies in an SQLite file of its own (FTS5, contentless), or in a PostgreSQL
// database (tsvector, GIN).
package search
