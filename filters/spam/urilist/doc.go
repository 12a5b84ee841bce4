// Package urilist asks DNS lists about what a message carries while it still
// arrives: domains and hosts of its links, the addresses of these hosts, mail
// addresses and files. It knows the conventions of URIBL and SURBL (bit masks),
// Spamhaus' DBL, ZRD and HBL, MSBL's EBL and the like. An answer by which a
// list says that it was asked in the wrong way or too often (127.255.255.x and
// others, see dnslist.Refusal) never counts as a listing.
//
//	lists, err := urilist.New(opt, resolver)
//	q := lists.Start(ctx)     // when the message begins
//	q.Add(u)                  // for each link as it is found
//	q.AddAddress("a@b.test")  // From, Reply-To, addresses in the text
//	q.AddHash(sum)            // SHA-256, SHA-1 or MD5 of an attachment
//	hits, err := q.Wait(ctx)  // when it has ended; or q.Close() if nobody asks
//
// A lookup starts when its subject is added, unless the cache has its answer.
// What a message may ask is bounded (Options.MaxLookups), each question is asked
// once, and domains of known brands are not asked about at all.
//
// A list of kind ip has the hosts of links resolved, which tells their owners
// that a message is being looked at. No other kind asks anybody but the list.
package urilist
