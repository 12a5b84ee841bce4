package imap

// searchName is a search key by its name.
type searchName struct {
	name string
	op   SearchOp
	arg  searchArg
}

// searchNames are those that have an argument, and some that have none.
var searchNames = [...]searchName{
	{"UID", SearchUID, argSet},
	{"HEADER", SearchHeader, argHeader},
	{"SUBJECT", SearchSubject, argText},
	{"FROM", SearchFrom, argText},
	{"TO", SearchTo, argText},
	{"BODY", SearchBody, argText},
	{"TEXT", SearchText, argText},
	{"NOT", SearchNot, argKey},
	{"OR", SearchOr, argKeys},
	{"SINCE", SearchSince, argDate},
	{"BEFORE", SearchBefore, argDate},
	{"ON", SearchOn, argDate},
	{"SENTSINCE", SearchSentSince, argDate},
	{"SENTBEFORE", SearchSentBefore, argDate},
	{"SENTON", SearchSentOn, argDate},
	{"SAVEDSINCE", SearchSavedSince, argDate},
	{"SAVEDBEFORE", SearchSavedBefore, argDate},
	{"SAVEDON", SearchSavedOn, argDate},
	{"SAVEDATESUPPORTED", SearchSaveDateSupported, argNone},
	{"KEYWORD", SearchKeyword, argKeyword},
	{"UNKEYWORD", SearchNoKeyword, argKeyword},
	{"LARGER", SearchLarger, argNumber},
	{"SMALLER", SearchSmaller, argNumber},
	{"OLDER", SearchOlder, argInterval},
	{"YOUNGER", SearchYounger, argInterval},
	{"MODSEQ", SearchModSeq, argModSeq},
	{"EMAILID", SearchEmailID, argID},
	{"THREADID", SearchThreadID, argID},
	{"CC", SearchCc, argText},
	{"BCC", SearchBcc, argText},
	{"FUZZY", SearchFuzzy, argKey},
}

func searchKeyNamed(w []byte) (searchName, bool) {
	for _, k := range searchNames {
		if equalFold(w, k.name) {
			return k, true
		}
	}
	return searchName{}, false
}

// flagKey takes the keys that name system flags, and ALL.
func flagKey(w []byte, out *SearchKey) bool {
	switch {
	case equalFold(w, "ALL"):
		*out = SearchKey{}
		return true
	case equalFold(w, "NEW"): // RFC 3501
		*out = SearchKey{Keys: []SearchKey{{Op: SearchFlag, Flag: Recent}, {Op: SearchNoFlag, Flag: Seen}}}
		return true
	case equalFold(w, "OLD"):
		*out = SearchKey{Op: SearchNoFlag, Flag: Recent}
		return true
	case equalFold(w, "RECENT"):
		*out = SearchKey{Op: SearchFlag, Flag: Recent}
		return true
	}
	op := SearchFlag
	if len(w) > 2 && equalFold(w[:2], "UN") {
		op, w = SearchNoFlag, w[2:]
	}
	f := systemFlag(w)
	if f == 0 {
		return false
	}
	*out = SearchKey{Op: op, Flag: f}
	return true
}
