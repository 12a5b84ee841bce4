package imap

import (
	"time"
	"unicode/utf8"
)

// SearchOp is what a SearchKey asks.
type SearchOp uint8

// The search keys (RFC 9051 section 6.4.4, RFC 3501, RFC 5032, RFC 7162, RFC
// 8474, RFC 8514, RFC 6203). What each uses of SearchKey is said.
const (
	SearchAnd               SearchOp = iota // Keys: all of them; of none: ALL
	SearchOr                                // Keys: two
	SearchNot                               // Keys: one
	SearchFlag                              // Flag is set (with Recent: RECENT)
	SearchNoFlag                            // Flag is not set
	SearchKeyword                           // Str is set
	SearchNoKeyword                         // Str is not set
	SearchSeq                               // Set, or Set.Saved
	SearchUID                               // Set, or Set.Saved
	SearchHeader                            // Field has Str; Str "": Field is there
	SearchBcc                               // Str
	SearchCc                                // Str
	SearchFrom                              // Str
	SearchTo                                // Str
	SearchSubject                           // Str
	SearchBody                              // Str
	SearchText                              // Str
	SearchBefore                            // Date: INTERNALDATE, its day
	SearchOn                                // Date
	SearchSince                             // Date
	SearchSentBefore                        // Date: the Date field, its day
	SearchSentOn                            // Date
	SearchSentSince                         // Date
	SearchSavedBefore                       // Date
	SearchSavedOn                           // Date
	SearchSavedSince                        // Date
	SearchSaveDateSupported                 // nothing
	SearchLarger                            // Num
	SearchSmaller                           // Num
	SearchOlder                             // Num: seconds
	SearchYounger                           // Num: seconds
	SearchModSeq                            // Num: this or above
	SearchEmailID                           // Str
	SearchThreadID                          // Str
	SearchFuzzy                             // Keys: one
)

// Bounds of SEARCH.
const (
	MaxSearchKeys  = 2000 // keys of one command
	MaxSearchDepth = 500  // of parentheses, OR and NOT within each other
	MaxSearchText  = 1024 // octets of a text to look for
)

// SearchKey is a search key, perhaps with others below it.
type SearchKey struct {
	Op    SearchOp
	Flag  Flag
	Num   uint64
	Date  time.Time // midnight, UTC
	Field string
	Str   string // UTF-8
	Set   NumSet
	Keys  []SearchKey
}

// Return are the result options, as bits (RFC 9051 section 6.4.4, RFC 4731,
// RFC 5182).
type Return uint8

// The result options.
const (
	ReturnMin Return = 1 << iota
	ReturnMax
	ReturnAll
	ReturnCount
	ReturnSave
)

var returnNames = [...]string{"MIN", "MAX", "ALL", "COUNT", "SAVE"}

// Results says what a client wants to hear.
type Results struct {
	// Extended tells that RETURN was given: the answer is ESEARCH.
	Extended bool
	Options  Return
	Partial  Partial // RFC 9394; zero: not given
}

// Search is the SEARCH command.
type Search struct {
	Results
	Key SearchKey // SearchAnd
}

// Search expects what follows the command's name.
func (d *Decoder) Search(out *Search) bool {
	*out = Search{}
	if !d.results(&out.Results) || !d.SP() {
		return false
	}
	if d.TakeWord("CHARSET") && (!d.SP() || !d.charset() || !d.SP()) {
		return false
	}
	return d.searchProgram(&out.Key)
}

// results takes RETURN (...) with the space before it; RETURN () is ALL.
func (d *Decoder) results(out *Results) bool {
	start := d.pos
	if !d.Take(' ') || !d.TakeWord("RETURN") {
		d.pos = start
		return d.err == nil
	}
	out.Extended = true
	if !d.SP() || !d.List(func() bool {
		if out.Partial == (Partial{}) && d.TakeWord("PARTIAL") {
			return d.SP() && d.partial(&out.Partial)
		}
		return takeBit(d, returnNames[:], &out.Options, "a result option")
	}) {
		return false
	}
	if out.Options&ReturnAll != 0 && out.Partial != (Partial{}) {
		return d.Fail("either ALL or PARTIAL") // RFC 9394 section 3.1
	}
	if out.Options == 0 && out.Partial == (Partial{}) {
		out.Options = ReturnAll
	}
	return true
}

