package imap

// SortBy is a sort key (RFC 5256, RFC 5957).
type SortBy uint8

// The sort keys.
const (
	SortArrival SortBy = iota
	SortCc
	SortDate
	SortFrom
	SortSize
	SortSubject
	SortTo
	SortDisplayFrom
	SortDisplayTo
	sortKeys
)

var sortNames = [sortKeys]string{"ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO"}

// MaxSortKeys bounds the criteria of one SORT: more than there are say nothing
// new.
const MaxSortKeys = 20

// SortKey is one sort criterion.
type SortKey struct {
	By      SortBy
	Reverse bool
}

// Sort is the SORT command.
type Sort struct {
	Results
	By  []SortKey
	Key SearchKey // SearchAnd
}

// Sort expects what follows the command's name.
func (d *Decoder) Sort(out *Sort) bool {
	*out = Sort{}
	if !d.results(&out.Results) || !d.SP() {
		return false
	}
	if !d.List(func() bool { return d.sortKey(out) }) {
		return false
	}
	if len(out.By) == 0 {
		return d.Fail("a sort criterion")
	}
	return d.SP() && d.charset() && d.SP() && d.searchProgram(&out.Key)
}

func (d *Decoder) sortKey(out *Sort) bool {
	if len(out.By) >= MaxSortKeys {
		return d.Refuse("LIMIT", "too many sort criteria")
	}
	var k SortKey
	if k.Reverse = d.TakeWord("REVERSE"); k.Reverse && !d.SP() {
		return false
	}
	var w []byte
	if !d.Atom(&w) {
		return false
	}
	for i, name := range sortNames {
		if equalFold(w, name) {
			k.By = SortBy(i)
			out.By = append(out.By, k)
			return true
		}
	}
	d.pos -= len(w)
	return d.Fail("a sort criterion")
}

// ThreadBy is a threading algorithm (RFC 5256).
type ThreadBy uint8

// The algorithms.
const (
	ThreadOrderedSubject ThreadBy = iota
	ThreadReferences
)

var threadNames = [...]string{"ORDEREDSUBJECT", "REFERENCES"}

// Thread is the THREAD command.
type Thread struct {
	By  ThreadBy
	Key SearchKey // SearchAnd
}

// Thread expects what follows the command's name.
func (d *Decoder) Thread(out *Thread) bool {
	*out = Thread{}
	if !d.SP() {
		return false
	}
	switch {
	case d.TakeWord("REFERENCES"):
		out.By = ThreadReferences
	case !d.TakeWord("ORDEREDSUBJECT"):
		return d.Fail("a threading algorithm")
	}
	return d.SP() && d.charset() && d.SP() && d.searchProgram(&out.Key)
}