// charset expects a charset that we know.
func (d *Decoder) charset() bool {
	var b []byte
	if !d.Astring(&b) {
		return false
	}
	if equalFold(b, "UTF-8") || equalFold(b, "US-ASCII") || equalFold(b, "ASCII") || equalFold(b, "UTF8") {
		return true
	}
	return d.Refuse("BADCHARSET (US-ASCII UTF-8)", "unknown charset")
}

// searchProgram expects keys to the end of the command.
func (d *Decoder) searchProgram(out *SearchKey) bool {
	s := searchParser{d: d, left: MaxSearchKeys}
	for {
		var k SearchKey
		if !s.key(&k, 0) {
			return false
		}
		out.Keys = append(out.Keys, k)
		if d.AtEnd() {
			return true
		}
		if !d.SP() {
			return false
		}
	}
}

// searchParser counts keys.
type searchParser struct {
	d    *Decoder
	left int
}

// key expects one search key.
func (s *searchParser) key(out *SearchKey, depth int) bool {
	d := s.d
	if s.left--; s.left < 0 || depth > MaxSearchDepth {
		return d.Refuse("LIMIT", "the search has too many keys")
	}
	switch c := d.Peek(); {
	case c == '(':
		return s.list(out, depth)
	case c == '*' || c == '$' || isDigit(c):
		out.Op = SearchSeq
		return d.NumSet(&out.Set)
	}
	start := d.pos
	var w []byte
	if !d.Atom(&w) {
		return false
	}
	if flagKey(w, out) {
		return true
	}
	k, ok := searchKeyNamed(w)
	if !ok {
		d.pos = start
		return d.Fail("a search key")
	}
	out.Op = k.op
	return k.arg == argNone || d.SP() && s.arg(k.arg, out, depth)
}

func (s *searchParser) list(out *SearchKey, depth int) bool {
	d := s.d
	return d.List(func() bool {
		var k SearchKey
		if !s.key(&k, depth+1) {
			return false
		}
		out.Keys = append(out.Keys, k)
		return true
	}) && (len(out.Keys) > 0 || d.Fail("a search key"))
}

// searchArg is what follows the name of a key.
type searchArg uint8

const (
	argNone searchArg = iota
	argText
	argHeader
	argKeyword
	argDate
	argNumber
	argInterval
	argSet
	argModSeq
	argID
	argKey
	argKeys
)

func (s *searchParser) arg(a searchArg, out *SearchKey, depth int) bool {
	d := s.d
	switch a {
	case argText:
		return s.text(&out.Str)
	case argHeader:
		return s.text(&out.Field) && d.SP() && s.text(&out.Str)
	case argKeyword:
		var f Flags
		if d.Peek() == '\\' {
			return d.Fail("a keyword")
		}
		if !d.Flag(&f) {
			return false
		}
		out.Str = f.Keywords[0]
		return true
	case argDate:
		return d.Date(&out.Date)
	case argNumber:
		return d.Number64(&out.Num)
	case argInterval:
		return d.Number64(&out.Num) && (out.Num > 0 || d.Fail("a number above 0"))
	case argSet:
		return d.NumSet(&out.Set)
	case argModSeq:
		return s.modSeq(out)
	case argID:
		var b []byte
		if !d.Astring(&b) {
			return false
		}
		out.Str = string(b)
		return true
	case argKeys:
		out.Keys = make([]SearchKey, 2)
		return s.key(&out.Keys[0], depth+1) && d.SP() && s.key(&out.Keys[1], depth+1)
	}
	out.Keys = make([]SearchKey, 1)
	return s.key(&out.Keys[0], depth+1)
}

// text expects a text to look for: without a charset it is UTF-8, too.
func (s *searchParser) text(out *string) bool {
	var b []byte
	if !s.d.Astring(&b) {
		return false
	}
	if len(b) > MaxSearchText {
		return s.d.Refuse("LIMIT", "the text to search for is too long")
	}
	if !utf8.Valid(b) {
		return s.d.Refuse("BADCHARSET (US-ASCII UTF-8)", "the text to search for is not in the charset")
	}
	*out = string(b)
	return true
}

// modSeq expects the argument of MODSEQ; the entry and its type are for
// annotations, which have no modification sequences of their own (RFC 7162
// section 3.1.5).
func (s *searchParser) modSeq(out *SearchKey) bool {
	d := s.d
	if d.Peek() == '"' {
		var b []byte
		if !d.String(&b) || !d.SP() {
			return false
		}
		if !d.TakeWord("PRIV") && !d.TakeWord("SHARED") && !d.Word("ALL") || !d.SP() {
			return false
		}
	}
	return d.Number64(&out.Num)
}
